/** Pictures as plain arrays. Pixel centres lie at half integers, on every grid. */

/** Height x width x channels floats, rows first, channels together. */
export interface Picture {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly values: Float32Array;
}

/** A photograph as a canvas gives it: height x width x 4 bytes, RGBA; what is fully transparent is not known. */
export interface Photograph {
  readonly height: number;
  readonly width: number;
  readonly data: Uint8ClampedArray;
}

export interface Size {
  readonly height: number;
  readonly width: number;
}

export function emptyPicture({ height, width }: Size, channels: number): Picture {
  return { height, width, channels, values: new Float32Array(height * width * channels) };
}

/**
 * The colour of a picture between its pixels, borders repeated.
 *
 * @param y, x - in pixels of the picture, 0 = centre of the first.
 * @param out - takes one value per channel.
 */
export function sampleLinear(picture: Picture, y: number, x: number, out: Float64Array): void {
  const { height, width, channels, values } = picture;
  const top = Math.floor(y);
  const left = Math.floor(x);
  const shareY = y - top;
  const shareX = x - left;
  const rowA = clampIndex(top, height) * width;
  const rowB = clampIndex(top + 1, height) * width;
  const columnA = clampIndex(left, width);
  const columnB = clampIndex(left + 1, width);
  for (let channel = 0; channel < channels; channel++) {
    const upper =
      values[(rowA + columnA) * channels + channel] * (1 - shareX) +
      values[(rowA + columnB) * channels + channel] * shareX;
    const lower =
      values[(rowB + columnA) * channels + channel] * (1 - shareX) +
      values[(rowB + columnB) * channels + channel] * shareX;
    out[channel] = upper * (1 - shareY) + lower * shareY;
  }
}

export function clampIndex(index: number, length: number): number {
  return index < 0 ? 0 : index >= length ? length - 1 : index;
}
