from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from rethined.data.photos import Photo
from rethined.data.samples import Sample, Sampler
from rethined.export.onnx import export_tensors
from rethined.losses.fill import masked_huber
from rethined.losses.transferred import Transferred, transfer_fills
from rethined.nn import quantised
from rethined.nn.cells import from_cells, to_cells
from rethined.nn.network import RESIDUAL_SCALE, NetworkConfig
from rethined.nn.squares import cut_squares
from rethined.train import loop as module
from rethined.train.batches import stack
from rethined.train.config import TrainConfig
from rethined.train.loop import Meter, shared_tensors, train
from rethined.train.profile import Profile
from rethined.train.state import TrainState, load_state, new_state
from rethined.train.views import View, coarse_view
from rethined.train.watch import ValSet

MakeConfig = Callable[..., TrainConfig]
Content = Callable[[TrainState], list[Any]]


class Brighter(Sampler):
    """Planted task: one colour, a square hole, and in it the same colour 50 grey levels brighter."""

    def __init__(self) -> None:
        pass

    def draw(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        hole = np.zeros((64, 64), bool)
        y, x = 8 * rng.integers(4, size=2)
        hole[y : y + 24, x : x + 24] = True
        colour = rng.integers(20, 180, 3).astype(np.uint8)
        target = np.where(hole[..., None], colour + np.uint8(50), colour)
        return Sample(np.where(hole[..., None], np.uint8(0), target), hole, hole, target, target, hole, (0, 0))


def distance(fill: Tensor, view: View) -> float:
    cells = (to_cells(x) for x in (fill - view.prefilled, (view.target - view.prefilled) * view.hole, view.hole))
    return masked_huber(*cells, inner_weight=0.1).item()


@pytest.fixture
def brighter() -> Brighter:
    return Brighter()


@pytest.fixture
def photos(gradient: Callable[..., NDArray[np.uint8]]) -> list[Photo]:
    return [Photo(str(n), tuple(gradient(n, 256 >> level) for level in range(3))) for n in range(3)]


@pytest.fixture
def sampler(photos: list[Photo]) -> Sampler:
    return Sampler(photos, seed=0, crop_px=64)


@pytest.mark.parametrize(
    "changes",
    [
        {"use_bfloat16": False},
        {"use_bfloat16": True},
        {
            "use_bfloat16": True,
            "frequency_weight": 1.0,
            "adversarial_weight": 0.1,
            "adversarial_r1": 1.0,
            "varied_windows": True,
            "transferred_share": 0.5,
        },
        {"use_bfloat16": True, "quantised": "all"},
        {"use_bfloat16": True, "quantised": "coarse", "taught": True},
    ],
    ids=["float32", "bfloat16", "all losses", "quantised", "taught"],
)
@pytest.mark.parametrize("passes", [3, 6], ids=["stopped after calibration", "stopped while calibrating"])
def test_stopping_and_resuming_changes_nothing(
    changes: dict[str, Any],
    passes: int,
    make_config: MakeConfig,
    tiny: NetworkConfig,
    sampler: Sampler,
    tmp_path: Path,
    content: Content,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quantised, "CALIBRATION_PASSES", passes)
    network = replace(tiny, quantised=changes.get("quantised", "nothing"))
    config = make_config(network=network, **{name: x for name, x in changes.items() if name != "quantised"})
    start = tmp_path / "start.safetensors" if config.taught else None
    if start is not None:
        export_tensors(new_state(replace(config, taught=False)).network, start)
    whole = new_state(config, start)
    untrained = content(whole)
    train(whole, config, sampler, tmp_path / "whole")
    first = new_state(config, start)
    train(first, config, sampler, tmp_path / "parts", should_stop=lambda: first.step == 2)
    assert (first.step, first.position) == (2, 4)
    resumed = load_state(tmp_path / "parts" / "state.pt", config)
    train(resumed, config, sampler, tmp_path / "parts")
    assert (resumed.step, resumed.position) == (4, 8)
    assert content(resumed) == content(whole) != untrained
    assert content(load_state(tmp_path / "whole" / "state.pt", config)) == content(whole)
    assert resumed.minutes > first.minutes > 0


@pytest.mark.parametrize("use_bfloat16", [False, True], ids=["float32", "bfloat16"])
def test_a_planted_task_is_learned(
    use_bfloat16: bool, make_config: MakeConfig, brighter: Brighter, tmp_path: Path
) -> None:
    config = make_config(
        use_bfloat16=use_bfloat16, samples_per_step=4, steps=24, learning_rate=1e-2, ema_decay=0.5, cooldown_steps=8
    )
    state = new_state(config)
    unseen = coarse_view(stack(brighter.batch(1000, 8)))
    train(state, config, brighter, tmp_path)
    before = distance(unseen.prefilled, unseen)
    for network in (state.network, state.averaged_network()):
        with torch.no_grad():
            fill = network.deploy()(unseen.prefilled, unseen.hole).fill
        assert distance(fill, unseen) < 0.3 * before


@pytest.mark.parametrize(
    ("limits", "steps"),
    [
        ({"max_minutes": 0}, 1),
        ({"should_stop": lambda: True}, 1),
        ({"max_minutes": 60, "should_stop": lambda: False}, 3),
    ],
    ids=["out of time", "told to stop", "neither"],
)
def test_a_run_ends_when_told_and_is_saved(
    limits: dict[str, Any], steps: int, make_config: MakeConfig, brighter: Brighter, tmp_path: Path
) -> None:
    config = make_config(steps=3)
    state = new_state(config)
    train(state, config, brighter, tmp_path / "deep" / "run", **limits)
    assert state.step == steps
    assert load_state(tmp_path / "deep" / "run" / "state.pt", config).step == steps


def test_a_rate_of_the_caller_takes_the_place_of_the_settings(
    make_config: MakeConfig, brighter: Brighter, tmp_path: Path
) -> None:
    config = make_config(steps=3)
    state = new_state(config)
    asked: list[int] = []

    def rate_at(step: int) -> float:
        asked.append(step)
        return 0.0

    train(state, config, brighter, tmp_path, rate_at=rate_at)
    assert asked == [0, 1, 2]
    still = new_state(config).network.state_dict()
    assert all(torch.equal(x, still[name]) for name, x in state.network.state_dict().items())


def test_a_finished_run_is_left_as_it_is(
    make_config: MakeConfig, brighter: Brighter, tmp_path: Path, content: Content
) -> None:
    config = make_config(steps=3)
    state = new_state(config)
    state.step = 3
    before = content(state)
    train(state, config, brighter, tmp_path)
    assert content(state) == before


def test_an_error_of_the_sampler_ends_the_run(make_config: MakeConfig, tmp_path: Path) -> None:
    class Broken(Brighter):
        def draw(self, index: int) -> Sample:
            raise RuntimeError(f"no sample {index}")

    config = make_config()
    with pytest.raises(RuntimeError, match="no sample 0"):
        train(new_state(config), config, Broken(), tmp_path)


def test_log_saves_and_watching(
    make_config: MakeConfig, brighter: Brighter, photos: list[Photo], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REPORT_EVERY", 2)
    monkeypatch.setattr(module, "SAVE_EVERY_S", -1.0)
    config = make_config(steps=4)
    state = new_state(config)
    heard: list[dict[str, float]] = []
    saved: list[int] = []
    told: list[int] = []

    def should_stop() -> bool:
        saved.append(load_state(tmp_path / "state.pt", config).step)
        return False

    train(
        state,
        config,
        brighter,
        tmp_path,
        report=heard.append,
        watched=ValSet(photos[:1]),
        should_stop=should_stop,
        on_save=lambda: told.append(load_state(tmp_path / "state.pt", config).step),
    )
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert rows == heard
    assert [row["step"] for row in rows] == [2, 4]
    assert saved == [1, 2, 3, 4]
    assert told == [1, 2, 3, 4, 4]
    always = {"step", "minutes", "wait_share", "crops_per_s", "gradient", "coarse_fill", "coarse_matching", "fine_fill"}
    assert all(always <= row.keys() and np.isfinite(list(row.values())).all() for row in rows)
    # Costly figures are taken in the first of every ten steps; the gain is there one step after each save.
    assert ["coarse_gain_db" in row for row in rows] == [True, False]
    assert all("val_gain_db" in row for row in rows)
    assert rows[0]["coarse_gain_db"] == 0
    assert all(0 <= row["wait_share"] <= 1 for row in rows)


def test_gain_on_watched_photographs(make_config: MakeConfig, photos: list[Photo]) -> None:
    """An untrained network adds nothing to the prefill; one that adds a constant to every pixel makes it worse."""
    watched = ValSet(photos)
    network = new_state(make_config()).network
    assert watched.gain_db(network) == pytest.approx(0, abs=1e-3)
    torch.nn.init.constant_(network.to_residual.bias, 3.0)
    assert watched.gain_db(network) < -10


def test_looks_at_watched_photographs(make_config: MakeConfig, photos: list[Photo]) -> None:
    network = new_state(make_config()).network
    plain = ValSet(photos).looks(network, 2)
    torch.nn.init.constant_(network.to_residual.bias, 99.0)
    white = ValSet(photos).looks(network, 2)
    assert [look.shape for look in plain] == [(3, 384, 3 * 384)] * 2
    for before, after in zip(plain, white, strict=True):
        prefilled, fill, truth = before.split(384, 2)
        torch.testing.assert_close(fill[:, (fill != truth).any(0)], prefilled[:, (fill != truth).any(0)])
        assert torch.equal(after[..., :384], prefilled)
        assert torch.equal(after[..., 768:], truth)
        changed = (after[..., 384:768] != truth).any(0)
        assert 0 < changed.float().mean() < 0.6
        assert (after[..., 384:768][:, changed] == 1).all()


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

    monkeypatch.setattr("rethined.train.loop.transfer_fills", counted)
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
    seen = module._transferred(state, config, view, output, (windows, holes, corners), torch.Generator().manual_seed(2))
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

    monkeypatch.setattr("rethined.train.loop.masked_huber", spied)
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

    monkeypatch.setattr("rethined.train.loop.oracle_matching", refused)
    wanted: list[Tensor] = []

    def spied(residual: Tensor, wants: Tensor, hole: Tensor, *, inner_weight: float) -> Tensor:
        wanted.append(wants[hole.repeat_interleave(3, 1) > 0.5])
        return masked_huber(residual, wants, hole, inner_weight=inner_weight)

    monkeypatch.setattr("rethined.train.loop.masked_huber", spied)
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


def test_throughput_is_that_of_all_seconds(make_config: MakeConfig) -> None:
    """Three steps of 1, 1 and 4 seconds, of which .6 are spent waiting; four crops each."""
    meter = Meter()
    for wait_s, step_s in ((0.1, 1.0), (0.2, 1.0), (0.3, 4.0)):
        meter.add("wait_s", wait_s)
        meter.add("step_s", step_s)
    row = module._with_throughput(meter.take(), make_config(samples_per_step=2))
    assert row == {"wait_share": pytest.approx(0.1), "crops_per_s": pytest.approx(2.0)}


def test_every_part_of_every_step_is_told(make_config: MakeConfig, brighter: Brighter, tmp_path: Path) -> None:
    class Parts(Profile):
        def __init__(self) -> None:
            super().__init__()
            self.told: list[str] = []

        def end_part(self, name: str) -> None:
            self.told.append(name)

        def end_step(self) -> None:
            self.told.append("end")

    profile = Parts()
    config = make_config(steps=2, feature_weight=1.0, frequency_weight=1.0, adversarial_weight=0.1)
    train(new_state(config), config, brighter, tmp_path, feature_loss=lambda fill, *_: fill.mean(), profile=profile)
    losses = [f"loss: {name}" for name in ("fill", "matching", "feature", "frequency", "adversarial")]
    view = ["views", "forward", *losses, "backward", "discriminator", "figures"]
    assert profile.told == 2 * ["data", *view, *view, "exchange", "optimiser", "average (EMA)", "end"]


def test_meter_takes_means_and_starts_anew() -> None:
    meter = Meter()
    for name, value in (("a", 1.0), ("b", torch.tensor(5.0, requires_grad=True)), ("a", 2.0)):
        meter.add(name, value)
    assert meter.take() == {"a": 1.5, "b": 5.0}
    assert meter.take() == {}
