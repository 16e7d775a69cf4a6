/** The page: what a person does, and what is told and shown. */

import { Edits } from "./edits.ts";
import { type Reply, type Request } from "./protocol.ts";
import { type Stroke } from "./strokes.ts";
import { tinted, View } from "./view.ts";

const WORKER_FILE = "worker.js";
const STAGES = { shrink: "Shrinking", network: "Running the network", upscale: "Copying detail" } as const;
/** The brush starts with this share of the photograph's long side as its diameter. */
const BRUSH_SHARE = 0.04;
/** A turn of the wheel by 100 px enlarges by e to the power of this. */
const WHEEL_GAIN = 0.15;

const stage = element("stage", HTMLElement);
const canvas = element("view", HTMLCanvasElement);
const status = element("status", HTMLElement);
const progress = element("progress", HTMLProgressElement);
const photoInput = element("photo", HTMLInputElement);
const maskInput = element("mask", HTMLInputElement);
const brushInput = element("brush", HTMLInputElement);
const brushText = element("brush-px", HTMLElement);
const compareInput = element("compare", HTMLInputElement);
const buttons = {
  mask: element("open-mask", HTMLButtonElement),
  undo: element("undo", HTMLButtonElement),
  clear: element("clear", HTMLButtonElement),
  fill: element("fill", HTMLButtonElement),
  save: element("save", HTMLButtonElement),
  fit: element("fit", HTMLButtonElement),
  actual: element("actual", HTMLButtonElement),
};

const view = new View(canvas);
let worker = startWorker();
/** Whether the worker could not be loaded or has ended; the next request starts another. */
let isWorkerDead = false;
let edits: Edits<ImageBitmap> | null = null;
/** Masks as they are shown. */
const shownMasks = new WeakMap<ImageBitmap, ImageBitmap>();
let photoName = "photograph";
let isBusy = false;
let backend = "";
/** Whose hole is being filled. */
let filling: Edits<ImageBitmap> | null = null;

// ---- files -------------------------------------------------------------------------------------------------------

/** Large files take seconds to decode, and nothing else may be begun meanwhile. */
async function opening<Opened>(open: () => Promise<Opened>): Promise<Opened> {
  setBusy(true);
  try {
    return await open();
  } finally {
    setBusy(false);
  }
}

async function openPhoto(file: File): Promise<void> {
  const photo = await opening(() => decoded(file));
  if (photo === null) return;
  edits = new Edits(photo);
  photoName = file.name.replace(/\.[^.]*$/, "");
  stage.classList.add("has-photo");
  brushInput.max = String(Math.max(Math.round(Math.max(photo.width, photo.height) / 4), 8));
  setBrush(Math.max(Math.max(photo.width, photo.height) * BRUSH_SHARE, 4));
  say(`${sizeOf(photo)}. Brush over what is to go.`);
  refresh();
  if (backend === "") ask({ kind: "open" });
}

async function openMask(file: File): Promise<void> {
  await opening(async () => {
    const mask = await decoded(file);
    if (mask !== null) await setMask(mask);
  });
}

async function setMask(mask: ImageBitmap): Promise<void> {
  if (edits === null) return;
  const { photo } = edits.current;
  if (mask.width !== photo.width || mask.height !== photo.height) {
    say(`The mask has ${sizeOf(mask)}; the photograph has ${sizeOf(photo)}.`, true);
    return;
  }
  const shown = await tinted(mask);
  if (shown === null) {
    say("The mask has no white; white is what is filled.", true);
    return;
  }
  shownMasks.set(mask, shown);
  edits.setMask(mask);
  say("White of the mask is filled.");
  refresh();
}

async function decoded(file: File): Promise<ImageBitmap | null> {
  try {
    return await createImageBitmap(file);
  } catch {
    say(`${file.name} is no picture that this browser can read.`, true);
    return null;
  }
}

