"""Compiled loops (``loops.c``), where the package was built with a C compiler; their twins in NumPy run where not.

Which of the two runs is settled when the package is built, and told by ``rethined info``. A library that is there but
does not fit is an error, not a reason to be slow. Nothing here knows what the loops are for: arrays go in and out,
checked for their form, which C does not do.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
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
    WINDOWS,
    Between,
    BlendTables,
    Copying,
    FilledPixels,
    Region,
    Seam,
    SearchTables,
    Shrinking,
    SmallPictures,
    Told,
    Windows,
    address_of,
    cells_of,
)
from rethined.types import Float32, HoleMap, Image8, Ints, Pixels
from rethined.workers import Workers, parts

VERSION = 9
"""What the library has to be."""
LIBRARY = Path(__file__).with_name("loops" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so"))
BAND = 64
"""Rows of a smaller picture that a thread makes at a time."""
PER_PIXEL, MOST_LEVELS = 14, 32
"""Numbers that copying takes for each pixel, and halvings of a pyramid."""
MOST_WINDOWS = 2
"""That may be compared at a time."""
CELL_PX = 4
"""Side of a cell of limits."""
_ARGUMENTS: dict[str, list[Any]] = {
    "blend": [ADDRESS] * 3 + [SIZE] + [ADDRESS] * 4,
    "tell": [ADDRESS] * 2 + [SIZE] + [ADDRESS] * 2,
    "fill": [ADDRESS] * 4 + [SIZE] + [ADDRESS] * 2 + [SIZE] + [ADDRESS] * 4,
    "shrink": [ADDRESS] + [SIZE] * 2 + [ADDRESS] * 5,
    "spread": [ADDRESS] * 2 + [SIZE] * 2 + [INT, SIZE, INT, FLOAT] + [ADDRESS] * 2,
    "copy": [ADDRESS] * 4 + [SIZE, ADDRESS],
    "paste": [ADDRESS, SIZE, INT, INT, FLOAT, ADDRESS, ADDRESS, SIZE, ADDRESS, INT],
    "copied": [ADDRESS] * 2 + [SIZE] * 2 + [ADDRESS] * 2 + [FLOAT] + [ADDRESS] * 3 + [SIZE, ADDRESS],
    "sample": [ADDRESS] + [SIZE] * 2 + [ADDRESS] + [SIZE] * 2 + [ADDRESS],
    "cost": [ADDRESS] * 2 + [SIZE] + [ADDRESS] * 2 + [SIZE] * 3 + [ADDRESS],
    "extremes": [ADDRESS] * 2 + [SIZE] * 2 + [FLOAT] + [ADDRESS] * 2,
    "hold": [ADDRESS] * 2 + [SIZE] * 2 + [ADDRESS] * 2,
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
        _expect_boxes(pieces, (height, width))
        kind = np.zeros(int(cells_of(pieces).sum()), np.uint8)
        told = Told(pieces, kind, np.zeros((count, 6), np.int64))
        self._call["tell"](
            ctypes.byref(region.in_c),
            address_of(pieces, np.int64, (count, 10)),
            count,
            kind.ctypes.data,
            told.counts.ctypes.data,
        )
        return told

    def fill(
        self, tables: BlendTables, small: SmallPictures, seam: Seam, told: Told, into: FilledPixels, start: int
    ) -> None:
        """Colours of the hole pixels of some pieces.

        Args:
            tables, small, seam: What they are made of, and meet what is known by, of one picture.
            told: What :meth:`tell` gave of that picture.
            into: Gets the pixels that the pieces answer for.
            start: From where on.
        """
        count, channels = len(told.pieces), tables.colours.shape[2]
        if not count:
            return
        if not 0 <= start <= start + told.hole_px <= len(into.y):
            raise IndexError(f"pixels from {start} to {start + told.hole_px}; there is room for {len(into.y)}")
        if not 1 <= seam.levels <= MOST_LEVELS:
            raise TypeError(f"{seam.levels} levels; expected 1 to {MOST_LEVELS}")
        # In whole cells, and one all around.
        height, width = (told.counts[:, 4:] - told.counts[:, 2:4] * (told.pieces[:, 9:] == 0)).max(0, initial=0)
        room = 3 << seam.levels
        slot = np.empty(int(cells_of(told.pieces).max()), np.int32)
        missing = np.empty((int(told.counts[:, 1].max()), channels), np.float32)
        work = np.empty(4 * _level_pixels(int(height) + room, int(width) + room), np.float32)
        self._call["fill"](
            ctypes.byref(tables.in_c),
            ctypes.byref(small.in_c),
            ctypes.byref(seam.in_c),
            told.pieces.ctypes.data,
            count,
            told.kind.ctypes.data,
            told.counts.ctypes.data,
            start,
            *(array.ctypes.data for array in (slot, missing, work)),
            ctypes.byref(into.in_c),
        )

    def shrink(self, shrinking: Shrinking, workers: Workers) -> tuple[Float32, Float32, HoleMap]:
        """A smaller picture of what is known.

        Returns:
            ``(h, w, C)`` float32, sums of the known pixels over the area of all that a small one covers; ``(h, w)``
            float32, how much of that is known; ``(h, w)`` bool, whether a hole pixel is looked up there, of which pixel
            ``y`` is in row ``y * h // H``.
        """
        width, channels = shrinking.hole.shape[1], shrinking.image.shape[2]
        mean = np.empty((*shrinking.size_hw, channels), np.float32)
        share, looked_up = np.empty(shrinking.size_hw, np.float32), np.zeros(shrinking.size_hw, bool)
        in_c = shrinking.in_c

        def shrink(part: slice) -> None:
            work = np.empty((channels + 1) * width, np.float32)
            self._call["shrink"](
                ctypes.byref(in_c),
                *(part.start, part.stop),
                *(each.ctypes.data for each in (work, work[channels * width :], mean, share, looked_up)),
            )

        workers.map(shrink, parts(shrinking.size_hw[0], BAND))
        return mean, share, looked_up

    def spread(self, values: Float32, weight: Float32, levels: int | None, pull_gain: float) -> Float32:
        """:func:`rethined.resample.spread`."""
        height, width = weight.shape
        channels = values.shape[2]
        if channels not in {1, 3}:
            raise TypeError(f"values of {channels} channels; 1 or 3 can be spread")
        work = np.empty(4 * _level_pixels(height, width), np.float32)
        out = np.empty((height, width, channels), np.float32)
        self._call["spread"](
            address_of(values, np.float32, (height, width, channels)),
            address_of(weight, np.float32, (height, width)),
            *(height, width, channels),
            *((MOST_LEVELS, True) if levels is None else (levels, False)),
            pull_gain,
            work.ctypes.data,
            out.ctypes.data,
        )
        return out

    def copy(self, tables: BlendTables, copying: Copying, region: Region, pieces: NDArray[np.int64]) -> None:
        """Copies what some pieces answer for, at the network's size.

        Args:
            tables: Of a float32 picture of three channels, the network's.
            copying: What else is needed, and what is written.
            region: Groups of its tokens, as ``labels``.
            pieces: As in :class:`Told`.
        """
        count, (height, width) = len(pieces), region.hole.shape
        if tables.colours.shape != copying.copied.shape or tables.colours.dtype != np.float32:
            raise TypeError(
                f"a picture of {tables.colours.dtype} {tables.colours.shape}; expected float32 {copying.copied.shape}"
            )
        if copying.touched.shape != (height, width) or not 1 <= copying.levels <= MOST_LEVELS:
            raise TypeError(f"{copying.touched.shape} and {copying.levels} levels; expected {(height, width)} and some")
        _expect_boxes(pieces, (height, width))
        # In whole cells, and one all around.
        room = 3 << copying.levels
        height_px, width_px = ((pieces[:, end] - pieces[:, start] + room) for start, end in ((5, 7), (6, 8)))
        work = np.empty(
            max(
                (PER_PIXEL * rows * columns + 4 * _level_pixels(rows, columns))
                for rows, columns in zip(height_px.tolist(), width_px.tolist(), strict=True)
            )
            if count
            else 0,
            np.float32,
        )
        self._call["copy"](
            ctypes.byref(tables.in_c),
            ctypes.byref(copying.in_c),
            ctypes.byref(region.in_c),
            address_of(pieces, np.int64, (count, 10)),
            count,
            work.ctypes.data,
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

    def cost(
        self,
        tables: SearchTables,
        windows: Sequence[Windows],
        offsets_yx: Ints,
        is_wanted: HoleMap,
        tokens: slice,
        cost: Float32,
    ) -> None:
        """Writes what the candidates of some tokens cost.

        Args:
            tables: What tells it.
            windows: One or two; their costs are added.
            offsets_yx: ``(R, C, 2)`` int32, of all tokens.
            is_wanted: ``(R, C)``; where ``False`` the cost is infinite.
            tokens: Which, with a start and a stop.
            cost: ``(R, C)`` float32, gets it.
        """
        shape = (len(tables.asked), offsets_yx.shape[1])
        if not (1 <= len(windows) <= MOST_WINDOWS and 0 <= tokens.start <= tokens.stop <= shape[0]):
            raise IndexError(f"{len(windows)} windows of tokens {tokens.start} to {tokens.stop}; there are {shape[0]}")
        if any(len(each.is_hole) != shape[0] for each in windows):
            raise TypeError(f"windows of {[len(each.is_hole) for each in windows]} tokens; there are {shape[0]}")
        self._call["cost"](
            ctypes.byref(tables.in_c),
            (WINDOWS * len(windows))(*(each.in_c for each in windows)),
            len(windows),
            address_of(offsets_yx, np.int32, (*shape, 2)),
            address_of(is_wanted, np.bool_, shape),
            *(shape[1], tokens.start, tokens.stop),
            address_of(cost, np.float32, shape),
        )

    def copied(
        self,
        grey: Image8,
        tone: Image8,
        corners_yx: Ints,
        best_yx: Ints,
        forgiven: float,
        y: Ints,
        x: Ints,
        token: Ints,
        copied: Image8,
    ) -> None:
        """Writes into a picture ``(H, W, 3)`` what the tokens of N pixels copy, in the tone of the fill.

        Args:
            grey: ``(H, W, 3)``, what is copied.
            tone: ``(H, W, 3)``, means of the fill over the patch that begins there.
            corners_yx, best_yx: ``(R, 2)`` int32, of the tokens, and where each copies from.
            forgiven: Share of the difference in tone that is made good.
            y, x, token: ``(N,)`` int32, the pixels and their tokens' numbers.
            copied: Gets it.
        """
        shape, tokens, count = grey.shape, len(corners_yx), len(y)
        _expect_inside(y, x, shape[:2])
        _expect_inside(token, token, (tokens, tokens))
        _expect_inside(corners_yx[:, 0], corners_yx[:, 1], shape[:2])
        self._call["copied"](
            address_of(grey, np.uint8, (*shape[:2], 3)),
            address_of(tone, np.uint8, shape),
            *shape[:2],
            address_of(corners_yx, np.int32, (tokens, 2)),
            address_of(best_yx, np.int32, (tokens, 2)),
            forgiven,
            *(address_of(each, np.int32, (count,)) for each in (y, x, token)),
            count,
            address_of(copied, np.uint8, shape),
        )

    def sample(self, picture: Image8, corners_yx: Ints, tokens: slice, own: Image8) -> None:
        """Writes the samples ``(R, 64, 3)`` of the windows of some of R tokens, each the mean of 2 x 2 px."""
        shape, count = picture.shape, len(corners_yx)
        if not 0 <= tokens.start <= tokens.stop <= count:
            raise IndexError(f"windows of tokens {tokens.start} to {tokens.stop}; there are {count}")
        self._call["sample"](
            address_of(picture, np.uint8, (*shape[:2], 3)),
            *shape[:2],
            address_of(corners_yx, np.int32, (count, 2)),
            *(tokens.start, tokens.stop),
            address_of(own, np.uint8, (count, SAMPLES, 3)),
        )

    def extremes(self, picture: Float32, is_rim: HoleMap, rounding: float) -> tuple[Image8, Image8]:
        """Lowest and highest of what the rim pixels in each cell of 4 x 4 px hold, 255 and 0 where there are none.

        Args:
            picture: ``(H, W, 3)`` float32 in 0..255; sides are multiples of 4.
            is_rim: ``(H, W)``.
            rounding: Grey levels up to which a value counts as the whole level beyond it; below a half.
        """
        rows, columns = _in_cells(picture.shape)
        low, high = np.empty((rows, columns, 3), np.uint8), np.empty((rows, columns, 3), np.uint8)
        self._call["extremes"](
            address_of(picture, np.float32, (*picture.shape[:2], 3)),
            address_of(is_rim, np.bool_, picture.shape[:2]),
            *picture.shape[:2],
            rounding,
            *(low.ctypes.data, high.ctypes.data),
        )
        return low, high

    def hold(self, picture: Float32, hole: HoleMap, low: Image8, high: Image8) -> None:
        """Limits the hole of a picture ``(H, W, 3)`` float32 to what its cells, as of :meth:`extremes`, allow."""
        cells = (*_in_cells(picture.shape), 3)
        self._call["hold"](
            address_of(picture, np.float32, (*picture.shape[:2], 3)),
            address_of(hole, np.bool_, picture.shape[:2]),
            *picture.shape[:2],
            *(address_of(each, np.uint8, cells) for each in (low, high)),
        )


def _in_cells(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of cells of a picture."""
    if shape[0] % CELL_PX or shape[1] % CELL_PX:
        raise TypeError(f"a picture of {shape[0]} x {shape[1]}; expected multiples of {CELL_PX}")
    return shape[0] // CELL_PX, shape[1] // CELL_PX


def _level_pixels(height: int, width: int) -> int:
    """Pixels of all levels of a pyramid below one of so many, at most."""
    pixels = 0
    while height > 1 or width > 1:
        height, width = (height + 1) // 2, (width + 1) // 2
        pixels += height * width
    return pixels


def _expect_boxes(pieces: NDArray[np.int64], size_hw: tuple[int, int]) -> None:
    """That what pieces see lies within the picture."""
    top, left, bottom, right = pieces[:, 5:9].T
    if len(top) and not (min(top.min(), left.min()) >= 0 and bottom.max() <= size_hw[0] and right.max() <= size_hw[1]):
        raise IndexError(f"boxes up to {pieces[:, 5:9].max(0)} in a picture of {size_hw[0]} x {size_hw[1]}")


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
    "Copying",
    "FilledPixels",
    "Loops",
    "Region",
    "Seam",
    "SearchTables",
    "Shrinking",
    "SmallPictures",
    "Told",
    "Windows",
    "loops",
]
