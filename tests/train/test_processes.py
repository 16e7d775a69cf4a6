from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from rethined.errors import ConfigError
from rethined.nn.processes import Place, place
from rethined.train import processes as module
from rethined.train.device import CPU
from rethined.train.processes import expect_alike, expect_even_shares, first_of_machine_first, joined
from rethined.train.run import read_config
from rethined.train.state import TrainState, load_state
from together import take_two_steps

SETTINGS = """
crop_px = 32
samples_per_step = 4
warmup_steps = 1
cooldown_steps = 0
[network]
widths = [8, 16, 16, 16]
encoder_blocks = [1, 1, 1]
middle_blocks = 1
decoder_blocks = [1, 1, 1]
descriptor_size = 8
"""
TOGETHER = Path(__file__).parents[1] / "together.py"


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    """Noise of few cells, enlarged: structure at every place."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (20, 20, 3), np.uint8).repeat(16, 0).repeat(16, 1) for _ in range(3)]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory, pictures: list[NDArray[np.uint8]]) -> Path:
    """A folder in which two processes have trained."""
    work = tmp_path_factory.mktemp("together")
    (work / "photos").mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(work / "photos" / f"{number}.png")
    np.save(work / "pictures.npy", np.stack(pictures))
    (work / "run.toml").write_text(SETTINGS)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    world = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    path = os.pathsep.join(filter(None, sys.path))
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, str(TOGETHER), str(work)],
                    env={**os.environ, **world, "RANK": str(rank), "LOCAL_RANK": str(rank), "PYTHONPATH": path},
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for rank in range(2)
        ]
        for process in started:
            stack.callback(process.kill)
        for process in started:
            _, said = process.communicate(timeout=300)
            assert process.returncode == 0, said
    return work


def largest_gap(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> float:
    """Of all tensors, in units of each one's largest value."""
    return max(
        float((x - theirs[name]).abs().max() / theirs[name].abs().max().clamp_min(1e-12)) for name, x in ours.items()
    )


def test_two_processes_take_the_steps_of_one(together: Path, pictures: list[NDArray[np.uint8]], tmp_path: Path) -> None:
    alone = take_two_steps(pictures, tmp_path)
    first, second = (torch.load(together / f"{rank}.pt") for rank in range(2))
    assert first["position"] == second["position"] == alone["position"] == 8
    for kind in ("gradients", "weights", "average"):
        assert largest_gap(first[kind], alone[kind]) < 1e-5
        assert largest_gap(first[kind], second[kind]) == 0


def test_processes_resume_as_if_they_had_never_stopped(
    together: Path, content: Callable[[TrainState], list[Any]]
) -> None:
    whole, parts = (load_state(together / out / "state.pt", read_config(together / out)) for out in ("whole", "parts"))
    assert (whole.step, whole.position) == (2, 8)
    assert content(whole) == content(parts)


def test_only_the_first_process_writes(together: Path) -> None:
    assert {file.name for file in (together / "whole").iterdir()} == {"config.json", "log.jsonl", "state.pt"}
    assert len(list((together / "cache").iterdir())) == 9
    rows = [json.loads(line) for line in (together / "parts" / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]


# ---- what the processes do apart, with their place planted ----


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Makes this process one of several; tells what was done, barriers among it."""

    def plant(rank: int, count: int, found: list[object] | None = None) -> list[str]:
        done: list[str] = []
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        monkeypatch.setattr(module, "place", lambda: Place(rank, count))
        monkeypatch.setattr(module, "gather", lambda value: found or [value])
        monkeypatch.setattr(module, "wait_for_all", lambda: done.append("barrier"))
        return done

    return plant


@pytest.mark.parametrize(
    ("rank", "count", "order"),
    [(0, 1, ["work", "barrier"]), (0, 2, ["work", "barrier"]), (1, 2, ["barrier", "work"])],
)
def test_the_first_of_a_machine_goes_first(
    rank: int, count: int, order: list[str], plant: Callable[..., list[str]]
) -> None:
    done = plant(rank, count)
    with first_of_machine_first():
        done.append("work")
    assert done == order


def test_the_others_do_not_wait_for_a_first_that_failed(plant: Callable[..., list[str]]) -> None:
    done = plant(0, 2)
    with pytest.raises(RuntimeError, match="disk full"), first_of_machine_first():
        raise RuntimeError("disk full")
    assert done == ["barrier"]


def test_processes_that_differ_are_refused(plant: Callable[..., list[str]]) -> None:
    plant(0, 2, [0, 120])
    with pytest.raises(ConfigError, match=r"the processes differ in steps done: 0, 120; give all of them the same"):
        expect_alike({"steps done": 0})
    plant(0, 2, [7, 7])
    expect_alike({"steps done": 7})


def test_a_step_is_split_evenly_or_not_at_all(plant: Callable[..., list[str]]) -> None:
    plant(0, 3)
    expect_even_shares(6)
    with pytest.raises(ConfigError, match="samples_per_step is 8, for 3 processes; expected a multiple of 3"):
        expect_even_shares(8)


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    with joined(CPU):
        assert place() == (0, 1)
        expect_alike({"steps done": 3})
