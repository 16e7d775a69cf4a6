"""The prefill of a finer scale while training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def finer_prefill(fill: Tensor, target: Tensor, hole: Tensor, corners_yx: Sequence[tuple[int, int]]) -> Tensor:
    """The true picture where it is known, the doubled coarser fill in the hole.

    Args:
        fill: ``(N, 3, C, C)`` float, result of the coarser scale for the whole region.
        target: ``(N, 3, C, C)`` float, a crop of the region at twice the scale.
        hole: ``(N, 1, C, C)`` float, hole map of that crop, 1 = fill.
        corners_yx: Top left of each crop in finer pixels; even numbers.
    """
    side = target.shape[-1] // 2
    # One more pixel all around, so that the crop equals the same part of the doubled whole.
    padded = functional.pad(fill, [1, 1, 1, 1], mode="replicate")
    parts = torch.stack(
        [padded[i, :, y // 2 : y // 2 + side + 2, x // 2 : x // 2 + side + 2] for i, (y, x) in enumerate(corners_yx)]
    )
    doubled = functional.interpolate(parts, scale_factor=2, mode="bilinear", align_corners=False)[..., 2:-2, 2:-2]
    return target + (doubled - target) * hole
