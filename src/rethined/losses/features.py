"""Distance between fill and truth as an ImageNet network sees them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rethined.losses.backbone import Backbone
from rethined.nn.processes import mean_of_all

STRIDES = (2, 4, 8)
"""Feature maps compared: the last ones at these strides. Deeper ones cost little more but say less of texture."""


class FeatureDistance(nn.Module):
    """Squared distance of unit feature vectors, averaged over the hole and over stages; 0 = the same.

    Construction loads the weights from the installed package.

    Args:
        strides: Which feature maps are compared: the last ones at these strides, some of 2, 4, 8, 16, 32, ascending.
        dtype: What features are computed in.
    """

    def __init__(self, strides: Sequence[int] = STRIDES, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        self._strides = tuple(strides)
        self._backbone = Backbone(dtype)

    def forward(self, fill: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        """Distance of ``fill`` from ``target``, both ``(N, 3, H, W)`` in 0..1; ``hole`` ``(N, 1, H, W)``, 1 = fill."""
        composed = target + (fill - target) * hole
        with torch.no_grad():
            wanted = self._backbone(target, self._strides)
        total = fill.new_zeros(())
        for ours, theirs in zip(self._backbone(composed, self._strides), wanted, strict=True):
            height, width = ours.shape[-2:]
            weight = functional.adaptive_avg_pool2d(hole, (height, width))
            gap = functional.normalize(ours.float(), dim=1) - functional.normalize(theirs.float(), dim=1)
            total = total + mean_of_all((gap.square().sum(1, keepdim=True) * weight).sum(), weight.sum(), at_least=1e-3)
        return total / len(self._strides)
