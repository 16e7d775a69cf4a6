from __future__ import annotations

import numpy as np
import pytest

from rethined.masking.preview import LEAST_WIDTH_PX, LINE_PX, MOST_PX, TINT, tinted, with_line
from rethined.types import HoleMap, Image8


@pytest.fixture
def photo(rng: np.random.Generator) -> Image8:
    return rng.integers(0, 256, (64, 80, 3), dtype=np.uint8)


@pytest.fixture
def hole() -> HoleMap:
    hole = np.zeros((64, 80), bool)
    hole[20:40, 30:50] = True
    return hole


def test_the_hole_is_tinted_and_all_else_as_it_was(photo: Image8, hole: HoleMap) -> None:
    shown = tinted(photo, hole)
    np.testing.assert_array_equal(shown[~hole], photo[~hole])
    np.testing.assert_array_equal(shown[hole], np.rint(photo[hole] * 0.4 + np.array(TINT) * 0.6))


@pytest.mark.parametrize("size_hw", [(4000, 30), (30, 4000), (3, 4000)])
def test_long_pictures_become_smaller_and_single_pixels_stay_visible(size_hw: tuple[int, int]) -> None:
    hole = np.zeros(size_hw, bool)
    hole[size_hw[0] // 2, size_hw[1] // 2] = True
    shown = tinted(np.full((*size_hw, 3), 50, np.uint8), hole)
    assert max(shown.shape) == MOST_PX
    assert shown.shape[:2] == tuple(max(1, round(side * 0.4)) for side in size_hw)
    assert 1 <= (shown != 50).any(axis=2).sum() <= 4


def test_the_line_lies_below_the_picture(photo: Image8) -> None:
    shown = with_line(photo, "ä line")
    height, width = photo.shape[:2]
    assert shown.shape == (height + LINE_PX, LEAST_WIDTH_PX, 3)
    np.testing.assert_array_equal(shown[:height, :width], photo)
    assert (shown[:height, width:] == 255).all()
    assert (shown[height:] < 128).any()
    np.testing.assert_array_equal(shown, with_line(photo, "? line"))


def test_a_long_line_is_not_cut_off(photo: Image8) -> None:
    shown = with_line(photo, "many words " * 20)
    assert shown.shape[1] > 3 * LEAST_WIDTH_PX
    assert (shown[photo.shape[0] :, -60:-12] < 128).any()
    assert (shown[:, -3:] == 255).all()
