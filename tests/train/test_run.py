from __future__ import annotations

import dataclasses
import json
import signal
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from rethined.errors import CheckpointError, ConfigError, DatasetError, OptionError
from rethined.export.onnx import export_tensors
from rethined.nn.network import NetworkConfig, RethinedNetwork
from rethined.train import loop
from rethined.train import run as module
from rethined.train.config import TrainConfig
from rethined.train.run import read_config, train_folder
from rethined.train.state import TrainState, load_state, new_state, save_state
from rethined.train.watch import ValSet


@pytest.fixture(autouse=True)
def memory_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The allocator of the process that runs the tests is left alone."""
    calls: list[str] = []
    monkeypatch.setattr(module, "keep_freed_memory", lambda: calls.append("kept"))
    return calls


@pytest.fixture
def folder(tmp_path: Path, gradient: Callable[..., NDArray[np.uint8]]) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(gradient(number)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def changes(tiny: NetworkConfig) -> dict[str, Any]:
    return {"network": tiny, "crop_px": 32, "samples_per_step": 2, "steps": 3, "warmup_steps": 2, "cooldown_steps": 0}


def test_folder_to_trained_state_and_on_from_there(
    folder: Path,
    tmp_path: Path,
    changes: dict[str, Any],
    memory_calls: list[str],
    content: Callable[[TrainState], list[Any]],
) -> None:
    out = tmp_path / "run"
    train_folder(folder, out, changes=changes, threads=1)
    assert {file.name for file in out.iterdir()} == {"cache", "config.json", "state.pt"}
    assert read_config(out) == TrainConfig(**changes)
    assert load_state(out / "state.pt", read_config(out)).step == 3
    assert memory_calls == ["kept"]
    # Only what differs is said again.
    train_folder(folder, out, changes={"steps": 5})
    assert read_config(out) == TrainConfig(**{**changes, "steps": 5})
    state = load_state(out / "state.pt", read_config(out))
    assert (state.step, state.position) == (5, 10)
    # As if it had never stopped; with decoded photographs kept elsewhere.
    train_folder(folder, tmp_path / "whole", changes={**changes, "steps": 5}, cache=tmp_path / "elsewhere")
    whole = load_state(tmp_path / "whole" / "state.pt", read_config(out))
    assert content(whole) == content(state)
    assert not (tmp_path / "whole" / "cache").exists()
    assert len(list((tmp_path / "elsewhere").glob("*.npy"))) == 9


@pytest.fixture
def shards(folder: Path, tmp_path: Path) -> Path:
    """The photographs of the folder, each in a tar shard of its own."""
    for number in range(3):
        with tarfile.open(tmp_path / f"shard-{number}.tar", "w") as tar:
            tar.add(folder / f"{number}.png", f"{number}.png")
    return tmp_path / "shard-{0..2}.tar"


def test_shards_train_as_a_folder_of_the_same_photographs(
    folder: Path, shards: Path, tmp_path: Path, changes: dict[str, Any], content: Callable[[TrainState], list[Any]]
) -> None:
    for where, out in ((folder, tmp_path / "a"), (shards, tmp_path / "b")):
        train_folder(where, out, changes=changes)
    first, second = (load_state(tmp_path / out / "state.pt", read_config(tmp_path / out)) for out in "ab")
    assert content(first) == content(second)


def test_a_run_through_a_window_resumes_exactly(
    shards: Path, tmp_path: Path, changes: dict[str, Any], content: Callable[[TrainState], list[Any]]
) -> None:
    changes = {**changes, "steps": 6, "window_photos": 2, "samples_per_photo": 3}
    train_folder(shards, tmp_path / "whole", changes=changes)
    for steps in (2, 6):
        train_folder(shards, tmp_path / "parts", changes={**changes, "steps": steps})
    whole, parts = (load_state(tmp_path / out / "state.pt", TrainConfig(**changes)) for out in ("whole", "parts"))
    assert content(whole) == content(parts)
    assert len(list((tmp_path / "parts" / "cache" / "window").iterdir())) <= 6
    train_folder(shards, tmp_path / "all", changes={**changes, "window_photos": 0})
    assert content(load_state(tmp_path / "all" / "state.pt", TrainConfig(**changes))) != content(whole)


def test_unknown_settings_are_refused_before_anything_is_written(folder: Path, tmp_path: Path) -> None:
    message = "unknown settings colour, size; known are adversarial_features, .*weight_decay"
    with pytest.raises(ConfigError, match=message):
        train_folder(folder, tmp_path / "run", changes={"size": 1, "steps": 5, "colour": 2})
    assert not (tmp_path / "run").exists()


def test_settings_come_from_the_run_then_the_file_then_the_call(
    folder: Path, tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "train", lambda *_, **__: None)
    out, file = tmp_path / "run", tmp_path / "mine.toml"
    file.write_text("seed = 5\nsteps = 7\n[network]\nmiddle_blocks = 2\n")
    train_folder(folder, out, changes={**changes, "steps": 4, "weight_decay": 0.5})
    train_folder(folder, out, settings_file=file, changes={"steps": 9})
    before = TrainConfig(**{**changes, "seed": 5, "steps": 9, "weight_decay": 0.5})
    expected = dataclasses.replace(before, network=dataclasses.replace(before.network, middle_blocks=2))
    assert read_config(out) == expected


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"seed": 9}, CheckpointError, "made with seed = 0, this run has 9"),
        ({"crop_px": 64}, CheckpointError, "made with crop_px = 32, this run has 64"),
        ({"steps": 0}, ConfigError, "steps is 0"),
    ],
)
def test_a_refused_resumption_leaves_the_run_as_it_is(
    change: dict[str, Any],
    error: type[Exception],
    message: str,
    folder: Path,
    tmp_path: Path,
    changes: dict[str, Any],
) -> None:
    out = tmp_path / "run"
    train_folder(folder, out, changes={**changes, "steps": 1})
    before = {name: (out / name).read_bytes() for name in ("config.json", "state.pt")}
    with pytest.raises(error, match=message):
        train_folder(folder, out, changes=change)
    assert {name: (out / name).read_bytes() for name in before} == before


def test_a_folder_without_photographs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not a folder"):
        train_folder(tmp_path / "missing", tmp_path / "run")


def test_what_the_time_went_into_is_told_when_asked_for(
    folder: Path, tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    postfixes: list[dict[str, str]] = []
    monkeypatch.setattr(module.tqdm, "write", said.append)
    monkeypatch.setattr(module.tqdm, "set_postfix", lambda _, told: postfixes.append(told))
    monkeypatch.setattr(loop, "REPORT_EVERY", 1)
    train_folder(folder, tmp_path / "run", changes={**changes, "steps": 5}, profile_steps=9)
    assert said[-1].startswith("2 steps of ")
    assert {"data", "forward", "backward", "optimiser", "average"} <= set(said[-1].split())
    assert len(postfixes) == 5
    assert all({"coarse_fill", "crops/s", "waiting"} <= told.keys() for told in postfixes)
    assert all(told["waiting"].endswith("%") and float(told["crops/s"]) > 0 for told in postfixes)
    with pytest.raises(ConfigError, match="profile_steps is -1; expected 0 or more"):
        train_folder(folder, tmp_path / "run", profile_steps=-1)
    for minutes in (-1, float("nan")):
        with pytest.raises(ConfigError, match=f"max_minutes is {minutes}; expected 0 or more"):
            train_folder(folder, tmp_path / "run", max_minutes=minutes)
    with pytest.raises(OptionError, match="threads is 0; expected a whole number from 1"):
        train_folder(folder, tmp_path / "run", threads=0)


def test_time_limit_of_a_call(folder: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    train_folder(folder, tmp_path / "run", changes=changes, max_minutes=0)
    assert load_state(tmp_path / "run" / "state.pt", read_config(tmp_path / "run")).step == 1


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "no settings",
        "[]",
        "{}",
        '{"network": {"depth": 3}}',
        '{"network": {}, "colour": 1}',
        '{"network": {}, "steps": 0}',
    ],
)
def test_a_folder_that_is_no_run_is_refused(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "config.json").write_text(text)
    with pytest.raises(
        CheckpointError, match=r"config\.json is not the settings of a run \(.*; give the folder of a run"
    ):
        read_config(tmp_path)


def test_settings_survive_their_file(tmp_path: Path, tiny: NetworkConfig) -> None:
    config = TrainConfig(network=tiny, seed=7, learning_rate=1e-5, use_bfloat16=False, feature_strides=(4, 32))
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    assert read_config(tmp_path) == config


# ---- what the loop is given ----


class Heard:
    """Stands in for the loop."""

    def __init__(self, act: Callable[[], object] = lambda: None) -> None:
        self.act = act
        self.settings: dict[str, Any] = {}
        self.was_stopped = False

    def __call__(self, state: TrainState, *_: object, **settings: object) -> None:
        self.state = state
        self.settings = settings
        self.act()
        self.was_stopped = settings["should_stop"]()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "request to end"])
def test_signals_end_a_run_after_its_step(
    number: signal.Signals, folder: Path, tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    heard = Heard(lambda: signal.raise_signal(number))
    monkeypatch.setattr(module, "train", heard)
    train_folder(folder, tmp_path / "run", changes=changes)
    assert heard.was_stopped
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_training_outside_the_main_thread_leaves_signals_alone(
    folder: Path, tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: list[Any] = []
    heard = Heard(lambda: handlers.append(signal.getsignal(signal.SIGTERM)))
    monkeypatch.setattr(module, "train", heard)
    thread = threading.Thread(target=train_folder, args=(folder, tmp_path / "run"), kwargs={"changes": changes})
    thread.start()
    thread.join()
    assert handlers == [signal.getsignal(signal.SIGTERM)]
    assert not heard.was_stopped


def test_a_new_run_begins_with_given_weights_and_a_resumed_one_with_its_own(
    folder: Path, tmp_path: Path, changes: dict[str, Any], tiny: NetworkConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = RethinedNetwork(tiny)
    torch.nn.init.constant_(trained.to_residual.bias, 2.0)
    start_from = tmp_path / "weights.safetensors"
    export_tensors(trained, start_from)
    heard = Heard()
    monkeypatch.setattr(module, "train", heard)
    out = tmp_path / "run"
    train_folder(folder, out, changes=changes, start_from=start_from)
    assert (heard.state.network.to_residual.bias == 2).all()
    save_state(new_state(read_config(out)), read_config(out), out / "state.pt")
    train_folder(folder, out, start_from=start_from)
    assert (heard.state.network.to_residual.bias == 0).all()


def test_watched_photographs_threads_and_feature_loss_reach_the_loop(
    folder: Path, tmp_path: Path, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = Heard()
    monkeypatch.setattr(module, "train", heard)
    train_folder(folder, tmp_path / "run", changes=changes)
    assert heard.settings["watched"] is heard.settings["feature_loss"] is None
    torch.set_num_threads(2)
    train_folder(folder, tmp_path / "run", changes={"feature_weight": 0.1}, val_folder=folder, max_minutes=3, threads=1)
    assert torch.get_num_threads() == 1
    assert isinstance(heard.settings["watched"], ValSet)
    assert heard.settings["max_minutes"] == 3
    picture = torch.rand(1, 3, 64, 64)
    assert heard.settings["feature_loss"](1 - picture, picture, torch.ones(1, 1, 64, 64)) > 0
