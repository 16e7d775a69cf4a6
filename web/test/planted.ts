/** What tests plant: photographs, holes and networks whose fill is known. */

import { emptyPicture, type Photograph, type Picture } from "../src/pictures.ts";
import { type NetworkOutput, TOKEN_PX } from "../src/upscale.ts";

export const PERIOD_PX = 16;

/** A photograph from what each pixel's grey level is. */
export function photograph(height: number, width: number, grey: (y: number, x: number) => number): Photograph {
  const data = new Uint8ClampedArray(height * width * 4).fill(255);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) data[4 * (y * width + x) + channel] = grey(y, x) + channel;
    }
  }
  return { height, width, data };
}

/** A sharp texture that repeats every 16 px along both sides. */
export function stripes(y: number, x: number): number {
  return ((y % PERIOD_PX) * 15) ^ ((x % PERIOD_PX) * 7);
}

export function boxHole(height: number, width: number, top: number, left: number, side: number): Uint8Array {
  const hole = new Uint8Array(height * width);
  for (let y = top; y < top + side; y++) hole.fill(1, y * width + left, y * width + left + side);
  return hole;
}

/** Numbers in 0..1 that are the same every time. */
export function chance(): () => number {
  let state = 1;
  return () => (state = (state * 48271) % 2147483647) / 2147483647;
}

/** A network's word for a picture: the fill as it is handed in, and one source per token. */
export function outputOf(filled: Picture, sourceOf: (row: number, column: number) => readonly [number, number]): NetworkOutput {
  const rows = filled.height / TOKEN_PX;
  const columns = filled.width / TOKEN_PX;
  const sources = Int32Array.from({ length: rows * columns }, (_, token) => {
    const [row, column] = sourceOf(Math.floor(token / columns), token % columns);
    return row * columns + column;
  });
  return { filled, perToken: 1, sources, weights: new Float32Array(sources.length).fill(1) };
}

export function flat(height: number, width: number, level: number): Picture {
  const picture = emptyPicture({ height, width }, 3);
  picture.values.fill(level);
  return picture;
}
