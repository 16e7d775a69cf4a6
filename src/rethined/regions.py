"""Pure geometry: at which size the network looks, and where tokens lie."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.resample import halve_any
from rethined.types import Box, HoleMap, Ints, SizeHW

TOKEN_PX = 8
"""Side of a token in network pixels (paper: patch size 8)."""
SIZE_MULTIPLE = 32
"""Network heights and widths are multiples of this."""

CELL_PX = 4
"""Side, in network pixels, of the cells by which holes are told apart."""
TILE_PX = 512
"""Side of the tiles that large groups are cut into."""
MAX_GROUPS = 1000
"""Beyond this many groups of holes, neighbours are merged: each costs some 50 microseconds."""
MOST_OVERLAP = 2
"""They are as well where all their boxes together are more than so many times as large as the picture. A hatching of 24
megapixels: transfer 3.6 to .6 s, peak 695 to 205 MiB."""


@dataclass(frozen=True)
class Window:
    """A part of a picture that the network looks at.

    Attributes:
        core: Box of the pixels whose holes it answers for.
        around: Box of what it sees.
    """

    core: Box
    around: Box


@dataclass(frozen=True)
class Enlarged:
    """A look at a small picture enlarged.

    Attributes:
        factor: How many times as large as the finest network size.
        windows: What is looked at, in pixels of that size.
    """

    factor: int
    windows: tuple[Window, ...]


@dataclass(frozen=True)
class Plan:
    """How one picture is worked on.

    Attributes:
        size_hw: Size of the picture.
        rungs_hw: Network sizes from coarse to fine; each is prefilled with the result of the one before.
        windows: For each of them what the network looks at, in its pixels; the first is looked at as a whole.
        enlarged: Looks at the picture enlarged in the end; none where that is too dear or in vain.
        workers: Threads that search and copy; ``None`` without a limit of memory: all the engine has.
        memory_mb: Estimated peak of what the fill takes, in MB; ``None`` without a limit.
    """

    size_hw: SizeHW
    rungs_hw: tuple[SizeHW, ...]
    windows: tuple[tuple[Window, ...], ...] = ()
    enlarged: tuple[Enlarged, ...] = ()
    workers: int | None = None
    memory_mb: int | None = None

    @property
    def looks_px(self) -> tuple[int, ...]:
        """Pixels of each look: those of the rungs, then of the photograph enlarged where it is looked at so."""
        looks = (*self.windows, *(look.windows for look in self.enlarged))
        areas = [sum(window.around.area_px for window in windows) for windows in looks]
        return tuple(area for area in areas if area)

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
    """Cells of a coarse grid that hold any hole, those that touch grouped together.

    Attributes:
        labels: ``(h, w)`` int32 on the grid, 0 = no hole, ``i + 1`` = the group of ``boxes[i]``.
        boxes: Bounding box of each group in cells.
    """

    labels: NDArray[np.int32]
    boxes: tuple[Box, ...]

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.boxes)

    def mask_of(self, label: int, box: Box, size_hw: SizeHW) -> HoleMap:
        """Which pixels of a box of a picture of ``size_hw`` lie in cells of one group, ``(h, w)`` bool."""
        rows = np.arange(box.top, box.bottom, dtype=np.int64) * self.labels.shape[0] // size_hw[0]
        columns = np.arange(box.left, box.right, dtype=np.int64) * self.labels.shape[1] // size_hw[1]
        return np.asarray(self.labels[np.ix_(rows, columns)] == label)

    def is_in(self, label: int, box: Box, size_hw: SizeHW) -> bool:
        """Whether any pixel of a box of a picture of ``size_hw`` lies in cells of one group."""
        (top, left), (bottom, right) = (
            (y * self.labels.shape[0] // size_hw[0], x * self.labels.shape[1] // size_hw[1])
            for y, x in ((box.top, box.left), (box.bottom - 1, box.right - 1))
        )
        return bool((self.labels[top : bottom + 1, left : right + 1] == label).any())

    def pieces(self, size_hw: SizeHW, *, margin_px: int) -> Iterator[Piece]:
        """All groups, large ones cut into tiles, so that memory does not grow with a scratch across the picture.

        Args:
            size_hw: Size of the picture, in whose pixels pieces are given.
            margin_px: What a tile sees of its neighbours; a divisor of the tile's side.
        """
        scale_y, scale_x = (pixels / cells for pixels, cells in zip(size_hw, self.labels.shape, strict=True))
        for label, cells in enumerate(self.boxes, 1):
            # One pixel more, for the known pixels next to the hole.
            box = cells.scaled(scale_y, scale_x).grown(1, size_hw)
            if max(box.height, box.width) <= TILE_PX:
                yield Piece(label, box, box, is_tile=False)
                continue
            for top in range(box.top, box.bottom, TILE_PX):
                for left in range(box.left, box.right, TILE_PX):
                    core = Box(top, left, min(top + TILE_PX, box.bottom), min(left + TILE_PX, box.right))
                    if not self.is_in(label, core.grown(1, size_hw), size_hw):
                        continue
                    around = Box(
                        max(core.top - margin_px, box.top),
                        max(core.left - margin_px, box.left),
                        min(core.bottom + margin_px, box.bottom),
                        min(core.right + margin_px, box.right),
                    )
                    yield Piece(label, core, around, is_tile=True)


@dataclass(frozen=True)
class Piece:
    """A group of holes, or a tile of a large one.

    Attributes:
        label: The group.
        core: Box of the pixels it answers for.
        around: Box of what it sees.
        is_tile: Whether it is one of several: its cells then start at the corner of ``around``, so that they are those
            of its neighbours; else at the first of its pixels.
    """

    label: int
    core: Box
    around: Box
    is_tile: bool

    def owns(self, y: Ints, x: Ints) -> HoleMap:
        """Which pixels it answers for."""
        core = self.core
        return np.asarray((y >= core.top) & (y < core.bottom) & (x >= core.left) & (x < core.right))

    @property
    def corner_yx(self) -> tuple[int, int] | None:
        """Where its cells start; ``None`` for the first of its pixels."""
        return (self.around.top, self.around.left) if self.is_tile else None


def batches(pieces: Iterable[Piece], limit_px: int) -> Iterator[list[Piece]]:
    """Pieces that together see at most ``limit_px`` pixels; one larger than that comes alone."""
    batch: list[Piece] = []
    area = 0
    for piece in pieces:
        own = piece.around.area_px
        if batch and area + own > limit_px:
            yield batch
            batch, area = [], 0
        batch.append(piece)
        area += own
    if batch:
        yield batch


def in_pixels(tokens: HoleMap) -> HoleMap:
    """``(h, w)`` tokens as ``(8 h, 8 w)`` pixels."""
    return tokens.repeat(TOKEN_PX, 0).repeat(TOKEN_PX, 1)


def group_cells(cells: HoleMap) -> HoleGroups:
    """Groups the ``True`` cells of a grid ``(h, w)`` by 8-connectivity."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cells.view(np.uint8), connectivity=8)
    boxes = tuple(
        Box(int(top), int(left), int(top + height), int(left + width)) for left, top, width, height, _ in stats[1:]
    )
    return HoleGroups(np.asarray(labels, np.int32), boxes)


def with_neighbours(marked: HoleMap, reach: int = 1) -> HoleMap:
    """``(h, w)`` bool, what is marked and all that is at most ``reach`` away, up and down and sideways."""
    side = 2 * reach + 1
    return np.asarray(cv2.dilate(np.ascontiguousarray(marked).view(np.uint8), np.ones((side, side), np.uint8)) > 0)


def group_holes(touched: HoleMap) -> HoleGroups:
    """Groups the holes of a network picture so finely that boxes are tight, but never into too many groups.

    Args:
        touched: ``(h, w)`` bool, sides multiples of 32, network pixels that hold any hole.
    """
    cells = touched
    side = 1
    while True:
        cells = halve_any(cells)
        side *= 2
        if side < CELL_PX:
            continue
        groups = group_cells(cells)
        # Long lines that lie side by side have boxes as large as the picture each.
        is_tight = sum(box.area_px for box in groups.boxes) <= MOST_OVERLAP * cells.size
        if (groups.count <= MAX_GROUPS and is_tight) or side == SIZE_MULTIPLE:
            return groups