function save(png: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(png);
  link.download = `${photoName}-filled.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// ---- the worker --------------------------------------------------------------------------------------------------

/**
 * The worker is started from a blob that imports it: a worker from a blob keeps to the content security policy of this
 * page, one from a file only to what the file is served with.
 */
function startWorker(): Worker {
  const code = `import ${JSON.stringify(new URL(WORKER_FILE, document.baseURI).href)};`;
  const blob = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  const started = new Worker(blob, { type: "module" });
  started.addEventListener("message", ({ data }: MessageEvent<Reply>) => hear(data));
  started.addEventListener("error", (event) => {
    isWorkerDead = true;
    backend = "";
    hear({ kind: "failed", message: event.message || `${WORKER_FILE} could not be loaded, or it stopped` });
  });
  return started;
}

function ask(request: Request): void {
  if (isWorkerDead) {
    worker.terminate();
    worker = startWorker();
    isWorkerDead = false;
  }
  worker.postMessage(request);
}

function hear(reply: Reply): void {
  switch (reply.kind) {
    case "opened":
      backend = reply.backend;
      break;
    case "stage":
      say(`${STAGES[reply.stage]}…`);
      if (reply.stage === "upscale") progress.value = reply.share;
      else progress.removeAttribute("value");
      return;
    case "filled":
      filling?.setResult(reply.result);
      setCompare(0);
      say(`Filled ${(100 * reply.holeShare).toFixed(1)} % in ${reply.seconds.toFixed(1)} s (${backend}).`);
      setBusy(false);
      break;
    case "saved":
      save(reply.png);
      setBusy(false);
      break;
    case "failed":
      say(reply.message, true);
      setBusy(false);
      break;
  }
  refresh();
}

function fill(): void {
  if (edits === null || isBusy || !edits.hasHole || edits.current.result !== null) return;
  setBusy(true);
  filling = edits;
  const { photo, strokes, mask } = edits.current;
  if (backend === "") {
    say("Loading the network…");
    ask({ kind: "open" });
  }
  ask({ kind: "fill", photo, strokes, mask });
}

// ---- brush and view ----------------------------------------------------------------------------------------------

const pointers = new Map<number, PointerEvent>();
let stroke: Stroke | null = null;
let isPanning = false;
let isSpaceDown = false;

canvas.addEventListener("pointerdown", (event) => {
  if (edits === null || isBusy) return;
  event.preventDefault();
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  if (pointers.size >= 2) {
    // A second finger, or a third: what the first one began was no stroke.
    if (stroke !== null) edits.undo();
    stroke = null;
  } else if (event.button === 1 || isSpaceDown) {
    isPanning = true;
  } else if (event.button === 0) {
    stroke = { radiusPx: brushPx() / 2, points: [view.toPhoto(event)] };
    edits.begin(stroke);
  }
  refresh();
});

canvas.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  view.brush = { at: view.toPhoto(event), radiusPx: brushPx() / 2 };
  if (before !== undefined) {
    pointers.set(event.pointerId, event);
    if (pointers.size >= 2) pinch(before, event);
    else if (isPanning) view.move(event.clientX - before.clientX, event.clientY - before.clientY);
    else stroke?.points.push(view.toPhoto(event));
  }
  view.redraw();
});

for (const kind of ["pointerup", "pointercancel"] as const) {
  canvas.addEventListener(kind, (event) => {
    pointers.delete(event.pointerId);
    isPanning = false;
    stroke = null;
    refresh();
  });
}

canvas.addEventListener("pointerleave", () => {
  view.brush = null;
  view.redraw();
});

canvas.addEventListener(
  "wheel",
  (event) => {
    event.preventDefault();
    view.zoom(Math.exp((-event.deltaY / 100) * WHEEL_GAIN), event);
  },
  { passive: false },
);

function pinch(before: PointerEvent, after: PointerEvent): void {
  const other = [...pointers.values()].find(({ pointerId }) => pointerId !== after.pointerId);
  if (other === undefined) return;
  const distance = (event: PointerEvent): number =>
    Math.hypot(event.clientX - other.clientX, event.clientY - other.clientY);
  view.zoom(distance(after) / Math.max(distance(before), 1), {
    clientX: (after.clientX + other.clientX) / 2,
    clientY: (after.clientY + other.clientY) / 2,
  });
  view.move((after.clientX - before.clientX) / 2, (after.clientY - before.clientY) / 2);
}

function brushPx(): number {
  return Number(brushInput.value);
}

function setBrush(px: number): void {
  brushInput.value = String(Math.round(px));
  brushText.textContent = `${brushInput.value} px`;
  if (view.brush !== null) view.brush = { at: view.brush.at, radiusPx: brushPx() / 2 };
  view.redraw();
}

function setCompare(share: number): void {
  compareInput.value = String(share);
  view.compareShare = share;
  view.redraw();
}

// ---- what is shown -----------------------------------------------------------------------------------------------

function refresh(): void {
  const edit = edits?.current ?? null;
  const hasResult = edit?.result != null;
  stage.classList.toggle("has-result", hasResult);
  buttons.mask.disabled = edit === null || isBusy;
  buttons.undo.disabled = edits === null || !edits.canUndo || isBusy;
  buttons.clear.disabled = edits === null || !edits.hasHole || isBusy;
  buttons.fill.disabled = edits === null || !edits.hasHole || hasResult || isBusy;
  buttons.save.disabled = !hasResult || isBusy;
  buttons.fit.disabled = buttons.actual.disabled = brushInput.disabled = edit === null;
  compareInput.disabled = !hasResult;
  view.show(
    edit && { ...edit, mask: edit.mask === null ? null : (shownMasks.get(edit.mask) ?? null) },
  );
}

function setBusy(busy: boolean): void {
  isBusy = busy;
  progress.hidden = !busy;
  progress.removeAttribute("value");
  stage.classList.toggle("is-busy", busy);
  refresh();
}

function say(text: string, isTrouble = false): void {
  status.textContent = text;
  status.classList.toggle("is-trouble", isTrouble);
}

function sizeOf({ width, height }: ImageBitmap): string {
  return `${width} × ${height} px`;
}

function undo(): void {
  if (edits === null || isBusy) return;
  edits.undo();
  refresh();
}

function element<Kind extends HTMLElement>(id: string, kind: abstract new (...rest: never[]) => Kind): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} "${id}"`);
  return found;
}

