/** From a photograph and its hole to the filled photograph; the network is whatever is handed in. */

import { type Photograph, type Picture } from "./pictures.ts";
import { networkSize, prefill, shrinkKnown } from "./resample.ts";
import { type NetworkOutput, upscale } from "./upscale.ts";

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
  const unknown = unknownPixels(photo, hole);
  if (!unknown.includes(0)) throw new HoleError("All of the photograph is marked: leave something to fill it from.");
  onStage("shrink", 0);
  const small = shrinkKnown(photo, unknown, networkSize(photo));
  const prefilled = prefill(small);
  onStage("network", 0);
  const output = await run(prefilled, small.hole);
  onStage("upscale", 0);
  upscale(photo, unknown, small.touched, output, (share) => onStage("upscale", share));
}

/** The hole, and all that is fully transparent: its colour means nothing. */
function unknownPixels({ data }: Photograph, hole: Uint8Array): Uint8Array {
  const unknown = hole.slice();
  for (let i = 0; i < unknown.length; i++) if (data[4 * i + 3] === 0) unknown[i] = 1;
  return unknown;
}
