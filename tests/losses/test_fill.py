from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rethined.losses.fill import masked_huber, rim_weight
from rethined.nn.cells import to_cells

BLOCK = (slice(None), slice(None), slice(8, 24), slice(8, 24))


def huber(fill: Tensor, target: Tensor, hole: Tensor) -> Tensor:
    """The loss of pictures: what is added to a black prefill."""
    return masked_huber(to_cells(fill), to_cells(target * hole), to_cells(hole), inner_weight=0.1)


def block_hole(size_px: int = 32) -> Tensor:
    hole = torch.zeros(1, 1, size_px, size_px)
    hole[BLOCK] = 1
    return hole


def test_equal_pictures_are_at_no_distance(generator: torch.Generator, hole: Tensor) -> None:
    picture = torch.rand((2, 3, 64, 64), generator=generator)
    assert huber(picture, picture.clone(), hole).item() == 0


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
    assert huber(target + error, target, block_hole()).item() == pytest.approx(expected, rel=1e-5)


def test_errors_that_cancel_within_a_cell_count_once() -> None:
    target = torch.full((1, 3, 32, 32), 0.4)
    checker = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2 - 1
    assert huber(target + 0.5 * checker, target, block_hole()).item() == pytest.approx(0.45, rel=1e-5)


def test_a_single_pixel() -> None:
    """One pixel of a 4 x 4 cell: its own distance, and 16 times that of a mean 16 times as small."""
    hole = torch.zeros(1, 1, 32, 32)
    hole[..., 13, 14] = 1
    target = torch.full((1, 3, 32, 32), 0.4)
    expected = (0.5 - 0.05) + 16 * 0.5 * (0.5 / 16) ** 2 / 0.1
    assert huber(target + 0.5, target, hole).item() == pytest.approx(expected, rel=1e-5)


def test_small_and_large_holes_count_alike_and_a_whole_picture_counts_zero() -> None:
    hole = torch.zeros(4, 1, 64, 64)
    hole[0, :, 8:12, 8:12] = 1
    hole[1, :, 0:64, 0:48] = 1
    hole[2, :, 16:32, 16:32] = 1
    target = torch.full((4, 3, 64, 64), 0.4)
    each = [huber(target[i : i + 1] + 0.5, target[i : i + 1], hole[i : i + 1]).item() for i in range(4)]
    assert each == pytest.approx([0.9, 0.9, 0.9, 0.0], rel=1e-5)
    assert huber(target + 0.5, target, hole).item() == pytest.approx(sum(each) / 4, rel=1e-5)


def test_nothing_outside_the_hole_counts(generator: torch.Generator, hole: Tensor) -> None:
    error, target, elsewhere = (torch.rand((2, 3, 64, 64), generator=generator) for _ in range(3))
    fill = (target + 0.1 * (error - 0.5)).requires_grad_()
    loss = huber(fill, target, hole)
    changed = huber(torch.where(hole > 0, fill, elsewhere), target, hole)
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
    weights = rim_weight(share, 0.1)[0, 0, 12]
    assert weights[12:18].tolist() == pytest.approx([0.9, 0.7, 0.5, 0.3, 0.1, 0.1])
    assert weights[:12].tolist() == pytest.approx([1.0] * 12)
    torch.testing.assert_close(rim_weight(torch.ones(1, 1, 4, 4), 0.1), torch.full((1, 1, 4, 4), 0.1))


def test_weight_inside_may_be_any(hole: Tensor) -> None:
    assert (rim_weight(hole[:, :, ::4, ::4], 1.0) == 1).all()
    torch.testing.assert_close(rim_weight(torch.ones(1, 1, 12, 12), 3.0), torch.full((1, 1, 12, 12), 3.0))


def test_errors_at_the_rim_cost_more_than_those_deep_inside() -> None:
    hole = torch.zeros(1, 1, 128, 128)
    hole[..., 32:96, 32:96] = 1
    target = torch.zeros(1, 3, 128, 128)
    at_rim, deep = target.clone(), target.clone()
    at_rim[..., 32:36, 60:64] = 0.5
    deep[..., 60:64, 60:64] = 0.5
    assert huber(at_rim, target, hole) > 5 * huber(deep, target, hole) > 0


def test_gradient_is_that_of_the_loss(generator: torch.Generator, hole: Tensor) -> None:
    """Against the loss written in single operations on pictures."""

    def plain(fill: Tensor) -> Tensor:
        error = (fill - target) * hole
        share = torch.nn.functional.avg_pool2d(hole, 4)
        rim = rim_weight(share, 0.1)
        mean = torch.nn.functional.avg_pool2d(error, 4)
        fine, tone = (
            torch.nn.functional.smooth_l1_loss(x, torch.zeros_like(x), beta=0.1, reduction="none")
            for x in (error, mean)
        )
        total = ((torch.nn.functional.avg_pool2d(fine, 4) + tone).mean(1, keepdim=True) * rim).sum((1, 2, 3))
        return (total / (share * rim).sum((1, 2, 3))).mean()

    target, fill = (torch.rand((2, 3, 64, 64), generator=generator) for _ in range(2))
    gradients = []
    for loss in (plain, lambda x: huber(x, target, hole)):
        leaf = fill.clone().requires_grad_()
        value = loss(leaf)
        (3 * value).backward()
        gradients.append(leaf.grad)
        assert value.item() == pytest.approx(plain(fill).item(), rel=1e-5)
    torch.testing.assert_close(*gradients)


def test_gradient_comes_in_the_type_of_the_residual(generator: torch.Generator, hole: Tensor) -> None:
    wanted = to_cells(torch.rand((2, 3, 64, 64), generator=generator) * hole)
    residual = torch.zeros_like(wanted, dtype=torch.bfloat16).requires_grad_()
    loss = masked_huber(residual, wanted, to_cells(hole), inner_weight=0.1)
    loss.backward()
    assert loss.dtype == torch.float32
    assert residual.grad is not None
    assert residual.grad.dtype == torch.bfloat16
