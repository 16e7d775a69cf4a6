from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from brighter import Brighter
from rethined.data.samples import Sampler
from rethined.export.onnx import export_tensors
from rethined.losses.fill import masked_huber
from rethined.losses.transferred import Transferred, transfer_fills
from rethined.nn import quantised
from rethined.nn.cells import from_cells
from rethined.nn.network import RESIDUAL_SCALE, NetworkConfig
from rethined.nn.squares import cut_squares
from rethined.train.batches import stack
from rethined.train.config import TrainConfig
from rethined.train.loop import train
from rethined.train.meter import Meter
from rethined.train.state import TrainState, new_state
from rethined.train.step import _Learner, shared_tensors
from rethined.train.views import coarse_view

MakeConfig = Callable[..., TrainConfig]
Content = Callable[[TrainState], list[Any]]


@pytest.mark.parametrize(
    ("weight", "every", "calls"), [(0.0, 1, []), (0.5, 1, [0, 0, 1, 1, 2, 2]), (0.5, 2, [0, 0, 2, 2])]
)
def test_feature_loss_is_taken_in_its_turn(
    weight: float, every: int, calls: list[int], make_config: MakeConfig, brighter: Brighter, tmp_path: Path
) -> None:
    config = make_config(steps=3, feature_weight=weight, feature_every=every, feature_px=32)
    state = new_state(config)
    heard: list[int] = []

    def feature_loss(fill: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        heard.append(state.step)
        assert fill.shape == target.shape == (2, 3, 32, 32), "a window"
        assert hole.shape == (2, 1, 32, 32)
        assert (hole.sum((1, 2, 3)) > 0).all()
        return (fill - target).square().mean()

    train(state, config, brighter, tmp_path, feature_loss=feature_loss)
    assert heard == calls


def test_windows_are_varied_where_the_settings_say_so(
    make_config: MakeConfig, brighter: Brighter, tmp_path: Path
) -> None:
    def seen(varied_windows: bool, seed: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        heard: list[tuple[Tensor, Tensor, Tensor]] = []

        def feature_loss(fill: Tensor, target: Tensor, hole: Tensor) -> Tensor:
            heard.append((fill.detach(), target, hole))
            return (fill - target).square().mean()

        config = make_config(
            steps=3, feature_weight=1.0, feature_px=64, varied_windows=varied_windows, seed=seed, learning_rate=1e-6
        )
        train(new_state(config), config, brighter, tmp_path, feature_loss=feature_loss)
        return heard

    whole, varied, again, other = (seen(*choice) for choice in ((False, 1), (True, 1), (True, 1), (True, 2)))
    assert [fill.shape[-1] for fill, _, _ in whole] == [64] * 6
    assert [fill.shape[-1] for fill, _, _ in varied] == [32] * 6, "room to be shifted"
    for (fill, target, hole), (same, _, _) in zip(varied, again, strict=True):
        assert torch.equal(fill, same)
        assert torch.equal(fill != target, (hole == 1).expand_as(fill))
    assert not torch.equal(varied[0][2], other[0][2])
    assert not torch.equal(varied[0][2], varied[2][2]), "each step anew"


def test_as_many_fills_are_seen_transferred_as_the_settings_say(
    make_config: MakeConfig, sampler: Sampler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 0

    def counted(*pictures: Tensor, temperature: float, threads: int) -> Transferred:
        nonlocal count
        count += len(pictures[0])
        done = transfer_fills(*pictures, temperature=temperature, threads=threads)
        return Transferred(torch.full_like(done.fill, 7), done.gate, done.voice)

    monkeypatch.setattr("rethined.train.step.transfer_fills", counted)
    seen: list[bool] = []

    def feature_loss(fill: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        inside = (hole == 1).expand_as(fill)
        for one, where in zip(fill, inside, strict=True):
            is_transferred = torch.isclose(one[where], torch.tensor(7.0))
            assert is_transferred.all() or not is_transferred.any()
            seen.append(bool(is_transferred.all()))
        return (fill - target).square().mean()

    def train_with(share: float, seed: int = 0) -> None:
        nonlocal count
        count = 0
        seen.clear()
        config = make_config(
            seed=seed,
            steps=6,
            samples_per_step=4,
            feature_weight=1.0,
            feature_px=64,
            varied_windows=False,  # a varied one may hold nothing of the hole
            transferred_share=share,
        )
        train(new_state(config), config, sampler, tmp_path, feature_loss=feature_loss)

    train_with(1)
    assert (count, sum(seen), len(seen)) == (48, 48, 48)
    train_with(0)
    assert (count, sum(seen)) == (0, 0)
    train_with(0.4)
    assert count == sum(seen)
    assert 8 < count < 30
    drawn = list(seen)
    train_with(0.4)
    assert seen == drawn
    train_with(0.4, seed=5)
    assert seen != drawn


def test_fills_are_transferred_each_with_its_own(make_config: MakeConfig, sampler: Sampler) -> None:
    config = make_config(transferred_share=0.5, use_bfloat16=False)
    state = new_state(config)
    view = coarse_view(stack(sampler.batch(0, 8)))
    with torch.no_grad():
        output = state.network.in_cells(view.prefilled, view.hole)
    corners = torch.arange(8)[:, None] * torch.tensor([4, 2])
    windows, holes = (cut_squares(x, corners, 32) for x in (view.prefilled, view.hole))
    windows.requires_grad_()
    learner = _Learner(state, config, [], torch.Generator().manual_seed(2), Meter())
    seen = learner._transferred(view, output, windows, corners)
    seen.sum().backward()
    gradient = windows.grad
    assert gradient is not None
    is_done = [not torch.equal(ours, alone) for ours, alone in zip(seen, windows, strict=True)]
    assert 2 <= sum(is_done) <= 6
    for n, done in enumerate(is_done):
        if not done:
            assert (gradient[n] == 1).all()
            continue
        one = slice(n, n + 1)
        fill = (view.prefilled + from_cells(output.residual))[one]
        pictures = (view.target[one], view.hole[one], output.query[one], output.key[one])
        alone = transfer_fills(fill, *pictures, temperature=state.network.temperature.item())
        assert torch.allclose(seen[n], alone.cut(corners[one], 32).fill[0], atol=1e-6)
        inside = (holes[n] == 1).expand_as(gradient[n])
        assert (gradient[n][inside] != 0).any()
        assert (gradient[n][~inside] == 0).all()


@pytest.mark.parametrize(
    "changes",
    [{"matching_weight": 0.5}, {"feature_weight": 0.5}, {"frequency_weight": 0.5}, {"adversarial_weight": 0.5}],
    ids=str,
)
def test_weights_of_the_losses_count(
    changes: dict[str, Any], make_config: MakeConfig, brighter: Brighter, tmp_path: Path, content: Content
) -> None:
    trained = []
    for config in (make_config(steps=1), make_config(steps=1, **changes)):
        state = new_state(config)
        train(state, config, brighter, tmp_path, feature_loss=lambda fill, *_: fill.mean())
        trained.append(content(state))
    assert trained[0] != trained[1]


def test_what_lies_inside_holes_counts_as_the_settings_say(
    make_config: MakeConfig, brighter: Brighter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def spied(*cells: torch.Tensor, inner_weight: float) -> torch.Tensor:
        seen.append(inner_weight)
        return masked_huber(*cells, inner_weight=inner_weight)

    monkeypatch.setattr("rethined.train.step.masked_huber", spied)
    config = make_config(steps=1, inner_weight=0.4)
    train(new_state(config), config, brighter, tmp_path)
    assert seen == [0.4, 0.4]  # both views


def test_a_taught_network_learns_what_its_teacher_gives(
    make_config: MakeConfig, brighter: Brighter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The teacher darkens by a tenth what the photographs would have brighter by a fifth."""
    config = make_config(steps=1, taught=True, feature_weight=1.0, feature_px=32)
    weights = new_state(replace(config, taught=False)).network
    with torch.no_grad():
        weights.to_residual.bias.fill_(-0.1 / RESIDUAL_SCALE)
    export_tensors(weights, tmp_path / "start.safetensors")
    targets: list[Tensor] = []

    def features(_: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        targets.append((target, hole))
        return torch.zeros(())

    def refused(*_: object) -> Tensor:
        raise AssertionError("the photograph was asked for its sources")

    monkeypatch.setattr("rethined.train.step.oracle_matching", refused)
    wanted: list[Tensor] = []

    def spied(residual: Tensor, wants: Tensor, hole: Tensor, *, inner_weight: float) -> Tensor:
        wanted.append(wants[hole.repeat_interleave(3, 1) > 0.5])
        return masked_huber(residual, wants, hole, inner_weight=inner_weight)

    monkeypatch.setattr("rethined.train.step.masked_huber", spied)
    train(new_state(config, tmp_path / "start.safetensors"), config, brighter, tmp_path, feature_loss=features)
    assert len(wanted) == len(targets) == 2
    for values in wanted:
        torch.testing.assert_close(values, torch.full_like(values, -0.1), atol=1e-3, rtol=0)
    batch = stack(brighter.batch(0, 2))
    view = coarse_view(batch)
    assert targets[0][0].mean() < view.target.mean() - 0.05


def test_gradients_are_clipped(make_config: MakeConfig, brighter: Brighter, tmp_path: Path) -> None:
    config = make_config(steps=1, clip_norm=1e-3)
    state = new_state(config)
    train(state, config, brighter, tmp_path)
    gradients = torch.cat([p.grad.flatten() for p in state.network.parameters() if p.grad is not None])
    assert gradients.norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_processes_share_gradients_and_statistics(make_config: MakeConfig, tiny: NetworkConfig) -> None:
    plain = new_state(make_config())
    assert list(shared_tensors(plain)) == []
    state = new_state(make_config(network=replace(tiny, form="batchnorm"), adversarial_weight=0.1))
    assert state.adversary is not None
    for parameter in (*state.network.parameters(), *state.adversary.discriminator.parameters()):
        parameter.grad = torch.zeros_like(parameter)
    shared = {id(x) for x in shared_tensors(state)}
    statistics = {id(x) for name, x in state.network.named_buffers() if name.endswith(("running_mean", "running_var"))}
    assert statistics
    gradients = {id(p.grad) for p in state.network.parameters()}
    assert shared == gradients | {id(x) for x in state.adversary.gradients} | statistics


def test_processes_share_ranges_until_they_are_in_use(make_config: MakeConfig, tiny: NetworkConfig) -> None:
    state = new_state(make_config(network=replace(tiny, quantised="all")))
    ranges = {name: x for name, x in state.network.named_buffers() if name.endswith((".low", ".high"))}
    assert len(ranges) > 50
    assert {id(x) for x in shared_tensors(state)} == {id(x) for x in ranges.values()}
    picture, hole = torch.rand(1, 3, 64, 64), torch.ones(1, 1, 64, 64)
    with torch.no_grad():
        for _ in range(quantised.CALIBRATION_PASSES):
            state.network.in_cells(picture, hole)
            rest = {id(x) for x in shared_tensors(state)}
            assert rest == {id(x) for name, x in ranges.items() if not name.startswith("input_")}
        state.network.in_cells(picture, hole)
    assert list(shared_tensors(state)) == []
