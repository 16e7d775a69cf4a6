// The page: a photograph, a hole, a result, and what the buttons and keys do with them.

import { Hole } from "./hole.js";
import { drawMask } from "./mask.js";
import { Pen } from "./pen.js";
import { closePicture, openPicture } from "./picture.js";
import { encodeMask } from "./png.js";
import * as server from "./server.js";
import { makeSplit } from "./split.js";
import { View } from "./view.js";

/** @import { Picture } from "./picture.js" */
/** @import { Tool } from "./pen.js" */

/** @typedef {"empty" | "edit" | "busy" | "done"} State */

const NOTICE_MS = 6000;

/**
 * @template {HTMLElement} Kind
 * @param {string} id
 * @param {new () => Kind} kind
 * @returns {Kind}
 */
function element(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${id}`);
  return found;
}

const stage = element("stage", HTMLElement);
const canvas = element("canvas", HTMLCanvasElement);
const file = element("file", HTMLInputElement);
const size = element("size", HTMLInputElement);
const grow = element("grow", HTMLInputElement);
const feather = element("feather", HTMLInputElement);
const format = element("format", HTMLSelectElement);
const jpeg = element("jpeg", HTMLSelectElement);
const keep = element("keep", HTMLInputElement);
const download = element("download", HTMLAnchorElement);
const options = element("options", HTMLDetailsElement);
const keys = element("keys", HTMLDialogElement);
const notice = element("notice", HTMLElement);

/** @type {{file: File, picture: Picture} | null} */
let photo = null;
/** @type {{file: File, picture: Picture} | null} */
let result = null;
let hole = new Hole();
let split = 0.5;
let working = new AbortController();
/** @type {server.Info | null} */
let about = null;

const view = new View(canvas);
const pen = new Pen(view, {
  canDraw: () => state() === "edit",
  hasPhoto: () => photo !== null,
  photoSize: () => /** @type {{picture: Picture}} */ (photo).picture,
  onMark: (mark) => {
    hole.add(mark);
    update();
  },
  onChange: () => draw(),
});
const slider = makeSplit(element("split", HTMLElement), stage, (share) => {
  split = share;
  draw();
});

/** @returns {State} */
function state() {
  return /** @type {State} */ (document.body.dataset.state);
}

/** @param {State} next */
function enter(next) {
  document.body.dataset.state = next;
  if (next !== "busy") document.body.dataset.bars = next; // what one comes back to stays in sight, to no effect
  for (const bar of document.querySelectorAll(".bar")) bar.toggleAttribute("inert", next === "busy");
  options.open = false;
  if (next !== "edit") pen.cancel();
  update();
}

/** Brings what is to be seen up to date. */
function draw() {
  if (!photo) {
    view.show(null);
  } else if (state() === "done" && result) {
    view.show({ picture: result.picture, before: photo.picture, split, marks: [] });
  } else {
    const marks = pen.mark ? [...hole.marks, pen.mark] : hole.marks;
    const tip = state() === "edit" && pen.place;
    const shown = tip ? { ...tip, size: pen.tool === "box" ? 0 : pen.size } : undefined;
    view.show({ picture: photo.picture, marks, pen: shown });
  }
  element("zoom-full", HTMLButtonElement).textContent = `${percent(view.scale)} %`;
}

/** Brings the buttons up to date. */
function update() {
  element("undo", HTMLButtonElement).disabled = !hole.canUndo;
  element("redo", HTMLButtonElement).disabled = !hole.canRedo;
  element("clear", HTMLButtonElement).disabled = hole.isEmpty;
  element("fill", HTMLButtonElement).disabled = hole.isEmpty;
  const shown = state() === "done" ? result : photo;
  element("facts", HTMLElement).textContent = shown
    ? [shown.file.name, `${shown.picture.width} × ${shown.picture.height}`, megabytes(shown.file.size)].join("  ·  ")
    : "";
  updateOptions();
  draw();
}

/** @param {number} scale */
function percent(scale) {
  return scale < 0.1 ? (scale * 100).toFixed(1) : Math.round(scale * 100);
}

/** @param {number} bytes */
function megabytes(bytes) {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

// ---- messages ----

/** @param {unknown} error */
function showError(error) {
  const text = error instanceof Error ? error.message : String(error);
  element("error-text", HTMLElement).textContent = text;
  element("error", HTMLElement).hidden = false;
}

function hideError() {
  element("error", HTMLElement).hidden = true;
}

let noticeTimer = 0;

/** @param {string} text */
function showNotice(text) {
  notice.textContent = text;
  notice.hidden = false;
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => (notice.hidden = true), NOTICE_MS);
}

/**
 * Shows that something goes on, and for how long already.
 * @param {string} text
 * @param {(signal: AbortSignal) => Promise<void>} work may be cancelled by the signal
 */
async function busyWith(text, work) {
  const before = state();
  const began = performance.now();
  const time = element("busy-time", HTMLElement);
  const tick = () => (time.textContent = `${((performance.now() - began) / 1e3).toFixed(1)} s`);
  element("busy-text", HTMLElement).textContent = text;
  hideError();
  notice.hidden = true;
  tick();
  working = new AbortController();
  const timer = setInterval(tick, 100);
  enter("busy");
  try {
    await work(working.signal);
  } catch (error) {
    const isCancelled = error instanceof DOMException && error.name === "AbortError";
    if (!isCancelled) showError(error);
  } finally {
    clearInterval(timer);
    if (state() === "busy") enter(before);
  }
}

// ---- what can be done ----

/** @param {File} chosen */
async function openPhoto(chosen) {
  if (state() === "busy") return;
  await busyWith("Opening", async (signal) => {
    about ??= await server.info();
    const { max_mb, max_pixels } = about.limits;
    if (chosen.size > max_mb * 1e6) {
      throw new Error(`${chosen.name} has ${megabytes(chosen.size)}; this server takes ${max_mb} MB at most.`);
    }
    const picture = await openPicture(chosen, signal);
    if (picture.width * picture.height > max_pixels) {
      throw new Error(
        `${chosen.name} is ${picture.width} × ${picture.height}; this server takes ${max_pixels / 1e6} megapixels at most.`,
      );
    }
    usePhoto(chosen, picture);
  });
}

/**
 * @param {File} file
 * @param {Picture} picture
 */
function usePhoto(file, picture) {
  const before = [photo, result];
  photo = { file, picture };
  result = null;
  hole = new Hole();
  pen.place = null;
  setSize();
  enter("edit");
  for (const old of before) if (old && old.picture !== picture) closePicture(old.picture);
  canvas.focus({ preventScroll: true });
}

async function fill() {
  if (state() !== "edit" || !photo || hole.isEmpty) return;
  const { file: source, picture } = photo;
  const wrong = [grow, feather].find((field) => !field.checkValidity());
  if (wrong) {
    options.open = true; // hidden, it could not say what is wrong
    wrong.reportValidity();
    return;
  }
  await busyWith("Filling", async (signal) => {
    await new Promise((resolve) => setTimeout(resolve)); // shows that it has begun before the mask is drawn
    const mask = drawMask(hole.marks, picture.width, picture.height);
    if (!mask.includes(1)) throw new Error("Nothing is marked: the eraser took it all away.");
    const given = chosenOptions();
    const began = performance.now();
    const png = await encodeMask(mask, picture.width, picture.height);
    const filled = await server.fill(source, png, given, signal);
    const seconds = ((performance.now() - began) / 1e3).toFixed(1);
    const name = `${source.name.replace(/\.[^.]*$/, "").replace(/-filled$/, "")}-filled${endingOf(filled.blob.type)}`;
    const file = new File([filled.blob], name, { type: filled.blob.type });
    closePicture(result?.picture);
    result = { file, picture: await openPicture(file, signal) };
    offerDownload(file);
    slider.set(splitAtHole());
    enter("done");
    showNotice(filled.warnings || `${filled.holePixels.toLocaleString("en")} pixels filled in ${seconds} s`);
    element("split", HTMLElement).focus({ preventScroll: true });
  });
}

/**
 * Where before and after meet at first: in the middle of what has been filled, so that it is seen at once.
 * @returns {number} 0..1 of the width of the stage
 */
function splitAtHole() {
  const x = hole.middleX;
  const share = (view.toStage({ x: x ?? 0, y: 0 }).x || 0) / canvas.clientWidth;
  return x === null ? 0.5 : Math.min(0.9, Math.max(0.1, share));
}

/** @param {string} type */
function endingOf(type) {
  const endings = {
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/tiff": ".tif",
    "image/bmp": ".bmp",
    "image/avif": ".avif",
    "image/heic": ".heic",
  };
  return endings[/** @type {keyof typeof endings} */ (type)] ?? ".png";
}

/** @param {File} file */
function offerDownload(file) {
  URL.revokeObjectURL(download.href);
  download.href = URL.createObjectURL(file);
  download.download = file.name;
}

function changeHole() {
  if (state() !== "done") return;
  enter("edit");
  canvas.focus({ preventScroll: true });
}

function goOn() {
  if (state() === "done" && result) usePhoto(result.file, result.picture);
}

/** @param {() => void} change */
function changeMarks(change) {
  if (state() !== "edit") return;
  pen.cancel();
  change();
  update();
}

function undo() {
  state() === "done" ? changeHole() : changeMarks(() => hole.undo());
}

/** @param {Tool} tool */
function choose(tool) {
  const radio = document.querySelector(`input[name="tool"][value="${tool}"]`);
  if (radio instanceof HTMLInputElement) radio.checked = true;
  pen.tool = tool;
  pen.cancel();
}

/** The slider is a scale of ratios, from two pixels to a third of the photograph. */
function setSize() {
  if (!photo) return;
  const most = Math.max(8, Math.max(photo.picture.width, photo.picture.height) / 3);
  pen.size = Math.max(1, Math.round(2 * (most / 2) ** (Number(size.value) / 100)));
  element("size-text", HTMLOutputElement).value = `${pen.size} px`;
  draw();
}

/** @param {number} by */
function changeSize(by) {
  size.value = String(Number(size.value) + by);
  setSize();
}

// ---- options ----

/** @returns {HTMLInputElement} the preset that is chosen */
function preset() {
  return /** @type {HTMLInputElement} */ (document.querySelector('input[name="preset"]:checked'));
}

/** @param {string} name */
function choosePreset(name) {
  const radio = document.querySelector(`input[name="preset"][value="${name}"]`);
  if (radio instanceof HTMLInputElement) radio.checked = true;
}

/** Whether the photograph is a JPEG that stays one: then it can be said how. */
function staysJpeg() {
  return photo?.file.type === "image/jpeg" && ["", "jpg"].includes(format.value);
}

/** @returns {Record<string, string>} as the server spells them; what is left out is as the server has it */
function chosenOptions() {
  return {
    preset: preset().value,
    ...(Number(grow.value) && { grow: grow.value }),
    ...(Number(feather.value) && { feather: feather.value }),
    ...(format.value && { format: format.value }),
    ...(staysJpeg() && jpeg.value && { jpeg: jpeg.value }),
    ...(!keep.checked && { strip: "true" }),
  };
}

/** Shows which options there are, and whether any is not as it was at first. */
function updateOptions() {
  element("jpeg-row", HTMLElement).hidden = !staysJpeg();
  const { preset: name, ...others } = chosenOptions();
  const isChanged = Object.keys(others).length > 0 || name !== (about?.preset ?? "balanced");
  options.classList.toggle("changed", isChanged);
  element("reset", HTMLButtonElement).disabled = !isChanged;
}

function resetOptions() {
  choosePreset(about?.preset ?? "balanced");
  grow.value = feather.value = "0";
  format.value = jpeg.value = "";
  keep.checked = true;
  updateOptions();
}

/** Leaves out what this server cannot write. */
function limitOptions() {
  if (!about) return;
  const { formats, jpeg_lossless } = about;
  const known = [...format.options].filter(({ value }) => !value || formats.includes(value));
  format.replaceChildren(...known);
  element("formats", HTMLElement).textContent = known.filter(({ value }) => value).map(({ text }) => text).join(", ");
  if (!jpeg_lossless) jpeg.querySelector('[value="lossless"]')?.remove();
}

// ---- buttons ----

/** @type {Record<string, () => void>} */
const BUTTONS = {
  open: () => file.click(),
  choose: () => file.click(),
  undo,
  redo: () => changeMarks(() => hole.redo()),
  clear: () => changeMarks(() => hole.clear()),
  "zoom-out": () => view.zoom(1 / 1.4),
  "zoom-in": () => view.zoom(1.4),
  "zoom-full": () => view.zoomTo(1),
  "zoom-fit": () => view.fit(),
  "show-keys": () => keys.showModal(),
  "error-close": hideError,
  fill,
  cancel: () => working.abort(),
  back: changeHole,
  "go-on": goOn,
  reset: resetOptions,
};
for (const [id, act] of Object.entries(BUTTONS)) {
  element(id, HTMLButtonElement).addEventListener("click", () => {
    act();
    draw();
  });
}

for (const radio of document.querySelectorAll('input[name="tool"]')) {
  radio.addEventListener("change", () => choose(/** @type {Tool} */ (/** @type {HTMLInputElement} */ (radio).value)));
}
size.addEventListener("input", setSize);
for (const event of ["input", "change"]) options.addEventListener(event, updateOptions);
file.addEventListener("change", () => {
  const [chosen] = file.files ?? [];
  if (chosen) openPhoto(chosen);
  file.value = ""; // so that the same file can be chosen again
});
addEventListener("pointerdown", (event) => {
  if (event.target instanceof Node && !options.contains(event.target)) options.open = false;
});

// ---- dropped and pasted files ----

let depth = 0; // of what the file hovers over: leaving a child is not leaving the stage

addEventListener("dragenter", (event) => {
  event.preventDefault();
  stage.classList.toggle("over", ++depth > 0);
});
addEventListener("dragleave", () => stage.classList.toggle("over", --depth > 0));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  depth = 0;
  stage.classList.remove("over");
  const [dropped] = event.dataTransfer?.files ?? [];
  if (dropped) openPhoto(dropped);
  else showError("That is not a file. Save the picture first, then drop the file here.");
});
addEventListener("paste", (event) => {
  const [pasted] = event.clipboardData?.files ?? [];
  if (pasted) openPhoto(pasted);
});

// ---- keys ----

/** @type {Record<string, () => void>} */
const KEYS = {
  o: () => file.click(),
  b: () => choose("brush"),
  r: () => choose("box"),
  e: () => choose("erase"),
  "[": () => changeSize(-4),
  "]": () => changeSize(4),
  Delete: BUTTONS.clear,
  Backspace: BUTTONS.clear,
  f: fill,
  g: goOn,
  s: () => state() === "done" && download.click(),
  "\\": () => state() === "done" && slider.toggle(),
  "+": BUTTONS["zoom-in"],
  "=": BUTTONS["zoom-in"],
  "-": BUTTONS["zoom-out"],
  0: BUTTONS["zoom-fit"],
  1: BUTTONS["zoom-full"],
  "?": BUTTONS["show-keys"],
  Escape: () => {
    if (options.open) options.open = false;
    else if (state() === "busy") working.abort();
    else if (!pen.cancel()) hideError();
  },
};

addEventListener("keydown", (event) => {
  const isTyping = event.target instanceof HTMLSelectElement || (event.target instanceof HTMLInputElement && event.target.type === "number");
  if (keys.open || event.altKey || (isTyping && event.key !== "Escape")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  let act = KEYS[key];
  if (event.ctrlKey || event.metaKey) {
    act = { z: event.shiftKey ? BUTTONS.redo : undo, y: BUTTONS.redo, o: KEYS.o }[key] ?? (() => {});
    if (!["z", "y", "o"].includes(key)) return;
  }
  if (!act) return;
  event.preventDefault();
  act();
  draw();
});

server.info().then(
  (answer) => {
    about = answer;
    limitOptions();
    resetOptions();
  },
  showError,
);
enter("empty");
