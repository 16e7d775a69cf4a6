from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from rethined import resample
from rethined.nn.prefill import finer_prefill, pull_push, spread

SIDE = 16
CORNERS_YX = [(0, 0), (SIDE, SIDE), (2, 8), (8, 0), (16, 6)]


def planes(*pictures: NDArray[np.float32]) -> Tensor:
    return torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in pictures])


def pictures(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("levels", [None, 0, 3])
@pytest.mark.parametrize("size_hw", [(1, 1), (1, 7), (16, 16), (33, 20)])
def test_spread_is_the_runtimes(size_hw: tuple[int, int], levels: int | None, rng: np.random.Generator) -> None:
    values = [rng.standard_normal((*size_hw, 3)).astype(np.float32) for _ in range(2)]
    weights = [(rng.random(size_hw) * (rng.random(size_hw) > 0.6)).astype(np.float32) for _ in range(2)]
    got = pictures(spread(planes(*values), planes(*(weight[..., None] for weight in weights)), levels))
    for i in range(2):
        np.testing.assert_allclose(got[i], resample.spread(values[i], weights[i], levels=levels), atol=1e-5)


@pytest.mark.parametrize("size_hw", [(2, 2), (32, 32), (24, 48)], ids=str)
def test_pull_push_is_the_runtimes(size_hw: tuple[int, int], rng: np.random.Generator) -> None:
    truth = [rng.random((*size_hw, 3)).astype(np.float32) for _ in range(2)]
    holes = [rng.random(size_hw) < share for share in (0.4, 0.9)]
    got = pictures(pull_push(planes(*truth), planes(*(hole[..., None].astype(np.float32) for hole in holes))))
    for i in range(2):
        np.testing.assert_allclose(got[i], resample.pull_push(truth[i], holes[i]), atol=1e-5)


@pytest.mark.parametrize("corner_yx", CORNERS_YX, ids=str)
def test_hole_holds_the_same_part_of_the_doubled_whole(corner_yx: tuple[int, int], generator: torch.Generator) -> None:
    fill, target = (torch.rand((1, 3, SIDE, SIDE), generator=generator) for _ in range(2))
    y, x = corner_yx
    doubled = functional.interpolate(fill, scale_factor=2, mode="bilinear", align_corners=False)
    got = finer_prefill(fill, target, torch.ones(1, 1, SIDE, SIDE), torch.tensor([corner_yx]))
    torch.testing.assert_close(got, doubled[..., y : y + SIDE, x : x + SIDE])


def test_known_pixels_are_the_true_ones(generator: torch.Generator) -> None:
    count = len(CORNERS_YX)
    fill, target = (torch.rand((count, 3, SIDE, SIDE), generator=generator) for _ in range(2))
    hole = (torch.rand((count, 1, SIDE, SIDE), generator=generator) > 0.5).float()
    got = finer_prefill(fill, target, hole, torch.tensor(CORNERS_YX))
    known = (hole == 0).expand_as(target)
    assert torch.equal(got[known], target[known])
    each = [
        finer_prefill(fill[i : i + 1], target[i : i + 1], hole[i : i + 1], torch.tensor([corner]))
        for i, corner in enumerate(CORNERS_YX)
    ]
    torch.testing.assert_close(got, torch.cat(each))


def test_a_constant_fill_stays_constant() -> None:
    fill = torch.full((1, 3, SIDE, SIDE), 0.25)
    got = finer_prefill(fill, torch.zeros(1, 3, SIDE, SIDE), torch.ones(1, 1, SIDE, SIDE), torch.tensor([(10, 4)]))
    torch.testing.assert_close(got, torch.full_like(got, 0.25))
