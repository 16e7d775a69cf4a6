// From marks to a mask: one byte a pixel, 1 = fill. Drawn here and not on a canvas, because a canvas softens edges and
// has a largest size.

import { wholePixels } from "./hole.js";

/** @import { Line, Mark } from "./hole.js" */

/**
 * The mask of some marks; a pixel belongs to a line if its centre does.
 * @param {readonly Mark[]} marks
 * @param {number} width
 * @param {number} height
 * @returns {Uint8Array<ArrayBuffer>} row by row
 */
export function drawMask(marks, width, height) {
  const mask = new Uint8Array(width * height);
  for (const mark of marks) {
    if (mark.kind === "clear") {
      mask.fill(0);
    } else if (mark.kind === "box") {
      const { left, top, right, bottom } = wholePixels(mark, width, height);
      for (let y = top; y < bottom; y++) mask.fill(1, y * width + left, y * width + Math.max(left, right));
    } else {
      drawLine(mask, width, height, mark);
    }
  }
  return mask;
}

/**
 * @param {Uint8Array} mask
 * @param {number} width
 * @param {number} height
 * @param {Line} line
 */
function drawLine(mask, width, height, { kind, size, points }) {
  const value = kind === "brush" ? 1 : 0;
  for (let i = 0; i < points.length; i += 2) {
    const [x0, y0] = [points[i], points[i + 1]];
    const [x1, y1] = i + 2 < points.length ? [points[i + 2], points[i + 3]] : [x0, y0];
    const radius = size / 2;
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - radius));
    const bottom = Math.min(height, Math.ceil(Math.max(y0, y1) + radius));
    for (let y = top; y < bottom; y++) {
      const [from, to] = across(x0, y0, x1, y1, radius, y + 0.5);
      const left = Math.max(0, Math.ceil(from - 0.5));
      const right = Math.min(width, Math.floor(to - 0.5) + 1);
      if (right > left) mask.fill(value, y * width + left, y * width + right);
    }
  }
}

/**
 * Where a horizontal line runs through a capsule, which is what a round tip leaves from one point to another.
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 * @param {number} radius
 * @param {number} y
 * @returns {[number, number]} first and last x; Infinity and -Infinity where it does not
 */
function across(x0, y0, x1, y1, radius, y) {
  let [from, to] = [Infinity, -Infinity];
  /** @param {number} x */
  const reach = (x) => {
    from = Math.min(from, x);
    to = Math.max(to, x);
  };
  for (const [x, centre] of [[x0, y0], [x1, y1]]) {
    const half = radius ** 2 - (y - centre) ** 2;
    if (half >= 0) {
      reach(x - Math.sqrt(half));
      reach(x + Math.sqrt(half));
    }
  }
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (length > 0) {
    // The two long sides; the capsule is convex, so that its outermost crossings are enough.
    const [across_x, across_y] = [(-(y1 - y0) / length) * radius, ((x1 - x0) / length) * radius];
    for (const side of [-1, 1]) {
      const [a, b] = [y0 + side * across_y, y1 + side * across_y];
      if (a !== b && (y - a) * (y - b) <= 0) reach(x0 + side * across_x + ((y - a) / (b - a)) * (x1 - x0));
    }
  }
  return [from, to];
}
