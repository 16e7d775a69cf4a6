/** From a photograph and its hole to the filled photograph; the network is whatever is handed in. */

import { type Box, cut, cutBytes, paste, type Photograph, type Picture, type Size } from "./pictures.ts";
import { FIRST_PX, networkSize, prefill, shrinkKnown } from "./resample.ts";
import { type NetworkOutput, upscale } from "./upscale.ts";

/** How much longer than the hole the window is that the network sees. */
const WINDOW_SHARE = 3;

/**
 * Runs the network.
 *
 * @param prefilled - H x W x 3 in 0..255, the hole prefilled; H and W multiples of 32.
 * @param hole - a byte per pixel of it, 1 = fill.
 */
export type RunNetwork = (prefilled: Picture, hole: Uint8Array) => Promise<NetworkOutput>;

export type Stage = "shrink" | "network" | "upscale";

/** A hole that cannot be filled; the message is for the person who made it. */
export class HoleError extends Error {}

/**
 * Fills the hole of a photograph in place, at full resolution; known pixels stay as they are.
 *
 * @param hole - a byte per pixel, 1 = fill.
 * @param onStage - told what begins, and within the upscaling the share that is done.
 */
export async function fillPhotograph(
  photo: Photograph,
  hole: Uint8Array,
  run: RunNetwork,
  onStage: (stage: Stage, share: number) => void = () => undefined,
): Promise<void> {
  if (!hole.includes(1)) throw new HoleError("Nothing is marked yet: brush over what is to go.");
  const whole = { top: 0, left: 0, height: photo.height, width: photo.width };
  for (const window of [windowOf(hole, photo), whole]) {
    const seen = cut(photo, window);
    const unknown = unknownPixels(seen, cutBytes(hole, photo.width, window, 1));
    // Around the hole all may be transparent, as beside a sprite.
    if (unknown.includes(0)) return fillWindow(photo, window, seen, unknown, run, onStage);
  }
  throw new HoleError("All of the photograph is marked or transparent: leave something to fill it from.");
}

async function fillWindow(
  photo: Photograph,
  window: Box,
  seen: Photograph,
  unknown: Uint8Array,
  run: RunNetwork,
  onStage: (stage: Stage, share: number) => void,
): Promise<void> {
  onStage("shrink", 0);
  const small = shrinkKnown(seen, unknown, networkSize(seen));
  const prefilled = prefill(small);
  onStage("network", 0);
  const output = await run(prefilled, small.hole);
  onStage("upscale", 0);
  upscale(seen, unknown, small.touched, output, (share) => onStage("upscale", share));
  paste(seen, photo, window);
}

/** A square around the hole, three times as long as it, at least 512 px; inside the photograph. */
export function windowOf(hole: Uint8Array, { height, width }: Size): Box {
  let [top, bottom, left, right] = [height, 0, width, 0];
  for (let y = 0; y < height; y++) {
    const line = hole.subarray(y * width, (y + 1) * width);
    const first = line.indexOf(1);
    if (first < 0) continue;
    top = Math.min(top, y);
    bottom = y + 1;
    left = Math.min(left, first);
    right = Math.max(right, line.lastIndexOf(1) + 1);
  }
  const side = Math.max(WINDOW_SHARE * Math.max(bottom - top, right - left), FIRST_PX);
  const size = { height: Math.min(side, height), width: Math.min(side, width) };
  const start = (first: number, end: number, length: number, full: number): number =>
    Math.min(Math.max(Math.floor((first + end - length) / 2), 0), full - length);
  return { ...size, top: start(top, bottom, size.height, height), left: start(left, right, size.width, width) };
}

/** The hole, and all that is fully transparent: its colour means nothing. */
function unknownPixels({ data }: Photograph, hole: Uint8Array): Uint8Array {
  const unknown = hole.slice();
  for (let i = 0; i < unknown.length; i++) if (data[4 * i + 3] === 0) unknown[i] = 1;
  return unknown;
}
