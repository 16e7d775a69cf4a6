from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rethined.errors import MissingExtraError
from rethined.nn.network import NetworkConfig
from rethined.train import loop
from rethined.train import run as module
from rethined.train.run import train_folder


class Writer:
    """Stands in for torch's writer, whose package is not needed to run the tests."""

    made: list[Writer]

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purge_step = folder, purge_step
        self.scalars: list[tuple[str, float, int]] = []
        self.pictures: list[tuple[str, tuple[int, ...], int]] = []
        self.is_flushed = self.is_closed = False
        self.made.append(self)

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def add_image(self, name: str, picture: Tensor, step: int) -> None:
        assert picture.dtype == torch.float32
        self.pictures.append((name, tuple(picture.shape), step))

    def flush(self) -> None:
        self.is_flushed = True

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def writers(monkeypatch: pytest.MonkeyPatch) -> list[Writer]:
    monkeypatch.setattr(Writer, "made", [], raising=False)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=Writer))
    monkeypatch.setattr(torch.utils, "tensorboard", sys.modules["torch.utils.tensorboard"], raising=False)
    return Writer.made


@pytest.fixture
def run(
    tmp_path: Path,
    gradient: Callable[..., NDArray[Any]],
    tiny: NetworkConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., None]:
    """Trains for two steps and reports after each."""
    monkeypatch.setattr(module, "keep_freed_memory", lambda: None)
    monkeypatch.setattr(loop, "REPORT_EVERY", 1)
    (tmp_path / "photos").mkdir()
    for number in range(4):
        Image.fromarray(gradient(number)).save(tmp_path / "photos" / f"{number}.png")
    changes = {"network": tiny, "crop_px": 32, "samples_per_step": 1, "warmup_steps": 1, "cooldown_steps": 0}

    def run(steps: int = 2, **options: Any) -> None:  # noqa: ANN401
        train_folder(tmp_path / "photos", tmp_path / "run", changes={**changes, "steps": steps}, **options)

    return run


def test_reports_and_looks_are_written_at_their_steps(
    run: Callable[..., None], writers: list[Writer], tmp_path: Path
) -> None:
    run(tensorboard=True, val_folder=tmp_path / "photos")
    (writer,) = writers
    assert (writer.folder, writer.purge_step) == (str(tmp_path / "run" / "tensorboard"), 1)
    assert writer.is_flushed
    assert writer.is_closed
    names = {name for name, _, _ in writer.scalars}
    assert {"minutes", "coarse_fill", "fine_fill", "gradient"} <= names
    assert "step" not in names
    assert [step for name, _, step in writer.scalars if name == "coarse_fill"] == [1, 2]
    assert writer.pictures == [(f"val/{index}", (3, 384, 3 * 384), 2) for index in range(3)]
    # A resumed run takes the place of what an interrupted one had written beyond its last save.
    run(steps=3, tensorboard=True)
    assert writers[1].purge_step == 3
    assert {step for *_, step in writers[1].scalars} == {3}
    assert writers[1].pictures == []


def test_nothing_is_written_unless_wanted(run: Callable[..., None], writers: list[Writer]) -> None:
    run()
    assert writers == []


def test_a_missing_package_is_named_before_any_work(
    run: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(
        MissingExtraError, match=r"need the package 'tensorboard' .*pip install 'rethined\[tensorboard\]'"
    ):
        run(tensorboard=True)
    assert not (tmp_path / "run").exists()
