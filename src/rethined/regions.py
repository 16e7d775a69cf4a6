"""Pure geometry: at which size the network looks, and where tokens lie."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.types import Box, HoleMap, SizeHW

TOKEN_PX = 8
"""Side of a token in network pixels (paper: patch size 8)."""
SIZE_MULTIPLE = 32
"""Network heights and widths are multiples of this."""


@dataclass(frozen=True)
class Plan:
    """How one picture is worked on.

    Attributes:
        size_hw: Size of the picture.
        rungs_hw: Network sizes from coarse to fine; each is prefilled with the result of the one before.
    """

    size_hw: SizeHW
    rungs_hw: tuple[SizeHW, ...]

    @property
    def working_hw(self) -> SizeHW:
        """Size of the finest network run; matching happens on its tokens."""
        return self.rungs_hw[-1]


def plan_rungs(size_hw: SizeHW, *, first_px: int, working_px: int) -> Plan:
    """Network sizes from about ``first_px`` on the long side, doubled up to ``working_px`` or the picture's own size.

    A picture smaller than ``first_px`` is looked at in its own size, rounded up to a multiple of 32.
    """
    long_px = max(size_hw)
    height, width = _network_size(size_hw, min(first_px, long_px))
    rungs = [(height, width)]
    while 2 * max(rungs[-1]) <= min(working_px, long_px):
        rungs.append((2 * rungs[-1][0], 2 * rungs[-1][1]))
    return Plan(size_hw, tuple(rungs))


def _network_size(size_hw: SizeHW, long_px: int) -> SizeHW:
    """Multiples of 32 whose aspect ratio is the picture's as nearly as they allow."""
    scale = long_px / max(size_hw)
    # Up to one multiple short of the native size the rounding may go down; at it, detail would be lost.
    rounding = _round_up if scale >= 1 else _round_near
    height, width = (rounding(side * scale) for side in size_hw)
    return height, width


def _round_near(side: float) -> int:
    return max(SIZE_MULTIPLE, int(side / SIZE_MULTIPLE + 0.5) * SIZE_MULTIPLE)


def _round_up(side: float) -> int:
    return max(SIZE_MULTIPLE, -int(-side // SIZE_MULTIPLE) * SIZE_MULTIPLE)


@dataclass(frozen=True)
class HoleGroups:
    """Holes that touch on the token grid belong together.

    Attributes:
        labels: ``(h, w)`` int32 on the token grid, 0 = no group, ``i + 1`` = the group of ``boxes[i]``.
        boxes: Bounding box of each group in tokens; neighbours of corrupted tokens are in it.
    """

    labels: NDArray[np.int32]
    boxes: tuple[Box, ...]

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.boxes)

    def is_shared(self, label: int) -> bool:
        """Whether another group reaches into the box of ``label``."""
        inside = self.labels[self.boxes[label - 1].slices]
        return bool(((inside != label) & (inside != 0)).any())

    def label_at(self, y: NDArray[np.int32], x: NDArray[np.int32], size_hw: SizeHW) -> NDArray[np.int32]:
        """Label at pixels of a picture of ``size_hw``."""
        height, width = self.labels.shape
        row = y.astype(np.int64) * height // size_hw[0]
        column = x.astype(np.int64) * width // size_hw[1]
        return np.asarray(self.labels[row, column], np.int32)


def group_holes(corrupted: HoleMap) -> HoleGroups:
    """Groups the corrupted tokens of ``(h, w)`` bool, with their known neighbours, by 8-connectivity."""
    grown = cv2.dilate(corrupted.view(np.uint8), np.ones((3, 3), np.uint8))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(grown, connectivity=8)
    boxes = tuple(
        Box(int(top), int(left), int(top + height), int(left + width)) for left, top, width, height, _ in stats[1:]
    )
    return HoleGroups(np.asarray(labels, np.int32), boxes)
