/**
 * Attention upscaling: detail of the photograph, copied from where the network points, added to its enlarged fill.
 *
 * The steps, and their reasons, are those of `rethined.export.host` in the Python package; a test compares the two.
 */

import { clampIndex, emptyPicture, sampleLinear, type Photograph, type Picture, type Size } from "./pictures.ts";
import { SURE, spread } from "./resample.ts";

/** Side of a token in pixels of the network's picture. */
export const TOKEN_PX = 8;
/** Halvings of the pyramid that carries what is missing at the rim into the hole. */
const SEAM_LEVELS = 2;

/** What the network gives for a picture of H x W pixels, `perToken` sources for each token. */
export interface NetworkOutput {
  /** H x W x 3, in 0..255. */
  readonly filled: Picture;
  readonly perToken: number;
  /** perToken x H / 8 x W / 8 tokens, counted in reading order. */
  readonly sources: Int32Array;
  /** Like `sources`; sum 1 over a token's sources, or 0 where it has none. */
  readonly weights: Float32Array;
}

/**
 * Fills the hole of a photograph in place; known pixels stay as they are.
 *
 * @param hole - a byte per pixel, 1 = fill.
 * @param touched - a byte per pixel of the network's picture, 1 = holds any hole.
 * @param onRow - called after each row, with the share that is done, 0..1.
 */
export function upscale(
  photo: Photograph,
  hole: Uint8Array,
  touched: Uint8Array,
  output: NetworkOutput,
  onRow: (share: number) => void = () => undefined,
): void {
  const { height, width, data } = photo;
  const blend = new Blend(photo, hole, touched, output);
  const seam = closeSeam(photo, hole, output.filled, blend);
  const colour = new Float64Array(3);
  const added = new Float64Array(3);
  // Copies come from known pixels alone, so that what is written here is never read.
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = y * width + x;
      if (!hole[place]) continue;
      blend.at(y, x, colour);
      seam.at(y, x, added);
      for (let channel = 0; channel < 3; channel++) {
        data[4 * place + channel] = Math.floor(colour[channel] + added[channel] + 0.5);
      }
    }
    onRow((y + 1) / height);
  }
}

/** The fill before its seam is closed, pixel by pixel. */
class Blend {
  private readonly scaleY: number;
  private readonly scaleX: number;
  private readonly rows: TokenLine;
  private readonly columns: TokenLine;
  private readonly shiftY: Int32Array;
  private readonly shiftX: Int32Array;
  private readonly usable: Float64Array;
  private readonly weight: Float64Array;
  private readonly place: Float64Array;
  private readonly copied = new Float64Array(3);
  private readonly base = new Float64Array(3);

  constructor(
    private readonly photo: Photograph,
    private readonly hole: Uint8Array,
    touched: Uint8Array,
    private readonly output: NetworkOutput,
  ) {
    const { filled, perToken, sources, weights } = output;
    const size = { height: filled.height / TOKEN_PX, width: filled.width / TOKEN_PX };
    this.scaleY = photo.height / filled.height;
    this.scaleX = photo.width / filled.width;
    this.rows = new TokenLine(photo.height, this.scaleY, size.height);
    this.columns = new TokenLine(photo.width, this.scaleX, size.width);
    this.shiftY = new Int32Array(sources.length);
    this.shiftX = new Int32Array(sources.length);
    this.usable = new Float64Array(sources.length);
    this.weight = new Float64Array(4 * perToken);
    this.place = new Float64Array(4 * perToken);
    const corrupted = corruptedTokens(touched, filled);
    const tokens = size.height * size.width;
    for (let i = 0; i < sources.length; i++) {
      const token = i % tokens;
      const source = sources[i];
      const offsetY = (Math.floor(source / size.width) - Math.floor(token / size.width)) * TOKEN_PX;
      const offsetX = ((source % size.width) - (token % size.width)) * TOKEN_PX;
      this.shiftY[i] = Math.floor(offsetY * this.scaleY + 0.5);
      this.shiftX[i] = Math.floor(offsetX * this.scaleX + 0.5);
      this.usable[i] = corrupted[token] && !corrupted[source] ? weights[i] : 0;
    }
  }

  /** The colour at a full-size pixel, in about 0..255. */
  at(y: number, x: number, out: Float64Array): void {
    const { photo, copied, base, weight, place } = this;
    const { filled } = this.output;
    out.fill(0);
    let squared = 0;
    const count = this.gather(y, x);
    for (let i = 0; i < count; i++) {
      const sourceY = Math.floor(place[i] / photo.width);
      const sourceX = place[i] % photo.width;
      for (let channel = 0; channel < 3; channel++) copied[channel] = photo.data[4 * place[i] + channel];
      this.enlarge(filled, sourceY, sourceX, base);
      for (let channel = 0; channel < 3; channel++) out[channel] += (copied[channel] - base[channel]) * weight[i];
      // Taps that point at the same pixel are one copy; only different ones average each other out.
      let agreeing = weight[i];
      for (let j = 0; j < i; j++) if (place[j] === place[i]) agreeing += 2 * weight[j];
      squared += weight[i] * agreeing;
    }
    const norm = Math.sqrt(Math.max(squared, SURE));
    this.enlarge(filled, y, x, base);
    for (let channel = 0; channel < 3; channel++) out[channel] = base[channel] + out[channel] / norm;
  }

