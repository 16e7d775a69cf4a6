from __future__ import annotations

import pytest
import torch

from rethined.losses.windows import GRID_PX, hole_windows
from rethined.nn.squares import cut_squares


def one_pixel_holes(places: list[tuple[int, int]], size_hw: tuple[int, int] = (96, 128)) -> torch.Tensor:
    hole = torch.zeros(len(places), 1, *size_hw)
    for picture, (y, x) in zip(hole, places, strict=True):
        picture[0, y, x] = 1
    return hole


@pytest.mark.parametrize("side_px", [8, 32, 96])
def test_every_window_lies_inside_and_holds_hole(side_px: int, generator: torch.Generator) -> None:
    places = [(0, 0), (95, 127), (0, 127), (40, 60), (41, 3)] * 20
    hole = one_pixel_holes(places)
    corners = hole_windows(hole, side_px, generator)
    for (top, left), (y, x) in zip(corners.tolist(), places, strict=True):
        assert top % GRID_PX == left % GRID_PX == 0
        assert 0 <= top <= y < top + side_px <= 96
        assert 0 <= left <= x < left + side_px <= 128
    assert (cut_squares(hole, corners, side_px).sum((1, 2, 3)) == 1).all()


def test_windows_differ_and_follow_the_generator() -> None:
    hole = one_pixel_holes([(40, 60)] * 50)
    first, again = (hole_windows(hole, 32, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    assert len(first.unique(dim=0)) > 8


def test_the_larger_part_of_a_hole_is_looked_at_more_often(generator: torch.Generator) -> None:
    hole = torch.zeros(200, 1, 64, 128)
    hole[:, :, :, :24] = 1
    hole[:, :, :8, 120:] = 1
    left = hole_windows(hole, 16, generator)[:, 1]
    # 192 of 200 cells of the hole are on the left.
    assert 180 < (left < 64).sum() < 200


def test_no_hole_gives_any_window(generator: torch.Generator) -> None:
    corners = hole_windows(torch.zeros(9, 1, 64, 96), 32, generator)
    assert all(0 <= y <= 32 and 0 <= x <= 64 for y, x in corners.tolist())
