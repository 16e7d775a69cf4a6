import assert from "node:assert/strict";
import { test } from "node:test";

import { markStrokes, type Point } from "../src/strokes.ts";

function marked(width: number, height: number, radiusPx: number, ...points: Point[]): string[] {
  const hole = new Uint8Array(width * height);
  markStrokes(hole, width, height, [{ radiusPx, points }]);
  return Array.from({ length: height }, (_, y) => hole.subarray(y * width, (y + 1) * width).join(""));
}

test("a dot marks the pixels whose centre lies within the radius", () => {
  assert.deepEqual(marked(5, 5, 1.1, { x: 2.5, y: 2.5 }), ["00000", "00100", "01110", "00100", "00000"]);
});

test("a line is marked between its points", () => {
  const line = marked(7, 3, 0.6, { x: 1.5, y: 1.5 }, { x: 3.5, y: 1.5 }, { x: 5.5, y: 1.5 });
  assert.deepEqual(line, ["0000000", "0111110", "0000000"]);
});

test("a slanted line has no gaps", () => {
  assert.deepEqual(marked(4, 4, 0.4, { x: 0.5, y: 0.5 }, { x: 3.5, y: 3.5 }), ["1000", "0100", "0010", "0001"]);
});

test("what is brushed beyond the picture does no harm", () => {
  assert.deepEqual(marked(3, 2, 1, { x: -1, y: -9 }, { x: 0.2, y: 0.5 }), ["100", "000"]);
  assert.deepEqual(marked(3, 2, 1, { x: 90, y: 90 }), ["000", "000"]);
});

test("what is marked already stays", () => {
  const hole = Uint8Array.of(1, 0, 0, 0);
  markStrokes(hole, 4, 1, [{ radiusPx: 0.5, points: [{ x: 3.5, y: 0.5 }] }]);
  assert.deepEqual([...hole], [1, 0, 0, 1]);
});
