"""Windows round hole pixels: what a dear loss looks at instead of whole crops, most of which are known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from rethined.nn.processes import draw_rows

GRID_PX = 8
"""Windows begin at multiples of this."""

Corners = list[tuple[int, int]]
FillLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A loss for windows: ``(fill, target, hole)`` to a scalar."""


def hole_windows(hole: Tensor, side_px: int, generator: torch.Generator) -> Corners:
    """Top left of one square window per picture that holds a random hole pixel at a random place.

    Args:
        hole: ``(N, 1, H, W)`` float, 1 = fill; sides multiples of 8. A picture without a hole gets any window.
        side_px: A multiple of 8, at most H and W.
        generator: Source of randomness.
    """
    share = functional.avg_pool2d(hole, GRID_PX).flatten(1)
    columns = hole.shape[3] // GRID_PX
    chances = (share + 1e-9).cpu()

    def draw_cells(rows: int) -> Tensor:
        # A row's cell depends on its own chances and its own random numbers alone: what the others hold is no matter.
        return torch.multinomial(chances.repeat(rows // len(chances), 1), 1, generator=generator).flatten()

    cells = draw_rows(draw_cells, len(hole))
    shifts = draw_rows(lambda rows: torch.randint(side_px // GRID_PX, (rows, 2), generator=generator), len(hole))
    return [
        (
            _clip(int(cell) // columns - int(shift[0]), hole.shape[2] - side_px),
            _clip(int(cell) % columns - int(shift[1]), hole.shape[3] - side_px),
        )
        for cell, shift in zip(cells, shifts, strict=True)
    ]


def cut_windows(pictures: Tensor, corners: Corners, side_px: int) -> Tensor:
    """``(N, C, H, W)`` to ``(N, C, side, side)``, one window of each."""
    return torch.stack(
        [
            picture[:, top : top + side_px, left : left + side_px]
            for picture, (top, left) in zip(pictures, corners, strict=True)
        ]
    )


def _clip(cell: int, limit_px: int) -> int:
    return min(max(cell, 0) * GRID_PX, limit_px)
