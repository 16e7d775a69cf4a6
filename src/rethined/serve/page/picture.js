// Pictures that can be drawn.

import { view } from "./server.js";

const SMALL_PX = 2560;

/**
 * `bitmap` may be smaller than the picture itself, which is `width` x `height`. Of large ones `small` is for looking at
 * the whole: drawn for every stroke of a brush, all their pixels would make it stick.
 * @typedef {{bitmap: ImageBitmap, small: ImageBitmap | null, width: number, height: number}} Picture
 */

/**
 * Decodes a file, upright; what the browser does not know, TIFF for example, the server shows.
 * @param {File} file
 * @param {AbortSignal} signal
 * @returns {Promise<Picture>}
 */
export async function openPicture(file, signal) {
  const bitmap = (await isTurnedWebp(file)) ? null : await createImageBitmap(file).catch(() => null);
  signal.throwIfAborted();
  if (bitmap) return { bitmap, small: await shrunk(bitmap), width: bitmap.width, height: bitmap.height };
  const { blob, width, height } = await view(file, signal);
  const shown = await createImageBitmap(blob);
  return { bitmap: shown, small: await shrunk(shown), width, height };
}

/** @param {Picture | undefined} picture */
export function closePicture(picture) {
  picture?.bitmap.close();
  picture?.small?.close();
}

/**
 * @param {ImageBitmap} bitmap
 * @returns {Promise<ImageBitmap | null>}
 */
async function shrunk(bitmap) {
  const factor = SMALL_PX / Math.max(bitmap.width, bitmap.height);
  if (factor >= 0.75) return null;
  const [resizeWidth, resizeHeight] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * factor)));
  return createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
}

/**
 * Whether a file is a WebP with EXIF, which may say how it is turned: of all formats browsers do not heed it in this
 * one, the server does, and what is marked here would be filled elsewhere.
 * @param {File} file
 */
async function isTurnedWebp(file) {
  const head = new Uint8Array(await file.slice(0, 21).arrayBuffer());
  const text = String.fromCharCode(...head.subarray(0, 16));
  return text.startsWith("RIFF") && text.endsWith("WEBPVP8X") && (head[20] & 8) !== 0;
}
