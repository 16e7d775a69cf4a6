from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rethined.losses.features import FeatureDistance


@pytest.fixture(scope="module")
def distance() -> FeatureDistance:
    return FeatureDistance()


@pytest.fixture
def target(generator: torch.Generator) -> Tensor:
    return torch.rand((2, 3, 64, 64), generator=generator)


def test_equal_pictures_are_at_no_distance_and_do_not_pull(
    distance: FeatureDistance, target: Tensor, hole: Tensor
) -> None:
    fill = target.clone().requires_grad_()
    loss = distance(fill, target, hole)
    loss.backward()
    assert loss.item() == 0
    assert fill.grad is not None
    assert fill.grad.abs().max() == 0


def test_more_noise_is_further_away(
    distance: FeatureDistance, target: Tensor, hole: Tensor, generator: torch.Generator
) -> None:
    noise = torch.randn(target.shape, generator=generator)
    near, far, further = (distance(target + scale * noise, target, hole).item() for scale in (0.03, 0.1, 0.4))
    assert 0 < near < far < further < 4


def test_only_the_hole_counts(
    distance: FeatureDistance, target: Tensor, hole: Tensor, generator: torch.Generator
) -> None:
    fill, elsewhere = (torch.rand(target.shape, generator=generator) for _ in range(2))
    fill.requires_grad_()
    loss = distance(fill, target, hole)
    assert loss.dtype == torch.float32
    assert distance(torch.where(hole > 0, fill, elsewhere), target, hole).item() == loss.item()
    loss.backward()
    inside = (hole > 0).expand_as(fill)
    assert fill.grad is not None
    assert torch.isfinite(fill.grad).all()
    assert fill.grad[~inside].abs().max() == 0
    assert (fill.grad[inside] != 0).float().mean() > 0.9


def test_following_the_gradient_helps(distance: FeatureDistance, target: Tensor, hole: Tensor) -> None:
    fill = torch.full_like(target, 0.5).requires_grad_()
    before = distance(fill, target, hole)
    before.backward()
    with torch.no_grad():
        step = fill.grad / fill.grad.square().mean().sqrt() * 0.01
        assert distance(fill - step, target, hole) < before < distance(fill + step, target, hole)


def test_no_hole_costs_nothing(distance: FeatureDistance, target: Tensor) -> None:
    assert distance(1 - target, target, torch.zeros(2, 1, 64, 64)).item() == 0


def test_each_stride_gives_its_own_part(distance: FeatureDistance, target: Tensor, hole: Tensor) -> None:
    """The distance is the mean of those at its strides, wherever among the five they lie."""
    channels = {2: 16, 4: 24, 8: 40, 16: 112, 32: 320}
    apart = {}
    for stride, count in channels.items():
        one = FeatureDistance((stride,))
        (features,) = one._backbone(target, (stride,))
        assert features.shape == (2, count, 64 // stride, 64 // stride)
        apart[stride] = one(1 - target, target, hole)
    assert len({loss.item() for loss in apart.values()}) == 5
    for together in (FeatureDistance((2, 16, 32)), distance):
        mean = torch.stack([apart[stride] for stride in together._strides]).mean()
        torch.testing.assert_close(together(1 - target, target, hole), mean)
    assert distance._strides == (2, 4, 8)


def test_the_network_is_frozen(distance: FeatureDistance) -> None:
    assert not any(p.requires_grad for p in distance.parameters())
