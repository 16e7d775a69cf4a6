from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor

from rethined.losses.variants import draw_side, variant_sides, vary


def numbered(count: int, side_px: int) -> Tensor:
    """Windows that tell of each value where it comes from: row, column and window."""
    row, column = torch.meshgrid(torch.arange(side_px), torch.arange(side_px), indexing="ij")
    window = torch.arange(count).view(-1, 1, 1).expand(-1, side_px, side_px)
    return torch.stack([row.expand_as(window), column.expand_as(window), window], 1).float()


@pytest.fixture
def windows() -> tuple[Tensor, Tensor, Tensor]:
    """Six hundred windows of 64 px: fill, target and a hole in each."""
    target = numbered(600, 64)
    hole = torch.zeros(600, 1, 64, 64)
    hole[:, :, 20:50, 28:40] = 1
    return target + 1000, target, hole


@pytest.mark.parametrize(
    ("side_px", "sides"),
    [(32, [32]), (64, [32]), (96, [32, 64]), (128, [32, 64, 96]), (256, [96, 128, 160, 192, 224])],
)
def test_sides_are_those_that_a_backbone_takes(side_px: int, sides: list[int]) -> None:
    assert variant_sides(side_px) == sides


def test_half_of_all_windows_keep_their_size_and_the_rest_is_shared_out() -> None:
    drawn = Counter(draw_side([96, 128, 160], share / 1000) for share in range(1000))
    assert drawn == {96: 250, 128: 250, 160: 500}
    assert draw_side([32], 0.0) == 32


def test_each_is_one_of_eight_symmetries_at_any_place(
    windows: tuple[Tensor, Tensor, Tensor], generator: torch.Generator
) -> None:
    _, target, _ = vary(windows, 32, generator)
    seen, corners = set(), set()
    for index, (row, column, window) in enumerate(target):
        assert (window == index).all(), "windows stay in order"
        seen.add(tuple(int(x[down, 1 - down] - x[0, 0]) for x in (row, column) for down in (1, 0)))
        corner = (int(row.min()), int(column.min()))
        corners.add(corner)
        assert (row.max() - row.min(), column.max() - column.min()) == (31, 31)
        assert len(torch.stack([row, column]).flatten(1).unique(dim=1).T) == 32 * 32
    assert seen == {(a, 0, 0, b) for a in (1, -1) for b in (1, -1)} | {(0, a, b, 0) for a in (1, -1) for b in (1, -1)}
    for axis in range(2):
        assert {corner[axis] for corner in corners} == set(range(33)), "odd and even ones"


def test_the_fill_is_the_target_but_in_the_hole(
    windows: tuple[Tensor, Tensor, Tensor], generator: torch.Generator
) -> None:
    fill, target, hole = vary(windows, 32, generator)
    assert torch.equal(fill - target, (1000 * hole).expand_as(fill))
    assert set(hole.unique().tolist()) == {0, 1}
    assert 0 < hole.mean() < 1


def test_the_same_numbers_give_the_same_variants(windows: tuple[Tensor, Tensor, Tensor]) -> None:
    first, again, other = (vary(windows, 32, torch.Generator().manual_seed(seed))[1] for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_window_without_room_is_not_shifted(generator: torch.Generator) -> None:
    target = numbered(40, 32)
    _, varied, _ = vary((target, target, torch.ones(40, 1, 32, 32)), 32, generator)
    assert (varied.flatten(2).sum(2) == target.flatten(2).sum(2)).all()
    assert not torch.equal(varied, target)


def test_shrinking_is_a_mean_and_any_hole_is_hole() -> None:
    target = torch.rand(6, 3, 96, 96, generator=torch.Generator().manual_seed(6))
    hole = torch.zeros(6, 1, 96, 96)
    hole[:, :, 32:64, 44:45] = 1
    whole = vary((target, target, hole), 64, torch.Generator().manual_seed(7))
    fill, shrunk, inside = vary((target + 0.5, target, hole), 32, torch.Generator().manual_seed(7))
    assert shrunk.shape == (6, 3, 32, 32)
    torch.testing.assert_close(shrunk.mean((2, 3)), whole[1].mean((2, 3)), atol=0.01, rtol=0)
    assert set(inside.unique().tolist()) == {0, 1}
    assert ((fill - shrunk).abs().amax(1, keepdim=True) > 1e-6).float().sub(inside).abs().max() == 0


def test_what_is_finer_than_shrunk_pixels_is_averaged_away(generator: torch.Generator) -> None:
    stripes = (torch.arange(256) % 2).float().expand(4, 3, 256, 256)
    _, shrunk, _ = vary((stripes, stripes, torch.ones(4, 1, 256, 256)), 96, generator)
    inner = shrunk[..., 4:-4, 4:-4]
    assert inner.max() - inner.min() < 0.3


def test_gradients_reach_the_pixels_of_the_hole_that_are_shown(
    windows: tuple[Tensor, Tensor, Tensor], generator: torch.Generator
) -> None:
    fill, target, hole = windows
    fill = fill.clone().requires_grad_()
    ours, _, inside = vary((fill, target, hole), 32, generator)
    ours.sum().backward()
    assert fill.grad is not None
    assert set(fill.grad.unique().tolist()) == {0, 1}
    assert ((fill.grad == 0) | (hole == 1)).all()
    assert fill.grad.sum() == 3 * inside.sum()
