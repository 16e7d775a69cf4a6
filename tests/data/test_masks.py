from __future__ import annotations

from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethined.data import masks as module
from rethined.data.masks import FAMILIES, MAX_SHARE, MaskFamily, draw_hole

families = pytest.mark.parametrize("family", FAMILIES)


@families
@settings(max_examples=15)
@given(
    seed=st.integers(0, 2**32),
    height=st.integers(8, 200),
    width=st.integers(8, 200),
    zoom=st.sampled_from([0.25, 0.5, 1.0, 1.6, 20.0]),
)
def test_holes_are_never_empty_and_at_most_half(
    family: MaskFamily, seed: int, height: int, width: int, zoom: float
) -> None:
    hole = draw_hole(family, (height, width), np.random.default_rng(seed), zoom=zoom)
    assert hole.dtype == np.bool_
    assert hole.shape == (height, width)
    assert 0 < hole.sum() <= MAX_SHARE * hole.size


@pytest.mark.parametrize("value", [0, 1], ids=["empty", "full"])
def test_luckless_draws_end_in_a_hole_all_the_same(value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_draw_blobs", lambda size_hw, *_: np.full(size_hw, value, np.uint8))
    hole = draw_hole("df8k-blobs", (30, 50), np.random.default_rng(0))
    assert 0 < hole.sum() <= MAX_SHARE * hole.size


@families
def test_a_seed_is_a_hole(family: MaskFamily) -> None:
    holes = [draw_hole(family, (96, 128), np.random.default_rng(seed)).tobytes() for seed in (1, 1, 2, 3)]
    assert holes[0] == holes[1]
    assert len(set(holes)) == 3


@cache
def mean_radius_px(family: MaskFamily, zoom: float) -> float:
    """Radius of the largest disc inside a hole, on average."""
    holes = [draw_hole(family, (256, 256), np.random.default_rng(seed), zoom=zoom) for seed in range(25)]
    return float(np.mean([cv2.distanceTransform(np.pad(h, 1).view(np.uint8), cv2.DIST_L2, 5).max() for h in holes]))


@families
def test_zoom_scales_the_width_of_holes(family: MaskFamily) -> None:
    # Overlaps, and the limit of one half, blur the ratio.
    assert 0.4 < mean_radius_px(family, 0.5) / mean_radius_px(family, 1.0) < 0.7


def test_families_differ_in_width() -> None:
    radii_px = [mean_radius_px(family, 0.5) for family in ("df8k-blobs", "lama-thin", "lama-medium", "lama-thick")]
    assert all(wide > 1.25 * narrow for narrow, wide in pairwise(radii_px))


def test_blobs_are_many_and_cover_a_twentieth() -> None:
    holes = [draw_hole("df8k-blobs", (256, 256), np.random.default_rng(seed)) for seed in range(40)]
    assert 0.03 < np.mean([hole.mean() for hole in holes]) < 0.09
    counts = [cv2.connectedComponents(hole.view(np.uint8))[0] - 1 for hole in holes]
    assert 20 < np.mean(counts) <= 40


def test_density_of_blobs_does_not_follow_the_zoom() -> None:
    """A part of a picture, seen at twice the size, has a quarter of its blobs, each four times as large."""
    holes = {
        z: [draw_hole("df8k-blobs", (256, 256), np.random.default_rng(s), zoom=z) for s in range(40)] for z in (1, 2)
    }
    shares = {zoom: np.mean([hole.mean() for hole in drawn]) for zoom, drawn in holes.items()}
    assert 0.7 < shares[2] / shares[1] < 1.4
