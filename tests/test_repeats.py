from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planted import field_of, square_hole
from rethined import repeats
from rethined.matching import corrupted_tokens
from rethined.regions import TOKEN_PX, in_pixels
from rethined.repeats import (
    _fewest,
    copy_repeats,
    exact_offset,
    find_repeats,
    repeated_offsets,
    rim_unlikeness,
    unlikeness,
)
from rethined.resample import Shrunk
from rethined.types import Box, Float32, HoleMap, Image8, SizeHW
from rethined.workers import Workers

SIZE_HW = (256, 320)
HOLE = square_hole(SIZE_HW, Box(88, 120, 168, 200))
STEP_YX = (32, 40)


def facade(size_hw: SizeHW = SIZE_HW, step_yx: tuple[int, int] = STEP_YX) -> Float32:
    """Windows in rows and columns, each with a bar of its own colour; all else a bright wall."""
    y, x = (np.arange(side)[shape] % step for side, step, shape in zip(size_hw, step_yx, _AXES, strict=True))
    wall = np.array([210, 190, 160], np.float32)
    window = (y > step_yx[0] * 0.3) & (y < step_yx[0] * 0.8) & (x > step_yx[1] * 0.25) & (x < step_yx[1] * 0.75)
    bar = window & (x < step_yx[1] * 0.4)
    picture = np.where(window[..., None], np.array([40, 50, 90], np.float32), wall)
    return np.where(bar[..., None], np.array([180, 40, 40], np.float32), picture).astype(np.float32)


_AXES = (np.s_[:, None], np.s_[None])


def kerb(slope: float) -> Float32:
    """A stripe across the picture, one more far away."""
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    across = (y - slope * x - 40) % 150
    return np.where((across > 40)[..., None], np.float32(60), np.float32(220)) + np.zeros(3, np.float32)


def noise() -> Float32:
    return np.random.default_rng(1).uniform(0, 255, (*SIZE_HW, 3)).astype(np.float32)


def cut(picture: Float32, hole: HoleMap = HOLE) -> Shrunk:
    return Shrunk(np.where(hole[..., None], 0, picture).astype(np.float32), hole, hole)


def compared(picture: Float32) -> tuple[Image8, HoleMap]:
    """Luma of it, and where it is known."""
    return cv2.cvtColor(cv2.convertScaleAbs(cut(picture).image), cv2.COLOR_RGB2GRAY).astype(np.uint8), ~HOLE


@pytest.mark.usefixtures("each_loops")
@pytest.mark.parametrize("step_yx", [(32, 40), (29, 37), (24, 61)], ids=str)
def test_a_facade_goes_on_in_its_grid(step_yx: tuple[int, int]) -> None:
    """Also by steps that are odd, while offsets are searched on every other pixel."""
    truth = facade(step_yx=step_yx)
    small = cut(truth)
    filled, field = copy_repeats(small)
    assert field is not None
    np.testing.assert_array_equal(field.is_set, corrupted_tokens(HOLE))
    assert (field.offset_yx[field.is_set] % step_yx == 0).all()
    assert not filled.hole.any()
    assert np.abs(filled.image - truth)[HOLE].mean() < 2


@pytest.mark.parametrize("slope", [0.0, 0.3, -0.6, 1.4])
def test_an_edge_goes_on_straight(slope: float) -> None:
    truth = kerb(slope)
    small = cut(truth)
    filled, field = copy_repeats(small)
    assert field is not None
    copied = small.hole & ~filled.hole
    assert copied.sum() > HOLE.sum() / 3
    assert (np.abs(filled.image - truth)[copied] < 60).mean() > 0.97


@pytest.mark.parametrize(
    "picture",
    [
        noise(),
        np.full((*SIZE_HW, 3), 90, np.float32),
        np.linspace(0, 250, 320, dtype=np.float32)[None, :, None] + noise() / 99,
    ],
    ids=["noise", "flat", "shade"],
)
def test_what_does_not_go_on_in_steps_is_left_alone(picture: Float32) -> None:
    small = cut(np.broadcast_to(picture, (*SIZE_HW, 3)).astype(np.float32))
    assert copy_repeats(small) == (small, None)


def test_shallow_holes_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats, "repeated_offsets", None)
    small = cut(facade(), square_hole(SIZE_HW, Box(88, 20, 110, 300)))
    assert copy_repeats(small) == (small, None)


