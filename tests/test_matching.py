from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rethined.matching import Matches, corrupted_tokens, free_positions, match_tokens
from rethined.regions import TOKEN_PX
from rethined.types import Float32, HoleMap, SizeHW

TEMPERATURE = 0.1
seeds = st.integers(0, 2**32 - 1)
grids = st.tuples(st.integers(1, 14), st.integers(1, 14))
hole_maps = hnp.arrays(np.bool_, st.tuples(st.integers(1, 26), st.integers(1, 26)), fill=st.just(False))


def descriptors(size_hw: SizeHW, seed: int, *, levels: int = 0, length: int = 6) -> Float32:
    """Unit vectors ``(length, h, w)``; with ``levels`` they are so few different ones that many are equal."""
    rng = np.random.default_rng(seed)
    raw = rng.standard_normal((length, *size_hw))
    if levels:
        raw = np.eye(length)[:, rng.integers(0, levels, size_hw)]
    return (raw / np.linalg.norm(raw, axis=0)).astype(np.float32)


def corruption(size_hw: SizeHW, seed: int, share: float) -> HoleMap:
    return np.random.default_rng(seed + 1).random(size_hw) < share


# ---- ranking ----


@given(
    size_hw=st.one_of(grids, st.just((16, 24))),
    seed=seeds,
    levels=st.integers(0, 4),
    share=st.sampled_from([0.05, 0.3, 0.9]),
    k=st.integers(1, 12),
)
def test_sources_are_the_most_similar_known_tokens(
    size_hw: SizeHW, seed: int, levels: int, share: float, k: int
) -> None:
    query, key = descriptors(size_hw, seed, levels=levels), descriptors(size_hw, seed + 2, levels=levels)
    corrupted = corruption(size_hw, seed, share)
    assume(corrupted.any())
    matches = match_tokens(query, key, corrupted, temperature=TEMPERATURE, k=k)
    np.testing.assert_array_equal(matches.rows, np.flatnonzero(corrupted))
    check_weights(matches, corrupted)
    similarity = query.reshape(len(query), -1)[:, matches.rows].T @ key.reshape(len(key), -1)
    got = np.take_along_axis(similarity, matches.sources, 1)
    best = -np.sort(-similarity[:, ~corrupted.ravel()], axis=1)[:, :k]
    np.testing.assert_allclose(got, best, atol=1e-6)
    if got.size:
        logits = np.exp((best - best[:, :1]) / TEMPERATURE)
        np.testing.assert_allclose(matches.weights, logits / logits.sum(1, keepdims=True), rtol=1e-3, atol=1e-6)


def check_weights(matches: Matches, corrupted: HoleMap) -> None:
    assert matches.weights.dtype == np.float32
    assert matches.weights.shape == matches.sources.shape
    assert not corrupted.ravel()[matches.sources].any()
    assert (np.diff(matches.weights, axis=1) <= 0).all()
    assert (np.diff(np.sort(matches.sources, axis=1), axis=1) > 0).all(), "a source was named twice"
    if matches.weights.size:
        np.testing.assert_allclose(matches.weights.sum(1), 1, rtol=1e-5)


