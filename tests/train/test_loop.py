from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from brighter import Brighter
from rethined.data.photos import Photo
from rethined.data.samples import Sample, Sampler
from rethined.export.onnx import export_tensors
from rethined.losses.fill import masked_huber
from rethined.nn import quantised
from rethined.nn.cells import to_cells
from rethined.nn.network import NetworkConfig
from rethined.train import loop as module
from rethined.train.batches import stack
from rethined.train.config import TrainConfig
from rethined.train.loop import train
from rethined.train.meter import Meter
from rethined.train.profile import Profile
from rethined.train.state import TrainState, load_state, new_state
from rethined.train.views import View, coarse_view
from rethined.train.watch import ValSet

MakeConfig = Callable[..., TrainConfig]
Content = Callable[[TrainState], list[Any]]


def distance(fill: Tensor, view: View) -> float:
    cells = (to_cells(x) for x in (fill - view.prefilled, (view.target - view.prefilled) * view.hole, view.hole))
    return masked_huber(*cells, inner_weight=0.1).item()


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
