from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rethined.losses.frequency import focal_frequency


def wave(cycles_yx: tuple[int, int], size_hw: tuple[int, int] = (32, 48)) -> Tensor:
    height, width = size_hw
    y, x = torch.arange(height)[:, None] / height, torch.arange(width) / width
    return torch.cos(2 * math.pi * (cycles_yx[0] * y + cycles_yx[1] * x))


def loss_of(error: Tensor, hole: Tensor | None = None) -> float:
    target = torch.full((1, 3, *error.shape), 0.4)
    hole = torch.ones(1, 1, *error.shape) if hole is None else hole
    return focal_frequency(target + error, target, hole).item()


def test_equal_pictures_are_at_no_distance_and_do_not_pull(generator: torch.Generator, hole: Tensor) -> None:
    target = torch.rand((2, 3, 64, 64), generator=generator)
    fill = target.clone().requires_grad_()
    loss = focal_frequency(fill, target, hole)
    loss.backward()
    assert loss.item() == 0
    assert fill.grad is not None
    assert fill.grad.abs().max() == 0


@pytest.mark.parametrize("cycles", [(0, 3), (5, 0), (4, 7), (-4, 7), (16, 0), (0, 24), (16, 24)], ids=str)
def test_one_frequency_costs_its_mean_square(cycles: tuple[int, int]) -> None:
    """Alone it is the largest: its weight is 1. At the edges of the spectrum, and inside, where there are two of it."""
    error = 0.2 * wave(cycles)
    assert loss_of(error) == pytest.approx(error.square().mean().item(), rel=1e-4)


def test_a_constant_error_costs_its_square() -> None:
    assert loss_of(torch.full((32, 47), 0.3)) == pytest.approx(0.09, rel=1e-4)


def test_smaller_frequencies_count_by_their_share_of_the_largest() -> None:
    strong, weak = 0.3 * wave((2, 5)), 0.06 * wave((7, 1))
    expected = 0.3**2 / 2 + 0.06 / 0.3 * 0.06**2 / 2
    assert loss_of(strong + weak) == pytest.approx(expected, rel=1e-4)


def test_channels_have_weights_of_their_own() -> None:
    target = torch.zeros(1, 3, 32, 48)
    fill = torch.stack([0.3 * wave((2, 5)), 0.06 * wave((7, 1)), torch.zeros(32, 48)])[None]
    loss = focal_frequency(fill, target, torch.ones(1, 1, 32, 48))
    assert loss.item() == pytest.approx((0.3**2 / 2 + 0.06**2 / 2) / 3, rel=1e-4)


def test_small_and_large_holes_count_alike_and_only_they_count(generator: torch.Generator) -> None:
    """One pixel off by .3 has a flat spectrum: every weight is 1, whatever is wrong elsewhere."""
    hole = torch.zeros(1, 1, 32, 48)
    hole[..., 9, 30] = 1
    error = torch.rand((32, 48), generator=generator)
    error[9, 30] = 0.3
    assert loss_of(error, hole) == pytest.approx(0.09, rel=1e-4)
    assert loss_of(error, torch.zeros(1, 1, 32, 48)) == 0


def test_the_gradient_takes_the_weights_as_they_are(generator: torch.Generator) -> None:
    """Of a loss that squares the error only, twice the error's gradient is twice as large."""
    target, error = torch.zeros(1, 3, 32, 32), torch.randn((1, 3, 32, 32), generator=generator)
    slopes = []
    for scale in (1.0, 2.0):
        fill = (scale * error).requires_grad_()
        focal_frequency(fill, target, torch.ones(1, 1, 32, 32)).backward()
        assert fill.grad is not None
        slopes.append(fill.grad)
    torch.testing.assert_close(slopes[1], 2 * slopes[0])


def test_half_precision_fills_are_compared_in_single() -> None:
    target = torch.zeros(1, 3, 32, 32)
    loss = focal_frequency(target.bfloat16() + 0.5, target, torch.ones(1, 1, 32, 32))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(0.25)
