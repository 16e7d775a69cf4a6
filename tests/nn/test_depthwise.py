from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from rethined.nn.depthwise import filter_channels


@given(
    side=st.sampled_from([1, 3, 5, 7]),
    size_hw=st.tuples(st.integers(1, 19), st.integers(1, 19)),
    step=st.sampled_from([(1, 0), (2, 0), (2, 1), (3, 2)]),
    is_planes=st.booleans(),
)
def test_every_second_of_what_a_dense_convolution_gives(
    side: int, size_hw: tuple[int, int], step: tuple[int, int], is_planes: bool
) -> None:
    generator = torch.Generator().manual_seed(side)
    x, weight, bias = (
        torch.randn(shape, generator=generator) for shape in ((2, 3, *size_hw), (3, 1, side, side), (3,))
    )
    stride, first = step
    expected = functional.conv2d(x, weight, bias, padding=side // 2, groups=3)[..., first::stride, first::stride]
    given_x = x if is_planes else x.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(filter_channels(given_x, weight, bias, stride, first), expected)


@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_are_those_of_the_convolution(stride: int, generator: torch.Generator) -> None:
    inputs = [torch.randn(shape, generator=generator).requires_grad_() for shape in ((2, 3, 8, 12), (3, 1, 3, 3), (3,))]
    ours = torch.autograd.grad(filter_channels(*inputs, stride).square().sum(), inputs)
    theirs = torch.autograd.grad(functional.conv2d(*inputs, stride, 1, groups=3).square().sum(), inputs)
    for mine, wanted in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, wanted)
