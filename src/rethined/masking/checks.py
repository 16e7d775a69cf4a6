"""Mistakes that only picture and mask together show."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.depth import in_levels
from rethined.doors import option
from rethined.masks import MaskWarning
from rethined.types import Box, Float32, HoleMap, Pixels

Indices = NDArray[np.intp]

STEP_SHARE = 1 / 1024
"""What is a pixel in small pictures is so much of the long side in larger ones: their edges are wider."""
WITHIN_STEPS, BEYOND_STEPS = 2, 4
"""How far from the mask's edge the picture within and the picture around are looked at."""
LEAST_LEVELS = 20
"""Grey levels that picture and surroundings differ by, at least, where an edge is believed in."""
LIKENESS = 1 / 3
"""How much nearer the first known pixel has to be to what is within than to what is around, to count as part of it."""
TIGHT_SHARE = 0.4
"""Share of the mask's edge from which on it counts as cut too tight. Measured with parts of photographs pasted on
others, masks 2, 3 and 4 px too tight, the edges soft by 1 px: 93, 92 and 87 % are found, of 1 px none; of masks that
fit, are 1 to 4 px too wide or lie anywhere, none of 833."""


def warn_if_tight(image: Pixels, hole: HoleMap) -> None:
    """Warns where what is to go seems to reach beyond the mask: it would stay as a fringe, and be copied from.

    Looks along the mask's edge, in all four directions, at how the first known pixels are alike what lies within and
    unlike what lies around.

    Args:
        image: ``(H, W)`` or ``(H, W, C)`` in its own depth.
        hole: ``(H, W)`` bool, as it will be filled.

    Warns:
        MaskWarning: Along 40 % of the edge and more.
    """
    share = fringe_share(image, hole)
    if share >= TIGHT_SHARE:
        warnings.warn(
            f"the mask seems to be cut too tight: along {share:.0%} of its edge the picture just beyond is still that"
            f" within; what is to go would stay as a fringe, so widen the mask by a few pixels ({option('grow', 3)})",
            MaskWarning,
            stacklevel=3,
        )


def fringe_share(image: Pixels, hole: HoleMap) -> float:
    """Share of a hole's edge, 0..1, along which the picture just beyond is that within, see :func:`warn_if_tight`."""
    step_px = max(1, round(max(hole.shape) * STEP_SHARE))
    y, x = _rim(hole)
    edge = fringe = 0
    for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        places = [
            (y + dy * steps, x + dx * steps)
            for steps in (-WITHIN_STEPS * step_px, 1, 1 + BEYOND_STEPS // 2 * step_px, 1 + BEYOND_STEPS * step_px)
        ]
        is_inside = np.logical_and.reduce([_is_within(*place, hole.shape) for place in places])
        within, first, halfway, beyond = ((rows[is_inside], columns[is_inside]) for rows, columns in places)
        is_edge = hole[within] & ~hole[first] & ~hole[halfway] & ~hole[beyond]
        if not is_edge.any():
            continue
        edge += int(np.count_nonzero(is_edge))
        within, first, beyond = ((rows[is_edge], columns[is_edge]) for rows, columns in (within, first, beyond))
        fringe += _count_fringe(*(_colours(image, *place) for place in (within, first, beyond)))
    return fringe / edge if edge else 0.0


def _rim(hole: HoleMap) -> tuple[Indices, Indices]:
    """Rows and columns of the hole pixels next to known ones."""
    left, top, width, height = cv2.boundingRect(hole.view(np.uint8))
    box = Box(top, left, top + height, left + width).grown(1, (hole.shape[0], hole.shape[1]))
    part = np.ascontiguousarray(hole[box.slices]).view(np.uint8)
    y, x = np.divmod(np.flatnonzero(part > cv2.erode(part, np.ones((3, 3), np.uint8))), max(1, box.width))
    return y + box.top, x + box.left


def _is_within(y: Indices, x: Indices, size_hw: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.asarray((y >= 0) & (y < size_hw[0]) & (x >= 0) & (x < size_hw[1]))


def _colours(image: Pixels, y: Indices, x: Indices) -> Float32:
    """``(N, C)`` grey levels; alpha says nothing here."""
    colours = in_levels(image[y, x]).astype(np.float32).reshape(len(y), -1)
    return colours[:, : colours.shape[1] - (colours.shape[1] in (2, 4))]


def _count_fringe(within: Float32, first: Float32, beyond: Float32) -> int:
    to_within, to_beyond = (np.abs(first - other).max(1) for other in (within, beyond))
    return int(np.count_nonzero((to_beyond > LEAST_LEVELS) & (to_within < LIKENESS * to_beyond)))