// ---- buttons, keys, drops ----------------------------------------------------------------------------------------

for (const opener of document.querySelectorAll("[data-open-photo]")) {
  opener.addEventListener("click", () => photoInput.click());
}
buttons.mask.addEventListener("click", () => maskInput.click());
buttons.undo.addEventListener("click", undo);
buttons.fill.addEventListener("click", fill);
buttons.fit.addEventListener("click", () => view.fit());
buttons.actual.addEventListener("click", () => view.actualSize());
buttons.clear.addEventListener("click", () => {
  edits?.clear();
  refresh();
});
buttons.save.addEventListener("click", () => {
  const result = edits?.current.result;
  if (result == null || isBusy) return;
  setBusy(true);
  ask({ kind: "save", picture: result });
});
brushInput.addEventListener("input", () => setBrush(brushPx()));
compareInput.addEventListener("input", () => setCompare(Number(compareInput.value)));

for (const [input, open] of [
  [photoInput, openPhoto],
  [maskInput, openMask],
] as const) {
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    input.value = "";
    if (file !== undefined && !isBusy) void open(file);
  });
}

document.addEventListener("keydown", (event) => {
  if (event.target instanceof HTMLInputElement && event.target.type !== "range") return;
  if (event.key === " ") isSpaceDown = true;
  else if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo();
  else if (event.ctrlKey || event.metaKey || event.altKey) return;
  else if (event.key === "[") setBrush(brushPx() / 1.2);
  else if (event.key === "]") setBrush(brushPx() * 1.2 + 1);
  else if (event.key === "f") fill();
  else if (event.key === "0") view.fit();
  else if (event.key === "1") view.actualSize();
  else return;
  if (event.key !== " " || !(event.target instanceof HTMLButtonElement)) event.preventDefault();
});
// A button that was clicked keeps the focus, and the space bar, held to move the photograph, would press it again.
document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button, label") : null;
  if (button !== null && event.detail > 0 && document.activeElement instanceof HTMLElement) document.activeElement.blur();
});
document.addEventListener("keyup", (event) => {
  if (event.key === " ") isSpaceDown = false;
});

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  stage.classList.add("is-target");
});
document.addEventListener("dragleave", () => stage.classList.remove("is-target"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  stage.classList.remove("is-target");
  const file = event.dataTransfer?.files[0];
  if (file !== undefined && !isBusy) void openPhoto(file);
});

refresh();
