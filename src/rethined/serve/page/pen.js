// Hands on the stage: mouse, pen and fingers draw or move the photograph, and so do the keys.

import { wholePixels } from "./hole.js";

/** @import { Box, Line, Mark } from "./hole.js" */
/** @import { View } from "./view.js" */

/** @typedef {"brush" | "box" | "erase"} Tool */

/**
 * @typedef {object} Host
 * @property {() => boolean} canDraw
 * @property {() => boolean} hasPhoto
 * @property {() => {width: number, height: number}} photoSize
 * @property {(mark: Mark) => void} onMark called with each finished mark
 * @property {() => void} onChange called when something has to be drawn anew
 */

const KEY_STEP = 10;

export class Pen {
  /** @type {Tool} */
  tool = "brush";
  size = 40;
  /** What is being drawn. @type {Line | Box | null} */
  mark = null;
  /** Where the tip is, in pixels of the photograph. @type {{x: number, y: number} | null} */
  place = null;
  #view;
  #host;
  /** Fingers and mouse buttons that are down. @type {Map<number, {x: number, y: number}>} */
  #down = new Map();
  #isMoving = false;
  #isSpaceDown = false;
  #byKeys = false;

  /**
   * @param {View} view
   * @param {Host} host
   */
  constructor(view, host) {
    this.#view = view;
    this.#host = host;
    const canvas = view.canvas;
    canvas.addEventListener("pointerdown", (event) => this.#onDown(event));
    canvas.addEventListener("pointermove", (event) => this.#onMove(event));
    canvas.addEventListener("pointerup", (event) => this.#onUp(event));
    canvas.addEventListener("pointercancel", (event) => this.#onUp(event));
    canvas.addEventListener("pointerleave", () => {
      if (!this.mark) this.place = null;
      this.#host.onChange();
    });
    canvas.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.#onKey(event));
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    addEventListener("keydown", (event) => {
      if (event.key === " " && host.hasPhoto() && !isPressable(event.target)) this.#setSpace(true, event);
    });
    // A button that was clicked keeps the focus, and would take the space bar for itself.
    addEventListener("click", (event) => {
      const isClicked = event.detail > 0 && event.target instanceof Element && event.target.closest("button, label");
      if (isClicked && isPressable(document.activeElement)) canvas.focus({ preventScroll: true });
    });
    addEventListener("keyup", (event) => event.key === " " && this.#setSpace(false, event));
    addEventListener("blur", () => this.#setSpace(false));
  }

  /** Lets go of what is being drawn; `true` if there was something. */
  cancel() {
    const was = this.mark !== null;
    this.mark = null;
    this.#byKeys = false;
    this.#host.onChange();
    return was;
  }

  /**
   * @param {boolean} isDown
   * @param {KeyboardEvent} [event]
   */
  #setSpace(isDown, event) {
    if (isDown) event?.preventDefault();
    this.#isSpaceDown = isDown;
    this.#view.canvas.classList.toggle("moving", isDown);
  }

  /** @param {PointerEvent} event */
  #onDown(event) {
    if (!this.#host.hasPhoto()) return;
    this.#view.canvas.setPointerCapture(event.pointerId);
    this.#down.set(event.pointerId, this.#placeOf(event));
    if (this.#down.size > 1) {
      this.cancel(); // two fingers move and zoom
      this.#isMoving = true;
    } else if (event.button !== 0 || this.#isSpaceDown || !this.#host.canDraw()) {
      this.#isMoving = true;
    } else {
      this.#byKeys = false;
      this.place = this.#view.toPicture(this.#placeOf(event));
      this.#begin();
    }
    this.#host.onChange();
  }

  /** @param {PointerEvent} event */
  #onMove(event) {
    const before = this.#down.get(event.pointerId);
    const place = this.#placeOf(event);
    if (before && this.#isMoving) {
      this.#drag(event.pointerId, before, place);
      return;
    }
    if (!this.#host.canDraw() || this.#byKeys) return;
    // Between two frames a pen reports many places; all of them belong to the line.
    const events = before ? event.getCoalescedEvents?.() ?? [] : [];
    for (const each of events.length ? events : [event]) {
      this.place = this.#view.toPicture(this.#placeOf(each));
      this.#extend();
    }
    this.#host.onChange();
  }

  /** @param {PointerEvent} event */
  #onUp(event) {
    this.#down.delete(event.pointerId);
    if (this.#down.size) return;
    this.#isMoving = false;
    if (!this.#byKeys) event.type === "pointerup" ? this.#finish() : this.cancel();
    if (event.pointerType === "touch") this.place = null;
    this.#host.onChange();
  }

  /**
   * @param {number} id
   * @param {{x: number, y: number}} before
   * @param {{x: number, y: number}} place
   */
  #drag(id, before, place) {
    const others = [...this.#down].filter(([other]) => other !== id).map(([, at]) => at);
    this.#down.set(id, place);
    const share = 1 / this.#down.size;
    this.#view.move((place.x - before.x) * share, (place.y - before.y) * share);
    if (others.length === 1) {
      const [other] = others;
      const apart = Math.hypot(place.x - other.x, place.y - other.y);
      const wasApart = Math.hypot(before.x - other.x, before.y - other.y);
      const middle = { x: (place.x + other.x) / 2, y: (place.y + other.y) / 2 };
      if (wasApart > 0) this.#view.zoom(apart / wasApart, middle);
    }
    this.#host.onChange();
  }

  /** @param {WheelEvent} event */
  #onWheel(event) {
    if (!this.#host.hasPhoto()) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    if (event.shiftKey || (event.deltaX && !event.ctrlKey)) {
      this.#view.move(-(event.deltaX || event.deltaY) * lines, event.deltaX ? -event.deltaY * lines : 0);
    } else {
      this.#view.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), this.#placeOf(event));
    }
    this.#host.onChange();
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (!this.#host.canDraw() || event.ctrlKey || event.metaKey || event.altKey) return;
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[/** @type {keyof typeof ways} */ (event.key)];
    const { width, height } = this.#host.photoSize();
    if (way) {
      const step = event.shiftKey ? 1 : Math.max(1, Math.round((KEY_STEP * devicePixelRatio) / this.#view.scale));
      const { x, y } = this.place ?? { x: Math.floor(width / 2), y: Math.floor(height / 2) };
      this.place = {
        x: Math.min(width, Math.max(0, x + way[0] * step)),
        y: Math.min(height, Math.max(0, y + way[1] * step)),
      };
      this.#extend();
      this.#view.reveal(this.place);
    } else if (event.key === "Enter") {
      this.place ??= { x: Math.floor(width / 2), y: Math.floor(height / 2) };
      if (this.mark) {
        this.#finish();
      } else {
        this.#byKeys = true;
        this.#begin();
      }
    } else {
      return;
    }
    event.preventDefault();
    this.#host.onChange();
  }

  /**
   * @param {MouseEvent} event
   * @returns {{x: number, y: number}} in CSS pixels of the stage
   */
  #placeOf(event) {
    const { left, top } = this.#view.canvas.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  #begin() {
    const { x, y } = /** @type {{x: number, y: number}} */ (this.place);
    this.mark =
      this.tool === "box"
        ? { kind: "box", x0: x, y0: y, x1: x, y1: y }
        : { kind: this.tool, size: this.size, points: [x, y] };
  }

  #extend() {
    if (!this.mark || !this.place) return;
    const { x, y } = this.place;
    if (this.mark.kind === "box") {
      this.mark.x1 = x;
      this.mark.y1 = y;
    } else {
      const points = this.mark.points;
      // Places closer together than that only cost time.
      const isNear = Math.hypot(x - points[points.length - 2], y - points[points.length - 1]) < 0.5 / this.#view.scale;
      if (!isNear) points.push(x, y);
    }
  }

  #finish() {
    const mark = this.mark;
    this.mark = null;
    this.#byKeys = false;
    if (!mark) return;
    if (mark.kind === "box") {
      const { width, height } = this.#host.photoSize();
      const { left, top, right, bottom } = wholePixels(mark, width, height);
      if (mark.x0 === mark.x1 || mark.y0 === mark.y1 || right <= left || bottom <= top) return; // a click is no box
    }
    this.#host.onMark(mark);
  }
}

/**
 * Whether the space bar means something to what has the focus.
 * @param {EventTarget | null} target
 */
function isPressable(target) {
  if (target instanceof HTMLInputElement) return !["radio", "range"].includes(target.type);
  return target instanceof Element && target.closest("button, select, summary, a, dialog") !== null;
}
