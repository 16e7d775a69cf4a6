from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rethined.ablate import run as module
from rethined.ablate.measure import KINDS, Result
from rethined.ablate.run import ablate
from rethined.data.photos import Photo
from rethined.data.samples import Sampler
from rethined.errors import ConfigError
from rethined.export.onnx import export_tensors
from rethined.nn.network import NetworkConfig, RethinedNetwork
from rethined.train.config import TrainConfig
from rethined.train.run import read_config
from rethined.train.state import TrainState, load_state, save_state

TINY = NetworkConfig((8, 16, 16, 16), (1, 1, 1), 1, (1, 1, 1), descriptor_size=8)


class Loop:
    """Stands in for the training loop: each step takes half a minute, and is saved."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.begun: list[tuple[int, TrainConfig]] = []
        self.stops_after = 1_000_000

    def __call__(
        self,
        state: TrainState,
        config: TrainConfig,
        _sampler: Sampler,
        out: Path,
        *,
        should_stop: Callable[[], bool],
        rate_at: Callable[[int], float] | None,
        **_: object,
    ) -> None:
        self.begun.append((state.step, config))
        while state.step < config.steps:
            self.rates.append((rate_at or config.learning_rate_at)(state.step))
            state.step += 1
            state.position += 1
            state.minutes += 0.5
            if should_stop() or len(self.rates) >= self.stops_after:
                break
        save_state(state, config, out / "state.pt")


class Blind:
    """Stands in for the ruler: it sees how long a run was."""

    def __init__(self, photos: list[Photo]) -> None:
        self.count = len(photos)

    def measure(self, name: str, state: TrainState, log: Path) -> Result:
        assert log.name == "log.jsonl"
        return Result(
            name, state.minutes, state.step, 2 * state.position, 0.1, 0.2, 4.0, dict.fromkeys(KINDS, 1.0), 0.5
        )


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    loop = Loop()
    monkeypatch.setattr(module, "train", loop)
    monkeypatch.setattr(module, "Ruler", Blind)
    return loop


@pytest.fixture
def run(photos: Path, plan_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setattr(module, "keep_freed_memory", lambda: None)

    def run(**options: Any) -> str:  # noqa: ANN401
        return ablate(photos, plan_file, tmp_path / "out", **{"val_folder": photos, "threads": 1, **options})

    return run


def test_variants_are_trained_and_compared(run: Callable[..., str], plan_file: Path, tmp_path: Path) -> None:
    plan_file.write_text(plan_file.read_text().replace("minutes = 2", "minutes = 0.0005"))
    text = run()
    assert (tmp_path / "out" / "ablation.md").read_text() == text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows] == ["variant", "plain", "Focal frequency (1.5)"]
    assert "still to be trained" not in text
    states = []
    for folder, weight in (("plain", 0.0), ("focal-frequency-1.5", 1.5)):
        config = read_config(tmp_path / "out" / folder)
        assert config.frequency_weight == weight
        states.append(load_state(tmp_path / "out" / folder / "state.pt", config))
    assert all(state.minutes >= 0.0005 for state in states)
    assert all(state.step >= 1 for state in states)


def test_each_variant_gets_the_same_time_and_a_rate_that_falls_with_it(run: Callable[..., str], loop: Loop) -> None:
    run()
    assert [begun[0] for begun in loop.begun] == [0, 0]
    # Two minutes: the rate is whole for the first, and nothing is left of it after the second.
    assert loop.rates == pytest.approx([2e-3, 2e-3, 2e-3, 1e-3] * 2)


def test_each_variant_gets_the_same_steps_where_they_are_given(
    run: Callable[..., str], loop: Loop, plan_file: Path
) -> None:
    plan_file.write_text(plan_file.read_text().replace("minutes = 2", "steps = 6"))
    loop.stops_after = 8
    assert "Each variant trained for 6 steps." in run()
    loop.stops_after = 1_000_000
    text = run()
    assert [begun[0] for begun in loop.begun] == [0, 0, 2]
    # Whole for half of the steps, then falling to nothing.
    falling = [2e-3 * left / 3 for left in (3, 2, 1)]
    assert loop.rates == pytest.approx([2e-3, 2e-3, 2e-3, *falling] * 2)
    assert text.count("| 3.0     | 6 ") == 2
    assert run() == text
    assert len(loop.begun) == 3


def test_an_ablation_goes_on_where_it_stopped(run: Callable[..., str], loop: Loop, tmp_path: Path) -> None:
    loop.stops_after = 6
    text = run()
    assert "1 of 2 variants are still to be trained" in text
    assert "| plain" in text
    assert "Focal" not in text
    loop.stops_after = 1_000_000
    text = run()
    assert [begun[0] for begun in loop.begun] == [0, 0, 2]
    assert loop.rates == pytest.approx([2e-3, 2e-3, 2e-3, 1e-3] * 2)
    assert text.count("| 4 ") == 2
    (tmp_path / "out" / "ablation.md").unlink()
    assert run() == text == (tmp_path / "out" / "ablation.md").read_text()
    assert len(loop.begun) == 3


def test_all_variants_begin_with_the_same_weights(run: Callable[..., str], tmp_path: Path, loop: Loop) -> None:
    network = RethinedNetwork(TINY)
    torch.nn.init.constant_(network.to_residual.bias, 2.0)
    export_tensors(network, tmp_path / "start.safetensors")
    run(start_from=tmp_path / "start.safetensors")
    assert len(loop.begun) == 2
    for folder in ("plain", "focal-frequency-1.5"):
        state = load_state(tmp_path / "out" / folder / "state.pt", read_config(tmp_path / "out" / folder))
        assert (state.network.to_residual.bias == 2).all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("minutes = 2", "minutes = 3", r"plain was begun with minutes = 2\.0; now it is minutes = 3\.0: give"),
        ("weight = 1.5", "weight = 2.5", r"focal-frequency-1\.5 was begun with frequency_weight = 1\.5; now it is"),
    ],
)
def test_what_was_begun_otherwise_is_refused(
    old: str, new: str, message: str, run: Callable[..., str], loop: Loop, plan_file: Path
) -> None:
    run()
    plan_file.write_text(plan_file.read_text().replace(old, new))
    with pytest.raises(ConfigError, match=message):
        run()
    assert len(loop.begun) == 2


def test_other_photographs_are_refused(run: Callable[..., str], loop: Loop, photos: Path) -> None:
    run()
    (photos / "b.png").unlink()
    with pytest.raises(ConfigError, match="photographs = 2, val_photographs = 2; now it is photographs = 1"):
        run()
    assert len(loop.begun) == 2
