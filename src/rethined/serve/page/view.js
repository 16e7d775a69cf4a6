// The stage: which part of the photograph is seen, how large, and what is drawn over it.

import { wholePixels } from "./hole.js";

/** @import { Mark } from "./hole.js" */
/** @import { Picture } from "./picture.js" */

const HOLE_COLOUR = "rgb(255 58 84)";
const HOLE_OPACITY = 0.55;
const MOST_SCALE = 32;
const MARGIN = 24;

/**
 * What is to be seen. Left of `split` (0..1 of the width of the stage) `before` is drawn over `picture`.
 * @typedef {object} Scene
 * @property {Picture} picture
 * @property {Picture} [before]
 * @property {number} [split]
 * @property {readonly Mark[]} marks
 * @property {{x: number, y: number, size: number}} [pen] in pixels of the photograph; of size 0 it is a cross
 */

export class View {
  #context;
  #overlay = new OffscreenCanvas(1, 1);
  #edge = new OffscreenCanvas(1, 1);
  /** @type {Scene | null} */
  #scene = null;
  #scale = 1; // of one pixel of the photograph, in pixels of the screen
  #x = 0; // where its corner is, in pixels of the screen
  #y = 0;
  #isFitted = true;
  #isDue = false;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.#context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    new ResizeObserver(() => this.#resize()).observe(canvas);
    this.#resize();
  }

  /** Pixels of the screen a pixel of the photograph takes. */
  get scale() {
    return this.#scale;
  }

  /** @param {Scene | null} scene */
  show(scene) {
    const before = this.#scene?.picture;
    this.#scene = scene;
    const isNew = !before || before.width !== scene?.picture.width || before.height !== scene?.picture.height;
    if (scene && isNew) this.fit();
    this.draw();
  }

  /** Shows all of the photograph, never larger than it is. */
  fit() {
    if (!this.#scene) return;
    const { width, height } = this.#scene.picture;
    const margin = MARGIN * devicePixelRatio;
    this.#isFitted = true;
    this.#scale = Math.max(this.#least, Math.min(1, this.#fitting(margin)));
    this.#x = Math.round((this.canvas.width - width * this.#scale) / 2);
    this.#y = Math.round((this.canvas.height - height * this.#scale) / 2);
    this.draw();
  }

  /**
   * @param {number} factor
   * @param {{x: number, y: number}} [at] place on the screen that stays, in CSS pixels; the middle if left out
   */
  zoom(factor, at) {
    this.zoomTo(this.#scale * factor, at);
  }

  /**
   * @param {number} scale
   * @param {{x: number, y: number}} [at]
   */
  zoomTo(scale, at) {
    if (!this.#scene) return;
    const x = at ? at.x * devicePixelRatio : this.canvas.width / 2;
    const y = at ? at.y * devicePixelRatio : this.canvas.height / 2;
    const next = Math.min(MOST_SCALE, Math.max(this.#least, scale));
    this.#x = Math.round(x - ((x - this.#x) / this.#scale) * next);
    this.#y = Math.round(y - ((y - this.#y) / this.#scale) * next);
    this.#scale = next;
    this.#isFitted = false;
    this.#keepInSight();
    this.draw();
  }

  /**
   * @param {number} dx in CSS pixels
   * @param {number} dy
   */
  move(dx, dy) {
    if (!this.#scene) return;
    this.#x += Math.round(dx * devicePixelRatio);
    this.#y += Math.round(dy * devicePixelRatio);
    this.#isFitted = false;
    this.#keepInSight();
    this.draw();
  }

  /**
   * From CSS pixels of the stage to pixels of the photograph.
   * @param {{x: number, y: number}} place
   */
  toPicture({ x, y }) {
    return { x: (x * devicePixelRatio - this.#x) / this.#scale, y: (y * devicePixelRatio - this.#y) / this.#scale };
  }

  /**
   * From pixels of the photograph to CSS pixels of the stage.
   * @param {{x: number, y: number}} place
   */
  toStage({ x, y }) {
    return { x: (this.#x + x * this.#scale) / devicePixelRatio, y: (this.#y + y * this.#scale) / devicePixelRatio };
  }

  /**
   * Moves the photograph so that one of its pixels is seen.
   * @param {{x: number, y: number}} place
   */
  reveal({ x, y }) {
    const margin = 40 * devicePixelRatio;
    const [left, top] = [this.#x + x * this.#scale, this.#y + y * this.#scale];
    this.#x -= Math.round(Math.min(0, left - margin) + Math.max(0, left - this.canvas.width + margin));
    this.#y -= Math.round(Math.min(0, top - margin) + Math.max(0, top - this.canvas.height + margin));
    this.draw();
  }

  /** Draws before the screen is next refreshed. */
  draw() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  /** @param {number} margin */
  #fitting(margin) {
    const { width, height } = /** @type {Scene} */ (this.#scene).picture;
    const [room, headroom] = [this.canvas.width - 2 * margin, this.canvas.height - 2 * margin];
    return Math.max(1e-3, Math.min(room / width, headroom / height));
  }

  get #least() {
    return Math.min(1, this.#fitting(0) / 4);
  }

  #resize() {
    const { width, height } = this.canvas;
    this.canvas.width = Math.max(1, Math.round(this.canvas.clientWidth * devicePixelRatio));
    this.canvas.height = Math.max(1, Math.round(this.canvas.clientHeight * devicePixelRatio));
    for (const layer of [this.#overlay, this.#edge]) {
      layer.width = this.canvas.width;
      layer.height = this.canvas.height;
    }
    if (this.#isFitted) {
      this.fit();
    } else {
      // What was in the middle stays there.
      this.#x += Math.round((this.canvas.width - width) / 2);
      this.#y += Math.round((this.canvas.height - height) / 2);
      this.#keepInSight();
    }
    this.draw();
  }

  /** Some of the photograph stays on the stage. */
  #keepInSight() {
    if (!this.#scene) return;
    const { width, height } = this.#scene.picture;
    const least = 60 * devicePixelRatio;
    this.#x = Math.min(this.canvas.width - least, Math.max(least - width * this.#scale, this.#x));
    this.#y = Math.min(this.canvas.height - least, Math.max(least - height * this.#scale, this.#y));
  }

  #draw() {
    const context = this.#context;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!this.#scene) return;
    const { picture, before, split = 0, marks, pen } = this.#scene;
    this.#drawPicture(picture);
    if (before) {
      context.save();
      context.beginPath();
      context.rect(0, 0, Math.round(split * this.canvas.width), this.canvas.height);
      context.clip();
      this.#drawPicture(before);
      context.restore();
    }
    if (marks.length) this.#drawMarks(marks);
    if (pen) this.#drawPen(pen);
  }

  /** @param {Picture} picture */
  #drawPicture({ bitmap, small, width, height }) {
    const context = this.#context;
    const [shownWidth, shownHeight] = [Math.round(width * this.#scale), Math.round(height * this.#scale)];
    drawChecks(context, this.#x, this.#y, shownWidth, shownHeight);
    context.imageSmoothingEnabled = this.#scale < 2; // larger than that one wants to see the pixels
    context.imageSmoothingQuality = "high";
    const isSmallEnough = small && shownWidth <= small.width && shownHeight <= small.height;
    context.drawImage(isSmallEnough ? small : bitmap, this.#x, this.#y, shownWidth, shownHeight);
  }

  /** @param {readonly Mark[]} marks */
  #drawMarks(marks) {
    const overlay = /** @type {OffscreenCanvasRenderingContext2D} */ (this.#overlay.getContext("2d"));
    const { width, height } = /** @type {Scene} */ (this.#scene).picture;
    overlay.setTransform(1, 0, 0, 1, 0, 0);
    overlay.clearRect(0, 0, this.#overlay.width, this.#overlay.height);
    overlay.setTransform(this.#scale, 0, 0, this.#scale, this.#x, this.#y);
    overlay.save();
    overlay.beginPath();
    overlay.rect(0, 0, width, height);
    overlay.clip();
    overlay.fillStyle = overlay.strokeStyle = HOLE_COLOUR;
    overlay.lineCap = overlay.lineJoin = "round";
    for (const mark of marks) {
      overlay.globalCompositeOperation = mark.kind === "erase" ? "destination-out" : "source-over";
      if (mark.kind === "clear") {
        overlay.clearRect(0, 0, width, height);
      } else if (mark.kind === "box") {
        const { left, top, right, bottom } = wholePixels(mark, width, height);
        overlay.fillRect(left, top, Math.max(0, right - left), Math.max(0, bottom - top));
      } else {
        drawLine(overlay, mark.points, mark.size);
      }
    }
    overlay.restore();
    this.#context.globalAlpha = HOLE_OPACITY;
    this.#context.drawImage(this.#overlay, 0, 0);
    this.#context.globalAlpha = 1;
    this.#drawEdge();
  }

  /** A light rim round what is marked: on red things the colour alone would not be seen. */
  #drawEdge() {
    const edge = /** @type {OffscreenCanvasRenderingContext2D} */ (this.#edge.getContext("2d"));
    const { width, height } = this.#edge;
    const rim = 1.25 * devicePixelRatio;
    edge.globalCompositeOperation = "source-over";
    edge.clearRect(0, 0, width, height);
    for (const [dx, dy] of [[1, 0], [0.7, 0.7], [0, 1], [-0.7, 0.7], [-1, 0], [-0.7, -0.7], [0, -1], [0.7, -0.7]]) {
      edge.drawImage(this.#overlay, dx * rim, dy * rim);
    }
    edge.globalCompositeOperation = "source-in";
    edge.fillStyle = "#fff";
    edge.fillRect(0, 0, width, height);
    edge.globalCompositeOperation = "destination-out";
    edge.drawImage(this.#overlay, 0, 0);
    this.#context.drawImage(this.#edge, 0, 0);
  }

  /** @param {{x: number, y: number, size: number}} pen */
  #drawPen({ x, y, size }) {
    const context = this.#context;
    const [left, top] = [this.#x + x * this.#scale, this.#y + y * this.#scale];
    const outline = new Path2D();
    if (size) {
      outline.arc(left, top, Math.max(1, (size / 2) * this.#scale), 0, 2 * Math.PI);
    }
    if (!size || size * this.#scale < 12) {
      const arm = 9 * devicePixelRatio;
      outline.moveTo(left - arm, top);
      outline.lineTo(left + arm, top);
      outline.moveTo(left, top - arm);
      outline.lineTo(left, top + arm);
    }
    for (const [colour, width] of /** @type {[string, number][]} */ ([["#000a", 3], ["#fff", 1.3]])) {
      context.strokeStyle = colour;
      context.lineWidth = width * devicePixelRatio;
      context.stroke(outline);
    }
  }
}

/**
 * @param {OffscreenCanvasRenderingContext2D} context
 * @param {number[]} points
 * @param {number} size
 */
function drawLine(context, points, size) {
  context.beginPath();
  context.moveTo(points[0], points[1]);
  for (let i = 2; i < points.length; i += 2) context.lineTo(points[i], points[i + 1]);
  if (points.length === 2) context.lineTo(points[0], points[1]); // a line of no length still has round ends
  context.lineWidth = size;
  context.stroke();
}

/**
 * What lies behind transparent pixels.
 * @param {CanvasRenderingContext2D} context
 * @param {number} x
 * @param {number} y
 * @param {number} width
 * @param {number} height
 */
function drawChecks(context, x, y, width, height) {
  checks ??= makeChecks(context);
  context.fillStyle = checks;
  context.fillRect(x, y, width, height);
}

/** @type {CanvasPattern | undefined} */
let checks;

/**
 * @param {CanvasRenderingContext2D} context
 * @returns {CanvasPattern}
 */
function makeChecks(context) {
  const tile = new OffscreenCanvas(24, 24);
  const drawing = /** @type {OffscreenCanvasRenderingContext2D} */ (tile.getContext("2d"));
  drawing.fillStyle = "#3a3a3a";
  drawing.fillRect(0, 0, 24, 24);
  drawing.fillStyle = "#2e2e2e";
  drawing.fillRect(0, 0, 12, 12);
  drawing.fillRect(12, 12, 12, 12);
  return /** @type {CanvasPattern} */ (context.createPattern(tile, "repeat"));
}
