"""A picture cut into cells that reach from token centre to token centre, so that a gather copies whole cells.

A grid of ``h x w`` tokens has ``(h + 1) x (w + 1)`` cells: the outermost reach half a token beyond the picture. There
are two layouts. :class:`RowCells` has a cell's pixels in one row, as a gather wants them. :class:`DeepCells` has them
in depth, at the cell's place in a small grid, for runtimes without a gather: sampling the grid at whole places is one.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from rethined.types import SizeHW


class Cells(Protocol):
    """A layout. Arrays of cells are its own business; what goes in and comes out beside them is said here.

    Attributes:
        grid_hw: Rows and columns of cells.
        side_px: Of a cell.
    """

    grid_hw: SizeHW
    side_px: int

    def cut(self, planes: Tensor) -> Tensor:
        """The cells of ``(1, C, H, W)``."""

    def join(self, cells: Tensor) -> Tensor:
        """The planes of such cells."""

    def take(self, cells: Tensor, place: Tensor) -> Tensor:
        """The cells at ``(1, 1, rows, columns)`` places, numbered in reading order."""

    def split(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """The first three planes of cells of four, and the last."""

    def by_cell(self, x: Tensor) -> Tensor:
        """``(1, 1, rows, columns)`` to multiply cells of one plane with."""

    def by_pixel(self, x: Tensor) -> Tensor:
        """``(side, side)`` to multiply cells of one plane with."""

    def thrice(self, x: Tensor) -> Tensor:
        """Cells of one plane to multiply cells of three with."""


class RowCells:
    """``(C, cells, pixels of a cell)``."""

    def __init__(self, grid_hw: SizeHW, side_px: int) -> None:
        self.grid_hw = grid_hw
        self.side_px = side_px

    def cut(self, planes: Tensor) -> Tensor:
        """As :meth:`Cells.cut`."""
        (rows, columns), side, channels = self.grid_hw, self.side_px, planes.shape[1]
        padded = functional.pad(planes, [side // 2] * 4)
        lines = padded.reshape(channels * rows, side, columns, side).permute(0, 2, 1, 3)
        return lines.reshape(channels, rows * columns, side * side)

    def join(self, cells: Tensor) -> Tensor:
        """As :meth:`Cells.join`."""
        (rows, columns), side, channels = self.grid_hw, self.side_px, cells.shape[0]
        lines = cells.reshape(channels * rows, columns, side, side).permute(0, 2, 1, 3)
        return _inner(lines.reshape(1, channels, rows * side, columns * side), self)

    def take(self, cells: Tensor, place: Tensor) -> Tensor:
        """As :meth:`Cells.take`; places are int64."""
        return cells.index_select(1, place.flatten())

    def split(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Cells.split`."""
        return cells[:3], cells[3:]

    def by_cell(self, x: Tensor) -> Tensor:
        """As :meth:`Cells.by_cell`."""
        return x.reshape(1, -1, 1)

    def by_pixel(self, x: Tensor) -> Tensor:
        """As :meth:`Cells.by_pixel`."""
        return x.reshape(1, 1, -1)

    def thrice(self, x: Tensor) -> Tensor:
        """They broadcast."""
        return x


class DeepCells:
    """``(1, C x pixels of a cell, rows, columns)``; places are float32."""

    def __init__(self, grid_hw: SizeHW, side_px: int) -> None:
        self.grid_hw = grid_hw
        self.side_px = side_px

    def cut(self, planes: Tensor) -> Tensor:
        """As :meth:`Cells.cut`."""
        return functional.pixel_unshuffle(functional.pad(planes, [self.side_px // 2] * 4), self.side_px)

    def join(self, cells: Tensor) -> Tensor:
        """As :meth:`Cells.join`."""
        return _inner(functional.pixel_shuffle(cells, self.side_px), self)

    def take(self, cells: Tensor, place: Tensor) -> Tensor:
        """As :meth:`Cells.take`."""
        rows, columns = self.grid_hw
        row = ((place + 0.5) / columns).floor()
        column = place - row * columns
        # From -1 at the middle of the first to 1 at the middle of the last.
        at = torch.cat([column * (2 / (columns - 1)) - 1, row * (2 / (rows - 1)) - 1], 1).permute(0, 2, 3, 1)
        return functional.grid_sample(cells, at, mode="nearest", padding_mode="border", align_corners=True)

    def split(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`Cells.split`."""
        colours = 3 * self.side_px**2
        return cells[:, :colours], cells[:, colours:]

    def by_cell(self, x: Tensor) -> Tensor:
        """As :meth:`Cells.by_cell`."""
        return x

    def by_pixel(self, x: Tensor) -> Tensor:
        """As :meth:`Cells.by_pixel`."""
        return x.reshape(1, -1, 1, 1)

    def thrice(self, x: Tensor) -> Tensor:
        """As :meth:`Cells.thrice`."""
        return torch.cat([x, x, x], 1)


def _inner(planes: Tensor, cells: Cells) -> Tensor:
    """Without what reaches beyond the picture."""
    edge, (rows, columns) = cells.side_px // 2, cells.grid_hw
    height, width = (rows - 1) * cells.side_px, (columns - 1) * cells.side_px
    return planes[:, :, edge : edge + height, edge : edge + width]
