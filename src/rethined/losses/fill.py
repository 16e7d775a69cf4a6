"""How far a fill is from the truth, inside the hole only."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

POOL = 4
"""Factor of the second, coarser scale: it rewards the right tone where the right detail cannot be known."""
LINEAR_FROM = 0.1
"""Errors above this (of 1) count linearly, smaller ones by their square: texture that cannot be known, a small error
almost everywhere, must not drown the few large errors of broken structure."""
RIM_WINDOW = 9
"""Side, in units of 4 px, of the window whose known share says how near the rim a pixel is."""
INNER_WEIGHT = 0.1
"""Weight far inside a hole. What cannot be known there is noise to the training, and large holes are mostly inside."""


def masked_huber(fill: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """Huber distance in the hole, weighted towards its rim, plus the same of 4 x 4 means.

    Holes of all sizes count alike: the mean is taken picture by picture first.

    Args:
        fill: ``(N, 3, H, W)`` float.
        target: ``(N, 3, H, W)`` float.
        hole: ``(N, 1, H, W)`` float, 1 = fill. Samples without a hole count as zero.
    """
    error = (fill - target) * hole
    pooled = functional.avg_pool2d(error, POOL)
    share = functional.avg_pool2d(hole, POOL)
    rim = rim_weight(share)
    # Within a cell the weight is one and the same, so the full-size sum is taken cell by cell.
    fine = functional.avg_pool2d(_huber(error), POOL).mean(1, keepdim=True)
    total = ((fine + _huber(pooled).mean(1, keepdim=True)) * rim).sum((1, 2, 3))
    return (total / (share * rim).sum((1, 2, 3)).clamp_min(1e-3)).mean()


def rim_weight(share: Tensor) -> Tensor:
    """Weights by nearness to known pixels: 1 at a straight rim, falling to 0.1 some 16 px inside.

    Args:
        share: ``(N, 1, h, w)`` float, share of hole in each cell of 4 x 4 px.
    """
    known = functional.avg_pool2d(1 - share, RIM_WINDOW, stride=1, padding=RIM_WINDOW // 2, count_include_pad=False)
    return INNER_WEIGHT + (1 - INNER_WEIGHT) * (2 * known).clamp_max(1)


def _huber(error: Tensor) -> Tensor:
    zero = error.new_zeros(()).expand_as(error)
    return functional.smooth_l1_loss(error, zero, beta=LINEAR_FROM, reduction="none")
