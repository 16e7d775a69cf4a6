"""Free-form holes, drawn anew for every sample.

The three LaMa families follow the parameters that advimman/lama publishes for 512 x 512 (strokes of chained segments,
boxes); ``blobs`` follows the holes seen in the published DF8K-Inpainting examples: many small wobbly ellipses. All
sizes are for a 512 x 512 canvas and scale with the short side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

MaskFamily = Literal["lama-thin", "lama-medium", "lama-thick", "df8k-blobs"]

REFERENCE_SIDE_PX = 512
MAX_SHARE = 0.5
"""A mask that hides more than this is drawn again, as LaMa does."""


@dataclass(frozen=True)
class StrokeFamily:
    """Strokes and boxes of one LaMa family; lengths in pixels of a 512 canvas."""

    strokes: tuple[int, int]
    max_width_px: int
    max_length_px: int
    box_probability: float = 0.0
    boxes: tuple[int, int] = (0, 0)
    box_side_px: tuple[int, int] = (0, 0)
    margin_px: int = 0


LAMA_FAMILIES: dict[MaskFamily, StrokeFamily] = {
    "lama-thin": StrokeFamily((4, 70), 20, 100),
    "lama-medium": StrokeFamily((4, 10), 100, 200, 0.3 / 1.3, (1, 5), (30, 150)),
    "lama-thick": StrokeFamily((1, 5), 250, 450, 0.3 / 1.3, (1, 4), (30, 300), 10),
}
FAMILIES: tuple[MaskFamily, ...] = (*LAMA_FAMILIES, "df8k-blobs")


def draw_hole(
    family: MaskFamily, size_hw: tuple[int, int], rng: np.random.Generator, *, zoom: float = 1.0
) -> NDArray[np.bool_]:
    """One random hole map.

    Args:
        family: Which kind of hole.
        size_hw: Height and width of the map in pixels.
        rng: Source of all randomness.
        zoom: Factor on every length, for example 0.5 for holes as they look in a picture shrunk to half.

    Returns:
        ``(H, W)`` bool, ``True`` = fill; never empty, at most half of the canvas.
    """
    for _ in range(20):
        if family == "df8k-blobs":
            canvas = _draw_blobs(size_hw, rng, zoom)
        else:
            canvas = _draw_strokes(LAMA_FAMILIES[family], size_hw, rng, zoom)
        hole = canvas > 0
        if 0 < np.count_nonzero(hole) <= MAX_SHARE * hole.size:
            return hole
    height, width = size_hw
    hole = np.zeros(size_hw, bool)
    hole[height // 3 : height // 2 + 1, width // 3 : width // 2 + 1] = True
    return hole


def _draw_strokes(
    family: StrokeFamily, size_hw: tuple[int, int], rng: np.random.Generator, zoom: float
) -> NDArray[np.uint8]:
    canvas = np.zeros(size_hw, np.uint8)
    scale = zoom * min(size_hw) / REFERENCE_SIDE_PX
    if rng.random() < family.box_probability:
        _add_boxes(canvas, family, rng, scale)
    else:
        # LaMa's class adds one to the upper bound.
        for stroke in range(int(rng.integers(family.strokes[0], family.strokes[1] + 2))):
            _add_stroke(canvas, family, rng, scale, mirrored=stroke % 2 == 0)
    return canvas


def _add_stroke(
    canvas: NDArray[np.uint8], family: StrokeFamily, rng: np.random.Generator, scale: float, *, mirrored: bool
) -> None:
    height, width = canvas.shape
    x, y = int(rng.integers(width)), int(rng.integers(height))
    for _ in range(int(rng.integers(1, 6))):
        angle = 0.01 + float(rng.integers(4))
        if mirrored:
            angle = 2 * np.pi - angle
        length = (10 + float(rng.integers(family.max_length_px))) * scale
        thickness = max(1, round((5 + float(rng.integers(family.max_width_px))) * scale))
        end_x = int(np.clip(x + length * np.sin(angle), 0, width - 1))
        end_y = int(np.clip(y + length * np.cos(angle), 0, height - 1))
        cv2.line(canvas, (x, y), (end_x, end_y), 1, thickness)
        x, y = end_x, end_y


def _add_boxes(canvas: NDArray[np.uint8], family: StrokeFamily, rng: np.random.Generator, scale: float) -> None:
    height, width = canvas.shape
    margin = round(family.margin_px * scale)
    for _ in range(int(rng.integers(family.boxes[0], family.boxes[1] + 1))):
        low, high = (max(1, round(side * scale)) for side in family.box_side_px)
        box_h, box_w = (int(rng.integers(low, high + 1)) for _ in range(2))
        top = int(rng.integers(margin, max(margin + 1, height - margin - box_h + 1)))
        left = int(rng.integers(margin, max(margin + 1, width - margin - box_w + 1)))
        canvas[top : top + box_h, left : left + box_w] = 1


def _draw_blobs(size_hw: tuple[int, int], rng: np.random.Generator, zoom: float) -> NDArray[np.uint8]:
    canvas = np.zeros(size_hw, np.uint8)
    height, width = size_hw
    short_px = min(size_hw)
    turns = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    # 40 blobs over a whole picture; the same density when the canvas is a part of one (zoom > 1).
    count = max(3, round(40 / zoom**2 * height * width / short_px**2))
    for _ in range(min(count, 120)):
        radii = np.exp(rng.uniform(np.log(0.008), np.log(0.035), 2)) * short_px * zoom
        phases = rng.uniform(0, 2 * np.pi, 3)
        wobble = 1 + sum(0.12 / n * np.sin((n + 1) * turns + phase) for n, phase in enumerate(phases, 1))
        tilt = rng.uniform(0, np.pi)
        x, y = radii[0] * wobble * np.cos(turns), radii[1] * wobble * np.sin(turns)
        centre = rng.uniform((0, 0), (width, height))
        outline = np.stack([x * np.cos(tilt) - y * np.sin(tilt), x * np.sin(tilt) + y * np.cos(tilt)], 1) + centre
        cv2.fillPoly(canvas, [np.round(outline).astype(np.int32)], 1)
    return canvas
