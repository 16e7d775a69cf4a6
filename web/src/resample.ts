/** From the photograph to the network's picture: area means of what is known, and the pull-push prefill. */

import { emptyPicture, sampleLinear, type Photograph, type Picture, type Size } from "./pictures.ts";

/** Long side of the network's picture. */
export const FIRST_PX = 512;
/** Heights and widths of the network's picture are multiples of this. */
export const SIZE_MULTIPLE = 32;
/** Share of a small pixel's area that must be known for it to count as known. */
export const KNOWN_COVERAGE = 0.3;
/** Shares may be rounded by this much. */
export const SURE = 1e-6;
/** A coarser pixel weighs fully once this many times its known share reaches 1. */
const PULL_GAIN = 4;

/** What the network is shown of a photograph. */
export interface Shrunk {
  /** 3 channels in 0..255, mean of the known pixels; zero in the hole. */
  readonly picture: Picture;
  /** 1 = too little is known: the network fills it. */
  readonly hole: Uint8Array;
  /** 1 = holds any hole at all: never copied from. */
  readonly touched: Uint8Array;
}

/** Size of the network's picture: multiples of 32 in the photograph's aspect ratio, the long side about 512 px. */
export function networkSize({ height, width }: Size): Size {
  const scale = Math.min(FIRST_PX / Math.max(height, width), 1);
  // A photograph that is seen in its own size is rounded up, or detail would be lost.
  const round = scale >= 1 ? Math.ceil : (cells: number) => Math.floor(cells + 0.5);
  const side = (px: number): number => Math.max(round((px * scale) / SIZE_MULTIPLE), 1) * SIZE_MULTIPLE;
  return { height: side(height), width: side(width) };
}

/** Area means of the known pixels of a photograph; `hole` has a byte per pixel, 1 = fill, not all of them. */
export function shrinkKnown(photo: Photograph, hole: Uint8Array, size: Size): Shrunk {
  const sums = areaSums(photo, hole, size);
  const area = (photo.height / size.height) * (photo.width / size.width);
  const count = size.height * size.width;
  let most = 0;
  for (let i = 0; i < count; i++) most = Math.max(most, sums[4 * i + 3] / area);
  // Where nothing is known well enough, whatever is known at all has to do.
  const least = most >= KNOWN_COVERAGE - SURE ? KNOWN_COVERAGE - SURE : SURE;
  const picture = emptyPicture(size, 3);
  const smallHole = new Uint8Array(count);
  const touched = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const known = sums[4 * i + 3];
    touched[i] = known / area < 1 - SURE ? 1 : 0;
    smallHole[i] = known / area < least ? 1 : 0;
    if (smallHole[i]) continue;
    for (let channel = 0; channel < 3; channel++) picture.values[3 * i + channel] = sums[4 * i + channel] / known;
  }
  return { picture, hole: smallHole, touched };
}

/** Sums of known colours, and of how much is known, over the cells of a grid: four values a cell. */
function areaSums({ height, width, data }: Photograph, hole: Uint8Array, size: Size): Float64Array {
  const sums = new Float64Array(size.height * size.width * 4);
  const line = new Float64Array(size.width * 4);
  const columns = overlaps(width, size.width);
  const rows = overlaps(height, size.height);
  for (let y = 0; y < height; y++) {
    line.fill(0);
    for (let x = 0; x < width; x++) {
      const place = y * width + x;
      if (hole[place]) continue;
      for (const [cell, share] of columns[x]) {
        line[4 * cell] += data[4 * place] * share;
        line[4 * cell + 1] += data[4 * place + 1] * share;
        line[4 * cell + 2] += data[4 * place + 2] * share;
        line[4 * cell + 3] += share;
      }
    }
    for (const [cell, share] of rows[y]) {
      const start = cell * line.length;
      for (let i = 0; i < line.length; i++) sums[start + i] += line[i] * share;
    }
  }
  return sums;
}

