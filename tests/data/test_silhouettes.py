from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from rethined.data.presets import Preset, open_preset
from rethined.data.silhouettes import Silhouettes, _place, _turned, load_silhouettes
from rethined.errors import DatasetError, ImageReadError

NAMES = [str(number) for number in range(40)]


def lamp() -> np.ndarray:
    """White on black: a foot, a stem and a shade."""
    shape = np.zeros((120, 80), np.uint8)
    shape[100:112, 20:60] = 255
    shape[40:100, 37:43] = 255
    shape[10:40, 12:68] = 255
    return shape


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "silhouettes"
    (folder / "more").mkdir(parents=True)
    Image.fromarray(lamp()).save(folder / "lamp.png")
    cut_out = np.full((90, 140, 4), 77, np.uint8)
    cut_out[..., 3] = 0
    cv2.ellipse(cut_out, (70, 45), (60, 30), 0, 0, 360, (10, 200, 30, 255), -1)
    Image.fromarray(cut_out).save(folder / "more" / "egg.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def preset(folder: Path) -> Preset:
    return open_preset(f"objects={folder}")


def test_white_or_opaque_is_object_cut_to_what_is_object(folder: Path) -> None:
    lamp_shape, egg = load_silhouettes(folder).shapes
    np.testing.assert_array_equal(lamp_shape, lamp()[10:112, 12:68] > 0)
    assert egg.shape == (61, 121)
    assert egg[30, 60]
    assert not egg[0, 0]


def test_alpha_that_is_everywhere_the_same_tells_nothing(tmp_path: Path) -> None:
    opaque = np.dstack([lamp()] * 3 + [np.full((120, 80), 255, np.uint8)])
    Image.fromarray(opaque).save(tmp_path / "lamp.png")
    (shape,) = load_silhouettes(tmp_path).shapes
    np.testing.assert_array_equal(shape, lamp()[10:112, 12:68] > 0)


def test_the_same_files_name_and_seed_give_the_same_hole_everywhere(preset: Preset) -> None:
    assert preset.name == "objects"
    hole = preset.hole("a/photo.jpg", (300, 400), seed=0)
    assert hole.shape == (300, 400)
    assert hole.dtype == np.bool_
    # A change here changes every published number: it needs a line in the changelog.
    assert hashlib.sha256(np.packbits(hole).tobytes()).hexdigest()[:16] == "c98cb7099b5e8cbc"
    many = hashlib.sha256(b"".join(np.packbits(preset.hole(name, (200, 317))).tobytes() for name in NAMES))
    assert many.hexdigest()[:16] == "2ed4d42fa226f6ed"


def test_another_name_or_seed_gives_another_hole(preset: Preset) -> None:
    holes = [preset.hole(name, (200, 200), seed=seed) for name, seed in (("a", 0), ("b", 0), ("a", 1))]
    assert not np.array_equal(holes[0], holes[1])
    assert not np.array_equal(holes[0], holes[2])


def test_the_checksum_is_that_of_the_files_in_order_wherever_they_lie(folder: Path, preset: Preset) -> None:
    folder.rename(folder.parent / "elsewhere")
    moved = folder.parent / "elsewhere"
    (moved / "notes.txt").unlink()
    again = open_preset(f"objects={moved}")
    assert again.sha256 == preset.sha256
    np.testing.assert_array_equal(again.hole("a", (100, 100)), preset.hole("a", (100, 100)))
    (moved / "lamp.png").rename(moved / "zebra.png")
    assert open_preset(f"objects={moved}").sha256 != preset.sha256


@pytest.mark.parametrize("size_hw", [(64, 64), (300, 500), (900, 600)], ids=str)
def test_one_to_three_lie_in_the_picture_as_large_as_they_should(size_hw: tuple[int, int]) -> None:
    square = Silhouettes((np.ones((50, 50), bool),), "")
    short = min(size_hw)
    shares = [np.count_nonzero(square.draw(size_hw, np.random.default_rng(seed))) for seed in range(60)]
    # At least half of the smallest, at most three of the largest.
    assert min(shares) >= 0.5 * (0.15 * short - 1) ** 2
    assert max(shares) <= 3 * (0.4 * short + 1) ** 2
    assert np.mean(shares) > (0.25 * short) ** 2


def test_at_least_half_of_a_silhouette_lies_in_the_picture() -> None:
    # Nearly all of this one is at one end: its box may hang out by half, and most of the shape with it.
    lopsided = np.zeros((40, 60), bool)
    lopsided[:, :8] = lopsided[0] = True
    placed = []
    for seed in range(200):
        hole = np.zeros((70, 90), bool)
        _place(hole, lopsided, np.random.default_rng(seed))
        placed.append(hole.sum() / lopsided.sum())
    assert 0.5 <= min(placed) < 0.6
    assert max(placed) == 1


def test_turning_keeps_the_shape() -> None:
    bar = np.zeros((101, 101), bool)
    bar[45:56] = bar[:, 95:] = True
    np.testing.assert_array_equal(_turned(bar, 101, 0), bar)
    np.testing.assert_array_equal(_turned(bar, 202, 0), bar.repeat(2, 0).repeat(2, 1))
    turned = _turned(bar, 101, 10)
    assert turned.sum() == pytest.approx(bar.sum(), rel=0.03)
    middle = [np.flatnonzero(turned[:, column]).mean() for column in (30, 70)]
    assert (middle[1] - middle[0]) / 40 == pytest.approx(-np.tan(np.radians(10)), abs=0.02)


@pytest.mark.parametrize("shape_hw", [(1, 900), (900, 1), (1, 1)], ids=str)
def test_never_empty(shape_hw: tuple[int, int]) -> None:
    thin = np.zeros((900, 900), bool)
    thin[0, 0] = thin[-1, -1] = True
    for shape in (thin, np.ones(shape_hw, bool)):
        silhouettes = Silhouettes((shape,), "")
        assert all(silhouettes.draw((64, 80), np.random.default_rng(seed)).any() for seed in range(30))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((8, 8), np.uint8), r"bad\.png is blank: no pixel is object; expected a silhouette"),
        (np.full((8, 8), 255, np.uint8), r"bad\.png is no silhouette: the mask marks every pixel"),
    ],
    ids=["black", "white"],
)
def test_blank_silhouettes_are_refused(values: np.ndarray, message: str, folder: Path) -> None:
    Image.fromarray(values).save(folder / "bad.png")
    with pytest.raises(DatasetError, match=message):
        load_silhouettes(folder)


def test_other_folders_are_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere is not a folder; give a folder of silhouettes"):
        load_silhouettes(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"empty holds no picture files; expected silhouettes that end in \.avif"):
        load_silhouettes(tmp_path / "empty")
    (folder / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ImageReadError, match=r"broken\.png"):
        load_silhouettes(folder)
