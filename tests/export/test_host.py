"""The host's side of the form ``lr``: planted answers for what the callers in other languages follow."""

from __future__ import annotations

import numpy as np
import pytest

from planted import square_hole, stripes
from rethined.errors import MaskError
from rethined.export.host import (
    NetworkOutput,
    area_means,
    enlarge,
    fill_photograph,
    network_size,
    shrink,
    upscale,
    window_of,
)
from rethined.resample import shrink_known
from rethined.types import Box, Float32, HoleMap, Image8, SizeHW

SMALL_HW = (64, 64)
FULL_HW = (128, 128)
HOLE = Box(50, 48, 80, 80)
"""Its tokens at ``SMALL_HW`` are rows and columns 3 and 4."""


def output_of(filled: Float32, sources: np.ndarray) -> NetworkOutput:
    """What a network would give: ``(H, W, 3)`` in 0..255, and ``(k, H / 8, W / 8)`` tokens of equal weight."""
    weights = np.full(sources.shape, 1 / len(sources), np.float32)
    planes = (filled / np.float32(255)).transpose(2, 0, 1)
    return NetworkOutput(planes[None].astype(np.float32), sources[None].astype(np.int32), weights[None])


def tokens_at(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    return np.broadcast_to(rows * 8 + columns, (1, 8, 8))


ROWS, COLUMNS = np.mgrid[:8, :8]


def upscaled(photo: Image8, hole: HoleMap, sources: np.ndarray, *, small_hw: SizeHW = SMALL_HW) -> Image8:
    """The upscaling of a photograph whose hole the network has filled with the truth."""
    truth = shrink(photo, np.zeros_like(hole), small_hw).image
    seen = np.where(hole[..., None], 0, photo).astype(np.uint8)
    return upscale(seen, hole, shrink(photo, hole, small_hw).touched, output_of(truth, sources))


@pytest.mark.parametrize(
    ("size_hw", "box", "expected"),
    [
        ((3000, 4000), Box(1000, 2000, 1100, 2300), Box(600, 1700, 1500, 2600)),  # three times 300 px
        ((3000, 4000), Box(1000, 2000, 1001, 2001), Box(744, 1744, 1256, 2256)),  # at least 512
        ((3000, 4000), Box(0, 3700, 300, 4000), Box(0, 3100, 900, 4000)),  # inside the photograph
        ((700, 4000), Box(100, 2000, 400, 2200), Box(0, 1650, 700, 2550)),  # as far as it goes
        ((90, 120), Box(10, 10, 20, 20), Box(0, 0, 90, 120)),
    ],
    ids=str,
)
def test_the_window_is_a_square_around_the_hole(size_hw: SizeHW, box: Box, expected: Box) -> None:
    assert window_of(square_hole(size_hw, box)) == expected


def test_the_network_sees_the_window_and_nothing_else(rng: np.random.Generator) -> None:
    photo = rng.integers(0, 256, (600, 1500, 3), np.uint8)
    hole = square_hole(photo.shape[:2], Box(300, 700, 330, 740))
    seen = []

    def run(prefilled: Float32, _: Float32) -> NetworkOutput:
        seen.append(prefilled)
        filled = prefilled[0].transpose(1, 2, 0) * np.float32(255)
        return output_of(filled, np.zeros((1, 64, 64), np.int32))

    result = fill_photograph(photo, hole, run)
    photo[:, :400] = 0
    again = fill_photograph(photo, hole, run)
    assert seen[0].shape == (1, 3, 512, 512)
    assert np.array_equal(result[hole], again[hole])
    assert (result[hole] != photo[hole]).any()


@pytest.mark.parametrize(
    ("size_hw", "expected"),
    [
        ((1080, 1920), (288, 512)),
        ((4000, 6000), (352, 512)),
        ((512, 512), (512, 512)),
        ((8, 9000), (32, 512)),
        ((300, 451), (320, 480)),  # seen in its own size: rounded up
        ((1, 1), (32, 32)),
    ],
    ids=str,
)
def test_sizes_are_multiples_of_32_in_the_photographs_aspect_ratio(size_hw: SizeHW, expected: SizeHW) -> None:
    assert network_size(size_hw) == expected


def test_pixels_on_a_border_of_cells_count_by_their_share() -> None:
    # Cells of 1.5 px: (0 + 30 / 2) / 1.5 and (30 / 2 + 60) / 1.5.
    means = area_means(np.array([[[0.0], [30.0], [60.0]]]), (1, 2))
    np.testing.assert_allclose(means[..., 0], [[10, 50]], atol=1e-12)


def test_the_means_of_a_grid_finer_than_the_picture_are_its_pixels() -> None:
    means = area_means(np.array([[[5.0], [9.0]]]), (1, 4))
    np.testing.assert_allclose(means[0, :, 0], [5, 5, 9, 9], atol=1e-12)


def test_shrinking_agrees_with_the_engines(rng: np.random.Generator) -> None:
    photo = rng.integers(0, 256, (210, 300, 3), np.uint8)
    hole = square_hole(photo.shape[:2], Box(30, 41, 101, 160))
    ours, engines = shrink(photo, hole, (96, 128)), shrink_known(photo, hole, (96, 128))
    assert np.array_equal(ours.touched, engines.touched)
    assert np.array_equal(ours.hole, engines.hole)
    # The engine rounds its sums to 8 bits.
    assert np.abs(ours.image - engines.image).max() < 2.5


def test_what_is_in_the_hole_never_bleeds_out() -> None:
    hole = square_hole((40, 60), Box(10, 13, 22, 25))
    photo = np.where(hole[..., None], 255, 90).repeat(3, 2).astype(np.uint8)
    small = shrink(photo, hole, (13, 17))
    np.testing.assert_allclose(small.image[~small.hole], 90, atol=1e-4)
    assert small.hole.any()


def test_a_small_pixel_is_known_from_30_percent_on() -> None:
    photo = np.full((10, 20, 3), 50, np.uint8)
    hole = np.zeros((10, 20), bool)
    hole[:7, :10] = hole[0, 19] = True
    small = shrink(photo, hole, (1, 2))
    assert small.hole.tolist() == [[False, False]]
    assert small.touched.tolist() == [[True, True]]
    hole[7, 0] = True
    assert shrink(photo, hole, (1, 2)).hole.tolist() == [[True, False]]


def test_where_nothing_is_known_well_enough_whatever_is_known_has_to_do() -> None:
    hole = np.ones((10, 10), bool)
    hole[4, 2] = False
    small = shrink(np.full((10, 10, 3), 70, np.uint8), hole, (1, 1))
    assert not small.hole.any()
    np.testing.assert_allclose(small.image, 70, atol=1e-3)


def test_enlarging_interpolates_between_the_centres_of_small_pixels() -> None:
    picture = np.array([[[0.0], [100.0]]])
    places = np.arange(4)
    colours = enlarge(picture, np.zeros(4, np.int64), places, (1, 2))
    np.testing.assert_allclose(colours[:, 0], [0, 25, 75, 100])


def test_a_texture_that_repeats_is_copied_as_it_is() -> None:
    photo = stripes(FULL_HW)
    hole = square_hole(FULL_HW, HOLE)
    # A token is one period wide: three tokens up it is the same, and known.
    result = upscaled(photo, hole, tokens_at(np.maximum(ROWS - 3, 0), COLUMNS))
    assert np.abs(result.astype(int) - photo).max() <= 1


def test_only_sources_that_hold_no_hole_count() -> None:
    photo = stripes(FULL_HW)
    hole = square_hole(FULL_HW, HOLE)
    good = tokens_at(np.maximum(ROWS - 3, 0), COLUMNS)
    bad = tokens_at(np.full_like(ROWS, 4), np.full_like(COLUMNS, 4))
    result = upscaled(photo, hole, np.concatenate([bad, good]))
    assert np.abs(result.astype(int) - photo).max() <= 1


def test_without_any_source_the_enlarged_fill_is_left() -> None:
    photo = np.full((*FULL_HW, 3), 100, np.uint8)
    result = upscaled(photo, square_hole(FULL_HW, HOLE), tokens_at(ROWS, COLUMNS))
    assert np.array_equal(result, photo)


def test_nothing_is_copied_from_hole_pixels_beside_a_source() -> None:
    hole = square_hole(FULL_HW, HOLE)
    photo = np.where(hole[..., None], 0, 100).repeat(3, 2).astype(np.uint8)
    small = shrink(photo, hole, SMALL_HW)
    filled = np.full((*SMALL_HW, 3), 100, np.float32)
    # The tokens above the hole are known; below them lies hole.
    sources = tokens_at(np.full_like(ROWS, 2), COLUMNS)
    result = upscale(photo, hole, small.touched, output_of(filled, sources))
    assert (result == 100).all()


def test_between_two_tokens_their_copies_change_over_evenly() -> None:
    photo = np.zeros((*FULL_HW, 3), np.uint8)
    photo[:, :32], photo[:, 96:] = 200, 40
    hole = square_hole(FULL_HW, Box(32, 32, 96, 96))
    sources = tokens_at(ROWS, np.where(COLUMNS < 4, 0, 7))
    # All is detail where the network's picture is black.
    black = np.zeros((*SMALL_HW, 3), np.float32)
    result = upscale(photo, hole, shrink(photo, hole, SMALL_HW).touched, output_of(black, sources))
    # Column 60 lies 9/32 of the way from the fourth token to the fifth: norm .7718.
    assert result[64, 60, 0] == round((200 * 23 / 32 + 40 * 9 / 32) / 0.7718)


@pytest.mark.parametrize("count", [1, 4])
def test_mixing_copies_takes_away_no_contrast(count: int, rng: np.random.Generator) -> None:
    photo = rng.integers(60, 180, (*FULL_HW, 1), np.uint8).repeat(3, 2)
    hole = square_hole(FULL_HW, HOLE)
    # Every source of every token is another known place, but for chance; the network's fill is even.
    away = np.array([token for token in range(64) if token // 8 < 2 or token // 8 > 5])
    sources = rng.choice(away, (count, 8, 8))
    filled = np.full((*SMALL_HW, 3), 120, np.float32)
    result = upscale(photo, hole, shrink(photo, hole, SMALL_HW).touched, output_of(filled, sources))
    inner = np.s_[54:76, 52:76]
    assert result[inner].std() == pytest.approx(photo[inner].std(), rel=0.1)


def test_a_fill_of_another_tone_is_bent_to_meet_the_known_pixels() -> None:
    photo = np.full((*FULL_HW, 3), 100, np.uint8)
    hole = square_hole(FULL_HW, Box(32, 32, 96, 96))
    small = shrink(photo, hole, SMALL_HW)
    filled = np.where(small.hole[..., None], 120, small.image).astype(np.float32)
    sources = tokens_at(np.where(ROWS < 4, 0, 7), np.zeros_like(COLUMNS))
    result = upscale(photo, hole, small.touched, output_of(filled, sources))
    # Enlarged, the step of 20 is 5 too high on the last known row and 15 on the first unknown one, which takes the 5
    # off.
    assert result[[30, 32, 64], 64, 0].tolist() == [100, 110, 120]


def test_known_pixels_come_back_bit_for_bit_and_inputs_are_not_changed(rng: np.random.Generator) -> None:
    photo = rng.integers(0, 256, (100, 150, 3), np.uint8)
    hole = square_hole((100, 150), Box(20, 0, 50, 30))
    kept = photo.copy()

    def run(prefilled: Float32, small_hole: Float32) -> NetworkOutput:
        assert prefilled.shape == (1, 3, 128, 160)
        assert 0 <= prefilled.min() < prefilled.max() <= 1
        assert set(np.unique(small_hole)) == {0, 1}
        filled = prefilled[0].transpose(1, 2, 0) * np.float32(255)
        return output_of(filled, rng.integers(0, 16 * 20, (4, 16, 20)))

    result = fill_photograph(photo, hole, run)
    assert np.array_equal(photo, kept)
    assert np.array_equal(result[~hole], photo[~hole])
    assert (result[hole] != photo[hole]).any()


def test_an_even_photograph_is_filled_evenly() -> None:
    photo = np.full((90, 120, 3), 81, np.uint8)
    hole = square_hole((90, 120), Box(30, 40, 55, 65))
    blank = np.where(hole[..., None], 0, photo).astype(np.uint8)

    def still(prefilled: Float32, _: Float32) -> NetworkOutput:
        filled = prefilled[0].transpose(1, 2, 0) * np.float32(255)
        return output_of(filled, np.zeros((1, *(side // 8 for side in filled.shape[:2])), np.int32))

    assert np.array_equal(fill_photograph(blank, hole, still), photo)


def test_no_hole_and_nothing_but_hole() -> None:
    photo = stripes((40, 40))

    def never(_: Float32, __: Float32) -> NetworkOutput:
        raise AssertionError("the network ran")

    assert np.array_equal(fill_photograph(photo, np.zeros((40, 40), bool), never), photo)
    with pytest.raises(MaskError, match="leave something"):
        fill_photograph(photo, np.ones((40, 40), bool), never)