  /** A small picture's colour at a full-size pixel. */
  enlarge(picture: Picture, y: number, x: number, out: Float64Array): void {
    sampleLinear(picture, (y + 0.5) / this.scaleY - 0.5, (x + 0.5) / this.scaleX - 0.5, out);
  }

  /** Places and weights of the sources of the four nearest tokens that are known; returns how many there are. */
  private gather(y: number, x: number): number {
    const { height, width } = this.photo;
    const { rows, columns, weight, place } = this;
    const tokens = rows.count * columns.count;
    let count = 0;
    for (let source = 0; source < this.output.perToken; source++) {
      for (let corner = 0; corner < 4; corner++) {
        const below = corner >> 1;
        const after = corner & 1;
        const i = source * tokens + rows.token[2 * y + below] * columns.count + columns.token[2 * x + after];
        const share = this.usable[i] * rows.share[2 * y + below] * columns.share[2 * x + after];
        const sourceY = y + this.shiftY[i];
        const sourceX = x + this.shiftX[i];
        if (share === 0 || sourceY < 0 || sourceY >= height || sourceX < 0 || sourceX >= width) continue;
        const from = sourceY * width + sourceX;
        if (this.hole[from]) continue;
        weight[count] = share;
        place[count] = from;
        count++;
      }
    }
    return count;
  }
}

/** The token before and after each pixel along one side, with linear shares that sum to one. */
class TokenLine {
  readonly token: Int32Array;
  readonly share: Float64Array;

  constructor(
    lengthPx: number,
    scale: number,
    readonly count: number,
  ) {
    this.token = new Int32Array(2 * lengthPx);
    this.share = new Float64Array(2 * lengthPx);
    for (let pixel = 0; pixel < lengthPx; pixel++) {
      const position = (pixel + 0.5) / (scale * TOKEN_PX) - 0.5;
      const first = Math.floor(position);
      const after = position - first;
      this.token[2 * pixel] = clampIndex(first, count);
      this.token[2 * pixel + 1] = clampIndex(first + 1, count);
      this.share[2 * pixel] = 1 - after;
      this.share[2 * pixel + 1] = after;
    }
  }
}

/** A byte per token: whether it holds any touched pixel. */
function corruptedTokens(touched: Uint8Array, { height, width }: Size): Uint8Array {
  const columns = width / TOKEN_PX;
  const corrupted = new Uint8Array((height / TOKEN_PX) * columns);
  touched.forEach((isTouched, i) => {
    const token = Math.floor(Math.floor(i / width) / TOKEN_PX) * columns + Math.floor((i % width) / TOKEN_PX);
    if (isTouched) corrupted[token] = 1;
  });
  return corrupted;
}

/** What to add to hole pixels so that they meet the known ones. */
interface Seam {
  at(y: number, x: number, out: Float64Array): void;
}

function closeSeam(photo: Photograph, hole: Uint8Array, small: Size, blend: Blend): Seam {
  const { height, width, data } = photo;
  const scaleY = height / small.height;
  const scaleX = width / small.width;
  const mean = emptyPicture(small, 3);
  const count = new Float32Array(small.height * small.width);
  /** What known pixels next to the hole miss, by their place. */
  const missing = new Map<number, readonly [number, number, number]>();
  const colour = new Float64Array(3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const place = y * width + x;
      if (hole[place] || !touchesHole(hole, height, width, y, x)) continue;
      blend.at(y, x, colour);
      const found = [0, 1, 2].map((channel) => data[4 * place + channel] - colour[channel]);
      missing.set(place, [found[0], found[1], found[2]]);
      const cell = Math.floor(y / scaleY) * small.width + Math.floor(x / scaleX);
      for (let channel = 0; channel < 3; channel++) mean.values[3 * cell + channel] += found[channel];
      count[cell]++;
    }
  }
  count.forEach((met, cell) => {
    for (let channel = 0; channel < 3; channel++) mean.values[3 * cell + channel] /= Math.max(met, 1);
  });
  const far = spread(mean, Float32Array.from(count, (met) => Math.min(met, 1)), SEAM_LEVELS);
  return {
    at(y, x, out) {
      let met = 0;
      out.fill(0);
      for (let nearY = Math.max(y - 1, 0); nearY <= Math.min(y + 1, height - 1); nearY++) {
        for (let nearX = Math.max(x - 1, 0); nearX <= Math.min(x + 1, width - 1); nearX++) {
          const found = missing.get(nearY * width + nearX);
          if (found === undefined) continue;
          for (let channel = 0; channel < 3; channel++) out[channel] += found[channel];
          met++;
        }
      }
      if (met > 0) for (let channel = 0; channel < 3; channel++) out[channel] /= met;
      else blend.enlarge(far, y, x, out);
    },
  };
}

function touchesHole(hole: Uint8Array, height: number, width: number, y: number, x: number): boolean {
  for (let nearY = Math.max(y - 1, 0); nearY <= Math.min(y + 1, height - 1); nearY++) {
    for (let nearX = Math.max(x - 1, 0); nearX <= Math.min(x + 1, width - 1); nearX++) {
      if (hole[nearY * width + nearX]) return true;
    }
  }
  return false;
}
