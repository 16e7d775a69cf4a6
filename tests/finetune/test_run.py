from __future__ import annotations

import dataclasses
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from rethined.data.samples import Sampler
from rethined.errors import CheckpointError, ConfigError, DatasetError, OptionError, RethinedError
from rethined.export.onnx import export_onnx, export_tensors
from rethined.files import sha256_of
from rethined.finetune import run as module
from rethined.finetune.run import finetune_folder
from rethined.nn.network import NetworkConfig, RethinedNetwork
from rethined.session import OnnxSession
from rethined.train.config import TrainConfig
from rethined.train.schedule import TimedRate

TINY = NetworkConfig((8, 16, 16, 16), (1, 1, 1), 1, (1, 1, 1), descriptor_size=8)
SETTINGS = TrainConfig(
    network=TINY, crop_px=32, samples_per_step=2, steps=3, warmup_steps=1, cooldown_steps=0, use_bfloat16=False
)


@pytest.fixture(autouse=True)
def memory_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The allocator of the process that runs the tests is left alone."""
    monkeypatch.setattr(module, "keep_freed_memory", lambda: None)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network to begin with: its fill is the prefill."""
    path = tmp_path_factory.mktemp("start") / "start.onnx"
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = RethinedNetwork(TINY)
    export_tensors(network, path.with_suffix(".safetensors"))
    export_onnx(network, path, metadata={"training_data": "nothing at all"})
    return path


@pytest.fixture
def tune(photos: Path, start: Path, tmp_path: Path) -> Callable[..., str]:
    """Runs with few steps and all the time; writes to ``out/mine.onnx``."""
    (tmp_path / "out").mkdir()

    def run(**options: Any) -> str:  # noqa: ANN401
        given = {"folder": photos, "out": tmp_path / "out" / "mine.onnx", "start": start, "settings": SETTINGS}
        return finetune_folder(**{**given, "threads": 1, **options})

    return run


def test_photographs_to_a_network_that_says_where_it_is_from(
    tune: Callable[..., str], start: Path, tmp_path: Path
) -> None:
    text = tune(training_data="five blurs")
    out = tmp_path / "out"
    assert {file.name for file in out.iterdir()} == {"mine.onnx", "mine.safetensors", "mine.md"}
    assert (out / "mine.md").read_text() == text
    origin = sha256_of(start.with_suffix(".safetensors"))
    facts = {
        "weights_sha256": sha256_of(out / "mine.safetensors"),
        "fine_tuned_from": origin,
        "fine_tuned_photos": "4",
        "training_steps": "3",
        "training_samples": "6",
        "training_data": f"fine-tuned from {origin} for 3 steps on 4 photographs: five blurs. Before: nothing at all",
    }
    assert facts.items() <= OnnxSession(out / "mine.onnx", threads=1).metadata.items()
    assert f"3 steps on 4 photographs, 0.0 minutes, from the weights {origin[:8]}" in text
    assert "what was held out (1 of 5 photographs), long side at most 1024 px" in text
    assert [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| ")][1:] == [
        [f" {preset} ", f" {fill} "] for preset in ("df8k-blobs ", "lama-medium") for fill in ("coarse", "whole ")
    ]
    before, after = (load_file(path.with_suffix(".safetensors")) for path in (start, out / "mine.onnx"))
    moved = [float((after[name].float() - x.float()).abs().max()) for name, x in before.items()]
    # It begins with the weights it is given, at a low rate.
    assert 0 < max(moved) < 0.05


def test_a_network_that_got_worse_is_written_and_not_recommended(tune: Callable[..., str], tmp_path: Path) -> None:
    text = tune(learning_rate=0.1)
    assert "Worse than before on the held-out photographs: coarse fill" in text
    assert "Recommended: the shipped weights" in text
    assert (tmp_path / "out" / "mine.onnx").exists()


def test_time_ends_the_run(tune: Callable[..., str], tmp_path: Path) -> None:
    tune(minutes=0.003, settings=dataclasses.replace(SETTINGS, steps=1_000_000))
    steps = int(OnnxSession(tmp_path / "out" / "mine.onnx", threads=1).metadata["training_steps"])
    assert 1 <= steps < 1000


def test_what_is_held_out_is_never_trained_on(
    tune: Callable[..., str], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: set[str] = set()
    measured: set[str] = set()
    rates: list[object] = []

    def train(_state: object, _config: object, sampler: Sampler, *_: object, **options: object) -> None:
        learned.update(photo.name for photo in sampler._photos)
        rates.append(options["rate_at"])

    def compare(_folder: Path, long_sides_px: dict[Path, int], *_: object, **__: object) -> list[object]:
        measured.update(file.stem for file in long_sides_px)
        assert set(long_sides_px.values()) == {300}
        return []

    monkeypatch.setattr(module, "train", train)
    monkeypatch.setattr(module, "compare", compare)
    monkeypatch.setattr(module, "to_markdown", lambda _: "")
    tune(hold_out=2)
    assert (len(learned), len(measured)) == (2, 3)
    assert learned | measured == {file.stem for file in photos.rglob("*.png")}
    assert isinstance(rates[0], TimedRate)


def test_an_interrupted_training_leaves_nothing(
    tune: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "train", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tune()
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interrupted_measuring_keeps_the_network(
    tune: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "compare", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tune(cache=tmp_path / "cache")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"mine.onnx", "mine.safetensors"}
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 15


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"out": Path("mine.pt")}, CheckpointError, r"the file to write is mine\.pt; expected a name that ends in"),
        ({"out": Path("nowhere/x.onnx")}, CheckpointError, "expected a folder that exists: make nowhere first"),
        *(
            ({"minutes": minutes}, OptionError, f"the time is {minutes} minutes; expected more than 0")
            for minutes in (0, -1, math.nan, math.inf)
        ),
        ({"hold_out": 1}, OptionError, "one in 1 photographs is to be held out"),
        ({"learning_rate": 0}, ConfigError, "learning_rate is 0; expected more than 0"),
        ({"device": "tpu"}, ConfigError, "the device is 'tpu'; expected one of auto, cpu, cuda"),
        ({"folder": Path("nowhere")}, DatasetError, "nowhere is not a folder"),
    ],
)
def test_what_cannot_be_used_is_refused(
    options: dict[str, Any], error: type[RethinedError], message: str, tune: Callable[..., str], tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        tune(**options)
    assert list((tmp_path / "out").iterdir()) == []


def test_too_few_photographs_are_refused(tune: Callable[..., str], photos: Path) -> None:
    (photos / "d.png").write_bytes(b"no picture")
    shutil.copy(photos / "a.png", photos / "b.png")
    with pytest.raises(DatasetError, match="there are 3 different photographs"):
        tune()


def test_what_is_begun_with_is_not_written_over(tune: Callable[..., str], start: Path) -> None:
    before = start.read_bytes()
    with pytest.raises(CheckpointError, match="which is what is begun with; expected another name"):
        tune(out=start)
    assert start.read_bytes() == before
