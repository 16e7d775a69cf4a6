import assert from "node:assert/strict";
import { test } from "node:test";

import { type Photograph } from "../src/pictures.ts";
import { shrinkKnown } from "../src/resample.ts";
import { upscale } from "../src/upscale.ts";
import { boxHole, chance, flat, outputOf, photograph, stripes } from "./planted.ts";

const SMALL = { height: 64, width: 64 };
const FULL_PX = 128;

function filledWith(photo: Photograph, hole: Uint8Array, sourceOf: (row: number, column: number) => readonly [number, number]): Photograph {
  const result = { ...photo, data: photo.data.slice() };
  for (let i = 0; i < hole.length; i++) if (hole[i]) result.data.fill(0, 4 * i, 4 * i + 3);
  const small = shrinkKnown(photo, hole, SMALL);
  // The truth at the network's size, as if the network were perfect.
  const { picture } = shrinkKnown(photo, new Uint8Array(hole.length), SMALL);
  upscale(result, hole, small.touched, outputOf(picture, sourceOf));
  return result;
}

function largestDifference(a: Photograph, b: Photograph): number {
  return a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - b.data[i])), 0);
}

test("a texture that repeats is copied as it is", () => {
  const photo = photograph(FULL_PX, FULL_PX, stripes);
  const hole = boxHole(FULL_PX, FULL_PX, 50, 47, 30);
  // A token is one period wide: three tokens up it is the same, and known.
  const result = filledWith(photo, hole, (row, column) => [Math.max(row - 3, 0), column]);
  assert.ok(largestDifference(result, photo) <= 1);
});

test("sources that hold any hole do not count: the enlarged fill is left", () => {
  const photo = photograph(FULL_PX, FULL_PX, () => 100);
  const hole = boxHole(FULL_PX, FULL_PX, 48, 48, 32);
  const small = shrinkKnown(photo, hole, SMALL);
  upscale(photo, hole, small.touched, outputOf(flat(64, 64, 100), (row, column) => [row, column]));
  assert.equal(photo.data[4 * (64 * FULL_PX + 64)], 100);
});

test("between two tokens their copies change over evenly", () => {
  const photo = photograph(FULL_PX, FULL_PX, (_, x) => (x < 32 ? 200 : x < 96 ? 0 : 40));
  const hole = boxHole(FULL_PX, FULL_PX, 32, 32, 64);
  const small = shrinkKnown(photo, hole, SMALL);
  // All is detail where the network's picture is black.
  upscale(photo, hole, small.touched, outputOf(flat(64, 64, 0), (row, column) => [row, column < 4 ? 0 : 7]));
  // Column 60 lies 9/32 of the way from the fourth token to the fifth: norm .7718.
  assert.equal(photo.data[4 * (64 * FULL_PX + 60)], Math.round((200 * (23 / 32) + 40 * (9 / 32)) / 0.7718));
});

test("mixing copies takes away no contrast", () => {
  const random = chance();
  const photo = photograph(FULL_PX, FULL_PX, () => 100 + 60 * random());
  const hole = boxHole(FULL_PX, FULL_PX, 40, 40, 48);
  // Neighbouring tokens are copied from different places.
  const result = filledWith(photo, hole, (row, column) => [(row * 5 + column * 3) % 2, (row * 3 + column) % 8]);
  const deviation = ({ data }: Photograph): number => {
    const values = [...hole.keys()].filter((i) => hole[i]).map((i) => data[4 * i]);
    const mean = values.reduce((sum, value) => sum + value) / values.length;
    return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
  };
  assert.ok(Math.abs(deviation(result) / deviation(photo) - 1) < 0.08);
});

test("a fill of another tone is bent to meet the known pixels", () => {
  const photo = photograph(FULL_PX, FULL_PX, () => 100);
  const hole = boxHole(FULL_PX, FULL_PX, 32, 32, 64);
  const small = shrinkKnown(photo, hole, SMALL);
  const filled = flat(64, 64, 100);
  small.hole.forEach((isHole, i) => isHole && filled.values.fill(120, 3 * i, 3 * i + 3));
  upscale(photo, hole, small.touched, outputOf(filled, (row) => [row < 4 ? 0 : 7, 0]));
  const levels = [30, 32, 64].map((y) => photo.data[4 * (y * FULL_PX + 64)]);
  // Enlarged, the step of 20 is 5 too high on the last known row and 15 on the first unknown one, which takes the 5 off.
  assert.deepEqual(levels, [100, 110, 120]);
});

test("known pixels and alpha stay as they are, at factors that are no whole numbers too", () => {
  const random = chance();
  const photo = photograph(100, 150, () => 255 * random());
  const hole = boxHole(100, 150, 20, 0, 30);
  const result = { ...photo, data: photo.data.slice() };
  const small = shrinkKnown(photo, hole, SMALL);
  upscale(result, hole, small.touched, outputOf(small.picture, (row, column) => [(row + 5) % 8, (column + 3) % 8]));
  let changed = 0;
  result.data.forEach((value, i) => {
    if (!hole[i >> 2] || i % 4 === 3) assert.equal(value, photo.data[i]);
    else if (value !== photo.data[i]) changed++;
  });
  assert.ok(changed > 2000);
});
