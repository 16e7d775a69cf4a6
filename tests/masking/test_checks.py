from __future__ import annotations

import warnings

import cv2
import numpy as np
import pytest

from rethined.masking.checks import fringe_share, warn_if_tight
from rethined.masks import MaskWarning, grow_hole
from rethined.types import HoleMap, Pixels

SIZE_HW = (200, 260)
DISC_PX = 50


def disc(radius_px: float) -> HoleMap:
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    return np.asarray(np.hypot(y - 100, x - 120) <= radius_px)


def scene(*, colour: tuple[int, int, int] = (180, 40, 60), seed: int = 3) -> Pixels:
    """A disc with a soft edge before noise in two bands."""
    rng = np.random.default_rng(seed)
    noise = rng.uniform(60, 160, (*SIZE_HW, 3)).astype(np.float32)
    ground = cv2.blur(noise, (5, 5)) * 0.7 + noise * 0.3
    cover = cv2.GaussianBlur(disc(DISC_PX).astype(np.float32), (0, 0), 0.8)[..., None]
    return np.rint(ground * (1 - cover) + np.float32(colour) * cover).astype(np.uint8)


@pytest.mark.parametrize("missing_px", [2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_mask_that_leaves_a_fringe_is_named(missing_px: int, dtype: type) -> None:
    image = scene().astype(dtype) * dtype(1 if dtype == np.uint8 else 257)
    for picture in (image, image[..., 0], np.dstack([image, np.full_like(image[..., 0], 9)])):
        with pytest.warns(MaskWarning, match=r"cut too tight: along \d\d% of its edge .*grow_px=3"):
            warn_if_tight(picture, disc(DISC_PX - missing_px))


@pytest.mark.parametrize("more_px", [1, 2, 5, 10])
def test_a_mask_that_fits_or_is_wider_is_not(more_px: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_tight(scene(), disc(DISC_PX + more_px))
        warn_if_tight(scene(), grow_hole(disc(DISC_PX - 3), 3 + more_px))


def test_masks_anywhere_in_plain_noise_have_no_fringe() -> None:
    rng = np.random.default_rng(5)
    image = rng.integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)
    assert fringe_share(image, disc(40)) < 0.1
    assert fringe_share(np.full_like(image, 80), disc(40)) == 0


def test_larger_pictures_are_looked_at_in_larger_steps() -> None:
    large = cv2.resize(scene(), None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[: large.shape[0], : large.shape[1]]
    hole = np.hypot(y - 804, x - 964) <= 8 * (DISC_PX - 1)
    assert fringe_share(large, hole) > 0.4


@pytest.mark.parametrize(
    "box", [(0, 0, 200, 9), (0, 0, 1, 1), (199, 250, 200, 260), (0, 0, 200, 260), (90, 5, 91, 250)]
)
def test_holes_without_room_around_have_no_fringe(box: tuple[int, int, int, int]) -> None:
    hole = np.zeros(SIZE_HW, bool)
    assert fringe_share(scene(), hole) == 0
    hole[box[0] : box[2], box[1] : box[3]] = True
    assert 0 <= fringe_share(scene(), hole) < 0.4
    assert fringe_share(scene()[:3, :3], np.eye(3, dtype=bool)) == 0
