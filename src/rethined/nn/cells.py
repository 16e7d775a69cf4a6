"""Pictures as the network writes them: one vector for each cell of 4 x 4 px.

The losses work in cells as well. A picture of full size is then neither put together nor taken apart for their sake,
which took as long as a fifth of the network.
"""

from __future__ import annotations

import torch
from torch import Tensor

CELL_PX = 4
"""Side of a cell: the stride of the network's stem."""


def to_cells(picture: Tensor) -> Tensor:
    """``(N, C, H, W)`` to ``(N, 16 C, H / 4, W / 4)``, channels last in memory; order row, column, colour."""
    n, channels, height, width = picture.shape
    rows, columns = height // CELL_PX, width // CELL_PX
    lines = picture.permute(0, 2, 3, 1).reshape(n, rows, CELL_PX, columns, CELL_PX * channels)
    return lines.transpose(2, 3).reshape(n, rows, columns, CELL_PX**2 * channels).permute(0, 3, 1, 2)


def from_cells(cells: Tensor, channels: int = 3) -> Tensor:
    """``(N, 16 C, h, w)`` to ``(N, C, 4 h, 4 w)``, channels last in memory; undoes :func:`to_cells`."""
    n, _, rows, columns = cells.shape
    parts = cells.permute(0, 2, 3, 1).reshape(n, rows, columns, CELL_PX, CELL_PX * channels)
    picture = parts.transpose(2, 3).reshape(n, rows * CELL_PX, columns * CELL_PX, channels)
    return picture.permute(0, 3, 1, 2)


def cell_order(channels: int = 3) -> Tensor:
    """Places of a cell's values in torch's order (colour, row, column), in the order used here."""
    return torch.arange(channels * CELL_PX**2).view(channels, -1).T.flatten()
