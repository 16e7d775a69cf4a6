from __future__ import annotations

import cv2
import numpy as np
import pytest

from rethined.distance import MOST_PX, depth_share, distance_px
from rethined.options import MOST_FEATHER_PX, MOST_GROW_PX


def measured(inside: np.ndarray, most_px: int) -> np.ndarray:
    """Every pixel against every other."""
    y, x = np.nonzero(~inside)
    rows, columns = np.indices(inside.shape)
    squares = (rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2
    return np.sqrt(np.minimum(squares.min(axis=2), most_px**2)).astype(np.float32)


@pytest.mark.parametrize("most_px", [1, 7, MOST_PX])
def test_it_is_the_exact_distance(rng: np.random.Generator, most_px: int) -> None:
    inside = rng.random((50, 70)) < 0.99
    np.testing.assert_array_equal(distance_px(inside, most_px), measured(inside, most_px))


def test_long_ways_are_exact_too() -> None:
    inside = np.ones((424, 424), bool)
    inside[0, 0] = False
    y, x = np.indices(inside.shape)
    np.testing.assert_array_equal(distance_px(inside, MOST_PX), np.sqrt(y * y + x * x).astype(np.float32))
    assert max(MOST_GROW_PX, MOST_FEATHER_PX) < MOST_PX


def test_without_an_edge_all_is_as_far_as_can_be() -> None:
    assert (distance_px(np.ones((3, 4), bool), 9) == 9).all()
    assert (distance_px(np.zeros((3, 4), bool), 9) == 0).all()


@pytest.mark.usefixtures("threads_restored")
def test_it_depends_on_neither_the_place_in_memory_nor_on_threads(rng: np.random.Generator) -> None:
    inside = rng.random((96, 64)) < 0.99
    room = np.zeros(inside.size + 64, bool)
    seen = set()
    for threads in (1, 2):
        cv2.setNumThreads(threads)
        for start in range(64):
            moved = room[start : start + inside.size].reshape(inside.shape)
            moved[:] = inside
            seen.add(distance_px(moved, MOST_PX).tobytes())
    assert len(seen) == 1


@pytest.mark.parametrize("most_px", [0, MOST_PX + 1])
def test_what_cannot_be_told_is_refused(most_px: int) -> None:
    with pytest.raises(ValueError, match=f"most_px is {most_px}"):
        distance_px(np.ones((2, 2), bool), most_px)


@pytest.mark.parametrize("begins_px", [0.5, 10.0, 22.2, 22.36, 23.0])
def test_depth_begins_with_the_first_pixel_that_is_deep_enough(begins_px: float) -> None:
    inside = np.ones((21, 11), bool)
    inside[0, 0] = False  # the far corner lies in the direction in which steps to near pixels fall shortest of the way
    wanted = np.clip((measured(inside, 30) - begins_px) / np.float32(30 - begins_px), 0, 1)
    np.testing.assert_array_equal(depth_share(inside, begins_px, 30), wanted)