@given(seed=seeds, k=st.integers(1, 8))
def test_planted_matches_are_found(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = 20, 30
    count = height * width
    key = np.eye(count, dtype=np.float32).reshape(count, height, width)
    corrupted = rng.random((height, width)) < 0.2
    planted = rng.choice(np.flatnonzero(~corrupted), count)
    query = np.eye(count, dtype=np.float32)[planted].T.reshape(count, height, width)
    matches = match_tokens(query, key, corrupted, temperature=0.01, k=k)
    np.testing.assert_array_equal(matches.sources[:, 0], planted[matches.rows])
    np.testing.assert_allclose(matches.weights[:, 0], 1, atol=1e-6)


@pytest.mark.parametrize(("known", "k", "expected"), [(0, 8, 0), (1, 8, 1), (5, 8, 5), (8, 8, 8), (9, 8, 8)])
def test_there_are_no_more_sources_than_known_tokens(known: int, k: int, expected: int) -> None:
    corrupted = np.arange(12).reshape(3, 4) >= known
    matches = match_tokens(descriptors((3, 4), 1), descriptors((3, 4), 2), corrupted, temperature=TEMPERATURE, k=k)
    assert matches.rows.tolist() == list(range(known, 12))
    assert matches.sources.shape == matches.weights.shape == (12 - known, expected)
    check_weights(matches, corrupted)


def test_nothing_corrupted_gives_no_rows() -> None:
    matches = match_tokens(
        descriptors((3, 4), 1), descriptors((3, 4), 2), np.zeros((3, 4), bool), temperature=TEMPERATURE, k=2
    )
    assert len(matches.rows) == len(matches.sources) == len(matches.weights) == 0


@pytest.mark.parametrize("share", [0.02, 0.3, 0.95])
@pytest.mark.parametrize("k", [1, 8])
def test_parity_with_the_torch_twin(share: float, k: int) -> None:
    torch = pytest.importorskip("torch")
    from rethined.nn.matching import match_sparse

    size_hw = (32, 40)
    query, key, corrupted = descriptors(size_hw, 5), descriptors(size_hw, 6), corruption(size_hw, 7, share)
    ours = match_tokens(query, key, corrupted, temperature=TEMPERATURE, k=k)
    twin = match_sparse(*(torch.from_numpy(x) for x in (query, key, corrupted.ravel())), torch.tensor(TEMPERATURE), k=k)
    np.testing.assert_array_equal(ours.rows, twin.rows)
    np.testing.assert_array_equal(ours.sources, twin.sources)
    np.testing.assert_allclose(ours.weights, twin.weights, atol=1e-5)


@given(size_hw=grids, seed=seeds, k=st.integers(1, 12))
def test_forbidden_tokens_are_no_sources(size_hw: SizeHW, seed: int, k: int) -> None:
    query, key = descriptors(size_hw, seed), descriptors(size_hw, seed + 2)
    corrupted, forbidden = corruption(size_hw, seed, 0.2), corruption(size_hw, seed + 5, 0.5)
    matches = match_tokens(query, key, corrupted, temperature=TEMPERATURE, k=k, forbidden=forbidden)
    allowed = ~corrupted & ~forbidden
    assert matches.sources.shape == (
        corrupted.sum(),
        min(k, allowed.sum()) if corrupted.any() else matches.sources.shape[1],
    )
    assert allowed.ravel()[matches.sources].all()
    check_weights(matches, corrupted)


# ---- tokens ----


@pytest.mark.parametrize("place", [(0, 0), (7, 7), (8, 0), (15, 23)])
def test_one_pixel_corrupts_its_token(place: SizeHW) -> None:
    hole = np.zeros((16, 24), bool)
    hole[place] = True
    assert np.argwhere(corrupted_tokens(hole)).tolist() == [[place[0] // TOKEN_PX, place[1] // TOKEN_PX]]


@given(size_hw=grids, seed=seeds, share=st.sampled_from([0.0, 0.005, 0.05, 1.0]))
def test_corrupted_tokens_equal_those_of_the_torch_twin(size_hw: SizeHW, seed: int, share: float) -> None:
    torch = pytest.importorskip("torch")
    from rethined.nn import matching

    hole = corruption((size_hw[0] * TOKEN_PX, size_hw[1] * TOKEN_PX), seed, share)
    ours = corrupted_tokens(hole)
    assert ours.shape == size_hw
    twin = matching.corrupted_tokens(torch.from_numpy(hole)[None, None].float())
    np.testing.assert_array_equal(ours.ravel(), twin[0])


@given(hole=hole_maps)
def test_free_positions_are_those_of_patches_without_hole(hole: HoleMap) -> None:
    height, width = hole.shape
    expected = np.array(
        [
            [not hole[y : y + TOKEN_PX, x : x + TOKEN_PX].any() for x in range(width - TOKEN_PX + 1)]
            for y in range(height - TOKEN_PX + 1)
        ],
        bool,
    ).reshape(max(height - TOKEN_PX + 1, 0), max(width - TOKEN_PX + 1, 0))
    np.testing.assert_array_equal(free_positions(hole), expected)
