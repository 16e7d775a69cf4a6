from __future__ import annotations

import cv2
import numpy as np
import pytest

from planted import field_of, square_hole
from rethined.climb import Rung
from rethined.matching import corrupted_tokens
from rethined.offsets import OffsetField
from rethined.regions import TOKEN_PX
from rethined.resample import shrink_any
from rethined.texture import DEEP_PX, SHRINK, add_texture
from rethined.types import Box, Float32, HoleMap
from rethined.workers import Workers

SIZE_HW = (256, 320)
HOLE = square_hole(SIZE_HW, Box(64, 96, 192, 224))
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


def smoothed_in_the_hole(picture: Float32, hole: HoleMap = HOLE) -> Rung:
    return Rung(hole, np.where(hole[..., None], cv2.blur(picture, (65, 65)), picture).astype(np.float32))


def contrast(picture: Float32) -> float:
    return float(np.std(picture[DEEPEST].mean(2)))


def test_a_smooth_fill_gets_the_contrast_of_what_is_around() -> None:
    truth = beans()
    rung = smoothed_in_the_hole(truth)
    textured, field = add_texture(rung)
    assert field is not None
    assert field.is_set.any()
    assert contrast(rung.filled) < 0.1 * contrast(truth)
    assert 0.6 * contrast(truth) < contrast(textured.filled) < 1.3 * contrast(truth)


def test_it_keeps_the_tone_of_the_fill() -> None:
    truth = beans()
    rung = smoothed_in_the_hole(truth)
    wide = (slice(96, 160), slice(128, 192))
    moved = add_texture(rung)[0].filled[wide].mean((0, 1)) - rung.filled[wide].mean((0, 1))
    assert np.abs(moved).max() < 20


def test_known_pixels_and_those_near_them_stay_as_they_were() -> None:
    rung = smoothed_in_the_hole(beans())
    before = rung.filled.copy()
    textured, _ = add_texture(rung)
    depth = cv2.distanceTransform(HOLE.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    near = depth <= DEEP_PX[0]
    np.testing.assert_array_equal(rung.filled, before)
    np.testing.assert_array_equal(textured.filled[near], before[near])
    assert (textured.filled[depth > DEEP_PX[1]] != before[depth > DEEP_PX[1]]).any()
    np.testing.assert_array_equal(textured.touched, HOLE)


def test_no_hole_is_deep_enough() -> None:
    hole = square_hole(SIZE_HW, Box(64, 96, 64 + int(2 * DEEP_PX[0]) - 1, 224))
    rung = smoothed_in_the_hole(beans(), hole)
    assert add_texture(rung) == (rung, None)


@pytest.mark.parametrize(
    ("size_hw", "is_deep"), [((512, 512), True), ((512, 1024), False), ((512, 1056), True), ((96, 1024), True)], ids=str
)
def test_depth_is_told_in_pixels_of_the_first_look(size_hw: tuple[int, int], is_deep: bool) -> None:
    """As far as the sides can be halved."""
    hole = square_hole(size_hw, Box(16, 100, 80, 200))
    rung = Rung(hole, np.full((*size_hw, 3), 128, np.float32))
    textured, field = add_texture(rung)
    assert textured.filled.shape == (*size_hw, 3)
    assert (field is not None) == is_deep


@pytest.mark.parametrize("what", ["flat", "slope"])
def test_smooth_surroundings_ask_for_no_texture(what: str) -> None:
    x = np.arange(SIZE_HW[1], dtype=np.float32)
    picture = np.full((*SIZE_HW, 3), 90, np.float32) + (x / 8 if what == "slope" else 0 * x)[None, :, None]
    rung = Rung(HOLE, picture.astype(np.float32))
    assert np.abs(add_texture(rung)[0].filled - rung.filled).max() <= 1


def test_a_fill_with_contrast_of_its_own_is_left_alone() -> None:
    truth = beans()
    textured, _ = add_texture(Rung(HOLE, truth))
    deep = np.abs(textured.filled - truth)[DEEPEST].mean()
    replaced = np.abs(add_texture(smoothed_in_the_hole(truth))[0].filled - truth)[DEEPEST].mean()
    assert deep < 0.4 * replaced


def test_nothing_is_copied_from_what_is_forbidden() -> None:
    """The hole is filled in the tone of the forbidden part, which would be the best source by far."""
    forbidden = np.zeros(SIZE_HW, bool)
    forbidden[:, :88] = True
    red, blue = (beans().mean(2, keepdims=True) * np.float32(tint) for tint in ([1, 0.1, 0.1], [0.1, 0.1, 1]))
    picture = np.where(forbidden[..., None], red, blue)
    rung = Rung(HOLE, np.where(HOLE[..., None], cv2.blur(red, (65, 65)), picture).astype(np.float32))
    found, field = add_texture(rung, forbidden)
    small = shrink_any(forbidden, (SIZE_HW[0] // SHRINK, SIZE_HW[1] // SHRINK))

    def overlaps(chosen: OffsetField | None) -> list[bool]:
        assert chosen is not None
        corners = np.argwhere(chosen.is_set) * TOKEN_PX + chosen.offset_yx[chosen.is_set]
        return [bool(small[y : y + TOKEN_PX, x : x + TOKEN_PX].any()) for y, x in corners]

    assert not any(overlaps(field))
    assert any(overlaps(add_texture(rung)[1])), "else the picture shows nothing"
    assert (found.filled != rung.filled).any()


def test_given_places_are_copied_from_again() -> None:
    rung = smoothed_in_the_hole(beans())
    first, field = add_texture(rung)
    again, same = add_texture(rung, field=field)
    assert same is field
    np.testing.assert_array_equal(again.filled, first.filled)
    touched = shrink_any(HOLE, (SIZE_HW[0] // SHRINK, SIZE_HW[1] // SHRINK))
    other, _ = add_texture(rung, field=field_of((0, 24), corrupted_tokens(touched)))
    assert (other.filled != first.filled).any()


def test_without_a_source_nothing_changes() -> None:
    rung = smoothed_in_the_hole(beans())
    tokens_hw = (SIZE_HW[0] // SHRINK // 8, SIZE_HW[1] // SHRINK // 8)
    nowhere = OffsetField(np.zeros((*tokens_hw, 2), np.int32), np.zeros(tokens_hw, bool))
    assert np.abs(add_texture(rung, field=nowhere)[0].filled - rung.filled).max() < 1


@pytest.mark.parametrize("known", [Box(0, 0, 3, 3), Box(0, 0, 256, 9)], ids=str)
def test_nearly_everything_may_be_missing(known: Box) -> None:
    hole = ~square_hole(SIZE_HW, known)
    found, _ = add_texture(smoothed_in_the_hole(beans(), hole))
    assert np.isfinite(found.filled).all()


def test_threads_change_nothing() -> None:
    rung = smoothed_in_the_hole(beans())
    np.testing.assert_array_equal(
        add_texture(rung, workers=Workers(2))[0].filled, add_texture(rung, workers=Workers(1))[0].filled
    )
