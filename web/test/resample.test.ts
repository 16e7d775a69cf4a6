import assert from "node:assert/strict";
import { test } from "node:test";

import { networkSize, prefill, shrinkKnown, spread } from "../src/resample.ts";
import { boxHole, flat, photograph } from "./planted.ts";

test("the network's picture has multiples of 32 in the photograph's aspect ratio", () => {
  assert.deepEqual(networkSize({ height: 1080, width: 1920 }), { height: 288, width: 512 });
  assert.deepEqual(networkSize({ height: 4000, width: 6000 }), { height: 352, width: 512 });
  assert.deepEqual(networkSize({ height: 512, width: 512 }), { height: 512, width: 512 });
  assert.deepEqual(networkSize({ height: 8, width: 9000 }), { height: 32, width: 512 });
});

test("a photograph that is seen in its own size is rounded up", () => {
  assert.deepEqual(networkSize({ height: 300, width: 451 }), { height: 320, width: 480 });
  assert.deepEqual(networkSize({ height: 1, width: 1 }), { height: 32, width: 32 });
});

test("pixels on a border of cells count by their share", () => {
  const photo = photograph(1, 3, (_, x) => [0, 30, 60][x]);
  const { picture } = shrinkKnown(photo, new Uint8Array(3), { height: 1, width: 2 });
  // Cells of 1.5 px: (0 + 30 / 2) / 1.5 and (30 / 2 + 60) / 1.5.
  assert.deepEqual([picture.values[0], picture.values[3]], [10, 50]);
});

test("what is in the hole never bleeds into what is known", () => {
  const hole = boxHole(40, 60, 10, 13, 12);
  const photo = photograph(40, 60, (y, x) => (hole[y * 60 + x] ? 255 : 90));
  const small = shrinkKnown(photo, hole, { height: 13, width: 17 });
  small.hole.forEach((isHole, i) => assert.equal(small.picture.values[3 * i], isHole ? 0 : 90));
  assert.ok(small.hole.includes(1));
});

test("a small pixel is known from 30 % on, and touched as soon as any of it is hole", () => {
  const photo = photograph(10, 20, () => 50);
  const hole = new Uint8Array(200);
  // The left cell keeps 30 of 100 pixels, the right one 99.
  for (let y = 0; y < 7; y++) hole.fill(1, y * 20, y * 20 + 10);
  hole[19] = 1;
  const { hole: small, touched } = shrinkKnown(photo, hole, { height: 1, width: 2 });
  assert.deepEqual([...small], [0, 0]);
  assert.deepEqual([...touched], [1, 1]);
  hole[140] = 1;
  assert.deepEqual([...shrinkKnown(photo, hole, { height: 1, width: 2 }).hole], [1, 0]);
});

test("where nothing is known well enough, whatever is known has to do", () => {
  const hole = new Uint8Array(100).fill(1);
  hole[42] = 0;
  const small = shrinkKnown(photograph(10, 10, () => 70), hole, { height: 1, width: 1 });
  assert.deepEqual([...small.hole], [0]);
  assert.ok(Math.abs(small.picture.values[0] - 70) < 1e-4);
});

test("a hole in an even picture is filled evenly, and known pixels stay as they are", () => {
  const hole = boxHole(33, 20, 5, 4, 11);
  const picture = flat(33, 20, 77);
  picture.values[0] = 5;
  const small = { picture, hole, touched: hole };
  const filled = prefill(small);
  assert.equal(filled.values[0], 5);
  assert.ok(Math.abs(filled.values[3 * (10 * 20 + 9)] - 77) < 1);
});

test("with few halvings values fade to zero away from where they are given", () => {
  const weight = new Float32Array(32 * 32);
  weight[0] = 1;
  const { values } = spread(flat(32, 32, 40), weight, 2);
  assert.ok(Math.abs(values[0] - 40) < 1e-4);
  assert.ok(values[3 * 2] > 1);
  assert.equal(values[3 * 31], 0);
});
