"""How far a fill is from the truth, inside the hole only."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

POOL = 4
"""Factor of the second, coarser scale: it rewards the right tone where the right detail cannot be known."""
LINEAR_FROM = 0.1
"""Errors above this (of 1) count linearly, smaller ones by their square: texture that cannot be known, a small error
almost everywhere, must not drown the few large errors of broken structure."""


def masked_huber(fill: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """Mean Huber distance over hole pixels, plus the same of 4 x 4 means.

    Args:
        fill: ``(N, 3, H, W)`` float.
        target: ``(N, 3, H, W)`` float.
        hole: ``(N, 1, H, W)`` float, 1 = fill.
    """
    error = (fill - target) * hole
    pixels = 3 * hole.sum().clamp_min(1)
    pooled = functional.avg_pool2d(error, POOL)
    return (_huber_sum(error) + _huber_sum(pooled) * POOL**2) / pixels


def _huber_sum(error: Tensor) -> Tensor:
    zero = error.new_zeros(()).expand_as(error)
    return functional.smooth_l1_loss(error, zero, beta=LINEAR_FROM, reduction="sum")
