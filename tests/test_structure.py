from __future__ import annotations

import cv2
import numpy as np
import pytest

from planted import field_of, square_hole
from rethined.matching import corrupted_tokens
from rethined.offsets import OffsetField
from rethined.regions import TOKEN_PX
from rethined.resample import Shrunk, halve_any, pull_push
from rethined.structure import copy_structure
from rethined.types import Box, Float32, HoleMap, SizeHW
from rethined.workers import Workers

pytestmark = pytest.mark.usefixtures("each_loops")

SIZE_HW = (256, 320)
HALF_HW = (SIZE_HW[0] // 2, SIZE_HW[1] // 2)
HOLE = square_hole(SIZE_HW, Box(64, 96, 192, 224))
DEEP = square_hole(SIZE_HW, Box(88, 120, 168, 200))
DEEPEST = (slice(110, 146), slice(142, 178))


def beans(period_px: int = 24) -> Float32:
    """Round things side by side, none like the next, on black."""
    rng = np.random.default_rng(5)
    picture = np.zeros((*SIZE_HW, 3), np.uint8)
    for y in range(0, SIZE_HW[0] + period_px, period_px):
        for x in range(0, SIZE_HW[1] + period_px, period_px):
            colour = tuple(int(level) for level in rng.integers(120, 250, 3))
            cv2.circle(picture, (x + int(rng.integers(-4, 5)), y + int(rng.integers(-4, 5))), 9, colour, -1)
    return picture.astype(np.float32)


def landscape(layer_px: int) -> Float32:
    """Bright and dark in turn from above, the same from left to right but for some noise."""
    rows = np.where(np.arange(SIZE_HW[0]) // layer_px % 2, 40, 200)
    noise = np.random.default_rng(2).normal(0, 2, (*SIZE_HW, 3))
    return np.asarray(rows[:, None, None] + noise, np.float32)


def cut(picture: Float32, hole: HoleMap = HOLE) -> tuple[Shrunk, Float32]:
    """What the network would look at, and its prefill."""
    small = Shrunk(np.where(hole[..., None], 0, picture).astype(np.float32), hole, hole)
    return small, pull_push(small.image, hole)


def contrast(picture: Float32) -> float:
    return float(np.std(picture[DEEPEST].mean(2)))


@pytest.mark.parametrize(("layer_px", "most"), [(118, 0.35), (20, 0.4)], ids=["horizon", "layers"])
def test_a_horizon_goes_on(layer_px: int, most: float) -> None:
    """Layers only where structure grows inwards; what is copied in the middle at first has none."""
    truth = landscape(layer_px)
    small, prefilled = cut(truth)
    copied, field = copy_structure(small, prefilled, DEEP)
    assert field is not None
    error, before = (np.abs(picture - truth)[DEEP].mean() for picture in (copied, prefilled))
    assert before > 40
    assert error < most * before


def test_beans_remain_beans() -> None:
    truth = beans()
    small, prefilled = cut(truth)
    copied, _ = copy_structure(small, prefilled, DEEP)
    assert contrast(prefilled) < 0.2 * contrast(truth)
    assert 0.6 * contrast(truth) < contrast(copied) < 1.3 * contrast(truth)


def test_known_pixels_stay_and_all_between_is_smooth() -> None:
    small, prefilled = cut(beans())
    before, given = prefilled.copy(), small.image.copy()
    copied, _ = copy_structure(small, prefilled, DEEP)
    np.testing.assert_array_equal(prefilled, before)
    np.testing.assert_array_equal(small.image, given)
    np.testing.assert_array_equal(copied[~HOLE], given[~HOLE])
    np.testing.assert_array_equal(copied, pull_push(copied, HOLE & ~DEEP))


def test_nothing_is_copied_from_what_is_forbidden() -> None:
    """The hole is prefilled in the tone of the forbidden part, which would be the best source by far."""
    forbidden = np.zeros(SIZE_HW, bool)
    forbidden[:, :88] = True
    red, blue = (beans().mean(2, keepdims=True) * np.float32(tint) for tint in ([1, 0.1, 0.1], [0.1, 0.1, 1]))
    small, _ = cut(np.where(forbidden[..., None], red, blue).astype(np.float32))
    prefilled = np.where(HOLE[..., None], cv2.blur(red, (65, 65)), small.image).astype(np.float32)

    def overlaps(chosen: OffsetField | None) -> list[bool]:
        assert chosen is not None
        corners = np.argwhere(chosen.is_set) * TOKEN_PX + chosen.offset_yx[chosen.is_set]
        half = halve_any(forbidden)
        return [bool(half[y : y + TOKEN_PX, x : x + TOKEN_PX].any()) for y, x in corners]

    copied, field = copy_structure(small, prefilled, DEEP, forbidden=forbidden)
    assert not any(overlaps(field))
    assert any(overlaps(copy_structure(small, prefilled, DEEP)[1])), "else the picture shows nothing"
    assert (copied != prefilled).any()


def test_given_places_are_copied_from_again() -> None:
    small, prefilled = cut(beans())
    first, field = copy_structure(small, prefilled, DEEP)
    again, same = copy_structure(small, prefilled, DEEP, field=field)
    assert same is field
    np.testing.assert_array_equal(again, first)
    other, _ = copy_structure(small, prefilled, DEEP, field=field_of((0, 64), corrupted_tokens(halve_any(HOLE))))
    assert (other != first).any()


def test_without_a_source_the_prefill_stays() -> None:
    small, prefilled = cut(beans())
    forbidden = np.ones(SIZE_HW, bool)
    assert copy_structure(small, prefilled, DEEP, forbidden=forbidden) == (prefilled, None)


@pytest.mark.parametrize("known", [Box(0, 0, 3, 3), Box(0, 0, 256, 9), Box(0, 0, 256, 40)], ids=str)
def test_nearly_everything_may_be_missing(known: Box) -> None:
    hole = ~square_hole(SIZE_HW, known)
    small, prefilled = cut(beans(), hole)
    copied, _ = copy_structure(small, prefilled, hole & DEEP)
    assert np.isfinite(copied).all()


@pytest.mark.parametrize("size_hw", [(96, 512), (512, 96), (64, 64)], ids=str)
def test_narrow_pictures_have_deep_holes_too(size_hw: SizeHW) -> None:
    hole = square_hole(size_hw, Box(4, 4, 60, 60))
    picture = np.random.default_rng(0).integers(0, 256, (*size_hw, 3)).astype(np.float32)
    small, prefilled = cut(picture, hole)
    copied, _ = copy_structure(small, prefilled, square_hole(size_hw, Box(28, 28, 36, 36)))
    assert copied.shape == prefilled.shape
    assert np.isfinite(copied).all()


def test_threads_change_nothing() -> None:
    small, prefilled = cut(beans())
    one, two = (copy_structure(small, prefilled, DEEP, workers=Workers(threads))[0] for threads in (1, 2))
    np.testing.assert_array_equal(one, two)
