from __future__ import annotations

import numpy as np

from planted import PERIOD_PX, square_hole, stripes
from rethined.matching import Matches, corrupted_tokens
from rethined.offsets import OffsetField, choose_offsets, finer_offsets, match_offsets
from rethined.types import Box


def test_the_search_finds_a_planted_period() -> None:
    image = stripes((96, 128)).astype(np.float32)
    touched = square_hole((96, 128), Box(32, 48, 48, 64))
    filled = np.where(touched[..., None], np.float32(100), image)
    corrupted = corrupted_tokens(touched)
    # Three pixels off a period: the refinement has to find the rest.
    start = np.broadcast_to(np.array([[32, 3]], np.int32), (int(corrupted.sum()), 1, 2))
    field = choose_offsets(filled, touched, corrupted, start)
    assert field.is_set[corrupted].all()
    assert (field.offset_yx[corrupted] % PERIOD_PX == 0).all()
    assert not field.is_set[~corrupted].any()


def test_sources_stay_inside_and_clear_of_the_hole(rng: np.random.Generator) -> None:
    picture = rng.random((64, 96, 3)).astype(np.float32)
    touched = rng.random((64, 96)) > 0.995
    corrupted = corrupted_tokens(touched)
    start = rng.integers(-90, 90, (int(corrupted.sum()), 6, 2)).astype(np.int32)
    field = choose_offsets(picture, touched, corrupted, start)
    for token_yx in np.argwhere(field.is_set):
        y, x = token_yx * 8 + field.offset_yx[tuple(token_yx)]
        assert 0 <= y <= 56
        assert 0 <= x <= 88
        assert not touched[y : y + 8, x : x + 8].any()


def test_sources_keep_clear_of_what_is_forbidden(rng: np.random.Generator) -> None:
    picture = rng.random((64, 96, 3)).astype(np.float32)
    touched, forbidden = rng.random((64, 96)) > 0.995, rng.random((64, 96)) > 0.995
    corrupted = corrupted_tokens(touched)
    start = rng.integers(-90, 90, (int(corrupted.sum()), 6, 2)).astype(np.int32)
    field = choose_offsets(picture, touched, corrupted, start, forbidden=forbidden)
    assert field.is_set.any()
    for token_yx in np.argwhere(field.is_set):
        y, x = token_yx * 8 + field.offset_yx[tuple(token_yx)]
        assert not (touched | forbidden)[y : y + 8, x : x + 8].any()


def test_no_candidates_set_nothing() -> None:
    corrupted = np.ones((2, 2), bool)
    field = choose_offsets(
        np.zeros((16, 16, 3), np.float32), np.ones((16, 16), bool), corrupted, np.empty((4, 0, 2), np.int32)
    )
    assert not field.is_set.any()


def test_match_offsets_counts_in_network_pixels() -> None:
    matches = Matches(np.array([9, 3]), np.array([[0, 10], [3, 7]]), np.full((2, 2), 0.5, np.float32))
    np.testing.assert_array_equal(match_offsets(matches, 4), [[[-16, -8], [0, 8]], [[0, 0], [8, 0]]])


def test_finer_tokens_inherit_from_the_token_above_and_its_neighbours() -> None:
    is_set = np.array([[True, True], [False, True]])
    offset = np.array([[[1, 1], [2, 2]], [[0, 0], [4, 4]]], np.int32)
    finer = np.zeros((4, 4), bool)
    finer[1, 1] = True
    # Own, above (itself at the border), below (not set: own), left (itself), right.
    expected = [[[2, 2], [2, 2], [2, 2], [2, 2], [4, 4]]]
    np.testing.assert_array_equal(finer_offsets(OffsetField(offset, is_set), finer), expected)
