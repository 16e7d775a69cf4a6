from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rethined.losses.fill import masked_huber, rim_weight

BLOCK = (slice(None), slice(None), slice(8, 24), slice(8, 24))


def block_hole(size_px: int = 32) -> Tensor:
    hole = torch.zeros(1, 1, size_px, size_px)
    hole[BLOCK] = 1
    return hole


def test_equal_pictures_are_at_no_distance(generator: torch.Generator, hole: Tensor) -> None:
    picture = torch.rand((2, 3, 64, 64), generator=generator)
    assert masked_huber(picture, picture.clone(), hole).item() == 0


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (0.05, 2 * 0.5 * 0.05**2 / 0.1),  # squared up to 0.1, once for pixels and once for means
        (-0.05, 2 * 0.5 * 0.05**2 / 0.1),
        (0.5, 2 * (0.5 - 0.05)),  # linear above
    ],
)
def test_one_error_everywhere_gives_its_huber_distance_twice(error: float, expected: float) -> None:
    """Whatever the weights, a mean of equal values is that value."""
    target = torch.full((1, 3, 32, 32), 0.4)
    assert masked_huber(target + error, target, block_hole()).item() == pytest.approx(expected, rel=1e-5)


def test_errors_that_cancel_within_a_cell_count_once() -> None:
    target = torch.full((1, 3, 32, 32), 0.4)
    checker = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2 - 1
    assert masked_huber(target + 0.5 * checker, target, block_hole()).item() == pytest.approx(0.45, rel=1e-5)


def test_a_single_pixel() -> None:
    """One pixel of a 4 x 4 cell: its own distance, and 16 times that of a mean 16 times as small."""
    hole = torch.zeros(1, 1, 32, 32)
    hole[..., 13, 14] = 1
    target = torch.full((1, 3, 32, 32), 0.4)
    expected = (0.5 - 0.05) + 16 * 0.5 * (0.5 / 16) ** 2 / 0.1
    assert masked_huber(target + 0.5, target, hole).item() == pytest.approx(expected, rel=1e-5)


def test_small_and_large_holes_count_alike_and_a_whole_picture_counts_zero() -> None:
    hole = torch.zeros(4, 1, 64, 64)
    hole[0, :, 8:12, 8:12] = 1
    hole[1, :, 0:64, 0:48] = 1
    hole[2, :, 16:32, 16:32] = 1
    target = torch.full((4, 3, 64, 64), 0.4)
    each = [masked_huber(target[i : i + 1] + 0.5, target[i : i + 1], hole[i : i + 1]).item() for i in range(4)]
    assert each == pytest.approx([0.9, 0.9, 0.9, 0.0], rel=1e-5)
    assert masked_huber(target + 0.5, target, hole).item() == pytest.approx(sum(each) / 4, rel=1e-5)


def test_nothing_outside_the_hole_counts(generator: torch.Generator, hole: Tensor) -> None:
    error, target, elsewhere = (torch.rand((2, 3, 64, 64), generator=generator) for _ in range(3))
    fill = (target + 0.1 * (error - 0.5)).requires_grad_()
    loss = masked_huber(fill, target, hole)
    changed = masked_huber(torch.where(hole > 0, fill, elsewhere), target, hole)
    assert changed.item() == loss.item() > 0
    loss.backward()
    inside = (hole > 0).expand_as(fill)
    assert fill.grad is not None
    assert fill.grad[~inside].abs().max() == 0
    assert (fill.grad[inside] != 0).float().mean() > 0.99


def test_weight_falls_from_the_rim_inwards() -> None:
    """A straight rim; the window of 9 cells then holds 4, 3, 2, 1, 0 known columns of 9."""
    share = torch.zeros(1, 1, 24, 24)
    share[..., 12:] = 1
    weights = rim_weight(share)[0, 0, 12]
    assert weights[12:18].tolist() == pytest.approx([0.9, 0.7, 0.5, 0.3, 0.1, 0.1])
    assert weights[:12].tolist() == pytest.approx([1.0] * 12)
    torch.testing.assert_close(rim_weight(torch.ones(1, 1, 4, 4)), torch.full((1, 1, 4, 4), 0.1))


def test_errors_at_the_rim_cost_more_than_those_deep_inside() -> None:
    hole = torch.zeros(1, 1, 128, 128)
    hole[..., 32:96, 32:96] = 1
    target = torch.zeros(1, 3, 128, 128)
    at_rim, deep = target.clone(), target.clone()
    at_rim[..., 32:36, 60:64] = 0.5
    deep[..., 60:64, 60:64] = 0.5
    assert masked_huber(at_rim, target, hole) > 5 * masked_huber(deep, target, hole) > 0
