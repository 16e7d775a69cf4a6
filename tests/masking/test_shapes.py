from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rethined.errors import MaskError
from rethined.masking.shapes import Circle, Polygon, Rectangle, Shape, cover
from rethined.types import HoleMap

SIZE_HW = (30, 40)


def block(top: int, left: int, bottom: int, right: int) -> HoleMap:
    covered = np.zeros(SIZE_HW, bool)
    covered[top:bottom, left:right] = True
    return covered


def corners(left: float, top: float, right: float, bottom: float) -> Polygon:
    return Polygon(((left, top), (right, top), (right, bottom), (left, bottom)))


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ((5, 10, 9, 12), (10, 5, 12, 9)),
        ((5.2, 10.9, 8.1, 11.5), (10, 5, 12, 9)),
        ((-3, -3, 2, 100), (0, 0, 30, 2)),
        ((39, 29, 40, 30), (29, 39, 30, 40)),
    ],
)
def test_a_box_covers_all_pixels_it_touches_and_is_cut_off_at_the_border(
    edges: tuple[float, float, float, float], expected: tuple[int, int, int, int]
) -> None:
    np.testing.assert_array_equal(cover([Rectangle(*edges)], SIZE_HW), block(*expected))


@given(st.tuples(*[st.integers(0, 25)] * 2), st.tuples(*[st.integers(1, 9)] * 2))
def test_a_polygon_round_whole_pixels_is_the_box(corner: tuple[int, int], size: tuple[int, int]) -> None:
    edges = (*corner, corner[0] + size[0], corner[1] + size[1])
    np.testing.assert_array_equal(cover([corners(*edges)], SIZE_HW), cover([Rectangle(*edges)], SIZE_HW))


def test_a_polygon_has_the_pixels_within_and_those_its_line_passes() -> None:
    covered = cover([Polygon(((5, 5), (25, 5), (5, 25)))], SIZE_HW)
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]] + 0.5
    outside_px = np.maximum((x + y - 30) / math.sqrt(2), np.maximum(5 - x, 5 - y))
    assert covered[outside_px < 0].all()
    assert not covered[outside_px > 0.75].any()


def test_what_a_polygon_goes_round_inside_out_is_kept() -> None:
    """A frame drawn as one line: round the outside, in, and round the inside the other way."""
    outer, inner = [(5, 5), (25, 5), (25, 25), (5, 25), (5, 5)], [(10, 10), (10, 20), (20, 20), (20, 10), (10, 10)]
    covered = cover([Polygon((*outer, *inner))], SIZE_HW)
    assert covered[7, 7]
    assert covered[15, 23]
    assert not covered[15, 15]


def test_a_circle_covers_the_pixels_whose_middle_it_holds() -> None:
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    expected = np.hypot(x + 0.5 - 38, y + 0.5 - 12.5) <= 6
    assert 50 < expected.sum() < 100, "cut off at the right"
    np.testing.assert_array_equal(cover([Circle(38, 12.5, 6)], SIZE_HW), expected)


def test_shapes_add_up_even_where_they_overlap() -> None:
    covered = cover([Rectangle(2, 2, 8, 8), corners(5, 5, 12, 12)], SIZE_HW)
    np.testing.assert_array_equal(covered, block(2, 2, 8, 8) | block(5, 5, 12, 12))
    assert not cover([], SIZE_HW).any()


@given(st.tuples(*[st.floats(-5, 45)] * 2), st.floats(0.1, 60))
def test_a_circle_has_the_pixels_whose_centre_it_holds(centre_xy: tuple[float, float], radius: float) -> None:
    covered = np.zeros(SIZE_HW, bool)
    Circle(*centre_xy, radius).draw(covered)
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]] + 0.5
    beyond_px = np.hypot(x - centre_xy[0], y - centre_xy[1]) - radius
    np.testing.assert_array_equal(covered[abs(beyond_px) > 1e-9], (beyond_px < 0)[abs(beyond_px) > 1e-9])


@pytest.mark.parametrize(
    "shape", [Rectangle(40, 0, 50, 10), Rectangle(0, -9, 5, 0), corners(0, 30, 9, 39), Circle(-5, 5, 4)]
)
def test_a_shape_beyond_the_picture_is_refused(shape: Shape) -> None:
    with pytest.raises(MaskError, match=r"lies beyond the picture, which is 30 high and 40 wide; .* upright"):
        cover([Rectangle(1, 1, 2, 2), shape], SIZE_HW)


@pytest.mark.parametrize(
    ("kind", "values", "says"),
    [
        (Rectangle, (5, 5, 5, 9), "a box is 0 px wide and 4 px high"),
        (Rectangle, (5, 9, 6, 5), "a box is 1 px wide and -4 px high"),
        (Rectangle, (5, 5, math.nan, 9), "a coordinate is nan"),
        (Rectangle, (5, 5, 2e6, 9), "at most 1,000,000 from 0"),
        (Polygon, (((1, 1), (2, 2)),), "a polygon has 2 points"),
        (Polygon, (((1, 1), (2, 2), (math.inf, 3)),), "a coordinate is inf"),
        (Circle, (5, 5, 0), "the radius 0 px"),
        (Circle, (5, -math.inf, 1), "a coordinate is -inf"),
    ],
)
def test_shapes_without_area_or_number_are_refused(kind: type, values: tuple[object, ...], says: str) -> None:
    with pytest.raises(MaskError, match=says):
        kind(*values)


def test_wide_pictures_are_drawn_on_to_their_end() -> None:
    """Some of OpenCV's functions end at 32767 px a side."""
    covered = cover([corners(69_000, 1, 69_990, 3)], (4, 70_000))
    assert covered.sum() == 2 * 990
    assert covered[2, 69_989]
