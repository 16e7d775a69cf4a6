from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rethined.depth import as_picture, checked, from_levels, in_levels
from rethined.errors import ImageError, MaskError

DTYPES = [np.uint8, np.uint16, np.float32]
SHAPES = [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3), (4, 5, 4)]


def with_one(value: float) -> np.ndarray:
    picture = np.zeros((4, 5, 3), np.float32)
    picture[2, 2, 1] = value
    return picture


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_pictures_of_all_depths_and_channels_pass_as_they_are(dtype: type, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, dtype)
    assert checked(array) is array


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 5, 3)), r"dtype float64; expected uint8, uint16 or float32.*astype\(np\.float32\)"),
        (np.zeros((4, 5, 3), np.float16), r"dtype float16.*astype\(np\.float32\)"),
        (np.zeros((4, 5, 3), bool), r"dtype bool.*\* 255"),
        (np.zeros((4, 5, 3), np.int64), r"dtype int64.*np\.uint8.*np\.uint16"),
        (
            np.zeros((4, 5, 3), np.dtype(np.uint16).newbyteorder()),
            r"dtype [<>]u2.*astype\(np\.uint16\), which puts its",
        ),
        (np.zeros((4, 5, 3), np.dtype(np.float32).newbyteorder()), r"dtype [<>]f4.*astype\(np\.float32\), which puts"),
        (np.zeros((4, 5, 0), np.uint8), r"shape \(4, 5, 0\); expected"),
        (np.zeros((3, 4, 5), np.uint8), r"shape \(3, 4, 5\).*channels last"),
        (np.zeros((1, 4, 5, 3), np.uint8), r"shape \(1, 4, 5, 3\)"),
        (np.zeros(5, np.uint8), r"shape \(5,\)"),
        (np.zeros((0, 5), np.uint16), r"shape \(0, 5\), no pixels at all"),
        (with_one(np.nan), r"NaN or infinite values, 1 in all, the first at index \(2, 2, 1\)"),
        (with_one(-np.inf), r"NaN or infinite values, 1 in all, the first at index \(2, 2, 1\)"),
        (with_one(255), "values from 0 to 255; expected 0..1.*divide it by the value that means white"),
        (with_one(-17), "values from -17 to 0"),
        ([[1]], "got list"),
    ],
)
def test_what_is_no_picture_is_refused(array: np.ndarray, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        checked(array)


@pytest.mark.parametrize("value", [-0.5, 1.5, 16, -16])
def test_floats_a_little_beyond_are_pictures(value: float) -> None:
    checked(with_one(value))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES)
def test_no_pixel_is_copied_without_alpha(dtype: type, shape: tuple[int, ...]) -> None:
    array = np.ones(shape, dtype)
    picture = as_picture(array)
    channels = shape[2] if len(shape) == 3 else 1
    assert picture.given is array
    assert picture.pixels.shape == (4, 5, 3 if channels > 2 else 1)
    assert picture.pixels.flags.c_contiguous
    assert np.shares_memory(picture.pixels, array) == (channels in (1, 3))
    assert picture.size_hw == (4, 5)
    assert picture.transparent is None


@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_zero_is_unknown_and_alpha_one_is_not(channels: int) -> None:
    array = np.full((2, 3, channels), 7, np.uint8)
    array[..., -1] = [[0, 1, 255], [255, 255, 0]]
    hole = np.array([[False, False, True], [False, False, False]])
    picture = as_picture(array)
    assert (picture.pixels == 7).all()
    np.testing.assert_array_equal(picture.unknown(hole), [[True, False, True], [False, False, True]])
    with pytest.raises(MaskError, match=r"fully transparent \(alpha 0\), so nothing is known"):
        picture.unknown(np.array([[False, True, True], [True, True, False]]))


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_black_and_white_are_0_and_255_levels(dtype: type, white: int) -> None:
    np.testing.assert_array_equal(in_levels(np.array([0, white], dtype)), [0, 255])
    back = from_levels(np.array([-3, 0, 255, 300], np.float32), np.dtype(dtype))
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, [0, 0, white, white])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_integer_value_survives_the_way_to_levels_and_back(dtype: type) -> None:
    values = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    np.testing.assert_array_equal(from_levels(np.float32(in_levels(values)), values.dtype), values)


@given(st.floats(0, 1, width=32))
def test_floats_survive_it_nearly(value: float) -> None:
    levels = in_levels(np.array([value], np.float32))
    np.testing.assert_allclose(from_levels(levels, np.dtype(np.float32)), [value], rtol=1e-6)


def test_uint8_is_not_converted() -> None:
    values = np.arange(4, dtype=np.uint8)
    assert in_levels(values) is values
