"""Compiled loops (``loops.c``), where the package was built with a C compiler; their twins in NumPy run where not.

Which of the two runs is settled when the package is built, and told by ``rethined info``. A library that is there but
does not fit is an error, not a reason to be slow. Nothing here knows what the loops are for: arrays go in and out,
checked for their form, which C does not do.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethined.errors import InstallationError
from rethined.native.tables import (
    ADDRESS,
    FLOAT,
    INT,
    MARGIN_PX,
    SAMPLES,
    SIZE,
    TOKEN_PX,
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
    laid_out_shape,
)
from rethined.types import Float32, HoleMap, Image8, Ints, Pixels
from rethined.workers import Workers, parts

VERSION = 11
"""What the library has to be."""
LIBRARY = Path(__file__).with_name("loops" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so"))
BAND = 64
"""Rows of a smaller picture that a thread makes at a time."""
PASTED = 1 << 17
"""Pixels that a thread pastes at a time."""
TOKEN_ROWS = 8
"""Rows of tokens whose detail a thread measures at a time."""
LAID_ROWS = 256
"""Rows of a picture that a thread lays out at a time."""
TOKENS = 256
"""Tokens that a thread works on at a time, so that each has a share."""
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
    "lay": [ADDRESS] + [SIZE] * 2 + [INT] + [SIZE] * 2 + [ADDRESS] * 2,
    "copied": [ADDRESS] * 3 + [SIZE] + [ADDRESS] * 2 + [FLOAT, ADDRESS, SIZE, ADDRESS],
    "sample": [ADDRESS] + [SIZE] * 2 + [ADDRESS] + [SIZE] * 2 + [ADDRESS],
    "cost": [ADDRESS] * 2 + [SIZE] + [ADDRESS] * 2 + [SIZE] * 3 + [ADDRESS],
    "walk": [ADDRESS] + [SIZE] * 2 + [ADDRESS, SIZE] * 2 + [INT] * 2 + [ADDRESS],
    "detail": [ADDRESS] * 2 + [SIZE] * 4 + [ADDRESS] * 4,
    "extremes": [ADDRESS] * 2 + [SIZE] * 2 + [FLOAT] + [ADDRESS] * 2,
    "write": [ADDRESS, FLOAT, ADDRESS] + [SIZE] * 2 + [ADDRESS] * 3,
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

        workers.map(partial(_holding, shrinking, shrink), parts(shrinking.size_hw[0], BAND))
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

    def paste(self, picture: Pixels, white: float, y: Ints, x: Ints, colours: Float32, workers: Workers) -> None:
        """Writes ``(N, C)`` colours in grey levels at N pixels into the first channels of a picture ``(H, W, ...)``.

        Each pixel is there once.
        """
        count, channels = colours.shape
        _expect_inside(y, x, picture.shape[:2])
        into = (
            address_of(picture, picture.dtype, picture.shape),
            *(picture.shape[1], picture[0, 0].size, picture.itemsize),
            white,
        )
        first = [
            *(address_of(axis, np.int32, (count,)) for axis in (y, x)),
            address_of(colours, np.float32, (count, channels)),
        ]
        sizes = (y.itemsize, x.itemsize, channels * colours.itemsize)
        call = self._call["paste"]

        def paste(part: slice) -> None:
            *places, values = (address + part.start * size for address, size in zip(first, sizes, strict=True))
            call(*into, *places, part.stop - part.start, values, channels)

        workers.map(partial(_holding, (picture, y, x, colours), paste), parts(count, PASTED))

    def cost(
        self,
        tables: SearchTables,
        windows: Sequence[Windows],
        offsets_yx: Ints,
        is_wanted: HoleMap,
        workers: Workers,
    ) -> Float32:
        """``(R, C)`` float32, what the candidates of tokens cost.

        Args:
            tables: What tells it.
            windows: One or two; their costs are added.
            offsets_yx: ``(R, C, 2)`` int32.
            is_wanted: ``(R, C)``; where ``False`` the cost is infinite.
            workers: Threads to use.
        """
        shape = (len(tables.asked), offsets_yx.shape[1])
        if not 1 <= len(windows) <= MOST_WINDOWS:
            raise TypeError(f"{len(windows)} windows; expected 1 to {MOST_WINDOWS}")
        if any(len(each.is_hole) != shape[0] for each in windows):
            raise TypeError(f"windows of {[len(each.is_hole) for each in windows]} tokens; there are {shape[0]}")
        cost = np.empty(shape, np.float32)
        arguments = (
            ctypes.byref(tables.in_c),
            (WINDOWS * len(windows))(*(each.in_c for each in windows)),
            len(windows),
            address_of(offsets_yx, np.int32, (*shape, 2)),
            address_of(is_wanted, np.bool_, shape),
            shape[1],
        )
        address = cost.ctypes.data
        call = self._call["cost"]

        def weigh(part: slice) -> None:
            call(*arguments, part.start, part.stop, address)

        held = (tables, windows, offsets_yx, is_wanted, cost)
        workers.map(partial(_holding, held, weigh), parts(shape[0], TOKENS))
        return cost

    def lay(self, picture: Image8, to: Image8, workers: Workers, *, is_mean: bool) -> None:
        """Lays out a picture ``(H, W, 3)``, or its means of 2 x 2 px, see :func:`laid_out_shape`."""
        (height, width), rows = picture.shape[:2], len(to)
        arguments = (address_of(picture, np.uint8, (height, width, 3)), height, width, is_mean)
        address = address_of(to, np.uint8, laid_out_shape((height, width))[1:])
        call = self._call["lay"]

        def lay(part: slice) -> None:
            work = np.empty(3 * (width + 2 * MARGIN_PX) + 2, np.uint8)
            call(*arguments, part.start, part.stop, work.ctypes.data, address)

        workers.map(partial(_holding, (picture, to), lay), parts(rows, LAID_ROWS))

    def copied(
        self,
        grey: Image8,
        low: Image8,
        touched: HoleMap,
        corners_yx: Ints,
        best_yx: Ints,
        forgiven: float,
        tokens: Ints,
        workers: Workers,
    ) -> Image8:
        """A picture ``(H, W, 3)`` with what some of R tokens copy, in the tone of the fill.

        Args:
            grey: ``(H, W, 3)``, what is copied, and stays elsewhere.
            low: ``(H, W, 3)``, its low bands, which tell the tone.
            touched: ``(H, W)`` bool, the pixels that are copied.
            corners_yx, best_yx: ``(R, 2)`` int32, of the tokens, and from where each copies, relative to that.
            forgiven: Share of the difference in tone that is made good.
            tokens: ``(N,)`` int32, which.
            workers: Threads to use.
        """
        shape, count = grey.shape, len(tokens)
        _expect_inside(tokens, tokens, (len(corners_yx), len(corners_yx)))
        for corners in (corners_yx[tokens], corners_yx[tokens] + best_yx[tokens]):
            _expect_inside(corners[:, 0], corners[:, 1], (shape[0] - TOKEN_PX + 1, shape[1] - TOKEN_PX + 1))
        copied = grey.copy()
        arguments = (
            address_of(grey, np.uint8, (*shape[:2], 3)),
            address_of(low, np.uint8, shape),
            address_of(touched, np.bool_, shape[:2]),
            shape[1],
            *(address_of(each, np.int32, (len(corners_yx), 2)) for each in (corners_yx, best_yx)),
            forgiven,
        )
        first, address = address_of(tokens, np.int32, (count,)), copied.ctypes.data
        call = self._call["copied"]

        def copy(part: slice) -> None:
            call(*arguments, first + part.start * tokens.itemsize, part.stop - part.start, address)

        held = (grey, low, touched, corners_yx, best_yx, tokens, copied)
        workers.map(partial(_holding, held, copy), parts(count, TOKENS))
        return copied

    def sample(self, picture: Image8, corners_yx: Ints, workers: Workers) -> Image8:
        """``(R, 64, 4)``, the windows of tokens as they are in the means of a picture ``(H, W, 3)``, laid out."""
        shape, count = picture.shape, len(corners_yx)
        own = np.empty((count, SAMPLES, 4), np.uint8)
        arguments = (
            address_of(picture, np.uint8, (*shape[:2], 3)),
            *shape[:2],
            address_of(corners_yx, np.int32, (count, 2)),
        )
        address = own.ctypes.data
        call = self._call["sample"]

        def sample(part: slice) -> None:
            call(*arguments, part.start, part.stop, address)

        workers.map(partial(_holding, (picture, corners_yx, own), sample), parts(count, TOKENS))
        return own

    def walk(self, is_passed: HoleMap, tokens_yx: Ints, directions_yx: Ints, least: int, most: int) -> Ints:
        """``(R, D)`` int32, steps from R tokens to the first that is not passed, in each of D directions.

        Args:
            is_passed: ``(h, w)``.
            tokens_yx: ``(R, 2)`` int32.
            directions_yx: ``(D, 2)`` int32, each other than 0, 0.
            least: Steps from which on tokens are looked at.
            most: What is given where there is none that way.
        """
        count, columns = len(tokens_yx), len(directions_yx)
        _expect_inside(tokens_yx[:, 0], tokens_yx[:, 1], is_passed.shape)
        if not directions_yx.any(1).all():
            raise ValueError("a direction leads nowhere")
        steps = np.empty((count, columns), np.int32)
        self._call["walk"](
            address_of(is_passed, np.bool_, is_passed.shape),
            *is_passed.shape,
            address_of(tokens_yx, np.int32, (count, 2)),
            count,
            address_of(directions_yx, np.int32, (columns, 2)),
            columns,
            *(least, most),
            steps.ctypes.data,
        )
        return steps

    def detail(self, picture: Float32, touched: HoleMap, workers: Workers) -> tuple[Float32, Float32, Float32]:
        """Detail of a picture, see :func:`rethined.detail.detail_levels`.

        Returns:
            ``(H, W)`` float32, of the patch that begins there; ``(H / 8, W / 8)`` float32, of the known pixels of each
            token, over the area of all; and how much of that is known.
        """
        height, width = touched.shape
        if height % TOKEN_PX or width % TOKEN_PX:
            raise TypeError(f"a picture of {height} x {width}; expected multiples of {TOKEN_PX}")
        tokens_hw = (height // TOKEN_PX, width // TOKEN_PX)
        offered = np.empty((height, width), np.float32)
        amount, share = np.empty(tokens_hw, np.float32), np.empty(tokens_hw, np.float32)
        pictures = (address_of(picture, np.float32, (height, width, 3)), address_of(touched, np.bool_, (height, width)))
        addresses = [each.ctypes.data for each in (offered, amount, share)]
        call = self._call["detail"]

        def measure(part: slice) -> None:
            rows = TOKEN_PX * (part.stop - part.start + 1)
            work = np.empty(2 * width * (rows + 1) + TOKEN_PX, np.float32)
            call(*pictures, height, width, part.start, part.stop, work.ctypes.data, *addresses)

        held = (picture, touched, offered, amount, share)
        workers.map(partial(_holding, held, measure), parts(tokens_hw[0], TOKEN_ROWS))
        return offered, amount, share

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

    def write(self, fill: Float32, gain: float, hole: HoleMap, low: Image8, high: Image8, picture: Float32) -> None:
        """Writes a fill ``(3, H, W)`` float32 times ``gain`` into the hole of a picture ``(H, W, 3)`` float32.

        It is limited to what the cells of the picture, as of :meth:`extremes`, allow.
        """
        cells = (*_in_cells(picture.shape), 3)
        self._call["write"](
            address_of(fill, np.float32, (3, *picture.shape[:2])),
            gain,
            address_of(hole, np.bool_, picture.shape[:2]),
            *picture.shape[:2],
            *(address_of(each, np.uint8, cells) for each in (low, high)),
            address_of(picture, np.float32, (*picture.shape[:2], 3)),
        )


def _holding(held: object, run: Callable[[slice], None], part: slice) -> None:  # noqa: ARG001 - to be held
    """Runs a part of some work that knows arrays by their addresses alone.

    ``held`` are those arrays: where an interrupt makes the caller let go of them, they stay until this part has ended.
    """
    run(part)


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
    "MARGIN_PX",
    "SAMPLES",
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
    "laid_out_shape",
    "loops",
]
