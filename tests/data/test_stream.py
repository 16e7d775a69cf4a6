from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rethined.data.samples import Sample
from rethined.data.stream import StreamSampler
from rethined.errors import DatasetError, ImageReadError

WINDOW, PER_PHOTO = 4, 5


@dataclass(frozen=True)
class Planted:
    """A picture of one grey level, its number, that counts how often it is read."""

    number: int
    side_px: int = 256
    is_broken: bool = False
    reads: Counter[int] = dataclasses.field(default_factory=Counter, compare=False)

    @property
    def name(self) -> str:
        return str(self.number)

    @property
    def identity(self) -> str:
        return f"planted {self.number}"

    def read(self) -> NDArray[np.uint8]:
        self.reads[self.number] += 1
        if self.is_broken:
            raise ImageReadError("broken")
        return np.full((self.side_px, self.side_px, 3), self.number, np.uint8)


@pytest.fixture
def reads() -> Counter[int]:
    return Counter()


@pytest.fixture
def pictures(reads: Counter[int]) -> list[Planted]:
    return [Planted(number, reads=reads) for number in range(12)]


def stream(pictures: list[Planted], cache: Path, *, seed: int = 3, start: int = 0) -> StreamSampler:
    return StreamSampler(
        pictures, cache, seed=seed, crop_px=32, window_photos=WINDOW, samples_per_photo=PER_PHOTO, start=start
    )


def content(sample: Sample) -> tuple[bytes, ...]:
    return tuple(np.asarray(getattr(sample, field.name)).tobytes() for field in dataclasses.fields(sample))


def chosen(sampler: StreamSampler, index: int) -> int:
    return int(sampler._choose(index, np.random.default_rng([3, index])).name)


def test_a_sample_is_a_function_of_seed_and_number(pictures: list[Planted], tmp_path: Path) -> None:
    drawn = [content(stream(pictures, tmp_path / "a").draw(index)) for index in range(40)]
    whole = stream(pictures, tmp_path / "b")
    assert [content(whole.draw(index)) for index in range(40)] == drawn
    # Stopped after 23, with what was decoded there or lost.
    for cache in ("b", "c"):
        resumed = stream(pictures, tmp_path / cache, start=23)
        assert [content(resumed.draw(index)) for index in range(23, 40)] == drawn[23:]
    other = stream(pictures, tmp_path / "d", seed=4)
    assert [content(other.draw(index)) for index in range(40)] != drawn


def test_all_photographs_pass_in_every_turn_each_time_in_another_order(pictures: list[Planted], tmp_path: Path) -> None:
    sampler = stream(pictures, tmp_path)
    turns = [[int(sampler._picture(12 * turn + place).name) for place in range(12)] for turn in range(3)]
    assert all(sorted(turn) == list(range(12)) for turn in turns)
    assert len(set(map(tuple, turns))) == 3
    order = [number for turn in turns for number in turn]
    for index in range(12 * PER_PHOTO):
        first = index // PER_PHOTO
        assert chosen(sampler, index) in order[first : first + WINDOW]


def test_photographs_are_seen_as_often_as_said(pictures: list[Planted], tmp_path: Path, reads: Counter[int]) -> None:
    sampler = stream(pictures, tmp_path)
    turns = 8
    seen = Counter(chosen(sampler, index) for index in range(turns * 12 * PER_PHOTO))
    assert len(seen) == 12
    assert all(0.6 * turns * PER_PHOTO < count < 1.4 * turns * PER_PHOTO for count in seen.values())
    # Each is decoded at most once a turn, however often it is seen.
    assert max(reads.values()) <= turns + 1


def test_what_the_window_has_left_is_freed(pictures: list[Planted], tmp_path: Path) -> None:
    sampler = stream(pictures, tmp_path)
    for index in range(20 * PER_PHOTO):
        chosen(sampler, index)
        assert len(list(tmp_path.iterdir())) <= 3 * WINDOW
        assert len(sampler._opened) <= WINDOW


def test_a_new_run_removes_what_is_not_in_its_window(
    pictures: list[Planted], tmp_path: Path, reads: Counter[int]
) -> None:
    sampler = stream(pictures, tmp_path)
    for index in range(4 * PER_PHOTO):
        chosen(sampler, index)
    (tmp_path / "0123456789abcdef0123-0.npy").touch()
    before = sum(reads.values())
    again = stream(pictures, tmp_path, start=4 * PER_PHOTO - 1)
    assert not (tmp_path / "0123456789abcdef0123-0.npy").exists()
    assert chosen(again, 4 * PER_PHOTO - 1) == chosen(sampler, 4 * PER_PHOTO - 1)
    assert sum(reads.values()) == before
    stream(pictures, tmp_path, start=1000 * PER_PHOTO)
    assert len(list(tmp_path.iterdir())) <= 3 * WINDOW


def test_a_photograph_that_comes_again_at_once_is_kept(tmp_path: Path) -> None:
    """Fewer photographs than the window holds."""
    sampler = stream([Planted(7), Planted(9)], tmp_path)
    assert {chosen(sampler, index) for index in range(10 * PER_PHOTO)} == {7, 9}
    assert len(list(tmp_path.iterdir())) == 6


def test_what_another_process_has_removed_is_decoded_again(
    pictures: list[Planted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, lost = np.load, []

    def losing(file: Path, mmap_mode: str) -> NDArray[np.uint8]:
        if not lost:
            lost.append(file)
            file.unlink()
        return load(file, mmap_mode=mmap_mode)

    monkeypatch.setattr(np, "load", losing)
    assert chosen(stream(pictures, tmp_path), 0) in range(12)
    assert len(list(tmp_path.iterdir())) == 3


def test_photographs_that_cannot_be_used_are_passed_over(tmp_path: Path, reads: Counter[int]) -> None:
    bad = [Planted(0, is_broken=True, reads=reads), Planted(1, side_px=100, reads=reads)]
    sampler = stream([*bad, Planted(2), Planted(3)], tmp_path)
    assert {chosen(sampler, index) for index in range(12 * PER_PHOTO)} == {2, 3}
    assert reads == {0: 1, 1: 1}
    with pytest.raises(DatasetError, match="none of 2 photographs can be read and has both sides of at least 256 px"):
        stream(bad, tmp_path).draw(0)
    with pytest.raises(DatasetError, match="no pictures"):
        stream([], tmp_path)
