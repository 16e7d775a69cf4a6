/** What a person brushes: lines with round ends, in pixels of the photograph, and the hole that they make. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Stroke {
  readonly radiusPx: number;
  readonly points: Point[];
}

/**
 * Marks the pixels of a picture whose centre lies within a stroke.
 *
 * @param hole - width x height bytes, 1 = fill; what is marked already stays.
 */
export function markStrokes(hole: Uint8Array, width: number, height: number, strokes: readonly Stroke[]): void {
  for (const { points, radiusPx } of strokes) {
    points.forEach((point, index) => {
      markLine(hole, width, height, points[Math.max(index - 1, 0)], point, radiusPx);
    });
  }
}

function markLine(hole: Uint8Array, width: number, height: number, from: Point, to: Point, radiusPx: number): void {
  const top = clamp(Math.floor(Math.min(from.y, to.y) - radiusPx), 0, height);
  const bottom = clamp(Math.ceil(Math.max(from.y, to.y) + radiusPx), 0, height);
  const left = clamp(Math.floor(Math.min(from.x, to.x) - radiusPx), 0, width);
  const right = clamp(Math.ceil(Math.max(from.x, to.x) + radiusPx), 0, width);
  const alongX = to.x - from.x;
  const alongY = to.y - from.y;
  const squaredLength = alongX * alongX + alongY * alongY;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const fromX = x + 0.5 - from.x;
      const fromY = y + 0.5 - from.y;
      const share = squaredLength > 0 ? clamp((fromX * alongX + fromY * alongY) / squaredLength, 0, 1) : 0;
      const awayX = fromX - share * alongX;
      const awayY = fromY - share * alongY;
      if (awayX * awayX + awayY * awayY <= radiusPx * radiusPx) hole[y * width + x] = 1;
    }
  }
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
