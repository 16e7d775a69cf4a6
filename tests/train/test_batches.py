from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from rethined.data.photos import Photo, open_photos
from rethined.data.samples import Sample, Sampler
from rethined.errors import DatasetError
from rethined.train import batches as module
from rethined.train.batches import Stacked, count_workers, draw_batches, stack


class Broken(Sampler):
    """Fails at its third sample."""

    def draw(self, index: int) -> Sample:
        if index == 2:
            raise DatasetError("the third sample is broken")
        return super().draw(index)


@pytest.fixture
def photos(tmp_path: Path, rng: np.random.Generator) -> list[Photo]:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (256, 300, 3), np.uint8))
    return open_photos(folder, tmp_path / "cache")


def sampler(photos: list[Photo], kind: type[Sampler] = Sampler) -> Sampler:
    return kind(photos, seed=3, crop_px=32)


def content(batches: Iterator[Stacked]) -> list[list[Any]]:
    return [[x.tolist() if isinstance(x, torch.Tensor) else x for x in batch] for batch in batches]


def test_samples_are_stacked_in_their_order(photos: list[Photo]) -> None:
    batch = sampler(photos).batch(4, 3)
    stacked = stack(batch)
    for i, sample in enumerate(batch.samples):
        for name in ("coarse_known", "coarse_hole", "coarse_open", "coarse_target", "fine_target", "fine_hole"):
            np.testing.assert_array_equal(getattr(stacked, name)[i], getattr(sample, name))
        assert tuple(stacked.corners_yx[i].tolist()) == sample.corner_yx
    assert stacked.position == 7


def test_processes_draw_what_a_thread_does(photos: list[Photo]) -> None:
    settings = {"start": 6, "count": 4, "steps": 3, "share": (1, 2)}
    here, there = (
        content(draw_batches(sampler(photos), workers=workers, **settings))  # type: ignore[arg-type]
        for workers in (0, 2)
    )
    assert here == there
    assert [batch[-1] for batch in here] == [10, 14, 18]
    assert len(here[0][0]) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_arrive_as_they_are_after_the_good_batches(workers: int, photos: list[Photo]) -> None:
    batches = draw_batches(sampler(photos, Broken), start=0, count=1, steps=4, workers=workers)
    assert [next(batches).position for _ in range(2)] == [1, 2]
    with pytest.raises(DatasetError, match=r"^the third sample is broken$"):
        next(batches)


def test_processes_end_with_the_batches(photos: list[Photo], capfd: pytest.CaptureFixture[str]) -> None:
    """A run may end with batches still on their way."""
    batches = draw_batches(sampler(photos), start=0, count=2, steps=50, workers=2)
    next(batches)
    batches.close()
    assert torch.multiprocessing.active_children() == []
    assert capfd.readouterr().err == ""


def test_a_gpu_is_fed_by_all_processors_but_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_cores", lambda: 12)
    assert count_workers(torch.device("cuda", 0)) == 11
    assert count_workers(torch.device("cpu")) == 0
    monkeypatch.setattr(module, "available_cores", lambda: 1)
    assert count_workers(torch.device("cuda", 0)) == 1
