from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rethined.nn import squares as module
from rethined.nn.squares import cut_squares

Cut = Callable[[Tensor, Tensor, int], Tensor]
WAYS = [cut_squares, module._sliced, module._gathered]


@pytest.mark.parametrize("cut", WAYS, ids=["chosen", "sliced", "gathered"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["planes", "channels last"])
def test_squares_are_cut_out_of_every_channel(
    cut: Cut, layout: torch.memory_format, generator: torch.Generator
) -> None:
    pictures = torch.rand((2, 3, 32, 48), generator=generator).contiguous(memory_format=layout)
    squares = cut(pictures, torch.tensor([(0, 8), (15, 31)]), 16)
    assert torch.equal(squares[0], pictures[0, :, :16, 8:24])
    assert torch.equal(squares[1], pictures[1, :, 15:31, 31:47])


@pytest.mark.parametrize("cut", WAYS, ids=["chosen", "sliced", "gathered"])
def test_gradients_flow_to_where_the_square_was(cut: Cut, generator: torch.Generator) -> None:
    pictures = torch.rand((2, 3, 12, 10), generator=generator).requires_grad_()
    weights = torch.rand((2, 3, 4, 4), generator=generator)
    (cut(pictures, torch.tensor([(2, 0), (8, 6)]), 4) * weights).sum().backward()
    expected = torch.zeros(2, 3, 12, 10)
    expected[0, :, 2:6, :4], expected[1, :, 8:, 6:] = weights
    assert pictures.grad is not None
    assert torch.equal(pictures.grad, expected)
