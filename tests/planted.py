"""What tests plant: textures, holes and fields of offsets whose answer is known."""

from __future__ import annotations

import numpy as np

from rethined.offsets import OffsetField
from rethined.types import Box, HoleMap, Image8, SizeHW

PERIOD_PX = 16


def stripes(size_hw: SizeHW) -> Image8:
    """A texture that repeats every 16 px along both axes and is sharp."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]] % PERIOD_PX
    return np.stack([(y * 15) ^ (x * 7), x * 16, (y > 7) * 200], -1).astype(np.uint8)


def square_hole(size_hw: SizeHW, box: Box) -> HoleMap:
    hole = np.zeros(size_hw, bool)
    hole[box.slices] = True
    return hole


def field_of(offset_yx: tuple[int, int], is_set: HoleMap) -> OffsetField:
    """Every token is copied from the same side."""
    return OffsetField(np.broadcast_to(np.array(offset_yx, np.int32), (*is_set.shape, 2)).copy(), is_set)
