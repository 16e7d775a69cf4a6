from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from rethined.eval.perceptual import TILE_PX, HoleJudge

Distance = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


@pytest.fixture(scope="module")
def judge() -> HoleJudge:
    return HoleJudge()


@pytest.fixture
def perc(judge: HoleJudge) -> Distance:
    return lambda *pictures: judge(*pictures).perc


@pytest.fixture
def texture(judge: HoleJudge) -> Distance:
    return lambda *pictures: judge(*pictures).texture


@pytest.fixture
def original(rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(rng.integers(0, 256, (150, 170, 3), np.uint8), (0, 0), 1.5)


@pytest.fixture
def hole() -> np.ndarray:
    hole = np.zeros((150, 170), bool)
    hole[40:90, 60:110] = True
    return hole


def blurred(picture: np.ndarray, hole: np.ndarray, sigma: float) -> np.ndarray:
    return np.where(hole[..., None], cv2.GaussianBlur(picture, (0, 0), sigma), picture)


def test_the_same_is_at_no_distance(perc: Distance, original: np.ndarray, hole: np.ndarray) -> None:
    assert perc(original, original, hole) < 1e-9


def test_more_blur_is_further_away(perc: Distance, original: np.ndarray, hole: np.ndarray) -> None:
    distances = [perc(blurred(original, hole, sigma), original, hole) for sigma in (1, 2, 6)]
    assert 0 < distances[0] < distances[1] < distances[2] < 4


def test_what_is_far_from_the_hole_does_not_count(perc: Distance, original: np.ndarray, hole: np.ndarray) -> None:
    far = [np.pad(picture, ((0, 0), (0, 200), (0, 0))) for picture in (blurred(original, hole, 3), original)]
    other = [picture.copy() for picture in far]
    other[0][:, 170:], other[1][:, 170:] = 90, 200
    wide = np.pad(hole, ((0, 0), (0, 200)))
    assert perc(*other, wide) == perc(*far, wide)


def test_holes_in_many_tiles_are_weighed_together(perc: Distance) -> None:
    rng = np.random.default_rng(0)
    size = TILE_PX + 200
    original = cv2.GaussianBlur(rng.integers(0, 256, (64, size, 3), np.uint8), (0, 0), 1.5)
    hole = np.zeros((64, size), bool)
    hole[20:40, 40:60] = hole[20:40, -60:-40] = True
    result = blurred(original, hole, 3)
    left, right = hole.copy(), hole.copy()
    left[:, size // 2 :] = False
    right[:, : size // 2] = False
    apart = [perc(result, original, part) for part in (left, right)]
    assert min(apart) - 0.05 < perc(result, original, hole) < max(apart) + 0.05


def shifted(picture: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Other pixels of the same kind in the hole."""
    return np.where(hole[..., None], np.roll(picture, (64, 48), (0, 1)), picture)


def test_texture_of_the_same_is_the_same(texture: Distance, original: np.ndarray, hole: np.ndarray) -> None:
    assert texture(original, original, hole) < 1e-9


def test_texture_does_not_care_for_places_and_perc_does(
    texture: Distance, perc: Distance, original: np.ndarray, hole: np.ndarray
) -> None:
    wide = np.zeros_like(hole)
    wide[20:130, 30:140] = True
    soft, elsewhere = blurred(original, wide, 4), shifted(original, wide)
    assert texture(elsewhere, original, wide) < 0.3 * texture(soft, original, wide)
    assert perc(elsewhere, original, wide) > 0.8 * perc(soft, original, wide)


def test_texture_of_holes_in_many_tiles_is_that_of_all_together(texture: Distance) -> None:
    rng = np.random.default_rng(0)
    size = TILE_PX + 200
    original = cv2.GaussianBlur(rng.integers(0, 256, (96, size, 3), np.uint8), (0, 0), 1.5)
    hole = np.zeros((96, size), bool)
    hole[20:76, 20:120] = hole[20:76, -120:-20] = True
    half = hole.copy()
    half[:, size // 2 :] = False
    result = blurred(original, half, 3)
    assert 0 < texture(result, original, hole) < texture(result, original, half)


def test_texture_of_a_hole_that_fills_no_position_is_undefined(texture: Distance, original: np.ndarray) -> None:
    speck = np.zeros(original.shape[:2], bool)
    speck[71, 71] = True
    assert np.isnan(texture(original, original, speck))
