from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rethined.data import photos as module
from rethined.data.photos import Photo, open_files, open_photos, picture_files
from rethined.errors import DatasetError
from rethined.imageio import read_image

COLOURS = np.array([[[200, 30, 40], [20, 180, 60]], [[10, 50, 220], [240, 230, 20]]], np.uint8)
"""Of the four quarters of a picture."""


def quarters(height: int, width: int) -> NDArray[np.uint8]:
    return COLOURS.repeat(height // 2, 0).repeat(width // 2, 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photographs, one of them in a folder below, and a file that is none."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    Image.fromarray(quarters(512, 640)).save(folder / "b.png")
    Image.fromarray(quarters(300, 260)).save(folder / "below" / "a.PNG")
    (folder / "notes.txt").write_text("not a photograph")
    return folder


def test_photographs_of_all_depths_become_pyramids(folder: Path, tmp_path: Path) -> None:
    first, second = open_photos(folder, tmp_path / "cache")
    assert (first.name, second.name) == ("b", "a")
    assert (first.size_hw, second.size_hw) == ((512, 640), (300, 260))
    assert [level.shape for level in first.levels] == [(512, 640, 3), (256, 320, 3), (128, 160, 3)]
    for level in first.levels:
        assert isinstance(level, np.memmap)
        np.testing.assert_array_equal(level, quarters(*level.shape[:2]))


def test_files_are_opened_by_name_and_those_that_cannot_be_are_told(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.png").write_bytes(b"no picture")
    Image.fromarray(quarters(100, 300)).save(folder / "small.png")
    files = picture_files(folder)
    assert [file.name for file in files] == ["b.png", "a.PNG", "broken.png", "small.png"]
    photos, broken = open_files(files, tmp_path / "cache")
    assert {file: photo.size_hw for file, photo in photos.items()} == {files[0]: (512, 640), files[1]: (300, 260)}
    assert broken == [files[2]]


def test_decoding_happens_once_per_version_of_a_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []

    def reading(path: Path) -> NDArray[Any]:
        decoded.append(path.name)
        return read_image(path)

    monkeypatch.setattr(module, "read_image", reading)
    cache = tmp_path / "cache"
    first, again = (open_photos(folder, cache) for _ in range(2))
    assert sorted(decoded) == ["a.PNG", "b.png"]  # side by side
    np.testing.assert_array_equal(first[1].levels[2], again[1].levels[2])
    Image.fromarray(quarters(256, 256)).save(folder / "b.png")
    os.utime(folder / "b.png", ns=(0, 0))
    assert open_photos(folder, cache)[0].size_hw == (256, 256)
    assert decoded[2:] == ["b.png"]
    # An interrupted decoding lacks the last level; it is done again.
    for file in cache.glob("*-2.npy"):
        file.unlink()
    assert len(open_photos(folder, cache)) == 2
    assert len(decoded) == 5
    assert {file.suffix for file in cache.iterdir()} == {".npy"}


def test_broken_and_small_files_are_skipped(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.png").write_bytes((folder / "b.png").read_bytes()[:60])
    Image.fromarray(quarters(254, 600)).save(folder / "small.png")
    assert [photo.name for photo in open_photos(folder, tmp_path / "cache")] == ["b", "a"]


def test_transparency_and_grey_become_three_channels(tmp_path: Path) -> None:
    Image.fromarray(quarters(256, 256)).convert("RGBA").save(tmp_path / "a.png")
    Image.fromarray(quarters(256, 256)).convert("L").save(tmp_path / "b.png")
    assert [photo.levels[0].shape for photo in open_photos(tmp_path, tmp_path / "cache")] == [(256, 256, 3)] * 2


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "is not a folder; give a folder of photographs"),
        ({}, "holds 0 picture files, 0 of them unreadable"),
        ({"a.txt": None}, "holds 0 picture files"),
        ({"a.png": None, "b.jpg": None}, "holds 2 picture files, 2 of them unreadable, and none with both sides"),
        (
            {"a.png": (400, 254), "b.jpg": None},
            "2 picture files, 1 of them unreadable.* at least 256 px; .* at least one",
        ),
    ],
)
def test_nothing_to_train_on(files: dict[str, Any] | None, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    if files is not None:
        folder.mkdir()
        for name, size_hw in files.items():
            if size_hw:
                Image.fromarray(quarters(*size_hw)).save(folder / name)
            else:
                (folder / name).write_text("no picture")
    with pytest.raises(DatasetError, match=message):
        open_photos(folder, tmp_path / "cache")


# ---- regions ----


@pytest.fixture
def photo() -> Photo:
    return Photo("planted", tuple(quarters(512 >> level, 768 >> level) for level in range(3)))


@pytest.mark.parametrize("out_px", [32, 64, 100, 128, 256, 300])
@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_regions_hold_the_colour_that_was_planted_there(photo: Photo, row: int, column: int, out_px: int) -> None:
    region = photo.read_region(row * 256, column * 384, 256, out_px)
    assert region.dtype == np.uint8
    assert region.shape == (out_px, out_px, 3)
    np.testing.assert_array_equal(region, np.broadcast_to(COLOURS[row, column], region.shape))


@pytest.mark.parametrize("out_px", [32, 64, 96, 128, 256, 512])
def test_borders_lie_where_they_are_at_any_scale(photo: Photo, out_px: int) -> None:
    """The middle 256 px: its quarters are those of the picture."""
    region = photo.read_region(128, 256, 256, out_px)
    margin, half = max(1, out_px // 64), out_px // 2
    for row in range(2):
        for column in range(2):
            rows, columns = (slice(i * half + margin, (i + 1) * half - margin) for i in (row, column))
            inner = region[rows, columns]
            np.testing.assert_array_equal(inner, np.broadcast_to(COLOURS[row, column], inner.shape))


def test_native_regions_are_the_very_pixels_and_a_copy() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    photo = Photo("noise", (pixels, pixels[::2, ::2], pixels[::4, ::4]))
    region = photo.read_region(20, 30, 64, 64)
    np.testing.assert_array_equal(region, pixels[20:84, 30:94])
    assert not np.shares_memory(region, pixels)


@pytest.mark.parametrize(("out_px", "level"), [(512, 0), (300, 0), (256, 1), (200, 1), (128, 2), (10, 2)])
def test_the_coarsest_level_that_is_fine_enough_is_read(out_px: int, level: int) -> None:
    photo = Photo("levels", tuple(np.full((512 >> i, 512 >> i, 3), i, np.uint8) for i in range(3)))
    assert photo.read_region(0, 0, 512, out_px).max() == level


def test_regions_at_the_edge_stay_inside(photo: Photo) -> None:
    region = photo.read_region(511.6, 767.6, 300, 32)
    np.testing.assert_array_equal(region, np.broadcast_to(COLOURS[1, 1], region.shape))


def test_a_cache_that_is_cut_short_is_made_anew(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    before = open_photos(folder, cache)[0].levels[1].copy()
    for file in cache.glob("*.npy"):
        file.write_bytes(file.read_bytes()[: 100 if "-1" in file.name else -1])
    np.testing.assert_array_equal(open_photos(folder, cache)[0].levels[1], before)
