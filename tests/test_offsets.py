from __future__ import annotations

import cv2
import numpy as np
import pytest

from planted import PERIOD_PX, square_hole, stripes
from rethined.matching import Matches, corrupted_tokens
from rethined.offsets import OffsetField, choose_offsets, finer_offsets, match_offsets, near_offsets
from rethined.types import Box, HoleMap
from rethined.workers import Workers

pytestmark = pytest.mark.usefixtures("each_loops")


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


@pytest.mark.parametrize(("agree_rounds", "trust_px"), [(0, None), (2, None), (2, 8.0)])
def test_sources_stay_inside_and_clear_of_the_hole(
    agree_rounds: int, trust_px: float | None, rng: np.random.Generator
) -> None:
    picture = rng.random((64, 96, 3)).astype(np.float32)
    touched = rng.random((64, 96)) > 0.995
    corrupted = corrupted_tokens(touched)
    start = rng.integers(-90, 90, (int(corrupted.sum()), 6, 2)).astype(np.int32)
    field = choose_offsets(picture, touched, corrupted, start, agree_rounds=agree_rounds, trust_px=trust_px)
    for token_yx in np.argwhere(field.is_set):
        y, x = token_yx * 8 + field.offset_yx[tuple(token_yx)]
        assert 0 <= y <= 56
        assert 0 <= x <= 88
        assert not touched[y : y + 8, x : x + 8].any()


@pytest.mark.parametrize(("agree_rounds", "trust_px"), [(0, None), (2, None), (2, 8.0)])
def test_sources_keep_clear_of_what_is_forbidden(
    agree_rounds: int, trust_px: float | None, rng: np.random.Generator
) -> None:
    picture = rng.random((64, 96, 3)).astype(np.float32)
    touched, forbidden = rng.random((64, 96)) > 0.995, rng.random((64, 96)) > 0.995
    corrupted = corrupted_tokens(touched)
    start = rng.integers(-90, 90, (int(corrupted.sum()), 6, 2)).astype(np.int32)
    field = choose_offsets(
        picture, touched, corrupted, start, forbidden=forbidden, agree_rounds=agree_rounds, trust_px=trust_px
    )
    assert field.is_set.any()
    for token_yx in np.argwhere(field.is_set):
        y, x = token_yx * 8 + field.offset_yx[tuple(token_yx)]
        assert not (touched | forbidden)[y : y + 8, x : x + 8].any()


def test_copies_come_to_fit_each_other_where_the_fill_tells_nothing() -> None:
    """A flat fill over stripes: any phase is as good by it. What is known around and copied beside it knows better."""
    image = stripes((96, 256)).astype(np.float32)
    touched = square_hole((96, 256), Box(24, 104, 72, 152))
    filled = np.where(touched[..., None], image.mean((0, 1)), image)
    corrupted = corrupted_tokens(touched)

    def share_in_phase(seed: int, rounds: int, threads: int = 1) -> tuple[float, OffsetField]:
        start = np.random.default_rng(seed).integers(-60, 61, (int(corrupted.sum()), 4, 2)).astype(np.int32)
        start[:6, 0] = -PERIOD_PX, 0  # the first row is offered one that fits what is known
        field = choose_offsets(
            filled, touched, corrupted, start, steps_px=(), agree_rounds=rounds, workers=Workers(threads)
        )
        assert field.is_set.sum() > 24
        return float((field.offset_yx[field.is_set] % PERIOD_PX == 0).all(1).mean()), field

    # How far it gets is a matter of chance: from a third of the tokens to two thirds.
    before, after = ([share_in_phase(seed, rounds)[0] for seed in range(12)] for rounds in (0, 6))
    assert np.mean(before) < 0.2, "hardly more than those that are offered one that fits"
    assert np.mean(after) > 2.3 * np.mean(before)
    (_, field), (_, again) = share_in_phase(0, 6), share_in_phase(0, 6, threads=2)
    np.testing.assert_array_equal(field.offset_yx, again.offset_yx)


def copied_twice(field: OffsetField, is_deep: HoleMap) -> float:
    """The share of deep tokens that copy from less than 6 px beside where one of their neighbours does."""
    source_yx = field.offset_yx + np.moveaxis(np.indices(field.is_set.shape), 0, 2) * 8
    twice = 0
    for y, x in np.argwhere(is_deep):
        around = [
            source_yx[y + dy, x + dx]
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if (dy or dx) and field.is_set[y + dy, x + dx]
        ]
        twice += any((np.abs(source_yx[y, x] - there) < 6).all() for there in around)
    return twice / int(is_deep.sum())


