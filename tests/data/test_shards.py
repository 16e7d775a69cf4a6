from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rethined.data.photos import SUFFIXES, open_photos
from rethined.data.shards import is_shards, list_pictures, shard_files
from rethined.errors import DatasetError, ImageReadError


def png(value: int, size_hw: tuple[int, int] = (256, 260)) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(np.full((*size_hw, 3), value, np.uint8)).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def write_shard(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, members: Mapping[str, bytes], mode: str = "w") -> Path:
        path = tmp_path / name
        with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
            for member, content in members.items():
                fact = tarfile.TarInfo(member)
                fact.size = len(content)
                tar.addfile(fact, io.BytesIO(content))
        return path

    return write


def test_only_what_is_a_picture_of_its_own_is_listed(write_shard: Callable[..., Path], tmp_path: Path) -> None:
    shard = write_shard(
        "a.tar",
        {
            "0001.json": b"{}",
            "deep/0001.PNG": png(10),
            "deep/0001.seg.png": png(11),
            "./0002.jpg": b"no picture",
            "._0003.png": b"left by an archiver",
            "0004.cls": b"7",
            "v1.2/0005.png": png(50),
        },
    )
    pictures = list_pictures(shard, SUFFIXES, tmp_path / "cache")
    assert [(picture.member, picture.name) for picture in pictures] == [
        ("deep/0001.PNG", "0001"),
        ("./0002.jpg", "0002"),
        ("v1.2/0005.png", "0005"),
    ]
    np.testing.assert_array_equal(pictures[0].read(), np.full((256, 260, 3), 10, np.uint8))
    np.testing.assert_array_equal(pictures[2].read(), np.full((256, 260, 3), 50, np.uint8))
    with pytest.raises(ImageReadError, match=r"0002\.jpg in .*a\.tar: .*not a picture"):
        pictures[1].read()
    assert len({picture.identity for picture in pictures}) == 3


def test_the_list_of_a_shard_is_made_once_per_version(
    write_shard: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    shard = write_shard("a.tar", {"1.png": png(10), "2.png": png(20)})
    first = list_pictures(shard, SUFFIXES, cache)
    with monkeypatch.context() as patch:
        patch.setattr(tarfile, "open", None)
        assert list_pictures(shard, SUFFIXES, cache) == first
    write_shard("a.tar", {"1.png": png(10), "2.png": png(20), "3.png": png(30)})
    second = list_pictures(shard, SUFFIXES, cache)
    assert [picture.name for picture in second] == ["1", "2", "3"]
    assert {picture.identity for picture in first}.isdisjoint(picture.identity for picture in second)


def test_photographs_of_shards_are_opened_as_those_of_a_folder(
    write_shard: Callable[..., Path], tmp_path: Path
) -> None:
    for number in range(2):
        write_shard(
            f"s-0{number}.tar",
            {
                f"{number}-a.png": png(10 * number + 1),
                f"{number}-b.png": b"broken",
                f"{number}-c.png": png(9, (100, 300)),
            },
        )
    photos = open_photos(tmp_path / "s-{00..01}.tar", tmp_path / "cache")
    assert [(photo.name, int(photo.levels[2].max())) for photo in photos] == [("0-a", 1), ("1-a", 11)]
    assert photos[0].size_hw == (256, 260)
    write_shard("s-01.tar", dict.fromkeys(("a.png", "b.png", "c.png"), b"broken"))
    with pytest.raises(DatasetError, match=r"s-01\.tar holds 3 picture files, 3 of them unreadable"):
        open_photos(tmp_path / "s-01.tar", tmp_path / "cache")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("s-{008..010}.tar", ["s-008.tar", "s-009.tar", "s-010.tar"]),
        ("{1..2}-{0..1}.tar", ["1-0.tar", "1-1.tar", "2-0.tar", "2-1.tar"]),
        ("s-*.tar", ["s-008.tar", "s-009.tar", "s-010.tar"]),
        ("s-00[89].tar", ["s-008.tar", "s-009.tar"]),
        ("s-009.tar", ["s-009.tar"]),
    ],
)
def test_shards_by_number_and_wildcard(pattern: str, names: list[str], tmp_path: Path) -> None:
    for name in ("s-008.tar", "s-009.tar", "s-010.tar", "1-0.tar", "1-1.tar", "2-0.tar", "2-1.tar"):
        (tmp_path / name).touch()
    assert [file.name for file in shard_files(tmp_path / pattern)] == names


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("s-{0..3}.tar", r"names 4 tar shards, of which 3 are missing, the first .*s-1\.tar; give one file, numbers"),
        ("t-*.tar", r"names 0 tar shards, of which 0 are missing; give"),
        ("s-{3..0}.tar", r"names 0 tar shards"),
    ],
)
def test_missing_shards_are_refused(pattern: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "s-0.tar").touch()
    with pytest.raises(DatasetError, match=message):
        shard_files(tmp_path / pattern)


def test_a_folder_may_be_called_like_a_shard(tmp_path: Path) -> None:
    (tmp_path / "photos.tar").mkdir()
    assert [is_shards(tmp_path / name) for name in ("photos.tar", "other.tar", "other")] == [False, True, False]


@pytest.mark.parametrize("damage", ["compressed", "cut", "text"])
def test_shards_that_cannot_be_read_by_member_are_refused(
    damage: str, write_shard: Callable[..., Path], tmp_path: Path
) -> None:
    noise: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, 3000, np.uint8)
    shard = write_shard("a.tar", {"1.png": noise.tobytes()}, "w:gz" if damage == "compressed" else "w")
    if damage == "cut":
        shard.write_bytes(shard.read_bytes()[:2000])
    if damage == "text":
        shard.write_text("no tar file")
    with pytest.raises(DatasetError, match=r"a\.tar cannot be read as a tar file without compression \("):
        list_pictures(shard, SUFFIXES, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
