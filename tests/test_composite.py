from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rethined.composite import paste
from rethined.types import HoleMap

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
