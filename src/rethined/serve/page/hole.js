// What is to be filled: a list of marks, so that undoing is taking one off.

/**
 * A line drawn with a round tip: `points` is x, y, x, y... in pixels of the photograph, `size` the diameter.
 * @typedef {{kind: "brush" | "erase", size: number, points: number[]}} Line
 */
/**
 * A rectangle between two corners, in pixels of the photograph.
 * @typedef {{kind: "box", x0: number, y0: number, x1: number, y1: number}} Box
 */
/** @typedef {Line | Box | {kind: "clear"}} Mark */

export class Hole {
  /** @type {Mark[]} */
  marks = [];
  /** @type {Mark[]} */
  #undone = [];

  /** @param {Mark} mark */
  add(mark) {
    this.marks.push(mark);
    this.#undone = [];
  }

  undo() {
    const mark = this.marks.pop();
    if (mark) this.#undone.push(mark);
  }

  redo() {
    const mark = this.#undone.pop();
    if (mark) this.marks.push(mark);
  }

  /** Takes everything away, in a way that can be undone. */
  clear() {
    if (!this.isEmpty) this.add({ kind: "clear" });
  }

  get canUndo() {
    return this.marks.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** Middle between left and right of what is marked, in pixels of the photograph; `null` where nothing is. */
  get middleX() {
    const marks = this.marks.slice(this.marks.findLastIndex((mark) => mark.kind === "clear") + 1);
    let [left, right] = [Infinity, -Infinity];
    for (const mark of marks) {
      if (mark.kind !== "box" && mark.kind !== "brush") continue;
      const all = mark.kind === "box" ? [mark.x0, mark.x1] : mark.points.filter((_, i) => i % 2 === 0);
      for (const x of all) [left, right] = [Math.min(left, x), Math.max(right, x)];
    }
    return left <= right ? (left + right) / 2 : null;
  }

  /** Whether surely nothing is marked; an eraser may have left nothing all the same. */
  get isEmpty() {
    const marks = this.marks.slice(this.marks.findLastIndex((mark) => mark.kind === "clear") + 1);
    return !marks.some((mark) => mark.kind === "brush" || mark.kind === "box");
  }
}

/**
 * The box in whole pixels that its corners touch, inside the photograph.
 * @param {Box} box
 * @param {number} width
 * @param {number} height
 * @returns {{left: number, top: number, right: number, bottom: number}} right and bottom are the first outside
 */
export function wholePixels(box, width, height) {
  return {
    left: Math.max(0, Math.floor(Math.min(box.x0, box.x1))),
    top: Math.max(0, Math.floor(Math.min(box.y0, box.y1))),
    right: Math.min(width, Math.ceil(Math.max(box.x0, box.x1))),
    bottom: Math.min(height, Math.ceil(Math.max(box.y0, box.y1))),
  };
}
