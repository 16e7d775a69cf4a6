// Pictures that can be drawn.

import { view } from "./server.js";

/**
 * `bitmap` may be smaller than the picture itself, which is `width` x `height`.
 * @typedef {{bitmap: ImageBitmap, width: number, height: number}} Picture
 */

/**
 * Decodes a file, upright; what the browser does not know, TIFF for example, the server shows.
 * @param {File} file
 * @param {AbortSignal} signal
 * @returns {Promise<Picture>}
 */
export async function openPicture(file, signal) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  signal.throwIfAborted();
  if (bitmap) return { bitmap, width: bitmap.width, height: bitmap.height };
  const { blob, width, height } = await view(file, signal);
  return { bitmap: await createImageBitmap(blob), width, height };
}
