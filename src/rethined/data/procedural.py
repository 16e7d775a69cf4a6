"""Pictures of edges, lines and repeated things, drawn at random.

A few hundred photographs hold few railings, facades and cables, and those are what a hole has to continue most exactly.
Here they are all there is: overlapping shapes (dead leaves), stripes and grids in perspective, bundles of curves.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.data.scene import fractal_noise
from rethined.types import Float32, Image8

MOST_LEAVES = 40
MOST_PATTERNS = 3
MOST_BUNDLES = 3
PERIOD_PX = (6.0, 64.0)
"""Periods of stripes in the middle of the picture."""
STROKE_PX = (1, 7)
SUBPIXEL_BITS = 4


def draw_structures(side_px: int, rng: np.random.Generator) -> Image8:
    """A picture of ``side_px`` x ``side_px``: ground, leaves, patterns, curves, then lens and sensor.

    Args:
        side_px: Side of the picture.
        rng: All randomness; equal generators give equal pictures.
    """
    image = _ground(side_px, rng)
    _add_leaves(image, rng)
    for _ in range(int(rng.integers(MOST_PATTERNS + 1))):
        _add_pattern(image, rng)
    for _ in range(int(rng.integers(MOST_BUNDLES + 1))):
        _add_bundle(image, rng)
    blurred = cv2.GaussianBlur(image, (5, 5), float(rng.uniform(0.3, 1.0)))
    grain = rng.standard_normal((side_px, side_px), np.float32) * np.float32(rng.uniform(0, 3))
    return np.asarray(cv2.add(blurred, cv2.merge([grain] * 3), dtype=cv2.CV_8U), np.uint8)


def _ground(side_px: int, rng: np.random.Generator) -> Image8:
    """One colour going over into another, with some fractal texture."""
    texture = fractal_noise((side_px, side_px), float(rng.uniform(0.8, 1.8)), rng)
    texture -= texture.min()
    return _between(_colour(rng), _colour(rng), texture / max(float(texture.max()), 1e-6))


def _add_leaves(image: Image8, rng: np.random.Generator) -> None:
    """Flat shapes one above the other, small ones more often than large ones, as things in photographs are."""
    side_px = image.shape[0]
    for _ in range(int(rng.integers(MOST_LEAVES + 1))):
        cv2.fillPoly(
            image,
            [_shape(side_px, 0.02 * float(rng.uniform(0.05, 1) ** -1.2), rng)],
            _colour(rng).tolist(),
            cv2.LINE_AA,
            SUBPIXEL_BITS,
        )


def _add_pattern(image: Image8, rng: np.random.Generator) -> None:
    """Stripes or a grid in perspective, inside a large shape."""
    side_px = image.shape[0]
    mask = np.zeros((side_px, side_px), np.uint8)
    cv2.fillPoly(mask, [_shape(side_px, float(rng.uniform(0.25, 0.8)), rng)], 255, cv2.LINE_AA, SUBPIXEL_BITS)
    angle = rng.uniform(0, np.pi)
    pattern = _stripes(side_px, angle, rng)
    if rng.random() < 0.5:
        pattern = pattern * _stripes(side_px, angle + np.pi / 2 + rng.normal(0, 0.1), rng)
    share = mask / np.float32(255)
    cv2.blendLinear(_between(_colour(rng), _colour(rng), pattern), image, share, 1 - share, dst=image)


def _stripes(side_px: int, angle: float, rng: np.random.Generator) -> Float32:
    """``(side, side)`` float32 in 0..1: stripes across a direction, narrower towards where they recede."""
    axis = np.linspace(-0.5, 0.5, side_px, dtype=np.float32)
    along = np.float32(np.cos(angle)) * axis + np.float32(np.sin(angle)) * axis[:, None]
    tilt = rng.uniform(-0.9, 0.9, 2).astype(np.float32)
    depth = 1 + tilt[0] * axis + tilt[1] * axis[:, None]
    period = float(np.exp(rng.uniform(*np.log(PERIOD_PX))))
    phase = along / depth * np.float32(side_px / period) + np.float32(rng.random())
    wave = np.abs(phase - np.floor(phase) - np.float32(0.5)) * 2
    duty = np.float32(rng.uniform(0.2, 0.8))
    # An edge is as wide as a pixel is, so that stripes do not alias.
    return np.asarray(np.clip((wave - duty) * np.float32(period / 2) + np.float32(0.5), 0, 1), np.float32)


def _add_bundle(image: Image8, rng: np.random.Generator) -> None:
    """Parallel curves of one colour: a cable, a railing, rails."""
    side_px = image.shape[0]
    start, middle, end = rng.uniform(-0.2, 1.2, (3, 2)) * side_px
    middle = (start + end) / 2 + (middle - (start + end) / 2) * rng.uniform(0, 1)
    t = np.linspace(0, 1, 40)[:, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * middle + t**2 * end
    step = rng.normal(0, 0.05, 2) * side_px
    colour, width = _colour(rng).tolist(), int(rng.integers(*STROKE_PX, endpoint=True))
    for number in range(int(rng.integers(1, 8))):
        points = _fixed(curve + number * step)
        cv2.polylines(image, [points], False, colour, width, cv2.LINE_AA, SUBPIXEL_BITS)


def _shape(side_px: int, radius: float, rng: np.random.Generator) -> NDArray[np.int32]:
    """Corners of a polygon of three to six corners or of an ellipse, anywhere in the picture.

    Args:
        side_px: Side of the picture.
        radius: Of the shape, in sides of the picture.
        rng: All randomness.
    """
    corners = int(rng.choice((3, 4, 4, 5, 6, 24)))
    angles = rng.uniform(0, 2 * np.pi) + np.linspace(0, 2 * np.pi, corners, endpoint=False)
    if corners <= 6:
        angles = angles + rng.normal(0, 0.3, corners)
    radii = radius * rng.uniform(0.4, 1, 2)
    turn = rng.uniform(0, np.pi)
    x, y = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
    turned = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], 1)
    return _fixed((turned + rng.uniform(0, 1, 2)) * side_px)


def _between(first: NDArray[np.float64], second: NDArray[np.float64], share: Float32) -> Image8:
    """``(H, W, 3)``: one colour where ``(H, W)`` is 0, another where it is 1, what lies between elsewhere."""
    colours = np.linspace(first, second, 256).round().astype(np.uint8)
    index = cv2.convertScaleAbs(share, alpha=255)
    return np.asarray(cv2.LUT(cv2.merge([index] * 3), colours[None]), np.uint8)


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Points in the fixed-point numbers that OpenCV draws with."""
    return np.asarray(np.rint(points * 2**SUBPIXEL_BITS), np.int32)


def _colour(rng: np.random.Generator) -> NDArray[np.float64]:
    """A colour of any brightness, rarely a vivid one, as most of what photographs show."""
    return np.clip(rng.uniform(10, 245) + rng.normal(0, 25, 3), 0, 255)
