/** The steps of one person's work: strokes on a photograph, its fill, strokes on that, and the way back. */

import { type Stroke } from "./strokes.ts";

/** One photograph with its hole, and its fill once there is one. */
export interface Edit<Picture> {
  photo: Picture;
  strokes: Stroke[];
  mask: Picture | null;
  result: Picture | null;
}

export class Edits<Picture> {
  private readonly done: Edit<Picture>[] = [];
  current: Edit<Picture>;

  constructor(photo: Picture) {
    this.current = emptyEdit(photo);
  }

  get hasHole(): boolean {
    return this.current.strokes.length > 0 || this.current.mask !== null;
  }

  get canUndo(): boolean {
    return this.hasHole || this.done.length > 0;
  }

  /** Begins a stroke; on a filled photograph the fill becomes the photograph. */
  begin(stroke: Stroke): void {
    this.goOn();
    this.current.strokes.push(stroke);
  }

  setMask(mask: Picture): void {
    this.goOn();
    this.current.mask = mask;
  }

  setResult(result: Picture): void {
    this.current.result = result;
  }

  /** Takes back the last step: a fill, a stroke or a mask; the first one on a fill brings that fill back. */
  undo(): void {
    if (this.current.result !== null) {
      this.current.result = null;
      return;
    }
    if (this.current.strokes.length > 0) this.current.strokes.pop();
    else this.current.mask = null;
    if (!this.hasHole) this.current = this.done.pop() ?? this.current;
  }

  /** Takes back the whole hole. */
  clear(): void {
    this.current = emptyEdit(this.current.photo);
  }

  private goOn(): void {
    if (this.current.result === null) return;
    this.done.push(this.current);
    this.current = emptyEdit(this.current.result);
  }
}

function emptyEdit<Picture>(photo: Picture): Edit<Picture> {
  return { photo, strokes: [], mask: null, result: null };
}
