// What the page asks the server. Addresses are relative, so that it works below any path.

/** What the server answers when it does not do what it was asked: its own words. */
export class ServerError extends Error {}

/**
 * @typedef {{preset: string, formats: string[], jpeg_lossless: boolean, limits: {max_pixels: number, max_mb: number}}}
 * Info
 */

/** @typedef {{blob: Blob, warnings: string, holePixels: number}} Filled */

/** @returns {Promise<Info>} */
export async function info() {
  return (await ask("v1/info", {}, "")).json();
}

/**
 * Fills a hole.
 * @param {File} photo
 * @param {Blob} mask
 * @param {Record<string, string>} options
 * @param {AbortSignal} signal ends it, here and on the server
 * @returns {Promise<Filled>}
 */
export async function fill(photo, mask, options, signal) {
  const form = new FormData();
  form.append("image", photo);
  form.append("mask", mask, "mask.png");
  for (const [name, value] of Object.entries(options)) form.append(name, value);
  const answer = await ask("v1/fill", { method: "POST", body: form, signal }, photo.name);
  return {
    blob: await answer.blob(),
    warnings: inWords(answer.headers.get("Rethined-Warning") ?? ""),
    holePixels: Number(answer.headers.get("Rethined-Hole-Pixels")),
  };
}

/**
 * A picture that the browser cannot show, in a form that it can.
 * @param {File} picture
 * @param {AbortSignal} signal
 * @returns {Promise<{blob: Blob, width: number, height: number}>} the size is that of the picture itself
 */
export async function view(picture, signal) {
  const headers = { "Content-Type": "application/octet-stream" };
  const answer = await ask("v1/view", { method: "POST", body: picture, headers, signal }, picture.name);
  const [width, height] = (answer.headers.get("Rethined-Size") ?? "").split("x").map(Number);
  return { blob: await answer.blob(), width, height };
}

/**
 * @param {string} address
 * @param {RequestInit} request
 * @param {string} name what the picture is called here; to the server it is 'image'
 * @returns {Promise<Response>}
 */
async function ask(address, request, name) {
  let answer;
  try {
    answer = await fetch(address, request);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ServerError("The server does not answer. Is it still running?");
  }
  if (answer.ok) return answer;
  const problem = await answer.json().catch(() => ({}));
  const detail = problem.detail ?? `The server answered ${answer.status} ${answer.statusText}`;
  throw new ServerError(sentence(detail.replaceAll("'image'", `'${name}'`)));
}

/**
 * @param {string} warnings of the server, which calls the result out.jpg or the like
 * @returns {string} nothing where there are none
 */
function inWords(warnings) {
  return warnings && sentence(warnings.replaceAll(/\bout\.[a-z]+\b/g, "the result"));
}

/** @param {string} text */
function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
