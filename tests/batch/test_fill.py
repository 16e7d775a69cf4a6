from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rethined import jpeg
from rethined.batch.fill import Filler, Settings
from rethined.batch.jobs import Task
from rethined.engine import Inpainter
from rethined.errors import ImageReadError, ImageWriteError, MaskError, MissingExtraError
from rethined.imageio import read_image, write_image
from rethined.masking import AlphaMask, FileMask
from rethined.masks import grow_hole
from rethined.options import InpaintOptions
from rethined.types import HoleMap, Image8

pytestmark = pytest.mark.usefixtures("album")


@pytest.fixture
def settings(tiny_network_path: Path) -> Settings:
    return Settings(network=tiny_network_path)


def task(photo: str, mask: str | None = "mask.png", out: str = "out/result.png", *, invert: bool = False) -> Task:
    source = AlphaMask() if mask is None else FileMask(path=Path(mask), invert=invert)
    return Task(Path(photo), source, Path(out), Path(out).name)


def test_a_photograph_is_filled_as_the_engine_fills_it_in_its_own_depth(
    settings: Settings, photo: Image8, hole: HoleMap
) -> None:
    fill, engine = Filler(settings, 1), Inpainter(settings.network, threads=1)
    assert fill(task("photos/a.png")).warnings == ()
    np.testing.assert_array_equal(read_image("out/result.png"), engine(photo, hole))
    fill(task("photos/deep/c.tif", out="out/deep/c.tif"))
    np.testing.assert_array_equal(read_image("out/deep/c.tif", as_stored=True), engine(photo * np.uint16(257), hole))


def test_all_settings_reach_the_fill(settings: Settings, photo: Image8, hole: HoleMap) -> None:
    forbidden = np.zeros_like(hole)
    forbidden[:, 50:] = True
    write_image("forbid.png", forbidden * np.uint8(255))
    write_image("kept.png", ~hole * np.uint8(255))
    options = InpaintOptions(grow_px=3, preset="best")
    others = replace(settings, options=options, forbid=Path("forbid.png"))
    Filler(others, 1)(task("photos/a.png", "kept.png", invert=True))
    expected = Inpainter(settings.network, options=options, threads=1)(photo, hole, forbid=forbidden)
    np.testing.assert_array_equal(read_image("out/result.png"), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("grow_px", [0, 2])
def test_what_is_filled_by_its_transparency_becomes_opaque(
    settings: Settings, photo: Image8, hole: HoleMap, dtype: type, grow_px: int
) -> None:
    white = np.iinfo(dtype).max
    alpha = np.where(hole, white // 2, white // 2 + 1).astype(dtype)
    alpha[25:30, 35:40] = 0
    stored = np.dstack([photo.astype(dtype) * (white // 255), alpha])
    write_image("clear.png", stored)
    Filler(replace(settings, options=InpaintOptions(grow_px=grow_px)), 1)(task("clear.png", None))
    result = read_image("out/result.png", as_stored=True)
    filled = grow_hole(hole, grow_px)
    np.testing.assert_array_equal(result[..., 3], np.where(filled, white, alpha))
    np.testing.assert_array_equal(result[~filled], stored[~filled])
    assert (result[filled][:, :3] != stored[filled][:, :3]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("strip", [True, False])
def test_files_come_back_with_what_they_said_unless_they_are_stripped(
    settings: Settings, photo: Image8, strip: bool
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    Image.fromarray(photo).save("a.jpg", exif=exif)
    options = InpaintOptions(strip=strip, jpeg="reencode")
    assert Filler(replace(settings, options=options), 1)(task("a.jpg", out="out/a.jpg")).warnings == ()
    with Image.open("out/a.jpg") as image:
        assert image.getexif().get(0x010F) == (None if strip else "Maker")


def test_of_a_jpeg_the_widened_hole_is_written(settings: Settings, photo: Image8) -> None:
    Image.fromarray(photo // 8).save("a.jpg", quality=95, subsampling=0)
    options = InpaintOptions(grow_px=8, jpeg="lossless" if jpeg.is_installed() else "reencode")
    Filler(replace(settings, options=options), 1)(task("a.jpg", out="out/a.jpg"))
    filled = Inpainter(settings.network, options=options, threads=1)(read_image("a.jpg"), read_image("mask.png"))
    assert np.abs(read_image("out/a.jpg").astype(int) - filled)[12:48, 22:58].mean() < 6


def test_what_is_not_kept_is_told(settings: Settings, photo: Image8, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "is_installed", lambda: False)
    Image.fromarray(photo).save("a.jpg")
    (told,) = Filler(settings, 1)(task("a.jpg", out="out/a.jpg")).warnings
    assert "is encoded anew as a whole" in told
    with pytest.raises(MissingExtraError, match="jpegio"):  # once, and not for each photograph
        Filler(replace(settings, options=InpaintOptions(jpeg="lossless")), 1)


def test_without_transparency_there_is_nothing_to_go_by(settings: Settings) -> None:
    with pytest.raises(MaskError, match="has no alpha channel"):
        Filler(settings, 1)(task("photos/a.png", None))
    assert not Path("out").exists()


def test_odd_masks_are_used_and_told(settings: Settings, photo: Image8, hole: HoleMap) -> None:
    write_image("odd.png", ~hole * np.uint8(150))
    (grey, half) = Filler(settings, 1)(task("photos/a.png", "odd.png")).warnings
    assert "are grey" in grey
    assert "if it is inverted" in half
    write_image("empty.png", np.zeros(hole.shape, np.uint8))
    (nothing,) = Filler(settings, 1)(task("photos/a.png", "empty.png")).warnings
    assert nothing.startswith("the mask marks nothing")
    np.testing.assert_array_equal(read_image("out/result.png"), photo)


def test_what_the_format_cannot_hold_is_told_and_leaves_nothing(settings: Settings) -> None:
    with pytest.raises(ImageWriteError, match="JPEG files hold 8-bit grey, RGB"):
        Filler(settings, 1)(task("photos/deep/c.tif", out="out/c.jpg"))
    assert list(Path("out").iterdir()) == []


def test_the_key_changes_with_all_that_the_fill_depends_on(settings: Settings, zero_head_network_path: Path) -> None:
    Path("f.png").write_text("1")
    key = settings.key()
    assert replace(settings, threads=7).key() == key
    changes: list[dict[str, object]] = [
        {"network": zero_head_network_path},
        {"options": InpaintOptions(grow_px=1)},
        {"options": InpaintOptions(working_px=1024)},
        {"options": InpaintOptions(strip=True)},
        {"options": InpaintOptions(jpeg="reencode")},
        {"forbid": Path("f.png")},
        {"runtime": "openvino"},
    ]
    keys = [replace(settings, **change).key() for change in changes]
    os.utime("f.png", ns=(1, 1))
    keys.append(replace(settings, forbid=Path("f.png")).key())
    assert len({key, *keys}) == 1 + len(keys)
    with pytest.raises(ImageReadError, match=r"no forbid mask at 'missing.png'"):
        replace(settings, forbid=Path("missing.png")).key()