def test_only_holes_that_are_deep_are_filled() -> None:
    thin = square_hole(SIZE_HW, Box(20, 20, 30, 300))
    _, field = copy_repeats(cut(facade(), HOLE | thin))
    assert field is not None
    np.testing.assert_array_equal(field.is_set, corrupted_tokens(HOLE))


def test_what_stands_before_a_facade_is_not_copied() -> None:
    """Though there is little else to copy, and what is around the hole knows nothing of it."""
    size_hw, hole = (256, 400), square_hole((256, 400), Box(88, 240, 168, 320))
    before = square_hole(size_hw, Box(104, 160, 152, 208))
    picture = facade(size_hw)
    forbidden = ~square_hole(size_hw, Box(88, 152, 168, 240))
    _, field = copy_repeats(cut(picture, hole), forbidden=forbidden)
    assert field is not None
    middle = _corners(field.offset_yx, field.is_set) + TOKEN_PX // 2
    assert before[tuple(middle.T)].any(), "else nothing is shown"
    picture[before] = np.random.default_rng(2).uniform(0, 255, (*size_hw, 3))[before]
    _, field = copy_repeats(cut(picture, hole), forbidden=forbidden)
    assert field is not None
    middle = _corners(field.offset_yx, field.is_set) + TOKEN_PX // 2
    inside = square_hole(size_hw, Box(120, 176, 136, 192))  # tokens at its border are partly wall
    assert not inside[tuple(middle.T)].any()


def test_sources_keep_clear_of_what_is_forbidden() -> None:
    small = cut(facade())
    forbidden = square_hole(SIZE_HW, Box(0, 0, 256, 120))
    _, free = copy_repeats(small)
    _, field = copy_repeats(small, forbidden=forbidden)
    assert free is not None
    assert field is not None
    assert _corners(free.offset_yx, free.is_set)[:, 1].min() < 120, "else the picture shows nothing"
    assert _corners(field.offset_yx, field.is_set)[:, 1].min() >= 120
    nothing = copy_repeats(small, forbidden=np.ones(SIZE_HW, bool))
    assert nothing == (small, None)


def _corners(offset_yx: np.ndarray, is_set: HoleMap) -> np.ndarray:
    return np.argwhere(is_set) * TOKEN_PX + offset_yx[is_set]


@pytest.mark.parametrize("step_yx", [(32, 40), (29, 37), (31, 27)], ids=str)
def test_sources_hold_no_hole(step_yx: tuple[int, int]) -> None:
    holes = HOLE | square_hole(SIZE_HW, Box(20, 30, 60, 90)) | square_hole(SIZE_HW, Box(190, 220, 240, 300))
    field = find_repeats(cut(facade(step_yx=step_yx), holes))
    assert field.is_set.any()
    for top, left in _corners(field.offset_yx, field.is_set):
        assert 0 <= top <= SIZE_HW[0] - TOKEN_PX
        assert 0 <= left <= SIZE_HW[1] - TOKEN_PX
        assert not holes[top : top + TOKEN_PX, left : left + TOKEN_PX].any()


