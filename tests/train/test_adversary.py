from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rethined.errors import CheckpointError
from rethined.train.adversary import Adversary, make_adversary
from rethined.train.config import TrainConfig
from rethined.train.device import CPU
from rethined.train.state import TrainState, load_state, new_state, save_state

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture
def pictures() -> tuple[Tensor, Tensor, Tensor]:
    """Flat grey fills of noise, in the middle of each picture."""
    hole = torch.zeros(4, 1, 64, 64)
    hole[..., 16:48, 16:48] = 1
    target = torch.rand((4, 3, 64, 64), generator=torch.Generator().manual_seed(1))
    return torch.full_like(target, 0.5), target, hole


def tells_apart(adversary: Adversary, fill: Tensor, target: Tensor, hole: Tensor) -> float:
    """How much more real the truth looks, in the middle of the hole."""
    with torch.no_grad():
        real, fake = (adversary.discriminator.eval()(x).scores for x in (target, target + (fill - target) * hole))
    return float((real - fake)[..., 3:5, 3:5].mean())


@pytest.mark.parametrize("form", ["hinge", "non-saturating"])
def test_it_learns_to_tell_flat_fills_from_noise(
    form: str, make_config: MakeConfig, pictures: tuple[Tensor, Tensor, Tensor]
) -> None:
    config = make_config(adversarial_weight=0.1, adversarial_form=form, discriminator_learning_rate=2e-3)
    adversary = Adversary(config, CPU)
    before = tells_apart(adversary, *pictures)
    losses = []
    for _ in range(12):
        losses.append(adversary.learn(*pictures))
        adversary.step(1.0)
    assert tells_apart(adversary, *pictures) > before + 0.3
    assert losses[-1] < losses[0]


def test_the_fill_is_pulled_towards_what_is_taken_for_real(
    make_config: MakeConfig, pictures: tuple[Tensor, Tensor, Tensor]
) -> None:
    adversary = Adversary(make_config(adversarial_weight=0.1), CPU)
    grey, target, hole = pictures
    fill = grey.clone().requires_grad_()
    loss = adversary.fill_loss(fill, target, hole)
    loss.backward()
    assert fill.grad is not None
    inside = (hole > 0).expand_as(fill)
    assert fill.grad[~inside].abs().max() == 0
    assert (fill.grad[inside] != 0).float().mean() > 0.9
    assert adversary.gradients == [], "the discriminator does not learn from what the network pays"
    with torch.no_grad():
        step = 0.05 * fill.grad / fill.grad.abs().max()
        assert adversary.fill_loss(grey - step, target, hole) < loss


def test_looking_at_fills_changes_nothing_of_it(
    make_config: MakeConfig, pictures: tuple[Tensor, Tensor, Tensor]
) -> None:
    adversary = Adversary(make_config(adversarial_weight=0.1), CPU)
    before = {name: x.clone() for name, x in adversary.discriminator.state_dict().items()}
    adversary.fill_loss(*pictures)
    assert all(torch.equal(x, before[name]) for name, x in adversary.discriminator.state_dict().items())


def test_weights_of_features_and_penalty_count(
    make_config: MakeConfig, pictures: tuple[Tensor, Tensor, Tensor]
) -> None:
    def both(**changes: float) -> tuple[float, float]:
        adversary = Adversary(make_config(adversarial_weight=0.1, **changes), CPU)
        return adversary.fill_loss(*pictures).item(), adversary.learn(*pictures).item()

    plain, features, penalty = both(adversarial_features=0.0), both(adversarial_features=2.0), both(adversarial_r1=9.0)
    assert features[0] > plain[0]
    assert features[1] == plain[1] < penalty[1]


def test_its_step_follows_the_rate_and_forgets(
    make_config: MakeConfig, pictures: tuple[Tensor, Tensor, Tensor]
) -> None:
    moved = []
    for share in (0.0, 0.5, 1.0):
        adversary = Adversary(make_config(adversarial_weight=0.1, discriminator_learning_rate=1e-3), CPU)
        bias = adversary.discriminator.get_parameter("layers.0.bias")
        before = bias.detach().clone()
        adversary.learn(*pictures)
        assert len(adversary.gradients) == 8
        adversary.step(share)
        assert adversary.gradients == []
        moved.append(float((bias.detach() - before).abs().max()))
    assert moved == pytest.approx([0, 5e-4, 1e-3], rel=0.01)


def test_only_runs_that_ask_for_it_have_one(make_config: MakeConfig) -> None:
    assert make_adversary(make_config(), CPU) is None
    assert make_adversary(make_config(adversarial_weight=0.1), CPU) is not None


def test_it_leaves_the_networks_own_beginning_alone(
    make_config: MakeConfig, content: Callable[[TrainState], list[Any]]
) -> None:
    plain, other = new_state(make_config()), new_state(make_config(adversarial_weight=0.1))
    other.adversary = None
    assert content(plain) == content(other)


def test_a_run_may_begin_to_have_one_and_cease(
    make_config: MakeConfig, tmp_path: Path, pictures: tuple[Tensor, Tensor, Tensor]
) -> None:
    config = make_config(adversarial_weight=0.1)
    without = replace(config, adversarial_weight=0.0)
    save_state(new_state(without), without, tmp_path / "state.pt")
    state = load_state(tmp_path / "state.pt", config)
    assert state.adversary is not None
    fresh = new_state(config).adversary
    assert fresh is not None
    assert tells_apart(state.adversary, *pictures) == tells_apart(fresh, *pictures)
    state.adversary.learn(*pictures)
    state.adversary.step(1.0)
    save_state(state, config, tmp_path / "state.pt")
    again = load_state(tmp_path / "state.pt", config).adversary
    assert again is not None
    assert tells_apart(again, *pictures) == tells_apart(state.adversary, *pictures) != tells_apart(fresh, *pictures)
    assert load_state(tmp_path / "state.pt", without).adversary is None


def test_a_resumed_run_keeps_what_its_discriminator_sees(make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(adversarial_weight=0.1, discriminator_layers=2)
    state = new_state(config)
    assert state.adversary is not None
    assert len(state.adversary.discriminator.layers) == 2
    save_state(state, config, tmp_path / "state.pt")
    other = replace(config, discriminator_layers=4)
    with pytest.raises(CheckpointError, match=r"was made with discriminator_layers = 2, this run has 4"):
        load_state(tmp_path / "state.pt", other)
    assert load_state(tmp_path / "state.pt", replace(other, adversarial_weight=0.0)).adversary is None
