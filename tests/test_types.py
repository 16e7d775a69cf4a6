from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rethined.types import Box, SizeHW

sizes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@st.composite
def boxes(draw: st.DrawFn, size_hw: SizeHW = (40, 40)) -> Box:
    top, left = draw(st.integers(0, size_hw[0] - 1)), draw(st.integers(0, size_hw[1] - 1))
    return Box(top, left, draw(st.integers(top + 1, size_hw[0])), draw(st.integers(left + 1, size_hw[1])))


def test_box_sides_and_slices() -> None:
    box = Box(1, 2, 4, 7)
    assert (box.height, box.width) == (3, 5)
    assert box.area_px == 15
    assert box.corners == (1, 2, 4, 7)
    picture = np.arange(80).reshape(8, 10)
    view = picture[box.slices]
    assert view.shape == (3, 5)
    assert (view[0, 0], view[-1, -1]) == (12, 36)
    assert np.shares_memory(view, picture)


def test_boxes_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Box(0, 0, 1, 1).top = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("box", "margin_px", "expected"),
    [
        (Box(5, 6, 7, 8), 0, Box(5, 6, 7, 8)),
        (Box(5, 6, 7, 8), 2, Box(3, 4, 9, 10)),
        (Box(1, 6, 7, 8), 3, Box(0, 3, 10, 11)),
        (Box(5, 6, 19, 28), 100, Box(0, 0, 20, 30)),
    ],
)
def test_grown(box: Box, margin_px: int, expected: Box) -> None:
    assert box.grown(margin_px, (20, 30)) == expected


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((1, 1), Box(3, 5, 7, 9)),
        ((2, 3), Box(6, 15, 14, 27)),
        ((0.5, 0.5), Box(1, 2, 4, 5)),
        ((1.5, 0.1), Box(4, 0, 11, 1)),
    ],
)
def test_scaled_widens_to_whole_pixels(factors: tuple[float, float], expected: Box) -> None:
    assert Box(3, 5, 7, 9).scaled(*factors) == expected


@given(box=boxes(), margin_px=st.integers(0, 50), size_hw=sizes)
def test_grown_and_clipped_boxes_lie_inside_the_picture(box: Box, margin_px: int, size_hw: SizeHW) -> None:
    for inner in (box.clipped(size_hw), box.grown(margin_px, size_hw)):
        assert inner.top >= 0
        assert inner.left >= 0
        assert inner.bottom <= size_hw[0]
        assert inner.right <= size_hw[1]
    assert box.clipped((40, 40)) == box


@given(box=boxes(), factors=st.tuples(*[st.floats(0.1, 9)] * 2))
def test_scaled_boxes_hold_the_whole_original(box: Box, factors: tuple[float, float]) -> None:
    scaled = box.scaled(*factors)
    assert scaled.top <= box.top * factors[0] <= box.bottom * factors[0] <= scaled.bottom
    assert scaled.left <= box.left * factors[1] <= box.right * factors[1] <= scaled.right
    assert scaled.height < box.height * factors[0] + 2
