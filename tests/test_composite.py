from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rethined.composite import fade_in, hold_thin, is_grey, paste, to_grey
from rethined.depth import WHITE
from rethined.regions import group_holes
from rethined.resample import halve_any
from rethined.types import HoleMap, SizeHW

pytestmark = pytest.mark.usefixtures("each_loops")

maps = hnp.arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12)))


@given(hole=maps, seed=st.integers(0, 2**32 - 1))
def test_only_the_given_pixels_change(hole: HoleMap, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*hole.shape, 3), dtype=np.uint8)
    before = image.copy()
    image.flags.writeable = False
    y, x = (axis.astype(np.int32) for axis in np.nonzero(hole))
    order = rng.permutation(len(y))
    colours = rng.uniform(-20, 275, (len(y), 3)).astype(np.float32)
    result = paste(image, y[order], x[order], colours[order])
    assert result.dtype == np.uint8
    assert result.flags.writeable
    assert not np.shares_memory(result, image)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(result[~hole], image[~hole])
    np.testing.assert_array_equal(result[hole], np.clip(np.rint(colours), 0, 255))


@pytest.mark.parametrize(
    ("colour", "expected"),
    [(-1e9, 0), (-0.6, 0), (0.4, 0), (0.6, 1), (99.5, 100), (127.4, 127), (254.6, 255), (255.4, 255), (1e9, 255)],
)
def test_convention_floats_are_rounded_and_then_clipped(colour: float, expected: int) -> None:
    place = np.zeros(1, np.int32)
    result = paste(np.full((1, 2, 3), 7, np.uint8), place, place, np.full((1, 3), colour, np.float32))
    assert result.tolist() == [[[expected] * 3, [7] * 3]]


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
@pytest.mark.parametrize("shape", [(1, 2), (1, 2, 1), (1, 2, 2), (1, 2, 3), (1, 2, 4)], ids=str)
def test_every_depth_takes_colours_in_its_own_range_and_keeps_alpha(
    shape: tuple[int, ...], dtype: type, white: int
) -> None:
    place = np.zeros(1, np.int32)
    channels = 3 if shape[2:] in ((3,), (4,)) else 1
    result = paste(np.zeros(shape, dtype), place, place, np.full((1, channels), 51, np.float32))
    assert (result.dtype, result.shape) == (dtype, shape)
    flat = result.reshape(2, -1)
    np.testing.assert_allclose(flat[0, :channels], white / 5)
    assert not flat[0, channels:].any()
    assert not flat[1].any()


def test_inplace_writes_into_the_picture() -> None:
    image = np.full((4, 5, 3), 7, np.uint8)
    y, x = np.array([1, 3], np.int32), np.array([2, 4], np.int32)
    colours = np.array([[1, 2, 3], [300, -4, 9.6]], np.float32)
    expected = paste(image, y, x, colours)
    assert paste(image, y, x, colours, inplace=True) is image
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_colours_fade_in_evenly_from_what_the_picture_shows(dtype: type, white: int) -> None:
    """A hole from column 4 on: its pixels are 1, 2, 3, ... px away from the known ones."""
    image = np.full((3, 12, 3), white / 5, dtype)  # 51 grey levels
    hole = np.zeros((3, 12), bool)
    hole[:, 4:] = True
    y, x = (axis.astype(np.int32) for axis in np.nonzero(hole))
    colours = np.full((len(y), 3), 151, np.float32)
    fade_in(image, hole, y, x, colours, 3)
    row = colours.reshape(3, 8, 3)[1, :, 0]
    assert row.tolist() == pytest.approx([76, 101, 126, 151, 151, 151, 151, 151], abs=0.01)


@given(hole=maps.filter(lambda hole: not hole.all()), feather_px=st.integers(1, 20), seed=st.integers(0, 99))
def test_faded_colours_lie_between_both(hole: HoleMap, feather_px: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*hole.shape, 3), dtype=np.uint8)
    y, x = (axis.astype(np.int32) for axis in np.nonzero(hole))
    given_colours = rng.uniform(0, 255, (len(y), 3)).astype(np.float32)
    colours = given_colours.copy()
    fade_in(image, hole, y, x, colours, feather_px)
    ends = np.stack([given_colours, image[y, x]])
    assert (colours >= ends.min(0) - 1e-3).all()
    assert (colours <= ends.max(0) + 1e-3).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("size_hw", [(1, 1), (40, 60), (1500, 1100)], ids=str)
