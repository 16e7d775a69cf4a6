"""Scores on planted pictures whose answer can be worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from rethined.eval import metrics


@pytest.fixture
def original(rng: np.random.Generator) -> np.ndarray:
    return cv2.GaussianBlur(rng.integers(0, 256, (96, 128, 3), np.uint8), (0, 0), 1.0)


@pytest.fixture
def hole() -> np.ndarray:
    hole = np.zeros((96, 128), bool)
    hole[30:70, 40:90] = True
    return hole


def test_the_same_picture_is_perfect(original: np.ndarray, hole: np.ndarray) -> None:
    assert metrics.l1(original, original) == metrics.l1(original, original, hole) == 0
    assert metrics.psnr_db(original, original, hole) == pytest.approx(114)
    assert metrics.ssim(original, original, hole) == (pytest.approx(1), pytest.approx(1))
    assert metrics.sharpness_ratio(original, original, hole) == pytest.approx(1)
    assert metrics.seam_ratio(original, original, hole) == pytest.approx(1)
    assert metrics.known_error_max(original, original, hole) == 0


def test_a_planted_error_in_the_hole() -> None:
    original, hole = np.full((20, 20, 3), 100, np.uint8), np.zeros((20, 20), bool)
    hole[5:15, 5:15] = True
    result = original.copy()
    result[hole] = 110
    assert metrics.l1(result, original, hole) == pytest.approx(10 / 255)
    assert metrics.l1(result, original) == pytest.approx(10 / 255 / 4)
    assert metrics.psnr_db(result, original, hole) == pytest.approx(20 * np.log10(255 / 10))
    assert metrics.psnr_db(result, original) == pytest.approx(20 * np.log10(255 / 10) + 10 * np.log10(4))
    # 40 pairs with a step of 10 against a floor of 1/4.
    assert metrics.seam_ratio(result, original, hole) == pytest.approx(40, rel=1e-4)
    assert metrics.known_error_max(result, original, hole) == 0


def test_known_pixels_are_watched() -> None:
    original, hole = np.full((8, 8, 3), 250, np.uint8), np.zeros((8, 8), bool)
    hole[0, 0] = True
    result = original.copy()
    result[0, 0] = 0
    result[7, 7, 2] = 243
    assert metrics.known_error_max(result, original, hole) == 7
    assert metrics.known_error_max(result, original, np.ones((8, 8), bool)) == 0


def test_sharpness_counts_the_laplacian_in_the_eroded_hole(original: np.ndarray, hole: np.ndarray) -> None:
    luma = original.astype(float) @ (0.299, 0.587, 0.114)
    core = np.s_[33:67, 43:87]
    laplacian = np.abs(
        np.roll(luma, 1, 0) + np.roll(luma, -1, 0) + np.roll(luma, 1, 1) + np.roll(luma, -1, 1) - 4 * luma
    )
    half = np.rint(original * 0.5 + 64).astype(np.uint8)
    half_luma = half.astype(float) @ (0.299, 0.587, 0.114)
    expected = np.abs(
        np.roll(half_luma, 1, 0) + np.roll(half_luma, -1, 0) + np.roll(half_luma, 1, 1) + np.roll(half_luma, -1, 1)
        - 4 * half_luma
    )[core].mean() / laplacian[core].mean()  # fmt: skip
    assert metrics.sharpness_ratio(half, original, hole) == pytest.approx(expected, rel=1e-4)
    assert metrics.sharpness_ratio(half, original, hole) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("small", ["hairline", "flat"])
def test_sharpness_is_undefined_where_nothing_can_be_said(small: str, original: np.ndarray, hole: np.ndarray) -> None:
    if small == "hairline":
        hole = np.zeros_like(hole)
        hole[40:44] = True
    else:
        original = np.full_like(original, 9)
    assert np.isnan(metrics.sharpness_ratio(original, original, hole))


def test_no_border_no_seam() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    assert np.isnan(metrics.seam_ratio(picture, picture, np.ones((4, 4), bool)))


def test_ssim_looks_at_the_hole(original: np.ndarray, hole: np.ndarray) -> None:
    result = original.copy()
    result[hole] = 128
    whole, inside = metrics.ssim(result, original, hole)
    assert inside < 0.3 < whole < 1
    assert all(np.isnan(metrics.ssim(original[:5, :5], original[:5, :5], np.ones((5, 5), bool))))
