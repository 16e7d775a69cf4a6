"""How far a fill is from the truth, inside the hole only."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rethined.nn.cells import CELL_PX

LINEAR_FROM = 0.1
"""Errors above this (of 1) count linearly, smaller ones by their square: texture that cannot be known, a small error
almost everywhere, must not drown the few large errors of broken structure."""
RIM_WINDOW = 9
"""Side, in units of 4 px, of the window whose known share says how near the rim a pixel is."""


def masked_huber(residual: Tensor, wanted: Tensor, hole: Tensor, *, inner_weight: float) -> Tensor:
    """Huber distance in the hole, weighted towards its rim, plus the same of the means of cells of 4 x 4 px.

    The means reward the right tone where the right detail cannot be known. Holes of all sizes count alike: the mean is
    taken picture by picture first.

    Args:
        residual: ``(N, 48, h, w)``, any float, what the network adds to the prefill, in cells.
        wanted: ``(N, 48, h, w)`` float32, truth minus prefill in the hole and 0 outside, in cells.
        hole: ``(N, 16, h, w)`` float, 1 = fill, in cells. Pictures without a hole count as zero.
        inner_weight: See :func:`rim_weight`.
    """
    share = hole.mean(1, keepdim=True)
    rim = rim_weight(share, inner_weight)
    area = (share * rim).sum((1, 2, 3), keepdim=True).clamp_min(1e-3)
    loss: Tensor = _CellHuber.apply(residual, wanted, hole, rim / (area * len(hole)))  # type: ignore[no-untyped-call]
    return loss


class _CellHuber(torch.autograd.Function):
    """Sum over cells of ``weight`` times the Huber distance of pixels and of means; the gradient comes along.

    Written out because the full-size steps of the same in single operations, each with its way back, took a tenth of a
    training step.
    """

    @staticmethod
    def forward(ctx: Any, residual: Tensor, wanted: Tensor, hole: Tensor, weight: Tensor) -> Tensor:  # noqa: ANN401
        n, channels, rows, columns = residual.shape
        shape = (n, rows, columns, CELL_PX**2, channels // CELL_PX**2)
        inside = hole.permute(0, 2, 3, 1)[..., None]
        error = residual.permute(0, 2, 3, 1).reshape(shape) * inside - wanted.permute(0, 2, 3, 1).reshape(shape)
        mean = error.mean(3, keepdim=True)
        bent, bent_mean = ((x / LINEAR_FROM).clamp_(-1, 1) for x in (error, mean))
        weight = (weight / channels).permute(0, 2, 3, 1)[..., None]
        # A value's share in the mean of its cell is that of the mean in the loss: both terms weigh the same.
        pull = (bent + bent_mean) * (weight * inside)
        ctx.save_for_backward(pull.reshape(n, rows, columns, channels).permute(0, 3, 1, 2).to(residual.dtype))
        fine = (error - LINEAR_FROM / 2 * bent).mul_(bent).sum(3, keepdim=True)
        tone = (mean - LINEAR_FROM / 2 * bent_mean) * bent_mean * CELL_PX**2
        return ((fine + tone) * weight).sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        (pull,) = ctx.saved_tensors
        return pull * gradients[0], None, None, None


def rim_weight(share: Tensor, inner_weight: float) -> Tensor:
    """Weights by nearness to known pixels: 1 at a straight rim, falling or rising to another some 16 px inside.

    Args:
        share: ``(N, 1, h, w)`` float, share of hole in each cell of 4 x 4 px.
        inner_weight: Weight far inside.
    """
    known = (1 - share).contiguous()
    # Along one axis, then the other: the same means for a fifth of the sums.
    for window in ((RIM_WINDOW, 1), (1, RIM_WINDOW)):
        padding = (window[0] // 2, window[1] // 2)
        known = functional.avg_pool2d(known, window, stride=1, padding=padding, count_include_pad=False)
    return inner_weight + (1 - inner_weight) * (2 * known).clamp_max(1)
