"""Boxes, polygons and circles: which pixels of a picture they cover.

Coordinates are those of annotation tools: x to the right, y down, in pixels of the upright picture, from its top left
corner; the first pixel reaches from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from rethined.errors import MaskError
from rethined.types import Box, HoleMap, SizeHW

PointXY = tuple[float, float]
"""x, then y, in pixels."""

FURTHEST_PX = 1_000_000
"""Furthest from 0 that a coordinate may lie: OpenCV counts in 32 bits."""
SUBPIXEL_BITS = 8
"""Polygons are given to OpenCV in 1/256 px."""
INWARDS_PX = 1 / 64
"""Points of polygons are moved this far towards the middle, so that an edge between two pixels falls to the inner
one."""


@dataclass(frozen=True)
class Rectangle:
    """An upright box; it covers all pixels that it touches.

    Attributes:
        left, top, right, bottom: Its edges.

    Raises:
        MaskError: It has no area, or no numbers of pixels.
    """

    left: float
    top: float
    right: float
    bottom: float

    def __post_init__(self) -> None:
        _expect_usable((self.left, self.top, self.right, self.bottom))
        if self.right <= self.left or self.bottom <= self.top:
            raise MaskError(
                f"a box is {self.right - self.left:g} px wide and {self.bottom - self.top:g} px high; expected more"
                " than 0 of both"
            )

    @property
    def corners(self) -> int:
        """How many it has."""
        return 4

    @property
    def bounds(self) -> Box:
        """The pixels it reaches, within the picture or not."""
        return Box(math.floor(self.top), math.floor(self.left), math.ceil(self.bottom), math.ceil(self.right))

    def draw(self, covered: HoleMap) -> None:
        """Marks what it covers in ``(H, W)`` bool, in place."""
        covered[self.bounds.clipped((covered.shape[0], covered.shape[1])).slices] = True

    def __str__(self) -> str:
        return f"the box at x {self.left:g} to {self.right:g}, y {self.top:g} to {self.bottom:g}"


@dataclass(frozen=True)
class Polygon:
    """A closed line and what is within; what it goes round twice is without.

    It covers the pixels whose centre lies within, and those its line passes: up to half a pixel more.

    Attributes:
        points_xy: Its corners, at least three.

    Raises:
        MaskError: Fewer, or no numbers of pixels.
    """

    points_xy: tuple[PointXY, ...]

    def __post_init__(self) -> None:
        if len(self.points_xy) < 3:
            raise MaskError(f"a polygon has {len(self.points_xy)} points; expected at least 3")
        _expect_usable(number for point in self.points_xy for number in point)

    @property
    def corners(self) -> int:
        """How many it has."""
        return len(self.points_xy)

    @property
    def bounds(self) -> Box:
        """The pixels it reaches, within the picture or not."""
        x, y = zip(*self.points_xy, strict=True)
        return _bounds(min(x), min(y), max(x), max(y))

    def draw(self, covered: HoleMap) -> None:
        """Marks what it covers in ``(H, W)`` bool, in place."""
        points = np.array(self.points_xy, np.float64)
        middle = (points.min(0) + points.max(0)) / 2
        # OpenCV's coordinates are those of pixel centres.
        points += INWARDS_PX * np.sign(middle - points) - 0.5
        fixed = np.rint(points * 2**SUBPIXEL_BITS).astype(np.int32)
        cv2.fillPoly(covered.view(np.uint8), [fixed], 1, shift=SUBPIXEL_BITS)

    def __str__(self) -> str:
        x, y = self.points_xy[0]
        return f"the polygon that begins at x {x:g}, y {y:g}"


@dataclass(frozen=True)
class Circle:
    """A disc; it covers the pixels whose centre lies within.

    Attributes:
        x, y: Its middle.
        radius: Its radius.

    Raises:
        MaskError: The radius is not above 0, or there are no numbers of pixels.
    """

    x: float
    y: float
    radius: float

    def __post_init__(self) -> None:
        _expect_usable((self.x, self.y, self.radius))
        if self.radius <= 0:
            raise MaskError(f"a circle has the radius {self.radius:g} px; expected more than 0")

    @property
    def corners(self) -> int:
        """As many as count for it where the corners of shapes are counted: those of the box round it."""
        return 4

    @property
    def bounds(self) -> Box:
        """The pixels it reaches, within the picture or not."""
        return _bounds(self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius)

    def draw(self, covered: HoleMap) -> None:
        """Marks what it covers in ``(H, W)`` bool, in place."""
        box = self.bounds.clipped((covered.shape[0], covered.shape[1]))
        y = np.arange(box.top, box.bottom) + 0.5 - self.y
        is_met = y * y <= self.radius**2
        half = np.sqrt(np.where(is_met, self.radius**2 - y * y, 0))
        left = np.ceil(self.x - half - 0.5).clip(box.left).astype(int)
        right = (np.floor(self.x + half - 0.5) + 1).clip(None, box.right).astype(int)
        # Row by row: a disc may be as large as the picture, and all at once would take sixteen times its memory.
        for row in np.flatnonzero(is_met):
            covered[box.top + row, left[row] : max(left[row], right[row])] = True

    def __str__(self) -> str:
        return f"the circle round x {self.x:g}, y {self.y:g}"


Shape = Rectangle | Polygon | Circle
"""What an annotation may be."""


def cover(shapes: Iterable[Shape], size_hw: SizeHW) -> HoleMap:
    """The pixels that any of the shapes covers: a new ``(H, W)`` bool array.

    Args:
        shapes: What to draw; parts beyond the picture are cut off.
        size_hw: Height and width of the picture in pixels.

    Raises:
        MaskError: A shape lies beyond the picture altogether.
    """
    covered = np.zeros(size_hw, bool)
    for shape in shapes:
        inside = shape.bounds.clipped(size_hw)
        if inside.height <= 0 or inside.width <= 0:
            raise MaskError(
                f"{shape} lies beyond the picture, which is {size_hw[0]} high and {size_hw[1]} wide; coordinates are"
                " pixels of this picture, upright, from its top left corner"
            )
        shape.draw(covered)
    return covered


def _bounds(left: float, top: float, right: float, bottom: float) -> Box:
    """The pixels that so much reaches, at least one."""
    first_y, first_x = math.floor(top), math.floor(left)
    return Box(first_y, first_x, max(math.ceil(bottom), first_y + 1), max(math.ceil(right), first_x + 1))


def _expect_usable(numbers: Iterable[float]) -> None:
    for number in _wrong(numbers):
        raise MaskError(f"a coordinate is {number}; expected a number of pixels, at most {FURTHEST_PX:,} from 0")


def _wrong(numbers: Iterable[float]) -> Iterator[float]:
    return (number for number in numbers if not abs(number) <= FURTHEST_PX)  # NaN is not either