@pytest.mark.parametrize(("height_px", "is_changed"), [(16, False), (64, True)])
def test_deep_in_a_hole_neighbours_do_not_copy_the_same(
    height_px: int, is_changed: bool, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grains of some pixels, a flat fill: each token begins with what is nearest, its neighbour's with that."""
    picture = np.repeat(np.repeat(rng.integers(0, 256, (48, 48, 1)), 4, 0), 4, 1).repeat(3, 2).astype(np.float32)
    touched = square_hole((192, 192), Box(64, 64, 64 + height_px, 128))
    filled = np.where(touched[..., None], picture.mean((0, 1)), picture).astype(np.float32)
    corrupted = corrupted_tokens(touched)
    is_deep = cv2.erode(corrupted.astype(np.uint8), np.ones((3, 3), np.uint8)) == 1
    shares, offsets = [], []
    for repeated in (0, 1):
        monkeypatch.setattr("rethined.offsets.REPEATED", np.float32(repeated))
        field = choose_offsets(filled, touched, corrupted, near_offsets(corrupted), agree_rounds=3)
        assert field.is_set[corrupted].all()
        offsets.append(field.offset_yx)
        if is_changed:
            shares.append(copied_twice(field, is_deep))
    assert np.array_equal(*offsets) == (not is_changed), "where a window sees what is known, that alone counts"
    if is_changed:
        assert shares[0] > 0.5
        assert shares[1] < 0.25


@pytest.mark.parametrize("has_one", [True, False])
def test_tokens_without_a_source_get_none_by_agreeing(has_one: bool) -> None:
    picture = np.full((32, 64, 3), 90, np.float32)
    touched = square_hole((32, 64), Box(8, 8, 24, 24))
    corrupted = corrupted_tokens(touched)
    start = np.full((int(corrupted.sum()), 1, 2), 999, np.int32)
    if has_one:
        start[0] = 0, 24
    field = choose_offsets(picture, touched, corrupted, start, steps_px=(), agree_rounds=3)
    assert field.is_set.sum() == field.is_set[1, 1] == has_one


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


@pytest.mark.parametrize("is_rough", [False, True])
def test_of_two_sources_that_fit_the_fill_the_one_with_the_detail_around_wins(
    is_rough: bool, rng: np.random.Generator
) -> None:
    """The network's fill is flat, so it cannot tell them apart."""
    picture = np.full((96, 192, 3), 120, np.float32)
    grain = rng.uniform(-30, 30, (96, 192, 1)).astype(np.float32)
    picture[:, 96:] += grain[:, 96:]  # rough on the right, smooth on the left
    column = 136 if is_rough else 40
    touched = square_hole((96, 192), Box(32, column, 64, column + 16))
    picture[touched] = 120
    corrupted = corrupted_tokens(touched)
    to_other = 136 - 40 if not is_rough else 40 - 136
    offered = np.array([[0, to_other], [0, 32], [0, to_other + 24]], np.int32)
    candidates = np.broadcast_to(offered, (int(corrupted.sum()), 3, 2)).copy()
    field = choose_offsets(picture, touched, corrupted, candidates, steps_px=())
    inner = field.offset_yx[5:7, column // 8 : column // 8 + 2].reshape(-1, 2)
    assert (inner == (0, 32)).all(), "the source on its own side"


def test_near_offsets_lead_to_the_nearest_known_token_but_the_next_in_each_direction() -> None:
    corrupted = np.zeros((6, 8), bool)
    corrupted[2:4, 1:5] = True
    forbidden = np.zeros((6, 8), bool)
    forbidden[2, 6] = True
    tokens = [tuple(token) for token in np.argwhere(corrupted)]
    offsets = near_offsets(corrupted, forbidden) // 8
    assert offsets.shape == (8, 8, 2)
    at = {name: offsets[tokens.index((2, 4)), i] for i, name in enumerate(["N", "S", "W", "E", "NW", "NE", "SW", "SE"])}
    assert tuple(at["N"]) == (-2, 0)
    assert tuple(at["S"]) == (2, 0)
    assert tuple(at["W"]) == (0, -4), "the first known one to the left"
    assert tuple(at["E"]) == (0, 3), "the second one is forbidden"
    assert tuple(at["SE"]) == (2, 2)
    there = np.argwhere(corrupted)[:, None] + offsets
    inside = ((there >= 0) & (there < corrupted.shape)).all(2)
    assert not (corrupted | forbidden)[tuple(there[inside].T)].any()
    assert (np.abs(there[~inside] - 4) > 3).any(1).all(), "out of the picture where there is none that way"
    np.testing.assert_array_equal(near_offsets(corrupted, forbidden, diagonals=False), 8 * offsets[:, :4])


def test_of_two_sources_that_fit_alike_the_nearer_wins_and_a_far_one_has_to_fit_better(
    rng: np.random.Generator,
) -> None:
    tile = rng.uniform(0, 255, (32, 32, 3)).astype(np.float32)
    picture = np.tile(tile, (1, 12, 1))
    touched = square_hole((32, 384), Box(8, 40, 24, 56))
    picture[touched] = picture[8:24, 72:88].reshape(-1, 3) * 0.9 + 10
    corrupted = corrupted_tokens(touched)
    near, far = (0, 32), (0, 256)
    offered = np.broadcast_to(np.array([far, near], np.int32), (int(corrupted.sum()), 2, 2))
    chosen = choose_offsets(picture, touched, corrupted, offered, steps_px=()).offset_yx[corrupted]
    assert (chosen == near).all(), "their windows are equal, and the other comes first"
    picture[:, 40 + 30 : 90] += rng.uniform(-60, 60, (32, 20, 1)).astype(np.float32)
    chosen = choose_offsets(picture, touched, corrupted, offered, steps_px=()).offset_yx[corrupted]
    assert (chosen == far).all()
