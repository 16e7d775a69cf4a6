from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rethined.losses.adversarial import feature_matching, fooling, gradient_penalty, recognising
from rethined.nn.discriminator import Verdict


@pytest.fixture
def half() -> Tensor:
    """Of 2 x 2 cells of 8 px the first is hole and half of the second."""
    hole = torch.zeros(1, 1, 16, 16)
    hole[..., :8, :12] = 1
    return hole


def scores(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(1, 1, 2, 2)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("hinge", -(1 + 0.5 * 2) / 1.5),
        ("non-saturating", (math.log1p(math.exp(-1)) + 0.5 * math.log1p(math.exp(-2))) / 1.5),
    ],
)
def test_fooling_counts_by_the_share_of_hole(form: str, expected: float, half: Tensor) -> None:
    assert fooling(scores(1, 2, 99, -99), half, form).item() == pytest.approx(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        # Cell one: real .5 (pays .5), fake -2 (pays nothing); cell two, which counts half: real 3, fake 1 (pays 2).
        ("hinge", (0.5 + 0.5 * 2) / 1.5),
        (
            "non-saturating",
            (
                math.log1p(math.exp(-0.5))
                + math.log1p(math.exp(-2))
                + 0.5 * (math.log1p(math.exp(-3)) + math.log1p(math.exp(1)))
            )
            / 1.5,
        ),
    ],
)
def test_recognising_counts_by_the_share_of_hole(form: str, expected: float, half: Tensor) -> None:
    real, fake = scores(0.5, 3, -99, -99), scores(-2, 1, 99, 99)
    assert recognising(real, fake, half, form).item() == pytest.approx(expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["hinge", "non-saturating"])
def test_each_side_is_pulled_its_own_way(form: str, half: Tensor) -> None:
    real, fake = scores(0, 0, 0, 0).requires_grad_(), scores(0, 0, 0, 0).requires_grad_()
    recognising(real, fake, half, form).backward()  # type: ignore[arg-type]
    assert real.grad is not None
    assert fake.grad is not None
    assert (real.grad.flatten()[:2] < 0).all()
    assert (fake.grad.flatten()[:2] > 0).all()
    other = scores(0, 0, 0, 0).requires_grad_()
    fooling(other, half, form).backward()  # type: ignore[arg-type]
    assert other.grad is not None
    assert (other.grad.flatten()[:2] < 0).all()
    assert other.grad.flatten()[2:].tolist() == [0, 0]


def test_features_are_compared_in_the_hole_layer_by_layer(half: Tensor) -> None:
    first, second = torch.zeros(1, 4, 4, 4), torch.zeros(1, 8, 2, 2)
    fake = [first.clone(), second.clone()]
    fake[0][..., :2, :3] = 0.6  # the cells of 4 px that are hole
    fake[0][..., 2:, :] = 77.0
    fake[1][:, :, 0, 1] = 0.9  # the half cell of 8 px
    assert feature_matching(fake, [first, second], half).item() == pytest.approx((0.6 + 0.5 * 0.9 / 1.5) / 2)


def test_no_hole_costs_nothing() -> None:
    hole = torch.zeros(1, 1, 16, 16)
    assert fooling(scores(1, 2, 3, 4), hole, "hinge").item() == 0
    assert recognising(scores(1, 2, 3, 4), scores(1, 2, 3, 4), hole, "hinge").item() == 0


def test_the_penalty_is_half_the_squared_slope() -> None:
    """Scores that rise by 2 with every red value: 16 x 16 slopes of 2, and none in the other channels."""

    def discriminator(picture: Tensor) -> Verdict:
        return Verdict(2 * picture[:, :1], [])

    penalty = gradient_penalty(discriminator, torch.rand(3, 3, 16, 16))  # type: ignore[arg-type]
    assert penalty.item() == pytest.approx(16 * 16 * 4 / 2)
