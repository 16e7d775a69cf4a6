"""Depthwise convolutions while training, each by the fastest way there is on its device."""

from __future__ import annotations

from importlib.util import find_spec

import torch
from torch import Tensor
from torch.nn import functional

GPU_SIDES = (3, 5)
"""Kernels that ours for GPUs are made for."""
HAS_TRITON = find_spec("triton") is not None


def filter_channels(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, first: int = 0) -> Tensor:
    """One odd kernel per channel, in padding that keeps the size; of the result every ``stride``-th from ``first`` on.

    Args:
        x: ``(N, C, H, W)``, any float.
        weight: ``(C, 1, K, K)``, of the same dtype.
        bias: ``(C,)``, likewise.
        stride: Step along both axes.
        first: First row and column that is kept, less than ``stride``.
    """
    padding = weight.shape[-1] // 2
    is_ours = HAS_TRITON and x.is_cuda and x.is_contiguous() and weight.shape[-1] in GPU_SIDES
    if is_ours:
        from rethined.nn.depthwise_gpu import filter_planes

        every = filter_planes(x, weight, bias)
    elif x.is_cuda and first == 0:
        return functional.conv2d(x, weight, bias, stride, padding, groups=len(weight))
    else:
        # Dense also on a CPU: oneDNN 3.x takes 6 x longer for the backward pass of a strided depthwise convolution than
        # for that of a dense one, which is then thinned out.
        every = functional.conv2d(x, weight, bias, 1, padding, groups=len(weight))
    if stride == 1:
        return every
    layout = torch.contiguous_format if is_ours else torch.channels_last
    return every[..., first::stride, first::stride].contiguous(memory_format=layout)
