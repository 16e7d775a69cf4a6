"""Windows round hole pixels: what a dear loss looks at instead of whole crops, most of which are known."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from rethined.nn.processes import uniform_rows

GRID_PX = 8
"""Windows begin at multiples of this."""

FillLoss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A loss for windows: ``(fill, target, hole)`` to a scalar."""


def hole_windows(hole: Tensor, side_px: int, generator: torch.Generator) -> Tensor:
    """Top left of one square window per picture that holds a random hole pixel at a random place.

    Args:
        hole: ``(N, 1, H, W)`` float, 1 = fill; sides multiples of 8. A picture without a hole gets any window.
        side_px: A multiple of 8, at most H and W.
        generator: Source of randomness; nothing is waited for when it is on the device of ``hole``.

    Returns:
        ``(N, 2)`` int64, rows and columns, on the device of ``hole``.
    """
    share = functional.avg_pool2d(hole, GRID_PX).flatten(1)
    columns = hole.shape[3] // GRID_PX

    # A row's cell depends on its own shares and its own random numbers alone: what the others hold is no matter. The
    # smallest of exponential variates divided by the shares falls on a cell with the chance of its share.
    numbers = uniform_rows(len(hole), share.shape[1] + 2, generator, hole.device)
    cells = (numbers[:, 2:].clamp_min(1e-12).log().neg() / (share + 1e-9)).argmin(1)
    shifts = (numbers[:, :2] * (side_px // GRID_PX)).long()
    corners = (torch.stack([cells // columns, cells % columns], 1) - shifts).clamp_min(0) * GRID_PX
    return torch.stack([corners[:, axis].clamp_max(hole.shape[2 + axis] - side_px) for axis in range(2)], 1)
