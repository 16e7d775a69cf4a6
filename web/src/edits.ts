/** The steps of one person's work: strokes on a photograph, its fill, strokes on that, and the way back. */

import { type Stroke } from "./strokes.ts";

/** One photograph with its hole, and its fill once there is one. */
export interface Edit<Picture> {
  readonly photo: Picture;
  readonly strokes: readonly Stroke[];
  readonly mask: Picture | null;
  readonly result: Picture | null;
}

export class Edits<Picture> {
  /** What was there before each step. */
  private readonly done: Edit<Picture>[] = [];
  current: Edit<Picture>;

  constructor(photo: Picture) {
    this.current = emptyEdit(photo);
  }

  get hasHole(): boolean {
    return this.current.strokes.length > 0 || this.current.mask !== null;
  }

  get canUndo(): boolean {
    return this.done.length > 0;
  }

  /** Begins a stroke; on a filled photograph the fill becomes the photograph. */
  begin(stroke: Stroke): void {
    const { strokes, ...rest } = this.goOn();
    this.current = { ...rest, strokes: [...strokes, stroke] };
  }

  setMask(mask: Picture): void {
    this.current = { ...this.goOn(), mask };
  }

  setResult(result: Picture): void {
    this.done.push(this.current);
    this.current = { ...this.current, result };
  }

  /** Takes back the last step: a stroke, a mask, a fill, or that the hole was cleared. */
  undo(): void {
    this.current = this.done.pop() ?? this.current;
  }

  /** Takes back the whole hole, and the fill of it. */
  clear(): void {
    this.done.push(this.current);
    this.current = emptyEdit(this.current.photo);
  }

  /** What a new step begins with. */
  private goOn(): Edit<Picture> {
    this.done.push(this.current);
    return this.current.result === null ? this.current : emptyEdit(this.current.result);
  }
}

function emptyEdit<Picture>(photo: Picture): Edit<Picture> {
  return { photo, strokes: [], mask: null, result: null };
}