def test_exact_sources_hold_no_hole_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others than those that were judged: up to a token farther."""
    monkeypatch.setattr(
        repeats, "exact_offset", lambda _luma, _known, offset, factor: offset * factor + np.array([7, 7], np.int32)
    )
    monkeypatch.setattr(repeats, "MOST_UNLIKE_RIM", np.inf)  # such copies are off
    field = find_repeats(cut(facade()))
    assert field.is_set.any()
    for top, left in _corners(field.offset_yx, field.is_set):
        assert not HOLE[top : top + TOKEN_PX, left : left + TOKEN_PX].any()


def test_known_pixels_and_the_picture_given_stay() -> None:
    small = cut(facade())
    before = small.image.copy(), small.hole.copy(), small.touched.copy()
    filled, _ = copy_repeats(small)
    for now, then in zip((small.image, small.hole, small.touched), before, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(filled.image[~HOLE], small.image[~HOLE])
    np.testing.assert_array_equal(filled.touched, HOLE)


@pytest.mark.usefixtures("each_loops")
def test_places_of_an_earlier_call_are_copied_again() -> None:
    small = cut(facade())
    filled, field = copy_repeats(small)
    again, same = copy_repeats(small, field=field)
    assert same is field
    np.testing.assert_array_equal(again.image, filled.image)
    up = field_of((-96, 0), corrupted_tokens(HOLE))
    other, _ = copy_repeats(cut(noise()), field=up)
    assert not other.hole.any(), "nothing is searched, so noise is copied as well"


def test_threads_do_not_matter() -> None:
    small = cut(facade(step_yx=(29, 37)))
    one, two = (copy_repeats(small, workers=Workers(threads))[0].image for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("left", [0, 1, 9])
def test_next_to_nothing_known(left: int) -> None:
    hole = np.ones(SIZE_HW, bool)
    hole[:left, :left] = False
    small = cut(facade(), hole)
    assert copy_repeats(small) == (small, None)


@pytest.mark.parametrize("size_hw", [(32, 32), (32, 512), (1024, 64)], ids=str)
def test_edge_sizes(size_hw: SizeHW) -> None:
    hole = np.ones(size_hw, bool)
    hole[:, : size_hw[1] // 3] = False
    hole[: size_hw[0] // 3] = False
    small = cut(facade(size_hw, (12, 12)), hole)
    filled, field = copy_repeats(small)
    assert (field is None) == (filled is small)


def test_large_pictures_are_searched_at_a_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that is 512 px; offsets are exact all the same."""
    searched = []
    original = repeats.unlikeness
    monkeypatch.setattr(repeats, "unlikeness", lambda image, *args: searched.append(args[-1]) or original(image, *args))
    size_hw, step_yx = (640, 2048), (101, 123)
    truth = facade(size_hw, step_yx)
    hole = square_hole(size_hw, Box(200, 900, 420, 1100))
    filled, field = copy_repeats(cut(truth, hole))
    assert searched == [TOKEN_PX // 4]
    assert field is not None
    assert (field.offset_yx[field.is_set] % step_yx == 0).all()
    assert np.abs(filled.image - truth)[hole & ~filled.hole].mean() < 2


@settings(max_examples=15)
@given(step_y=st.integers(12, 30), step_x=st.integers(12, 30))
def test_repeated_offsets_are_whole_steps(step_y: int, step_x: int) -> None:
    image = facade((128, 160), (step_y, step_x))
    known = ~square_hole((128, 160), Box(48, 60, 80, 100))
    hole = ~known.reshape(32, 4, 40, 4).all((1, 3))
    offsets = repeated_offsets(image * known[..., None], known, hole)
    assert 1 <= len(offsets) <= repeats.MOST_OFFSETS
    apart = np.abs((offsets + np.array([step_y, step_x]) // 2) % (step_y, step_x) - np.array([step_y, step_x]) // 2)
    # Windows move over walls as well: less exact steps may be there too, but not first.
    assert apart[0].max() <= 1
    assert (np.hypot(*offsets.T) >= 8).all()
    assert len({tuple(offset) for offset in offsets.tolist()}) == len(offsets)


def test_unlikeness_is_that_of_places_taken_at_random() -> None:
    picture = noise()
    known = ~HOLE
    step = np.array([[0, 48], [0, 51]], np.int32)
    picture[:, 48:] = picture[:, :-48]  # column by column the same again, 48 px on
    for left in range(48, SIZE_HW[1], 48):
        picture[:, left : left + 48] = picture[:, :48][:, : SIZE_HW[1] - left]
    unlike, goes_on = unlikeness(picture * known[..., None], known, step, TOKEN_PX)
    assert unlike.shape == (2, SIZE_HW[0] // TOKEN_PX, SIZE_HW[1] // TOKEN_PX)
    assert unlike[0].max() < 0.01
    assert np.median(unlike[1]) == pytest.approx(1, abs=0.1)
    assert goes_on[:8].all()


@pytest.mark.parametrize(("tokens", "goes_on"), [(3, False), (6, True)])
def test_few_tokens_are_alike_by_chance(tokens: int, goes_on: bool) -> None:
    picture, side = noise(), tokens * TOKEN_PX
    picture[64 : 64 + side, 160 : 160 + side] = picture[64 : 64 + side, 64 : 64 + side]
    _, found = unlikeness(picture, np.ones(SIZE_HW, bool), np.array([[0, 96]], np.int32), TOKEN_PX)
    assert found.any() == goes_on


def test_unlikeness_forgives_another_tone() -> None:
    """But not all of it, and a source of another tone still goes on."""
    picture = facade() / 2
    darker = picture.copy()
    darker[:, 160:] += 40
    known = np.ones(SIZE_HW, bool)
    step = np.array([[0, 80]], np.int32)
    found = [unlikeness(each, known, step, TOKEN_PX)[0][0] for each in (picture, darker)]
    assert found[0].max() < 0.01
    assert 0.01 < found[1].max() < 1


@pytest.mark.parametrize("factor", [2, 4])
@given(step_y=st.integers(24, 50), step_x=st.integers(24, 50), off_y=st.integers(-1, 1), off_x=st.integers(-1, 1))
@settings(max_examples=15)
def test_an_exact_offset_finds_the_pixel(factor: int, step_y: int, step_x: int, off_y: int, off_x: int) -> None:
    """From the nearest of the smaller picture's, and those beside it that are within reach."""
    step = np.array([step_y, step_x])
    rough = np.rint(step / factor).astype(np.int32) + np.array([off_y, off_x], np.int32)
    rough = np.where(np.abs(rough * factor - step) < factor, rough, np.rint(step / factor)).astype(np.int32)
    exact = exact_offset(*compared(facade(step_yx=(step_y, step_x))), rough, factor)
    np.testing.assert_array_equal(exact, step)


def test_few_offsets_are_used_where_many_would_do() -> None:
    cost = np.full((3, 5), 0.2, np.float32)
    cost[0, :2] = 0.01  # the best by far for two
    cost[1, 2:] = 0.19  # better by less than what tells them apart
    cost[:, 4] = [9, 9, 0.1]  # which one alone can have
    used = [(index, np.flatnonzero(mine).tolist()) for index, mine in _fewest(cost)]
    assert used == [(0, [0, 1, 2, 3]), (2, [4])]
    assert not list(_fewest(np.full((3, 5), 0.4, np.float32)))


def test_offsets_stay_where_nothing_tells() -> None:
    exact = exact_offset(*compared(np.full((*SIZE_HW, 3), 90, np.float32)), np.array([5, 9], np.int32), 4)
    np.testing.assert_array_equal(exact, [20, 36])


def test_small_patches_are_left_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    small = cut(facade())
    monkeypatch.setattr(repeats, "LEAST_TOKENS", corrupted_tokens(HOLE).sum() + 1)
    assert copy_repeats(small) == (small, None)


def test_a_hole_of_which_little_goes_on_is_left_to_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the upper two fifths: the rest lies in noise."""
    picture = facade()
    picture[120:] = noise()[120:]
    _, field = copy_repeats(cut(picture))
    assert field is not None
    share = field.is_set.sum() / corrupted_tokens(HOLE).sum()
    assert 0.3 <= share < 0.6
    monkeypatch.setattr(repeats, "LEAST_SHARE", 0.6)
    assert copy_repeats(cut(picture))[1] is None


def test_hole_pixels_of_copied_tokens_alone_are_filled() -> None:
    hole = square_hole(SIZE_HW, Box(91, 123, 171, 205))
    filled, field = copy_repeats(cut(facade(), hole))
    assert field is not None
    np.testing.assert_array_equal(filled.hole, hole & ~in_pixels(field.is_set))


def test_the_rim_tells_whether_copies_meet_it() -> None:
    truth, tokens = facade(), corrupted_tokens(HOLE)
    step = np.array(STEP_YX, np.int32)
    assert rim_unlikeness(truth + 9, ~HOLE, [(step, tokens)]) < 1e-6
    upper = tokens & (np.arange(len(tokens)) < np.argwhere(tokens)[:, 0].mean())[:, None]
    assert rim_unlikeness(truth, ~HOLE, [(step, upper), (-step, tokens & ~upper)]) < 1e-6
    assert rim_unlikeness(truth, ~HOLE, [(step // 2, tokens)]) > 0.5
    assert rim_unlikeness(noise(), ~HOLE, [(step, tokens)]) == pytest.approx(1, abs=0.1)
    assert rim_unlikeness(truth, ~HOLE, [(np.array([9999, 0], np.int32), tokens)]) == 0


def test_copies_that_do_not_meet_the_rim_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        repeats, "exact_offset", lambda _luma, _known, offset, factor: offset * factor + np.array([7, 7], np.int32)
    )
    assert not find_repeats(cut(facade())).is_set.any()
