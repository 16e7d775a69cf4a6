"""Scores of one fill that need no network.

All compare a result with the original; both ``(H, W, 3)`` uint8 RGB of one size, with the ``(H, W)`` bool hole, which
must not be empty. Luma is ``.299 R + .587 G + .114 B`` on gamma-coded values in 0..255.
"""

from __future__ import annotations

import cv2
import numpy as np
from skimage.metrics import structural_similarity

from rethined.types import Float32, HoleMap, Image8

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
FLOOR = 0.25
"""Grey levels; below it a ratio's denominator is noise."""
ERODE_PX = 3
MIN_CORE_PX = 64
LAPLACIAN = np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]], np.float32)
SSIM_WINDOW_PX = 7


def l1(result: Image8, original: Image8, where: HoleMap | None = None) -> float:
    """Mean absolute difference on a scale of 0..1, over the picture or over ``where``; 0 = the same."""
    return float(np.abs(_difference(result, original, where)).mean() / 255)


def psnr_db(result: Image8, original: Image8, where: HoleMap | None = None) -> float:
    """Peak signal-to-noise ratio in dB, over the picture or over ``where``; higher is better, at most 114 dB."""
    error = float(np.square(_difference(result, original, where)).mean())
    return float(10 * np.log10(255**2 / max(error, 255**2 * 10**-11.4)))


def ssim(result: Image8, original: Image8, hole: HoleMap) -> tuple[float, float]:
    """Structural similarity, mean over the picture and over the hole; 1 = the same.

    Window 7 x 7, uniform, channels apart (scikit-image's defaults). Pictures with a side below 7 px: not a number.

    Reference: Wang et al., "Image quality assessment: from error visibility to structural similarity", 2004.
    """
    if min(hole.shape) < SSIM_WINDOW_PX:
        return float("nan"), float("nan")
    mean, similarity = structural_similarity(result, original, channel_axis=2, data_range=255, full=True)
    return float(mean), float(similarity[hole].mean())


def sharpness_ratio(result: Image8, original: Image8, hole: HoleMap) -> float:
    """Mean absolute Laplacian of luma in the hole over the original's; 1 = as sharp, below blurred, above noisy.

    The hole is eroded by 3 px, beyond the frame counting as hole, and pixels at the frame are left out. Not a number
    where fewer than 64 pixels remain or the original is flat.
    """
    side = 2 * ERODE_PX + 1
    eroded = cv2.erode(
        hole.view(np.uint8), np.ones((side, side), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    core = eroded > 0
    if np.count_nonzero(core) < MIN_CORE_PX:
        return float("nan")
    got, wanted = (float(np.abs(cv2.filter2D(_luma(x), -1, LAPLACIAN))[core].mean()) for x in (result, original))
    return got / wanted if wanted >= FLOOR else float("nan")


def seam_ratio(result: Image8, original: Image8, hole: HoleMap) -> float:
    """Mean absolute step of luma across the hole's border over the original's; 1 = invisible, above a visible step.

    Over all pairs of a hole pixel and a known 4-neighbour. The original's mean counts at least 1/4 grey level. Not a
    number where the hole has no known neighbour.
    """
    luma, true_luma = _luma(result), _luma(original)
    got = wanted = count = 0.0
    for near, far in (
        (np.s_[1:], np.s_[:-1]),
        (np.s_[:, 1:], np.s_[:, :-1]),
    ):
        edge = hole[near] != hole[far]
        got += float(np.abs(luma[near] - luma[far])[edge].sum())
        wanted += float(np.abs(true_luma[near] - true_luma[far])[edge].sum())
        count += float(np.count_nonzero(edge))
    return got / max(wanted, FLOOR * count) if count else float("nan")


def known_error_max(result: Image8, original: Image8, hole: HoleMap) -> int:
    """Largest difference in any channel outside the hole, in grey levels; 0 = known pixels are untouched."""
    return int(np.abs(result.astype(np.int16) - original)[~hole].max(initial=0))


def _difference(result: Image8, original: Image8, where: HoleMap | None) -> Float32:
    if where is not None:
        result, original = result[where], original[where]
    return np.subtract(result, original, dtype=np.float32)


def _luma(image: Image8) -> Float32:
    return np.asarray(image.astype(np.float32) @ LUMA, np.float32)
