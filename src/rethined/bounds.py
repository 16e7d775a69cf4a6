"""What colours the network's fill may have: in each channel those that its rim has.

A residual overshoots: beside an outline between two flat areas the fill gets brighter, darker or more colourful than
either of them. What is known at the rim tells that without training.

Which part of the rim counts for a place follows from how wide the hole is there: a pyramid of cells keeps the extremes
of what the rim pixels in each cell hold, and a place is limited by the finest level at which whatever is hole nearby
has rim in its own cell or in one beside it. So a scratch across the whole picture is limited anew all along its way.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined import native
from rethined.depth import LEVELS
from rethined.native import CELL_PX
from rethined.types import Float32, HoleMap, Image8

RIM_PX = 3
"""Known pixels this near to a hole are its rim."""
NEARBY_CELLS = 5
"""Side of the square of cells whose rim limits the cell in its middle. With 3 the far side of a hole is often out of
sight: perceptual distance +2.6 % under LaMa medium at 512 px, where 5 have -.2 %."""
BEYOND_SHARE = 4.0
"""So many times as wide as the range of the rim is what a fill may reach beyond it where the hole goes on to the border
of the picture: there a gradient has no far side, and goes on. What is flat has no range, and stays flat."""
ROUNDING = 0.49
"""Extremes are whole grey levels, the lowest rounded down and the highest up, but for what is off by a hundredth: a
flat area may come out of shrinking so."""
NO_LOW, NO_HIGH = 255, 0
"""Extremes where there is no rim."""

Map = NDArray[np.uint8]
"""Of cells: ``(h, w)`` of 0 and 1."""


def write_within_rim(picture: Float32, hole: HoleMap, fill: Float32, gain: float = LEVELS) -> None:
    """Writes a fill into the hole of ``picture``, held to the colours of the rim.

    If nothing is known, it is held to black and white.

    Args:
        picture: ``(H, W, 3)`` float32 in 0..255, C-contiguous; sides are multiples of 4.
        hole: ``(H, W)`` bool, ``True`` = fill.
        fill: ``(3, H, W)`` float32, C-contiguous.
        gain: Grey levels for each unit of it.
    """
    rim = _rim(hole)
    if rim.any():
        holds_hole = _greatest(hole.view(np.uint8), CELL_PX)
        is_open = np.zeros_like(holds_hole)
        for border in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
            is_open[border] = holds_hole[border]
        low, high = _limits(*_extremes(picture, rim), holds_hole, is_open)
    else:
        cells = (hole.shape[0] // CELL_PX, hole.shape[1] // CELL_PX, 3)
        low, high = np.zeros(cells, np.uint8), np.full(cells, LEVELS, np.uint8)
    if compiled := native.loops():
        compiled.write(fill, gain, hole, low, high, picture)
        return
    y, x = np.nonzero(hole)
    within = (y // CELL_PX, x // CELL_PX)
    picture[y, x] = np.minimum(np.maximum(fill[:, y, x].T * np.float32(gain), low[within]), high[within])


def _rim(hole: HoleMap) -> HoleMap:
    """``(H, W)`` bool, the known pixels next to the hole."""
    is_hole = hole.view(np.uint8)
    return (_greatest_nearby(is_hole, 2 * RIM_PX + 1) - is_hole).view(bool)


def _extremes(picture: Float32, rim: HoleMap) -> tuple[Image8, Image8]:
    """Of each of the finest cells, the lowest and the highest of what its rim pixels hold."""
    if compiled := native.loops():
        return compiled.extremes(picture, rim, ROUNDING)
    low, high = np.full(picture.shape, NO_LOW, np.uint8), np.full(picture.shape, NO_HIGH, np.uint8)
    cv2.copyTo(cv2.convertScaleAbs(picture, beta=-ROUNDING), rim.view(np.uint8), low)
    cv2.copyTo(cv2.convertScaleAbs(picture, beta=ROUNDING), rim.view(np.uint8), high)
    return _least(low, CELL_PX), _greatest(high, CELL_PX)


def _limits(low: Image8, high: Image8, holds_hole: Map, is_open: Map) -> tuple[Image8, Image8]:
    """The limits of each cell of one level: its own where its rim tells them, else those of the next coarser level.

    Args:
        low, high: Extremes of the rim in each cell.
        holds_hole: Which cells hold any hole.
        is_open: Which do so at the border of the picture.
    """
    near_low, near_high = _least_nearby(low, NEARBY_CELLS), _greatest_nearby(high, NEARBY_CELLS)
    is_met = _greatest_nearby(_has_rim(low, high), 3) | (1 - holds_hole)
    is_told = _least_nearby(is_met, NEARBY_CELLS)
    if is_open.any():
        reaches_out = _greatest_nearby(is_open, NEARBY_CELLS) & _has_rim(near_low, near_high)
        beyond = cv2.convertScaleAbs(cv2.subtract(near_high, near_low, mask=reaches_out), alpha=BEYOND_SHARE)
        near_low = np.asarray(cv2.subtract(near_low, beyond), np.uint8)
        near_high = np.asarray(cv2.add(near_high, beyond), np.uint8)
    if is_told.all() or is_told.size == 1:
        return near_low, near_high
    coarser = _limits(_least(low), _greatest(high), _greatest(holds_hole), _greatest(is_open))
    size_wh = (2 * coarser[0].shape[1], 2 * coarser[0].shape[0])
    for near, far in zip((near_low, near_high), coarser, strict=True):
        enlarged = cv2.resize(far, size_wh, interpolation=cv2.INTER_NEAREST)[: near.shape[0], : near.shape[1]]
        cv2.copyTo(enlarged, 1 - is_told, near)
    return near_low, near_high


def _has_rim(low: Image8, high: Image8) -> Map:
    """Where there are extremes."""
    return np.asarray(high[..., 0] >= low[..., 0]).view(np.uint8)


def _least_nearby(cells: Map, side: int) -> Map:
    """The least of the ``side`` x ``side`` cells round each, as far as there are any; channel by channel."""
    return np.asarray(cv2.erode(cells, np.ones((side, side), np.uint8)), np.uint8)


def _greatest_nearby(cells: Map, side: int) -> Map:
    """The same with the greatest."""
    return np.asarray(cv2.dilate(cells, np.ones((side, side), np.uint8)), np.uint8)


def _least(cells: Map, by: int = 2) -> Map:
    """Cells ``by`` times as large, the last ones as far as there are any: the least of what each covers."""
    least = np.asarray(cv2.erode(cells, np.ones((by, by), np.uint8), anchor=(0, 0)), np.uint8)
    return np.ascontiguousarray(least[::by, ::by])


def _greatest(cells: Map, by: int = 2) -> Map:
    """The same with the greatest."""
    greatest = np.asarray(cv2.dilate(cells, np.ones((by, by), np.uint8), anchor=(0, 0)), np.uint8)
    return np.ascontiguousarray(greatest[::by, ::by])
