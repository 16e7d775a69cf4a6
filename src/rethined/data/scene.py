"""A generated landscape of any size, for demonstrations and timings that need no photograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.types import Image8, SizeHW


def draw_scene(side_px: int) -> Image8:
    """A landscape of ``side_px`` x ``side_px``: sky, ridges, a textured field; the same on every call."""
    rng = np.random.default_rng(11)
    size_hw = (side_px, side_px)
    height = np.linspace(0, 1, side_px, dtype=np.float32)[:, None]
    top, bottom = np.array([(95, 140, 205), (225, 215, 200)], np.float32)
    image = np.repeat((1 - height)[..., None] * top + height[..., None] * bottom, side_px, 1)
    for layer, colour in enumerate(np.array([(120, 130, 150), (85, 105, 100), (70, 85, 45)], np.float32)):
        ridge = 0.45 + 0.13 * layer + 0.09 * fractal_noise((1, side_px), 1.6, rng)[0]
        texture = fractal_noise(size_hw, 0.9, rng) * (6 + 14 * layer)
        ground = height > ridge
        for channel in range(3):  # whole copies of a float picture of 8192 px would take a gigabyte each
            np.copyto(image[..., channel], colour[channel] + texture, where=ground)
    return np.clip(image, 0, 255, out=image).astype(np.uint8)


def fractal_noise(size_hw: SizeHW, roughness: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Fractal noise of about unit range: octaves of smooth random grids, each weaker by its frequency."""
    total = np.zeros(size_hw, np.float32)
    cells = 4
    while cells < max(size_hw) // 2:
        grid_hw = tuple(max(1, min(cells, side)) for side in size_hw)
        grid = rng.standard_normal(grid_hw).astype(np.float32)
        layer = cv2.resize(grid, size_hw[::-1], interpolation=cv2.INTER_CUBIC)
        total += layer * np.float32((4 / cells) ** roughness)
        cells *= 2
    return total
