from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from carried import waves
from rethined.thumbnails import thumbnail
from rethined.types import Image8, SizeHW


def copy_of(pixels: np.ndarray, size_hw: SizeHW, most_bytes: int = 60_000) -> Image8:
    with Image.open(io.BytesIO(thumbnail(pixels, size_hw, most_bytes=most_bytes))) as image:
        assert image.format == "JPEG"
        return np.array(image.convert("RGB"))


def halves(size_hw: SizeHW) -> Image8:
    """Red above, blue below."""
    picture = np.zeros((*size_hw, 3), np.uint8)
    picture[: size_hw[0] // 2, :, 0] = picture[size_hw[0] // 2 :, :, 2] = 200
    return picture


@pytest.mark.parametrize("size_hw", [(120, 160), (121, 161), (60, 80)])
def test_it_has_the_size_asked_for_and_shows_all_of_the_picture(size_hw: SizeHW) -> None:
    copy = copy_of(halves((480, 640)), size_hw)
    assert copy.shape[:2] == size_hw
    middle = size_hw[0] // 2
    np.testing.assert_allclose(copy[: middle - 4], np.broadcast_to((200, 0, 0), copy[: middle - 4].shape), atol=12)
    np.testing.assert_allclose(copy[middle + 4 :], np.broadcast_to((0, 0, 200), copy[middle + 4 :].shape), atol=12)


def test_a_picture_of_another_ratio_has_black_beside_it() -> None:
    copy = copy_of(np.full((400, 600, 3), 200, np.uint8), (120, 160)).astype(int)
    assert copy[[0, 1, -2, -1]].max() < 25
    assert copy[12:-12].min() > 180


def test_it_lies_as_the_picture_does() -> None:
    assert copy_of(halves((640, 480)), (120, 160)).shape == (160, 120, 3)
    assert copy_of(halves((640, 480)), (160, 120)).shape == (160, 120, 3)
    assert copy_of(halves((480, 480)), (120, 160)).shape == (120, 160, 3)


@pytest.mark.parametrize("channels", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1), (np.uint16, 257)])
def test_any_depth_and_any_channels_are_shown(channels: int, dtype: type, scale: int) -> None:
    grey = waves((48, 64))[..., 0]
    planes = [grey] * (1 if channels < 3 else 3) + [grey // 9] * (channels in (2, 4))
    pixels = (np.dstack(planes) if channels else grey).astype(dtype) * dtype(scale)
    expected = np.repeat(grey[..., np.newaxis], 3, -1).astype(int)
    assert np.abs(copy_of(pixels, (48, 64)) - expected).mean() < 4


@pytest.mark.parametrize("size_hw", [(1, 1), (3, 900), (900, 3)])
def test_any_picture_has_one(size_hw: SizeHW) -> None:
    copy = copy_of(np.full((*size_hw, 3), 200, np.uint8)[::-1, ::-1], (120, 160))
    assert {*copy.shape[:2]} == {120, 160}
    assert copy.max() > 150


def test_it_is_as_small_as_there_is_room_for_or_not_there(rng: np.random.Generator) -> None:
    noise = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    large = len(thumbnail(noise, (120, 160), most_bytes=60_000))
    small = thumbnail(noise, (120, 160), most_bytes=large - 1)
    assert 0 < len(small) < large
    assert thumbnail(noise, (120, 160), most_bytes=900) == b""
    assert thumbnail(noise, (120, 160), most_bytes=-1) == b""
