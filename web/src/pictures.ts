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

/** A part of a photograph: whole pixels, the last row and column left out. */
export interface Box extends Size {
  readonly top: number;
  readonly left: number;
}

/** A copy of the part of a photograph that lies in a box; likewise of a map with `channels` bytes per pixel. */
export function cut(photo: Photograph, box: Box): Photograph {
  return { height: box.height, width: box.width, data: cutBytes(photo.data, photo.width, box, 4) };
}

export function cutBytes<Bytes extends Uint8Array | Uint8ClampedArray>(
  bytes: Bytes,
  width: number,
  box: Box,
  channels: number,
): Bytes {
  const part = bytes.slice(0, box.height * box.width * channels) as Bytes;
  for (let row = 0; row < box.height; row++) {
    const start = ((box.top + row) * width + box.left) * channels;
    part.set(bytes.subarray(start, start + box.width * channels), row * box.width * channels);
  }
  return part;
}

/** Writes a part of a photograph back to where it was cut out. */
export function paste(part: Photograph, photo: Photograph, box: Box): void {
  for (let row = 0; row < box.height; row++) {
    const line = part.data.subarray(row * box.width * 4, (row + 1) * box.width * 4);
    photo.data.set(line, ((box.top + row) * photo.width + box.left) * 4);
  }
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

/** A byte for each RGBA pixel of a mask: 1 where its brightest channel is above half of the range, so red is white too. */
export function whiteOf(rgba: Uint8ClampedArray): Uint8Array {
  const white = new Uint8Array(rgba.length / 4);
  for (let i = 0; i < white.length; i++) {
    white[i] = Math.max(rgba[4 * i], rgba[4 * i + 1], rgba[4 * i + 2]) > 127 ? 1 : 0;
  }
  return white;
}
