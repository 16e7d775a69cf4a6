from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rethined import bounds, native
from rethined.bounds import write_within_rim
from rethined.types import Float32, HoleMap

WILD = (255.0, 0.0, 130.0)
"""What the network is made to paint."""


def disc(side_px: int, radius_px: int) -> HoleMap:
    away = np.arange(side_px) - side_px // 2
    return np.asarray(away[:, None] ** 2 + away**2 <= radius_px**2)


def held(picture: Float32, hole: HoleMap) -> Float32:
    """A picture with its hole filled, held to the rest of it."""
    fill = np.ascontiguousarray(picture.transpose(2, 0, 1))
    held = np.where(hole[..., None], np.float32(111), picture)
    write_within_rim(held, hole, fill, gain=1)
    return held


def painted(known: Float32, hole: HoleMap) -> Float32:
    return np.where(hole[..., None], np.float32(WILD), known).astype(np.float32)


@pytest.mark.parametrize("radius_px", [2, 9, 30, 55])
def test_what_is_flat_around_stays_flat(radius_px: int) -> None:
    flat = np.full((128, 128, 3), (40, 90, 200), np.float32)
    hole = disc(128, radius_px)
    np.testing.assert_array_equal(held(painted(flat, hole), hole), flat)


def test_what_is_flat_stays_flat_at_the_border_too() -> None:
    flat = np.full((96, 128, 3), 77, np.float32)
    hole = np.zeros((96, 128), bool)
    hole[:40, 30:90] = True
    np.testing.assert_array_equal(held(painted(flat, hole), hole), flat)


def test_colours_between_those_of_the_rim_are_as_they_were(rng: np.random.Generator) -> None:
    two = np.full((128, 128, 3), 20, np.float32)
    two[:, 64:] = 220
    hole = disc(128, 3)
    picture = two.copy()
    picture[hole] = rng.uniform(20, 220, (int(hole.sum()), 3))
    np.testing.assert_array_equal(held(picture, hole), picture)
    picture[hole] = rng.uniform(0, 255, (int(hole.sum()), 3))
    assert 20 <= held(picture, hole)[hole].min() < held(picture, hole)[hole].max() <= 220


def test_the_rim_of_another_hole_does_not_count() -> None:
    picture = np.full((64, 256, 3), 50, np.float32)
    picture[:, 128:] = 200
    hole = np.zeros((64, 256), bool)
    hole[24:40, 40:56] = hole[24:40, 200:216] = True
    np.testing.assert_array_equal(held(painted(picture, hole), hole), picture)


def test_a_scratch_is_limited_anew_along_its_way() -> None:
    slope = np.broadcast_to(np.linspace(0, 240, 512, dtype=np.float32)[None, :, None], (64, 512, 3)).copy()
    hole = np.zeros((64, 512), bool)
    hole[30:34, 8:504] = True
    fill = held(painted(slope, hole), hole)
    off = np.abs(fill - slope)[hole]
    assert off.max() < 240 * 16 / 512 + 1  # four cells of 4 px to either side


def test_a_gradient_may_go_on_where_the_hole_reaches_the_border(monkeypatch: pytest.MonkeyPatch) -> None:
    slope = np.broadcast_to(np.linspace(0, 100, 128, dtype=np.float32)[:, None, None], (128, 128, 3)).copy()
    hole = np.zeros((128, 128), bool)
    hole[120:] = True
    np.testing.assert_array_equal(held(slope, hole), slope)
    monkeypatch.setattr(bounds, "BEYOND_SHARE", 0.0)
    assert (held(slope, hole)[hole] < slope[hole]).any()


def test_a_hole_as_wide_as_the_picture_is_limited_by_both_sides() -> None:
    picture = np.full((256, 64, 3), 30, np.float32)
    picture[180:] = 60
    hole = np.zeros((256, 64), bool)
    hole[8:200, 8:56] = True
    fill = held(painted(picture, hole), hole)[hole]
    assert set(np.unique(fill)) == {30, 60}


@pytest.mark.parametrize("hole", [np.zeros((32, 32), bool), np.ones((32, 32), bool)])
def test_nothing_to_limit_or_to_limit_by_changes_nothing(rng: np.random.Generator, hole: HoleMap) -> None:
    picture = rng.uniform(0, 255, (32, 32, 3)).astype(np.float32)
    np.testing.assert_array_equal(held(picture, hole), picture)


def test_one_known_pixel_is_all_there_is() -> None:
    hole = np.ones((96, 64), bool)
    hole[50, 20] = False
    known = np.full((96, 64, 3), (12, 34, 56), np.float32)
    np.testing.assert_array_equal(held(painted(known, hole), hole), known)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30), st.floats(0.02, 0.98))
def test_known_pixels_stay_and_others_are_like_some_of_them(seed: int, rows: int, columns: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    size_hw = (4 * rows, 4 * columns)
    coarse = rng.random((rows, columns), dtype=np.float32)
    hole = np.asarray(cv2.resize(coarse, size_hw[::-1], interpolation=cv2.INTER_LINEAR)) < share
    picture = rng.uniform(0, 255, (*size_hw, 3)).astype(np.float32)
    fill = held(picture, hole)
    np.testing.assert_array_equal(fill[~hole], picture[~hole])
    assert ((fill >= 0) & (fill <= 255)).all()
    inner = hole.copy()
    inner[[0, -1]] = inner[:, [0, -1]] = False
    if hole.any() and not hole.all() and not (hole & ~inner).any():
        known = picture[~hole]
        assert (fill >= np.floor(known.min(0))).all()
        assert (fill <= np.ceil(known.max(0))).all()


@pytest.mark.skipif(native.loops() is None, reason="the package was installed without a C compiler")
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_compiled_loops_limit_alike(seed: int, rows: int, columns: int, is_drawn: bool) -> None:
    rng = np.random.default_rng(seed)
    size_hw = (4 * rows, 4 * columns)
    coarse = rng.random((1 + rows // 3, 1 + columns // 3), dtype=np.float32)
    hole = np.asarray(cv2.resize(coarse, size_hw[::-1], interpolation=cv2.INTER_LINEAR)) < 0.5
    picture: Any = rng.uniform(0, 255, (*size_hw, 3))
    if is_drawn:  # whole levels, as shrinking leaves them
        picture = np.rint(picture) + rng.normal(0, 1e-4, picture.shape)
    picture = picture.clip(0, 255).astype(np.float32)
    compiled = held(picture, hole)
    with pytest.MonkeyPatch.context() as without:
        without.setattr(native, "loops", lambda: None)
        np.testing.assert_array_equal(held(picture, hole), compiled)
