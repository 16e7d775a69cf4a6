"""Compiled loops (``loops.c``), where the package was built with a C compiler; their twins in NumPy run where not.

Which of the two runs is settled when the package is built, and told by ``rethined info``. A library that is there but
does not fit is an error, not a reason to be slow. Nothing here knows what the loops are for: arrays go in and out,
checked for their form, which C does not do.
"""

from __future__ import annotations

import ctypes
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethined.errors import InstallationError
from rethined.native.tables import (
    ADDRESS,
    FLOAT,
    INT,
    SAMPLES,
    SIZE,
    Between,
    BlendTables,
    FilledPixels,
    Region,
    SmallPictures,
    Told,
    Windows,
    address_of,
    cells_of,
)
from rethined.types import Float32, HoleMap, Image8, Ints, Pixels

VERSION = 2
"""What the library has to be."""
LIBRARY = Path(__file__).with_name("loops" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so"))
_ARGUMENTS: dict[str, list[Any]] = {
    "blend": [ADDRESS] * 3 + [SIZE] + [ADDRESS] * 4,
    "tell": [ADDRESS] * 2 + [SIZE] + [ADDRESS] * 2,
    "fill": [ADDRESS] * 3 + [SIZE] + [ADDRESS] * 6 + [FLOAT],
    "add_grid": [ADDRESS, INT] + [ADDRESS] * 3 + [SIZE, ADDRESS],
    "paste": [ADDRESS, SIZE, INT, INT, FLOAT, ADDRESS, ADDRESS, SIZE, ADDRESS, INT],
    "compare": [ADDRESS] * 3 + [SIZE] * 2 + [ADDRESS] * 3 + [FLOAT] + [ADDRESS] * 2 + [SIZE, ADDRESS],
}
"""Of each function; none gives anything back."""


@lru_cache(maxsize=1)
def loops() -> Loops | None:
    """The library; ``None`` where the package was built without it.

    Raises:
        InstallationError: It is there and cannot be used.
    """
    return Loops(LIBRARY) if LIBRARY.exists() else None


class Loops:
    """The loops of one library. Arrays that go in are not copied, and have to be C-contiguous.

    Args:
        path: The library.

    Raises:
        InstallationError: It cannot be loaded, or is of another version.
    """

    def __init__(self, path: Path) -> None:
        try:
            library = ctypes.CDLL(str(path))
            version = int(library.rethined_loops_version())
            self._call = {name: getattr(library, f"rethined_{name}") for name in _ARGUMENTS}
        except (OSError, AttributeError) as error:
            raise InstallationError(f"{path} cannot be used ({error}); install rethined anew") from error
        if version != VERSION:
            raise InstallationError(f"{path} is of version {version}, expected {VERSION}; install rethined anew")
        for name, arguments in _ARGUMENTS.items():
            self._call[name].argtypes, self._call[name].restype = arguments, None

    def blend(self, tables: BlendTables, y: Ints, x: Ints) -> tuple[Float32, Float32, HoleMap, Float32]:
        """What :class:`rethined.taps.Taps` holds, in its order, at N pixels within the picture."""
        count, channels = len(y), tables.colours.shape[2]
        mean, norm = np.empty((count, channels), np.float32), np.empty(count, np.float32)
        is_valid, gate = np.empty(count, bool), np.empty(count, np.float32)
        _expect_inside(y, x, tables.barred.shape)
        self._call["blend"](
            ctypes.byref(tables.in_c),
            address_of(y, np.int32, (count,)),
            address_of(x, np.int32, (count,)),
            count,
            *(result.ctypes.data for result in (mean, norm, is_valid, gate)),
        )
        return mean, norm, is_valid, gate

    def tell(self, region: Region, pieces: NDArray[np.int64]) -> Told:
        """Which pixels of some pieces are hole, and which are known ones beside it; ``pieces`` as in :class:`Told`."""
        count, (height, width) = len(pieces), region.hole.shape
        top, left, bottom, right = pieces[:, 5:].T
        if count and not (min(top.min(), left.min()) >= 0 and bottom.max() <= height and right.max() <= width):
            raise IndexError(f"boxes up to {pieces[:, 5:].max(0)} in a picture of {height} x {width}")
        kind = np.zeros(int(cells_of(pieces).sum()), np.uint8)
        told = Told(pieces, kind, np.zeros((count, 4), np.int64))
        self._call["tell"](
            ctypes.byref(region.in_c),
            address_of(pieces, np.int64, (count, 9)),
            count,
            kind.ctypes.data,
            told.counts.ctypes.data,
        )
        return told

    def fill(
        self,
        tables: BlendTables,
        small: SmallPictures,
        told: Told,
        into: FilledPixels,
        starts: tuple[int, int, int],
        diagonal: float,
    ) -> None:
        """Colours of the hole pixels of some pieces, and what the known ones beside them miss.

        Args:
            tables, small: What they are made of, of one picture.
            told: What :meth:`tell` gave of that picture.
            into: Gets the pixels that the pieces answer for.
            starts: From where on: of the hole pixels, of those with known ones beside them, and of these.
            diagonal: What known pixels beside a corner count in the mean, those beside an edge counting 1.
        """
        count, channels = len(told.pieces), tables.colours.shape[2]
        if not count:
            return
        ends = (told.counts[:, (0, 1, 3)].sum(0) + starts).tolist()
        room = [len(into.y), len(into.ring), len(into.rim_y)]
        if min(starts) < 0 or any(end > most for end, most in zip(ends, room, strict=True)):
            raise IndexError(f"pixels from {starts} to {ends}; there is room for {room}")
        slot = np.empty(int(cells_of(told.pieces).max()), np.int32)
        missing = np.empty((int(told.counts[:, 2].max()), channels), np.float32)
        first = np.array([starts[0], starts[1], 0, starts[2]], np.int64)
        self._call["fill"](
            ctypes.byref(tables.in_c),
            ctypes.byref(small.in_c),
            told.pieces.ctypes.data,
            count,
            *(array.ctypes.data for array in (told.kind, told.counts, first, slot, missing)),
            ctypes.byref(into.in_c),
            diagonal,
        )

    def add_grid(self, grid: Float32, between: Between, y: Ints, x: Ints, colours: Float32) -> None:
        """Adds to ``(N, C)`` colours of N pixels what a grid ``(h, w, C)`` says there, interpolated."""
        count, channels = colours.shape
        _expect_inside(y, x, between.size_hw)
        self._call["add_grid"](
            address_of(grid, np.float32, (*between.grid_hw, channels)),
            channels,
            ctypes.byref(between.in_c),
            address_of(y, np.int32, (count,)),
            address_of(x, np.int32, (count,)),
            count,
            address_of(colours, np.float32, (count, channels)),
        )

    def paste(self, picture: Pixels, white: float, y: Ints, x: Ints, colours: Float32) -> None:
        """Writes ``(N, C)`` colours in grey levels at N pixels into the first channels of a picture ``(H, W, ...)``."""
        count, channels = colours.shape
        _expect_inside(y, x, picture.shape[:2])
        self._call["paste"](
            address_of(picture, picture.dtype, picture.shape),
            picture.shape[1],
            picture[0, 0].size,
            picture.itemsize,
            white,
            address_of(y, np.int32, (count,)),
            address_of(x, np.int32, (count,)),
            count,
            address_of(colours, np.float32, (count, channels)),
            channels,
        )

    def compare(
        self,
        known: Image8,
        filled: Image8,
        windows: Windows,
        mean_forgiven: float,
        rows: Ints,
        moved_yx: Ints,
    ) -> Float32:
        """Costs ``(N,)`` of moving the windows of N tokens by so much.

        Args:
            known, filled: ``(H, W, 3)``, what samples are taken from outside and inside of holes.
            windows: What they are compared with.
            mean_forgiven: Share of the squared difference in mean colour that does not count.
            rows: ``(N,)``, numbers of the tokens.
            moved_yx: ``(N, 2)`` int32.
        """
        count, tokens = len(rows), len(windows.corners_yx)
        cost = np.empty(count, np.float32)
        if count and not 0 <= rows.min() <= rows.max() < tokens:
            raise IndexError(f"rows from {rows.min()} to {rows.max()}; there are {tokens}")
        shape = known.shape
        self._call["compare"](
            address_of(known, np.uint8, (*shape[:2], 3)),
            address_of(filled, np.uint8, shape),
            address_of(windows.is_hole, np.bool_, (tokens, SAMPLES)),
            shape[0],
            shape[1],
            address_of(windows.corners_yx, np.int32, (tokens, 2)),
            address_of(windows.own, np.float32, (tokens, SAMPLES, 3)),
            address_of(windows.weight, np.float32, (tokens, SAMPLES)),
            mean_forgiven,
            address_of(rows, np.int32, (count,)),
            address_of(moved_yx, np.int32, (count, 2)),
            count,
            cost.ctypes.data,
        )
        return cost


def _expect_inside(y: Ints, x: Ints, size_hw: tuple[int, ...]) -> None:
    """That is what C would read and write beyond."""
    for axis, length in zip((y, x), size_hw, strict=True):
        if len(axis) and not 0 <= axis.min() <= axis.max() < length:
            raise IndexError(f"pixels from {axis.min()} to {axis.max()} along an axis of {length}")


__all__ = [
    "LIBRARY",
    "VERSION",
    "Between",
    "BlendTables",
    "FilledPixels",
    "Loops",
    "Region",
    "SmallPictures",
    "Told",
    "Windows",
    "loops",
]
