/** The photograph on the screen: moved, enlarged, brushed on, and compared with its fill. */

import { whiteOf } from "./pictures.ts";
import { type Point, type Stroke } from "./strokes.ts";

const HOLE_COLOUR = "#ff3d6e";
const HOLE_OPACITY = 0.55;
/** Largest number of screen pixels per pixel of the photograph. */
const MOST_SCALE = 16;
/** Small photographs are enlarged up to this when all of them is shown. */
const MOST_FIT_SCALE = 3;

/** What is shown. */
export interface Scene {
  readonly photo: ImageBitmap;
  readonly strokes: readonly Stroke[];
  /** The mask as coloured pixels. */
  readonly mask: ImageBitmap | null;
  readonly result: ImageBitmap | null;
}

export class View {
  /** Share of the width, from the left, on which the photograph is shown and not its fill. */
  compareShare = 0;
  scene: Scene | null = null;
  /** Where the brush is, and how large; in pixels of the photograph. */
  brush: { readonly at: Point; readonly radiusPx: number } | null = null;
  /** Screen pixels per pixel of the photograph, and where its corner lies. */
  private scale = 1;
  private corner: Point = { x: 0, y: 0 };
  private isFitted = true;
  private isDrawn = true;
  private readonly context: CanvasRenderingContext2D;
  private readonly overlay = new OffscreenCanvas(1, 1);

  constructor(private readonly canvas: HTMLCanvasElement) {
    const context = canvas.getContext("2d");
    if (context === null) throw new Error("This browser has no canvas.");
    this.context = context;
    new ResizeObserver(() => this.resize()).observe(canvas);
  }

  /** Shows another picture, all of it. */
  show(scene: Scene | null): void {
    const isOther = scene?.photo.width !== this.scene?.photo.width || scene?.photo.height !== this.scene?.photo.height;
    this.scene = scene;
    if (isOther) this.fit();
    this.redraw();
  }

  /** A place on the page as a place in the photograph. */
  toPhoto(event: { clientX: number; clientY: number }): Point {
    const at = this.toScreen(event);
    return { x: (at.x - this.corner.x) / this.scale, y: (at.y - this.corner.y) / this.scale };
  }

  move(byX: number, byY: number): void {
    const ratio = devicePixelRatio;
    this.corner = { x: this.corner.x + byX * ratio, y: this.corner.y + byY * ratio };
    this.isFitted = false;
    this.redraw();
  }

  /** Enlarges by a factor; what is under a place of the page stays there. */
  zoom(factor: number, event: { clientX: number; clientY: number }): void {
    const at = this.toScreen(event);
    const scale = Math.min(Math.max(this.scale * factor, this.fittingScale() / 2), MOST_SCALE);
    const kept = scale / this.scale;
    this.corner = { x: at.x - (at.x - this.corner.x) * kept, y: at.y - (at.y - this.corner.y) * kept };
    this.scale = scale;
    this.isFitted = false;
    this.redraw();
  }

  /** One pixel of the photograph on one of the screen, around the middle of what is seen. */
  actualSize(): void {
    const box = this.canvas.getBoundingClientRect();
    this.zoom(1 / this.scale, { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 });
  }

  /** All of the photograph. */
  fit(): void {
    if (this.scene === null) return;
    const { width, height } = this.scene.photo;
    this.scale = this.fittingScale();
    this.corner = {
      x: (this.canvas.width - width * this.scale) / 2,
      y: (this.canvas.height - height * this.scale) / 2,
    };
    this.isFitted = true;
    this.redraw();
  }

  redraw(): void {
    if (!this.isDrawn) return;
    this.isDrawn = false;
    requestAnimationFrame(() => {
      this.isDrawn = true;
      this.draw();
    });
  }

  private resize(): void {
    this.canvas.width = Math.round(this.canvas.clientWidth * devicePixelRatio);
    this.canvas.height = Math.round(this.canvas.clientHeight * devicePixelRatio);
    if (this.isFitted) this.fit();
    this.redraw();
  }

