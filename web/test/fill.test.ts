import assert from "node:assert/strict";
import { test } from "node:test";

import { fillPhotograph, HoleError, type RunNetwork, windowOf } from "../src/fill.ts";
import { whiteOf } from "../src/pictures.ts";
import { boxHole, outputOf, photograph } from "./planted.ts";

/** A network that leaves the prefill as it is and copies from the top left. */
const still: RunNetwork = (prefilled) => Promise.resolve(outputOf(prefilled, () => [0, 0]));

test("an even photograph is filled evenly", async () => {
  const photo = photograph(90, 120, () => 81);
  const hole = boxHole(90, 120, 30, 40, 25);
  for (let i = 0; i < hole.length; i++) if (hole[i]) photo.data.fill(0, 4 * i, 4 * i + 3);
  await fillPhotograph(photo, hole, still);
  assert.deepEqual(photo, photograph(90, 120, () => 81));
});

test("the network sees what lies in the hole as little as what is transparent", async () => {
  const photo = photograph(64, 64, () => 81);
  photo.data.fill(0, 0, 4 * 64 * 20);
  const hole = boxHole(64, 64, 40, 40, 10);
  let seen = 0;
  await fillPhotograph(photo, hole, (prefilled, small) => {
    seen = Math.min(...prefilled.values);
    assert.equal(small[0], 1);
    return still(prefilled, small);
  });
  assert.ok(Math.abs(seen - 81) < 1);
});

test("the window is a square around the hole, inside the photograph", () => {
  const windowOfBox = (height: number, width: number, top: number, left: number, side: number) =>
    Object.values(windowOf(boxHole(height, width, top, left, side), { height, width }));
  // Height, width, top, left.
  assert.deepEqual(windowOfBox(1500, 2000, 500, 1000, 200), [600, 600, 300, 800]);
  assert.deepEqual(windowOfBox(1500, 2000, 500, 1000, 1), [512, 512, 244, 744]);
  assert.deepEqual(windowOfBox(1500, 2000, 0, 1700, 300), [900, 900, 0, 1100]);
  assert.deepEqual(windowOfBox(700, 2000, 100, 1000, 300), [700, 900, 0, 700]);
});

test("the network sees the window, and nothing but the hole changes", async () => {
  const photo = photograph(600, 900, (y, x) => (x < 300 ? 0 : 90 + ((x + y) % 2)));
  const kept = photo.data.slice();
  const hole = boxHole(600, 900, 300, 700, 20);
  await fillPhotograph(photo, hole, (prefilled, small) => {
    assert.deepEqual([prefilled.height, prefilled.width], [512, 512]);
    assert.ok(prefilled.values.every((value) => value > 80));
    return still(prefilled, small);
  });
  photo.data.forEach((value, i) => hole[i >> 2] || assert.equal(value, kept[i]));
  const middle = photo.data[4 * (310 * 900 + 710)];
  assert.ok(middle >= 85 && middle <= 96);
});

test("stages are told in order", async () => {
  const told: string[] = [];
  await fillPhotograph(photograph(64, 64, () => 9), boxHole(64, 64, 10, 10, 9), still, (stage, share) => {
    if (share === 0 || share === 1) told.push(`${stage} ${share}`);
  });
  assert.deepEqual(told, ["shrink 0", "network 0", "upscale 0", "upscale 1"]);
});

test("no hole, and nothing but hole, are refused", async () => {
  const photo = photograph(40, 40, () => 9);
  await assert.rejects(fillPhotograph(photo, new Uint8Array(1600), still), HoleError);
  await assert.rejects(fillPhotograph(photo, new Uint8Array(1600).fill(1), still), /leave something/);
});

test("where all around the hole is transparent, the whole photograph is seen", async () => {
  const photo = photograph(900, 900, () => 81);
  for (let i = 0; i < 900 * 900; i++) if (i % 900 < 700) photo.data.fill(0, 4 * i, 4 * i + 4);
  const hole = boxHole(900, 900, 20, 20, 9);
  await fillPhotograph(photo, hole, still);
  const at = 4 * (24 * 900 + 24);
  assert.deepEqual([...photo.data.slice(at, at + 3)], [81, 82, 83]);
});

test("a mask marks what is bright in any channel", () => {
  const rgba = new Uint8ClampedArray([255, 0, 0, 255, 0, 128, 0, 255, 127, 127, 127, 255, 0, 0, 200, 255]);
  assert.deepEqual([...whiteOf(rgba)], [1, 1, 0, 1]);
});