/** For each of `length` pixels in a line the cells of a grid that it lies in, and how much of it lies there. */
function overlaps(length: number, cells: number): [cell: number, share: number][][] {
  const scale = length / cells;
  return Array.from({ length }, (_, pixel) => {
    const found: [number, number][] = [];
    for (let cell = Math.floor(pixel / scale); cell < cells && cell * scale < pixel + 1; cell++) {
      const share = Math.min(pixel + 1, (cell + 1) * scale) - Math.max(pixel, cell * scale);
      if (share > 0) found.push([cell, share]);
    }
    return found;
  });
}

/**
 * Pull-push of values with weights in 0..1: 0 is ignored, 1 is kept, in between is mixed with what surrounds it.
 *
 * The picture is halved, each level the weighted mean of what is known (pull); on the way back each level keeps what it
 * knows and takes the rest from the level above (push).
 *
 * Reference: Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.
 *
 * @param levels - how often to halve: then values fade to zero some 2 ** levels pixels away; down to one pixel if left
 *   out.
 */
export function spread(values: Picture, weight: Float32Array, levels = Infinity): Picture {
  const channels = values.channels;
  const width = channels + 1;
  let level = emptyPicture(values, width);
  for (let i = 0; i < weight.length; i++) {
    for (let channel = 0; channel < channels; channel++) {
      level.values[i * width + channel] = values.values[i * channels + channel] * weight[i];
    }
    level.values[i * width + channels] = weight[i];
  }
  const pyramid: Picture[] = [];
  while (Math.max(level.height, level.width) > 1 && pyramid.length < levels) {
    pyramid.push(level);
    level = pulled(level);
  }
  let filled = level;
  if (levels === Infinity) {
    for (let i = 0; i < filled.values.length; i += width) {
      const share = Math.max(filled.values[i + channels], SURE);
      for (let channel = 0; channel < width; channel++) filled.values[i + channel] /= share;
    }
  }
  for (let finer = pyramid.pop(); finer !== undefined; finer = pyramid.pop()) {
    push(filled, finer);
    filled = finer;
  }
  const result = emptyPicture(values, channels);
  for (let i = 0; i < weight.length; i++) {
    for (let channel = 0; channel < channels; channel++) {
      result.values[i * channels + channel] = filled.values[i * width + channel];
    }
  }
  return result;
}

/** Half the size, the last channel a weight that saturates at one quarter; beyond odd borders all is zero. */
function pulled(finer: Picture): Picture {
  const { channels } = finer;
  const level = emptyPicture({ height: Math.ceil(finer.height / 2), width: Math.ceil(finer.width / 2) }, channels);
  for (let y = 0; y < finer.height; y++) {
    for (let x = 0; x < finer.width; x++) {
      const from = (y * finer.width + x) * channels;
      const to = ((y >> 1) * level.width + (x >> 1)) * channels;
      for (let channel = 0; channel < channels; channel++) level.values[to + channel] += finer.values[from + channel] / 4;
    }
  }
  for (let i = 0; i < level.values.length; i += channels) {
    const gain = 1 / Math.max(level.values[i + channels - 1], 1 / PULL_GAIN);
    for (let channel = 0; channel < channels; channel++) level.values[i + channel] *= gain;
  }
  return level;
}

/** Adds to `finer` what it misses of weight, from the level above, in place. */
function push(above: Picture, finer: Picture): void {
  const { channels } = finer;
  const colour = new Float64Array(channels);
  for (let y = 0; y < finer.height; y++) {
    for (let x = 0; x < finer.width; x++) {
      const start = (y * finer.width + x) * channels;
      const missing = 1 - finer.values[start + channels - 1];
      if (missing === 0) continue;
      sampleLinear(above, (y + 0.5) / 2 - 0.5, (x + 0.5) / 2 - 0.5, colour);
      for (let channel = 0; channel < channels; channel++) finer.values[start + channel] += colour[channel] * missing;
    }
  }
}

/** Fills the hole of a picture smoothly from all around; known pixels stay as they are. */
export function prefill({ picture, hole }: Shrunk): Picture {
  return spread(picture, Float32Array.from(hole, (isHole) => 1 - isHole));
}
