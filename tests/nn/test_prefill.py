from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from rethined.nn.prefill import finer_prefill

SIDE = 16
CORNERS_YX = [(0, 0), (SIDE, SIDE), (2, 8), (8, 0), (16, 6)]


@pytest.mark.parametrize("corner_yx", CORNERS_YX, ids=str)
def test_hole_holds_the_same_part_of_the_doubled_whole(corner_yx: tuple[int, int], generator: torch.Generator) -> None:
    fill, target = (torch.rand((1, 3, SIDE, SIDE), generator=generator) for _ in range(2))
    y, x = corner_yx
    doubled = functional.interpolate(fill, scale_factor=2, mode="bilinear", align_corners=False)
    got = finer_prefill(fill, target, torch.ones(1, 1, SIDE, SIDE), [corner_yx])
    torch.testing.assert_close(got, doubled[..., y : y + SIDE, x : x + SIDE])


def test_known_pixels_are_the_true_ones(generator: torch.Generator) -> None:
    count = len(CORNERS_YX)
    fill, target = (torch.rand((count, 3, SIDE, SIDE), generator=generator) for _ in range(2))
    hole = (torch.rand((count, 1, SIDE, SIDE), generator=generator) > 0.5).float()
    got = finer_prefill(fill, target, hole, CORNERS_YX)
    known = (hole == 0).expand_as(target)
    assert torch.equal(got[known], target[known])
    each = [
        finer_prefill(fill[i : i + 1], target[i : i + 1], hole[i : i + 1], [corner])
        for i, corner in enumerate(CORNERS_YX)
    ]
    torch.testing.assert_close(got, torch.cat(each))


def test_a_constant_fill_stays_constant() -> None:
    fill = torch.full((1, 3, SIDE, SIDE), 0.25)
    got = finer_prefill(fill, torch.zeros(1, 3, SIDE, SIDE), torch.ones(1, 1, SIDE, SIDE), [(10, 4)])
    torch.testing.assert_close(got, torch.full_like(got, 0.25))