def test_equal_channels_are_grey_whatever_the_hole_shows(size_hw: tuple[int, int], dtype: type) -> None:
    image = np.repeat(np.random.default_rng(0).integers(0, 256, (*size_hw, 1)), 3, 2).astype(dtype)
    unknown = np.zeros(size_hw, bool)
    assert is_grey(image, unknown)
    unknown[size_hw[0] // 4 : size_hw[0] // 2] = True
    image[unknown] = (255, 0, 255)
    assert is_grey(image, unknown)
    image[-1, -1, 2] += 1
    image[0, 0, 1] += 1
    assert not is_grey(image, unknown)


def test_a_picture_in_colour_is_not_grey_for_its_grey_part() -> None:
    image = np.full((600, 800, 3), 90, np.uint8)
    image[300:340, 500:530] = (90, 80, 60)
    assert not is_grey(image, np.zeros((600, 800), bool))


def test_neither_one_channel_nor_nothing_known_is_made_grey() -> None:
    assert not is_grey(np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4), bool))
    assert not is_grey(np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), bool))


def test_grey_is_the_mean_of_the_channels() -> None:
    colours = np.array([[10, 20, 60], [7, 7, 7]], np.float32)
    to_grey(colours)
    np.testing.assert_allclose(colours, [[30, 30, 30], [7, 7, 7]], rtol=1e-6)


def thin_and_wide(size_hw: SizeHW = (96, 128)) -> HoleMap:
    hole = np.zeros(size_hw, bool)
    hole[10:13, 5:120] = True
    hole[40:80, 40:90] = True
    hole[90:, 100:103] = True  # a scratch that ends at the border
    return hole


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_thin_holes_are_held_to_what_is_beside_them(dtype: type, channels: int) -> None:
    white = WHITE[np.dtype(dtype)]
    hole = thin_and_wide()
    colours = 1 if channels < 3 else 3
    picture = np.full((*hole.shape, channels), white * 0.5, dtype)
    picture[:50] = white * 0.25
    filled = picture.copy()
    filled[hole, :colours] = white  # beads
    groups = group_holes(hole)
    before = filled.copy()
    hold_thin(filled, hole, hole, groups, colours)
    wide = np.zeros_like(hole)
    wide[40:80, 40:90] = True
    np.testing.assert_array_equal(filled[~hole], before[~hole])
    np.testing.assert_array_equal(filled[wide], before[wide])
    np.testing.assert_array_equal(filled[..., colours:], before[..., colours:])
    np.testing.assert_array_equal(filled[hole & ~wide, :colours], picture[hole & ~wide, :colours])
    hold_thin(filled, hole, hole, groups, colours)
    np.testing.assert_array_equal(filled[hole & ~wide, :colours], picture[hole & ~wide, :colours])


def test_what_is_not_known_holds_nothing() -> None:
    hole, unknown = thin_and_wide(), np.ones((96, 128), bool)
    filled = np.full((96, 128, 3), 200, np.uint8)
    hold_thin(filled, hole, unknown, group_holes(hole), 3)
    assert (filled == 200).all()
    unknown[:, :40] = hole[:, :40]  # known at the left alone
    filled[~hole] = 9
    hold_thin(filled, hole, unknown, group_holes(hole), 3)
    thin = np.s_[10:13]
    assert (filled[thin, 5:44] == 9).all()
    assert (filled[thin, 44:120] == 200).all()


def test_a_float_fill_stays_between_black_and_white_beside_what_is_beyond() -> None:
    hole = thin_and_wide()
    filled = np.where(hole[..., None], np.float32(0.5), np.float32([4, -3, 0.7]))
    hold_thin(filled, hole, hole, group_holes(hole), 3)
    np.testing.assert_array_equal(filled[11, 60], np.float32([1, 0, 0.7]))


def test_a_long_scratch_is_held_alike_along_its_way() -> None:
    """It is worked on tile by tile, and windows end where there is more to see."""
    y, x = np.mgrid[:1280, :1472]
    hole = np.abs(y - 0.8 * x - 20) < 2
    picture = np.stack([x // 6, y // 6, (x + y) // 12], 2).astype(np.uint8)
    filled = picture.copy()
    filled[hole] = (255, 0, 128)
    hold_thin(filled, hole, hole, group_holes(halve_any(hole)), 3)
    seen = cv2.dilate(np.where(hole[..., None], 0, picture).astype(np.uint8), np.ones((9, 9), np.uint8))
    np.testing.assert_array_equal(filled[hole][:, 0], seen[hole][:, 0])