  private fittingScale(): number {
    if (this.scene === null) return 1;
    const { width, height } = this.scene.photo;
    return Math.min(this.canvas.width / width, this.canvas.height / height, MOST_FIT_SCALE);
  }

  private toScreen({ clientX, clientY }: { clientX: number; clientY: number }): Point {
    const box = this.canvas.getBoundingClientRect();
    return { x: (clientX - box.left) * devicePixelRatio, y: (clientY - box.top) * devicePixelRatio };
  }

  private draw(): void {
    const { context, canvas, scene } = this;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    if (scene === null) return;
    this.place(context);
    context.imageSmoothingEnabled = this.scale < 2;
    context.imageSmoothingQuality = "high";
    context.drawImage(scene.result ?? scene.photo, 0, 0);
    if (scene.result === null) this.drawHole(scene);
    else this.drawBefore(scene.photo);
    this.drawBrush();
  }

  private place(context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D): void {
    context.setTransform(this.scale, 0, 0, this.scale, this.corner.x, this.corner.y);
  }

  /** Strokes are drawn opaque apart, then laid over: where they overlap they are no darker. */
  private drawHole({ strokes, mask }: Scene): void {
    const { context, overlay, canvas } = this;
    overlay.width = canvas.width;
    overlay.height = canvas.height;
    const drawn = overlay.getContext("2d");
    if (drawn === null) return;
    this.place(drawn);
    if (mask !== null) drawn.drawImage(mask, 0, 0);
    drawn.strokeStyle = HOLE_COLOUR;
    drawn.lineCap = drawn.lineJoin = "round";
    for (const { points, radiusPx } of strokes) {
      drawn.lineWidth = 2 * radiusPx;
      drawn.beginPath();
      points.forEach(({ x, y }, i) => (i === 0 ? drawn.moveTo(x, y) : drawn.lineTo(x, y)));
      if (points.length === 1) drawn.lineTo(points[0].x, points[0].y);
      drawn.stroke();
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = HOLE_OPACITY;
    context.drawImage(overlay, 0, 0);
    context.globalAlpha = 1;
  }

  private drawBefore(photo: ImageBitmap): void {
    if (this.compareShare <= 0) return;
    const { context } = this;
    const dividerPx = photo.width * this.compareShare;
    context.save();
    context.beginPath();
    context.rect(0, 0, dividerPx, photo.height);
    context.clip();
    context.drawImage(photo, 0, 0);
    context.restore();
    if (this.compareShare >= 1) return;
    context.fillStyle = "#fff";
    context.fillRect(dividerPx - 1 / this.scale, 0, 2 / this.scale, photo.height);
  }

  private drawBrush(): void {
    if (this.brush === null) return;
    const { context } = this;
    this.place(context);
    for (const [colour, widthPx] of [["#000", 3], ["#fff", 1.5]] as const) {
      context.strokeStyle = colour;
      context.lineWidth = (widthPx * devicePixelRatio) / this.scale;
      context.beginPath();
      context.arc(this.brush.at.x, this.brush.at.y, this.brush.radiusPx, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}

/** A mask as it is shown: white in the colour of holes, black clear; `null` where nothing is white. */
export async function tinted(mask: ImageBitmap): Promise<ImageBitmap | null> {
  const canvas = new OffscreenCanvas(mask.width, mask.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("This browser has no canvas.");
  context.drawImage(mask, 0, 0);
  const pixels = context.getImageData(0, 0, mask.width, mask.height);
  const hole = whiteOf(pixels.data);
  if (!hole.includes(1)) return null;
  hole.forEach((isHole, i) => (pixels.data[4 * i + 3] = isHole * 255));
  context.putImageData(pixels, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = HOLE_COLOUR;
  context.fillRect(0, 0, mask.width, mask.height);
  return createImageBitmap(canvas);
}
