"""All holes side by side on one sheet, so that what works hole by hole is called once for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethined.types import Ints, SizeHW


@dataclass(frozen=True)
class PixelSheet:
    """Pixels of several groups, and where each lies on a sheet on which the groups keep clear of one another.

    What smooths or spreads values within a group runs on the sheet once for all groups: a thousand specks cost one
    call, and empty space between far groups costs nothing.

    Attributes:
        y, x: ``(N,)`` int32, pixels of the picture, group after group.
        place: ``(N,)`` int32, flat index on the sheet.
        sheet_hw: Height and width of the sheet.
    """

    y: Ints
    x: Ints
    place: Ints
    sheet_hw: SizeHW

    def lay_out(self, values: NDArray[Any]) -> NDArray[Any]:
        """``(N, ...)`` values of the pixels as a sheet ``(h, w, ...)``, zero elsewhere."""
        height, width = self.sheet_hw
        sheet = np.zeros((height * width, *values.shape[1:]), values.dtype)
        sheet[self.place] = values
        return sheet.reshape(height, width, *values.shape[1:])

    def pick_up(self, sheet: NDArray[Any]) -> NDArray[Any]:
        """The values of the pixels on a sheet ``(h, w, ...)``, as ``(N, ...)``."""
        height, width = self.sheet_hw
        return np.take(sheet.reshape(height * width, *sheet.shape[2:]), self.place, axis=0)


def lay_sheet(
    groups: Sequence[tuple[Ints, Ints]],
    *,
    cell_px: int,
    corners: Sequence[tuple[int, int] | None] | None = None,
) -> PixelSheet:
    """Packs groups of pixels, in rows of falling height.

    Args:
        groups: Rows and columns of the pixels of each group, at least one.
        corners: Row and column where the first cell of each group starts; the first of its pixels where ``None``.
        cell_px: Every group starts at a multiple of this and has at least as much empty space all around.
    """
    if not groups:
        none = np.empty(0, np.int32)
        return PixelSheet(none, none, none, (cell_px, cell_px))
    given = corners or [None] * len(groups)
    starts_yx = [corner or (int(y.min()), int(x.min())) for (y, x), corner in zip(groups, given, strict=True)]
    # In cells, with one empty cell after each group; one before all of them makes it one on every side.
    sizes = [
        ((int(y.max()) - top) // cell_px + 2, (int(x.max()) - left) // cell_px + 2)
        for (y, x), (top, left) in zip(groups, starts_yx, strict=True)
    ]
    area = sum(height * width for height, width in sizes)
    columns = 1 + max(*(width for _, width in sizes), int(area**0.5))
    starts = [(0, 0)] * len(sizes)
    row, column, row_height = 1, 1, 0
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i][0]):
        height, width = sizes[i]
        if column + width > columns:
            row, column, row_height = row + row_height, 1, 0
        starts[i] = (row, column)
        column += width
        row_height = max(row_height, height)
    sheet_hw = ((row + row_height) * cell_px, columns * cell_px)
    places = [
        (y + np.int32(row * cell_px - top)) * np.int32(sheet_hw[1]) + (x + np.int32(column * cell_px - left))
        for (y, x), (row, column), (top, left) in zip(groups, starts, starts_yx, strict=True)
    ]
    y, x, place = (np.concatenate(parts) for parts in (*zip(*groups, strict=True), places))
    return PixelSheet(y, x, place, sheet_hw)
