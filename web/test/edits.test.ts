import assert from "node:assert/strict";
import { test } from "node:test";

import { Edits } from "../src/edits.ts";

const stroke = (radiusPx: number) => ({ radiusPx, points: [{ x: 0, y: 0 }] });

test("undo takes back strokes, then the mask", () => {
  const edits = new Edits("photo");
  edits.setMask("mask");
  edits.begin(stroke(1));
  edits.begin(stroke(2));
  edits.undo();
  assert.deepEqual(edits.current.strokes, [stroke(1)]);
  edits.undo();
  assert.equal(edits.current.mask, "mask");
  assert.ok(edits.canUndo);
  edits.undo();
  assert.ok(!edits.hasHole && !edits.canUndo);
});

test("undo after a fill brings its hole back", () => {
  const edits = new Edits("photo");
  edits.begin(stroke(1));
  edits.setResult("fill");
  edits.undo();
  assert.equal(edits.current.result, null);
  assert.deepEqual(edits.current.strokes, [stroke(1)]);
});

test("a stroke on a fill goes on from it, and undo goes back to it", () => {
  const edits = new Edits("photo");
  edits.begin(stroke(1));
  edits.setResult("fill");
  edits.begin(stroke(2));
  assert.deepEqual(edits.current, { photo: "fill", strokes: [stroke(2)], mask: null, result: null });
  edits.undo();
  assert.deepEqual(edits.current, { photo: "photo", strokes: [stroke(1)], mask: null, result: "fill" });
});

test("undo takes back steps in their order", () => {
  const edits = new Edits("photo");
  edits.begin(stroke(1));
  edits.setMask("mask");
  edits.undo();
  assert.deepEqual(edits.current, { photo: "photo", strokes: [stroke(1)], mask: null, result: null });
  edits.setMask("mask");
  edits.setMask("other");
  edits.undo();
  assert.equal(edits.current.mask, "mask");
});

test("clear leaves the photograph, and undo leads back", () => {
  const edits = new Edits("photo");
  edits.begin(stroke(1));
  edits.setResult("fill");
  edits.clear();
  assert.deepEqual(edits.current, { photo: "photo", strokes: [], mask: null, result: null });
  edits.undo();
  assert.deepEqual(edits.current, { photo: "photo", strokes: [stroke(1)], mask: null, result: "fill" });
});

test("what is undone is as it was before, whatever came after", () => {
  const edits = new Edits("photo");
  edits.begin(stroke(1));
  const before = edits.current;
  edits.begin(stroke(2));
  edits.undo();
  assert.equal(edits.current, before);
  assert.deepEqual(before.strokes, [stroke(1)]);
});
