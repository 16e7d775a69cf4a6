/** Fills in a thread of its own, so that the page stays quick. */

import { fillPhotograph } from "./fill.ts";
import { type Network, openNetwork } from "./network.ts";
import { type Photograph, whiteOf } from "./pictures.ts";
import { type Reply, type Request } from "./protocol.ts";
import { markStrokes } from "./strokes.ts";

/** Replies about progress are at least this far apart, in ms. */
const TELL_MS = 50;

const page = self as unknown as DedicatedWorkerGlobalScope;
let network: Promise<Network> | undefined;

page.addEventListener("message", ({ data }: MessageEvent<Request>) => {
  answer(data).catch((error: unknown) => {
    tell({ kind: "failed", message: error instanceof Error ? error.message : String(error) });
  });
});

async function answer(request: Request): Promise<void> {
  switch (request.kind) {
    case "open":
      tell({ kind: "opened", backend: (await opened()).backend });
      break;
    case "fill":
      await fill(request);
      break;
    case "save":
      await save(request.picture);
      break;
  }
}

async function opened(): Promise<Network> {
  network ??= openNetwork(new URL("./", import.meta.url));
  try {
    return await network;
  } catch (error) {
    network = undefined;
    throw error;
  }
}

async function fill({ photo, strokes, mask }: Extract<Request, { kind: "fill" }>): Promise<void> {
  const { run } = await opened();
  const start = performance.now();
  const { height, width } = photo;
  const hole = mask === null ? new Uint8Array(height * width) : holeOf(mask, photo);
  markStrokes(hole, width, height, strokes);
  const canvas = new OffscreenCanvas(width, height);
  const pixels = draw(canvas, photo);
  photo.close();
  let told = start;
  await fillPhotograph(pixels, hole, run, (stage, share) => {
    const now = performance.now();
    if (share > 0 && now - told < TELL_MS) return;
    told = now;
    tell({ kind: "stage", stage, share });
  });
  context(canvas).putImageData(pixels, 0, 0);
  const holeShare = hole.reduce((sum, isHole) => sum + isHole, 0) / hole.length;
  const result = await createImageBitmap(canvas);
  tell({ kind: "filled", result, holeShare, seconds: (performance.now() - start) / 1000 }, [result]);
}

async function save(picture: ImageBitmap): Promise<void> {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  context(canvas).drawImage(picture, 0, 0);
  picture.close();
  tell({ kind: "saved", png: await canvas.convertToBlob({ type: "image/png" }) });
}

/** White of a mask is fill. */
function holeOf(mask: ImageBitmap, photo: ImageBitmap): Uint8Array {
  if (mask.width !== photo.width || mask.height !== photo.height) {
    throw new Error(
      `The mask has ${mask.width} × ${mask.height} pixels; the photograph has ${photo.width} × ${photo.height}.`,
    );
  }
  const { data } = draw(new OffscreenCanvas(mask.width, mask.height), mask);
  mask.close();
  return whiteOf(data);
}

function draw(on: OffscreenCanvas, picture: ImageBitmap): ImageData & Photograph {
  const drawn = context(on);
  drawn.drawImage(picture, 0, 0);
  return drawn.getImageData(0, 0, on.width, on.height);
}

function context(of: OffscreenCanvas): OffscreenCanvasRenderingContext2D {
  // Read by the processor, not by the graphics card: the pixels come back as they were.
  const found = of.getContext("2d", { willReadFrequently: true });
  if (found === null) throw new Error("This browser gives no canvas to workers.");
  return found;
}

function tell(reply: Reply, moved: Transferable[] = []): void {
  page.postMessage(reply, moved);
}
