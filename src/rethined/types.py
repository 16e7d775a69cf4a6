"""Names for the arrays and boxes that travel between modules; the axis order is part of each name."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Image8: TypeAlias = NDArray[np.uint8]
"""A picture: ``(H, W, 3)`` uint8, RGB, C-contiguous."""

Pixels: TypeAlias = NDArray[Any]
"""A picture in its own depth: uint8, uint16 or float32, see :func:`rethined.depth.checked`; its shape is said where it
is used."""

HoleMap: TypeAlias = NDArray[np.bool_]
"""What to fill: ``(H, W)`` bool, ``True`` = fill."""

Float32: TypeAlias = NDArray[np.float32]
"""Any float32 array; its shape and range are said where it is used."""

Ints: TypeAlias = NDArray[np.int32]
"""Any array of pixel positions or offsets."""

SizeHW: TypeAlias = tuple[int, int]
"""Height, then width, in pixels."""

PathLike: TypeAlias = str | os.PathLike[str]
"""A place on disk."""

ImageLike: TypeAlias = NDArray[Any] | Image.Image | PathLike
"""What a user may hand in as a picture or as a mask."""


@dataclass(frozen=True)
class Box:
    """A half-open rectangle of whole pixels: rows ``top <= y < bottom``, columns ``left <= x < right``."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.right - self.left

    @property
    def area_px(self) -> int:
        """Number of pixels."""
        return self.height * self.width

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Its four numbers in order; ``dataclasses.astuple`` copies deeply, some 10 us for each of hundreds."""
        return self.top, self.left, self.bottom, self.right

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slice: ``image[box.slices]`` is a view of the box."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, margin_px: int, size_hw: SizeHW) -> Box:
        """The box with ``margin_px`` pixels more on each side, cut off at the borders of a ``size_hw`` picture."""
        grown = Box(self.top - margin_px, self.left - margin_px, self.bottom + margin_px, self.right + margin_px)
        return grown.clipped(size_hw)

    def scaled(self, factor_y: float, factor_x: float) -> Box:
        """The box on a grid with that many pixels per pixel of this one, widened to whole pixels."""
        return Box(
            top=math.floor(self.top * factor_y),
            left=math.floor(self.left * factor_x),
            bottom=math.ceil(self.bottom * factor_y),
            right=math.ceil(self.right * factor_x),
        )

    def clipped(self, size_hw: SizeHW) -> Box:
        """The part of the box that lies inside a ``size_hw`` picture."""
        return Box(max(self.top, 0), max(self.left, 0), min(self.bottom, size_hw[0]), min(self.right, size_hw[1]))
