from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from rethined.resample import KNOWN_COVERAGE, pull_push, resize_linear, shrink_any, shrink_known, spread
from rethined.types import Float32, HoleMap, Image8, SizeHW

sides = st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)
SLIVER = 1 / 510
"""Shares of a small pixel below this are lost to 8-bit coverage."""


def noise(size_hw: SizeHW, seed: int) -> Image8:
    return np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), dtype=np.uint8)


def holes(size_hw: SizeHW, seed: int, share: float) -> HoleMap:
    return np.random.default_rng(seed + 1).random(size_hw) < share


def block_means(values: np.ndarray, factor: int) -> np.ndarray:
    height, width = values.shape[:2]
    return values.reshape(height // factor, factor, width // factor, factor, -1).mean(axis=(1, 3))


def overlap(side: int, small: int) -> np.ndarray:
    """``(small, side)``: which share of each small pixel a large one covers, along one axis."""
    edges = np.arange(side + 1) * small / side
    low, high = (
        np.maximum(edges[None, :-1], np.arange(small)[:, None]),
        np.minimum(edges[None, 1:], np.arange(1, small + 1)[:, None]),
    )
    return np.maximum(high - low, 0)


# ---- pull-push ----


@given(size_hw=st.tuples(sides, sides), seed=seeds, share=st.sampled_from([0.0, 0.1, 0.6, 0.99]))
def test_pull_push_keeps_known_pixels_and_ignores_the_content_of_holes(
    size_hw: SizeHW, seed: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.uniform(0, 255, (*size_hw, 3)).astype(np.float32)
    hole = holes(size_hw, seed, share)
    filled = pull_push(image, hole)
    assert filled.shape == image.shape
    assert filled.dtype == np.float32
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    other = image.copy()
    other[hole] = 1e6
    np.testing.assert_array_equal(pull_push(other, hole), filled)
    assert (image[hole] <= 255).all(), "the input was changed"
    if not hole.all():
        known = image[~hole]
        assert known.min(axis=0).min() - 1e-3 <= filled.min() <= filled.max() <= known.max() + 1e-3


@given(size_hw=st.tuples(sides, sides), seed=seeds, colour=st.floats(0, 255, width=32))
@example(size_hw=(1, 1), seed=0, colour=7.0)
@example(size_hw=(300, 1), seed=0, colour=7.0)
@example(size_hw=(2, 257), seed=0, colour=7.0)
def test_pull_push_fills_a_constant_with_the_constant(size_hw: SizeHW, seed: int, colour: float) -> None:
    hole = holes(size_hw, seed, 0.7)
    hole[seed % size_hw[0], seed % size_hw[1]] = False
    filled = pull_push(np.full((*size_hw, 3), colour, np.float32), hole)
    np.testing.assert_allclose(filled, colour, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size_hw", [(1, 1), (1, 9), (33, 1), (5, 7), (64, 64)])
def test_pull_push_of_nothing_known_is_zero(size_hw: SizeHW) -> None:
    filled = pull_push(np.full((*size_hw, 3), 99, np.float32), np.ones(size_hw, bool))
    np.testing.assert_array_equal(filled, np.zeros((*size_hw, 3), np.float32))


def test_pull_push_goes_smoothly_from_one_side_to_the_other() -> None:
    image = np.zeros((16, 64, 3), np.float32)
    image[:, -1] = 100
    hole = np.ones((16, 64), bool)
    hole[:, [0, -1]] = False
    row = pull_push(image, hole)[8, :, 0]
    assert -1e-3 <= np.diff(row).min() <= np.diff(row).max() < 6
    assert row[16] < 40 < 60 < row[48]


@given(size_hw=st.tuples(sides, sides), seed=seeds)
def test_spread_keeps_whole_weights_ignores_none_and_mixes_the_rest(size_hw: SizeHW, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(-50, 50, (*size_hw, 3)).astype(np.float32)
    weight = rng.choice(np.array([0, 0.3, 1], np.float32), size_hw)
    result = spread(values, weight)
    np.testing.assert_array_equal(result[weight == 1], values[weight == 1])
    other = values.copy()
    other[weight == 0] = 1e6
    np.testing.assert_array_equal(spread(other, weight), result)
    whole = (weight != 0).astype(np.float32)
    np.testing.assert_array_equal(spread(values, whole), pull_push(values, whole == 0))


def test_spread_mixes_by_weight() -> None:
    values = np.full((8, 8, 3), 10, np.float32)
    weight = np.ones((8, 8), np.float32)
    values[3, 3], weight[3, 3] = 50, 0.25
    mixed = float(spread(values, weight)[3, 3, 0])
    assert 0.25 * 50 + 0.75 * 10 <= mixed < 25, "a quarter of its own and three of what is around, itself among it"
    assert spread(np.full((1, 1, 3), 8, np.float32), np.full((1, 1), 0.5, np.float32))[0, 0] == pytest.approx(8)


def test_spread_with_a_limit_fades_to_zero() -> None:
    values, weight = np.full((1, 256, 3), 9, np.float32), np.zeros((1, 256), np.float32)
    weight[0, 0] = 1
    row = spread(values, weight, levels=4)[0, :, 0]
    assert row[0] == 9
    assert (np.diff(row) <= 1e-6).all()
    assert row[3] > 1
    assert row[32:].max() == 0
    assert spread(values, weight).min() > 1


# ---- shrinking ----


@given(size_hw=st.tuples(st.integers(1, 90), st.integers(1, 90)), seed=seeds, share=st.sampled_from([0.02, 0.5, 0.95]))
def test_hole_colours_never_bleed(size_hw: SizeHW, seed: int, share: float) -> None:
    image, hole = noise(size_hw, seed), holes(size_hw, seed, share)
    assume(not hole.all())
    other = np.where(hole[..., None], noise(size_hw, seed + 7), image)
    for small_hw in ((32, 32), (64, 32)):
        first, second = shrink_known(image, hole, small_hw), shrink_known(other, hole, small_hw)
        for pair in ((first, second), (first.halved(), second.halved())):
            for name in ("image", "hole", "touched"):
                np.testing.assert_array_equal(getattr(pair[0], name), getattr(pair[1], name))


@given(seed=seeds, factor=st.integers(1, 6), share=st.sampled_from([0.0, 0.05, 0.5, 0.9]))
def test_shrinking_is_the_area_mean_of_the_known_pixels(seed: int, factor: int, share: float) -> None:
    size_hw = (5 * factor, 7 * factor)
    image, hole = noise(size_hw, seed), holes(size_hw, seed, share)
    assume(not hole.all())
    known = block_means(~hole, factor)[..., 0]
    total = block_means(np.where(hole[..., None], 0, image), factor)
    shrunk = shrink_known(image, hole, (5, 7))
    assert shrunk.image.dtype == np.float32
    np.testing.assert_array_equal(shrunk.touched, known < 1)
    np.testing.assert_array_equal(shrunk.hole, known < (KNOWN_COVERAGE if (known >= KNOWN_COVERAGE).any() else 1e-6))
    assert not shrunk.image[shrunk.hole].any()
    usable = ~shrunk.hole
    mean = total[usable] / known[usable][:, None]
    # Sums and coverage are rounded to 8 bit before they are divided.
    bound = (0.5 + 0.5 * mean / 255) / (known[usable][:, None] - 0.5 / 255) + 0.01
    assert (np.abs(shrunk.image[usable] - mean) <= bound).all()


def test_shrinking_by_hand() -> None:
    image = np.zeros((2, 4, 3), np.uint8)
    image[:, :2, 0] = [(10, 20), (30, 200)]
    image[:, 2:, 2] = 90
    hole = np.zeros((2, 4), bool)
    hole[1, 1] = True
    shrunk = shrink_known(image, hole, (1, 2))
    np.testing.assert_allclose(shrunk.image, [[(20, 0, 0), (0, 0, 90)]], atol=0.5)
    assert shrunk.touched.tolist() == [[True, False]]
    assert shrunk.hole.tolist() == [[False, False]]


@pytest.mark.parametrize(("known", "is_hole"), [(0, True), (2, True), (29, True), (31, False), (100, False)])
def test_a_small_pixel_counts_as_known_from_thirty_percent_on(known: int, is_hole: bool) -> None:
    hole = np.zeros((10, 20), bool)  # the right half is known, so that there is no need to fall back
    hole[:, :10].flat[known:] = True
    shrunk = shrink_known(np.full((10, 20, 3), 70, np.uint8), hole, (1, 2))
    assert shrunk.hole.tolist() == [[is_hole, False]]
    np.testing.assert_allclose(shrunk.image[0, 0], 0 if is_hole else 70, atol=2.5)


@pytest.mark.parametrize("size_hw", [(100, 100), (97, 61), (512, 512)])
def test_little_is_used_where_nothing_is_known_by_thirty_percent(size_hw: SizeHW) -> None:
    hole = np.ones(size_hw, bool)
    hole[10:12, 10:12] = False
    shrunk = shrink_known(np.full((*size_hw, 3), 70, np.uint8), hole, (32, 32))
    assert shrunk.touched.all()
    assert 1 <= np.count_nonzero(~shrunk.hole) <= 4
    assert (shrunk.image[~shrunk.hole] > 35).all()


@given(
    size_hw=st.tuples(st.integers(32, 900), st.integers(32, 900)),
    small_hw=st.tuples(st.integers(1, 32), st.integers(1, 32)),
    place=st.tuples(st.integers(0, 899), st.integers(0, 899)),
)
@example(size_hw=(2048, 3000), small_hw=(32, 48), place=(1027, 1001))
@example(size_hw=(3001, 2999), small_hw=(64, 64), place=(3000, 0))
@example(size_hw=(129, 651), small_hw=(64, 256), place=(32, 356))
def test_touched_is_exact_for_one_hole_pixel(size_hw: SizeHW, small_hw: SizeHW, place: SizeHW) -> None:
    y, x = place[0] % size_hw[0], place[1] % size_hw[1]
    hole = np.zeros(size_hw, bool)
    hole[y, x] = True
    touched = shrink_known(np.zeros((*size_hw, 3), np.uint8), hole, small_hw).touched
    share = np.outer(overlap(size_hw[0], small_hw[0])[:, y], overlap(size_hw[1], small_hw[1])[:, x])
    np.testing.assert_array_equal(shrink_any(hole, small_hw), touched)
    assert touched[share > SLIVER * 1.01].all()
    assert touched[y * small_hw[0] // size_hw[0], x * small_hw[1] // size_hw[1]]
    assert not touched[share < 1e-9].any()


@given(seed=seeds, factor=st.integers(1, 4), share=st.sampled_from([0.0, 0.1, 0.6]))
def test_halving_equals_shrinking_to_half(seed: int, factor: int, share: float) -> None:
    small_hole = holes((8, 12), seed, share)
    assume(not small_hole.all())
    hole = np.repeat(
        np.repeat(small_hole, factor, 0), factor, 1
    )  # whole small pixels, so that nothing is dropped twice
    image = noise(hole.shape, seed)
    halved, direct = shrink_known(image, hole, (8, 12)).halved(), shrink_known(image, hole, (4, 6))
    np.testing.assert_array_equal(halved.touched, direct.touched)
    np.testing.assert_array_equal(halved.hole, direct.hole)
    np.testing.assert_allclose(halved.image, direct.image, atol=3)


@given(seed=seeds, factor=st.integers(1, 4), share=st.sampled_from([0.01, 0.3, 0.9]))
def test_halving_knows_every_touched_pixel(seed: int, factor: int, share: float) -> None:
    hole = holes((8 * factor, 12 * factor), seed, share)
    assume(not hole.all())
    image = noise(hole.shape, seed)
    halved = shrink_known(image, hole, (8, 12)).halved()
    np.testing.assert_array_equal(halved.touched, shrink_known(image, hole, (4, 6)).touched)


def test_small_pictures_are_enlarged() -> None:
    shrunk = shrink_known(np.full((1, 3, 3), 130, np.uint8), np.zeros((1, 3), bool), (32, 32))
    np.testing.assert_array_equal(shrunk.image, np.full((32, 32, 3), 130, np.float32))
    assert not shrunk.hole.any()
    assert not shrunk.touched.any()


# ---- conventions ----


def centres(small: int, side: int) -> Float32:
    """Where the centres of ``small`` pixels lie among ``side`` pixels, counted in pixels from the first centre."""
    return ((np.arange(small) + 0.5) * side / small - 0.5).astype(np.float32)


@pytest.mark.parametrize("wanted_hw", [(48, 64), (36, 50), (24, 40), (31, 47)])
def test_convention_resizing_uses_half_pixel_centres(wanted_hw: SizeHW) -> None:
    rows, columns = (axis.astype(np.float32) for axis in np.mgrid[:24, :40])
    picture = np.stack([rows, columns, 0 * rows], axis=2)
    resized = resize_linear(picture, wanted_hw)
    assert resized.shape == (*wanted_hw, 3)
    expected_y, expected_x = centres(wanted_hw[0], 24).clip(0, 23), centres(wanted_hw[1], 40).clip(0, 39)
    np.testing.assert_allclose(resized[..., 0], np.repeat(expected_y[:, None], wanted_hw[1], 1), atol=1e-3)
    np.testing.assert_allclose(resized[..., 1], np.repeat(expected_x[None], wanted_hw[0], 0), atol=1e-3)


@pytest.mark.parametrize("small_hw", [(40, 60), (24, 40), (50, 99)])
def test_convention_shrinking_uses_half_pixel_centres(small_hw: SizeHW) -> None:
    rows, columns = np.mgrid[:120, :200]
    shrunk = shrink_known(
        np.stack([rows, columns, 0 * rows], axis=2).astype(np.uint8), np.zeros((120, 200), bool), small_hw
    )
    np.testing.assert_allclose(shrunk.image[:, 0, 0], centres(small_hw[0], 120), atol=0.55)
    np.testing.assert_allclose(shrunk.image[0, :, 1], centres(small_hw[1], 200), atol=0.55)


def test_convention_pull_push_has_no_preferred_side(rng: np.random.Generator) -> None:
    image, hole = rng.uniform(0, 255, (32, 64, 3)).astype(np.float32), rng.random((32, 64)) < 0.8
    for flip in (np.flipud, np.fliplr):
        np.testing.assert_allclose(pull_push(flip(image), flip(hole)), flip(pull_push(image, hole)), atol=1e-2)


def test_an_axis_that_grows_does_not_cost_the_other_its_mean() -> None:
    stripes = np.zeros((20, 4000, 3), np.uint8)
    stripes[:, ::8] = 255
    shrunk = shrink_known(stripes, np.zeros((20, 4000), bool), (32, 512))
    assert np.abs(shrunk.image - 255 / 8).max() < 6


@given(
    size_hw=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    small_hw=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=seeds,
)
def test_a_lone_hole_pixel_touches_the_small_pixel_that_holds_it(size_hw: SizeHW, small_hw: SizeHW, seed: int) -> None:
    rng = np.random.default_rng(seed)
    hole = np.zeros(size_hw, bool)
    y, x = rng.integers(size_hw[0]), rng.integers(size_hw[1])
    hole[y, x] = size_hw != (1, 1)
    touched = shrink_known(np.zeros((*size_hw, 3), np.uint8), hole, small_hw).touched
    assert touched[y * small_hw[0] // size_hw[0], x * small_hw[1] // size_hw[1]] == hole[y, x]


@pytest.mark.parametrize(("dtype", "white"), [(np.uint16, 65535), (np.float32, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_deep_pictures_shrink_to_grey_levels_without_being_rounded_to_eight_bits(
    dtype: type, white: int, channels: int
) -> None:
    image = np.full((21, 40, channels), white * 0.3, dtype)
    hole = np.zeros((21, 40), bool)
    hole[3:6, 7:9] = True
    image[hole] = white
    shrunk = shrink_known(image, hole, (6, 11))
    assert shrunk.image.shape == (6, 11, 3)
    assert shrunk.touched.any()
    # One step of 16 bits is 1/257 level; sum and coverage are rounded once each.
    np.testing.assert_allclose(shrunk.image[~shrunk.hole], float(dtype(white * 0.3)) * 255 / white, atol=2 / 257)


def test_floats_beyond_black_and_white_shrink_to_those() -> None:
    image = np.repeat(np.float32([-3, 0.5, 7])[None, :, None], 3, axis=2)
    shrunk = shrink_known(image, np.zeros((1, 3), bool), (1, 3))
    np.testing.assert_array_equal(shrunk.image[0, :, 0], [0, 127.5, 255])


@pytest.mark.parametrize("levels", [None, 2])
def test_one_channel_is_spread_like_each_of_three(rng: np.random.Generator, levels: int | None) -> None:
    values = rng.uniform(0, 255, (13, 22, 3)).astype(np.float32)
    weight = (rng.random((13, 22)) < 0.3).astype(np.float32)
    whole = spread(values, weight, levels=levels)
    for channel in range(3):
        alone = spread(values[..., channel : channel + 1].copy(), weight, levels=levels)
        assert alone.shape == (13, 22, 1)
        np.testing.assert_allclose(alone[..., 0], whole[..., channel], rtol=1e-5, atol=1e-4)
