"""Compiled loops (``loops.c``), where the package was built with a C compiler; their twins in NumPy run where not.

Which of the two runs is settled when the package is built, and told by ``rethined info``. A library that is there but
does not fit is an error, not a reason to be slow. Nothing here knows what the loops are for: arrays go in and out,
checked for their form, which C does not do.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rethined.errors import InstallationError
from rethined.types import Float32, HoleMap, Image8, Ints, Pixels, SizeHW

VERSION = 1
"""What the library has to be."""
LIBRARY = Path(__file__).with_name("loops" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so"))
SAMPLES = 64
"""Samples of a window that :meth:`Loops.compare` takes."""

_ADDRESS, _SIZE, _INT, _FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_float


class _Blend(ctypes.Structure):
    _fields_ = (
        *((name, _ADDRESS) for name in ("colours", "barred", "shift_y", "shift_x", "is_set", "gate")),
        *((name, _ADDRESS * 2) for name in ("token_y", "weight_y", "token_x", "weight_x")),
        *((name, _SIZE) for name in ("height", "width", "columns")),
        *((name, _INT) for name in ("channels", "bytes_each")),
        ("gain", _FLOAT),
    )


class _Between(ctypes.Structure):
    _fields_ = (
        *((name, _ADDRESS * 2) for name in ("row", "column")),
        *((name, _ADDRESS) for name in ("row_share", "column_share")),
        ("width", _SIZE),
    )


class _Small(ctypes.Structure):
    _fields_ = (("copied", _ADDRESS), ("membrane", _ADDRESS), ("between", _Between))


class _Region(ctypes.Structure):
    _fields_ = (
        *((name, _ADDRESS) for name in ("hole", "unknown", "labels", "label_row", "label_column")),
        *((name, _SIZE) for name in ("width", "label_columns")),
    )


class _Filled(ctypes.Structure):
    _fields_ = tuple(
        (name, _ADDRESS) for name in ("y", "x", "colours", "ring", "ring_missing", "rim_y", "rim_x", "rim_missing")
    )


_FUNCTIONS: dict[str, tuple[list[Any], Any]] = {
    "blend": ([_ADDRESS] * 3 + [_SIZE] + [_ADDRESS] * 4, None),
    "tell": ([_ADDRESS] * 2 + [_SIZE] + [_ADDRESS] * 2, None),
    "fill": ([_ADDRESS] * 3 + [_SIZE] + [_ADDRESS] * 6, None),
    "add_grid": ([_ADDRESS, _INT] + [_ADDRESS] * 3 + [_SIZE, _ADDRESS], None),
    "paste": ([_ADDRESS, _SIZE, _INT, _INT, _FLOAT, _ADDRESS, _ADDRESS, _SIZE, _ADDRESS, _INT], None),
    "compare": ([_ADDRESS] * 3 + [_SIZE] * 2 + [_ADDRESS] * 3 + [_FLOAT] + [_ADDRESS] * 2 + [_SIZE, _ADDRESS], None),
}


@dataclass(frozen=True)
class BlendTables:
    """What the taps of a picture are looked up in; see :class:`rethined.taps.Blend`.

    Attributes:
        colours: ``(H, W, C)`` of 1 or 3 channels, uint8, uint16 or float32.
        barred: ``(H, W)`` bool.
        shift_y, shift_x: ``(T,)`` int32, of each token, in pixels.
        is_set, gate: ``(T,)`` float32.
        tokens_y, tokens_x: The token before and after each row and column, int32, and its weight, float32.
        columns: Tokens in a row.
        gain: Grey levels for each unit of ``colours``.
    """

    colours: Pixels
    barred: HoleMap
    shift_y: Ints
    shift_x: Ints
    is_set: Float32
    gate: Float32
    tokens_y: Sequence[tuple[Ints, Float32]]
    tokens_x: Sequence[tuple[Ints, Float32]]
    columns: int
    gain: float

    @cached_property
    def in_c(self) -> _Blend:
        """Their addresses: valid as long as this object is."""
        height, width = self.barred.shape
        tokens = self.shift_y.shape
        sides = []
        for side, length in ((self.tokens_y, height), (self.tokens_x, width)):
            sides.append((_ADDRESS * 2)(*(_address(token, np.int32, (length,)) for token, _ in side)))
            sides.append((_ADDRESS * 2)(*(_address(weight, np.float32, (length,)) for _, weight in side)))
        channels = self.colours.shape[2]
        return _Blend(
            _address(self.colours, self.colours.dtype, (height, width, channels)),
            _address(self.barred, np.bool_, (height, width)),
            _address(self.shift_y, np.int32, tokens),
            _address(self.shift_x, np.int32, tokens),
            _address(self.is_set, np.float32, tokens),
            _address(self.gate, np.float32, tokens),
            *sides,
            height,
            width,
            self.columns,
            channels,
            self.colours.itemsize,
            self.gain,
        )


@dataclass(frozen=True)
class Between:
    """Where the rows and columns of a picture lie between those of a grid; borders are repeated.

    Attributes:
        size_hw: Of the picture.
        grid_hw: Of the grid.
        scale_yx: Pixels per cell.
        tables: The row before each, the one after, and how much that one counts; the same of columns.
    """

    size_hw: SizeHW
    grid_hw: SizeHW
    scale_yx: tuple[float, float]
    tables: list[tuple[Ints, Ints, Float32]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Now: threads that did it later, each for itself, would free each other's arrays.
        tables = []
        for length, cells, scale in zip(self.size_hw, self.grid_hw, self.scale_yx, strict=True):
            place = (np.arange(length, dtype=np.float32) + np.float32(0.5)) / np.float32(scale) - np.float32(0.5)
            before = np.floor(place)
            first, second = (np.clip(before + step, 0, cells - 1).astype(np.int32) for step in (0, 1))
            tables.append((first, second, np.asarray(place - before, np.float32)))
        object.__setattr__(self, "tables", tables)

    @cached_property
    def in_c(self) -> _Between:
        """Their addresses: valid as long as this object is."""
        pairs = [(_ADDRESS * 2)(first.ctypes.data, second.ctypes.data) for first, second, _ in self.tables]
        return _Between(*pairs, *(share.ctypes.data for _, _, share in self.tables), self.grid_hw[1])


@dataclass(frozen=True)
class SmallPictures:
    """What colours at full size begin with; see :class:`rethined.fullsize.Source`.

    Attributes:
        copied, membrane: ``(h, w, C)`` float32.
        between: Where the picture's pixels lie between theirs.
    """

    copied: Float32
    membrane: Float32
    between: Between

    @cached_property
    def in_c(self) -> _Small:
        """Their addresses: valid as long as this object is."""
        shape = (*self.between.grid_hw, self.copied.shape[2])
        addresses = (_address(picture, np.float32, shape) for picture in (self.copied, self.membrane))
        return _Small(*addresses, self.between.in_c)


@dataclass(frozen=True)
class Region:
    """The holes of a picture; see :class:`rethined.regions.HoleGroups`.

    Attributes:
        hole, unknown: ``(H, W)`` bool.
        labels: ``(h, w)`` int32.
        cells: Row of ``labels`` of each row of the picture; the same of columns.
    """

    hole: HoleMap
    unknown: HoleMap
    labels: NDArray[np.int32]
    cells: list[NDArray[np.int32]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sides = zip(self.hole.shape, self.labels.shape, strict=True)
        cells = [(np.arange(length, dtype=np.int64) * count // length).astype(np.int32) for length, count in sides]
        object.__setattr__(self, "cells", cells)

    @cached_property
    def in_c(self) -> _Region:
        """Their addresses: valid as long as this object is."""
        shape = self.hole.shape
        return _Region(
            _address(self.hole, np.bool_, shape),
            _address(self.unknown, np.bool_, shape),
            _address(self.labels, np.int32, self.labels.shape),
            *(cells.ctypes.data for cells in self.cells),
            shape[1],
            self.labels.shape[1],
        )


@dataclass(frozen=True)
class Told:
    """Pixels of some pieces.

    Attributes:
        pieces: ``(P, 9)`` int64: the label of each one's group; top, left, bottom and right of the box that it answers
            for, and of the box that it sees.
        kind: Of the pixels that pieces see, uint8, each box with a border of zeros, one after the other: 1 hole of the
            piece's group, 2 known beside that, 0 neither.
        counts: ``(P, 4)`` int64, how many hole pixels each answers for, how many of them have known ones beside them,
            how many pixels are of kind 2, and for how many of those it answers.
    """

    pieces: NDArray[np.int64]
    kind: NDArray[np.uint8]
    counts: NDArray[np.int64]


@dataclass(frozen=True)
class FilledPixels:
    """Hole pixels with their colours, and known pixels beside them with what they miss.

    Attributes:
        y, x: Rows and columns of hole pixels, ``(N,)`` int32.
        colours: ``(N, C)`` float32.
        ring: Which of them have known pixels beside them, ``(R,)`` int64.
        ring_missing: What those miss, in the mean, ``(R, C)`` float32.
        rim_y, rim_x: Rows and columns of the known ones, ``(M,)`` int32.
        rim_missing: ``(M, C)`` float32.
    """

    y: Ints
    x: Ints
    colours: Float32
    ring: NDArray[np.int64]
    ring_missing: Float32
    rim_y: Ints
    rim_x: Ints
    rim_missing: Float32

    @staticmethod
    def empty(hole_px: int, ring_px: int, rim_px: int, channels: int) -> FilledPixels:
        """Room for so many pixels."""
        return FilledPixels(
            np.empty(hole_px, np.int32),
            np.empty(hole_px, np.int32),
            np.empty((hole_px, channels), np.float32),
            np.empty(ring_px, np.int64),
            np.empty((ring_px, channels), np.float32),
            np.empty(rim_px, np.int32),
            np.empty(rim_px, np.int32),
            np.empty((rim_px, channels), np.float32),
        )

    @cached_property
    def in_c(self) -> _Filled:
        """Their addresses: valid as long as this object is."""
        channels = self.colours.shape[1]
        hole_px, ring_px, rim_px = len(self.y), len(self.ring), len(self.rim_y)
        return _Filled(
            *(_address(axis, np.int32, (hole_px,)) for axis in (self.y, self.x)),
            _address(self.colours, np.float32, (hole_px, channels)),
            _address(self.ring, np.int64, (ring_px,)),
            _address(self.ring_missing, np.float32, (ring_px, channels)),
            *(_address(axis, np.int32, (rim_px,)) for axis in (self.rim_y, self.rim_x)),
            _address(self.rim_missing, np.float32, (rim_px, channels)),
        )


@dataclass(frozen=True)
class Windows:
    """Windows of tokens that others are compared with; see :mod:`rethined.offsets`.

    Attributes:
        corners_yx: ``(R, 2)`` int32, of the tokens.
        is_hole: ``(R, 64)`` bool, which samples are taken from what fills holes.
        own: ``(R, 64, 3)`` float32.
        weight: ``(R, 64)`` float32.
    """

    corners_yx: Ints
    is_hole: HoleMap
    own: Float32
    weight: Float32


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
            self._call = {name: getattr(library, f"rethined_{name}") for name in _FUNCTIONS}
        except (OSError, AttributeError) as error:
            raise InstallationError(f"{path} cannot be used ({error}); install rethined anew") from error
        if version != VERSION:
            raise InstallationError(f"{path} is of version {version}, expected {VERSION}; install rethined anew")
        for name, (arguments, result) in _FUNCTIONS.items():
            self._call[name].argtypes, self._call[name].restype = arguments, result

    def blend(self, tables: BlendTables, y: Ints, x: Ints) -> tuple[Float32, Float32, HoleMap, Float32]:
        """What :class:`rethined.taps.Taps` holds, in its order, at N pixels within the picture."""
        count, channels = len(y), tables.colours.shape[2]
        mean, norm = np.empty((count, channels), np.float32), np.empty(count, np.float32)
        is_valid, gate = np.empty(count, bool), np.empty(count, np.float32)
        _expect_inside(y, x, tables.barred.shape)
        self._call["blend"](
            ctypes.byref(tables.in_c),
            _address(y, np.int32, (count,)),
            _address(x, np.int32, (count,)),
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
        kind = np.zeros(int(((bottom - top + 2) * (right - left + 2)).sum()), np.uint8)
        told = Told(pieces, kind, np.zeros((count, 4), np.int64))
        self._call["tell"](
            ctypes.byref(region.in_c),
            _address(pieces, np.int64, (count, 9)),
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
    ) -> None:
        """Colours of the hole pixels of some pieces, and what the known ones beside them miss.

        Args:
            tables, small: What they are made of, of one picture.
            told: What :meth:`tell` gave of that picture.
            into: Gets the pixels that the pieces answer for.
            starts: From where on: of the hole pixels, of those with known ones beside them, and of these.
        """
        count, channels = len(told.pieces), tables.colours.shape[2]
        if not count:
            return
        ends = (told.counts[:, (0, 1, 3)].sum(0) + starts).tolist()
        room = [len(into.y), len(into.ring), len(into.rim_y)]
        if min(starts) < 0 or any(end > most for end, most in zip(ends, room, strict=True)):
            raise IndexError(f"pixels from {starts} to {ends}; there is room for {room}")
        top, left, bottom, right = told.pieces[:, 5:].T
        slot = np.empty(int(((bottom - top + 2) * (right - left + 2)).max()), np.int32)
        missing = np.empty((int(told.counts[:, 2].max()), channels), np.float32)
        first = np.array([starts[0], starts[1], 0, starts[2]], np.int64)
        self._call["fill"](
            ctypes.byref(tables.in_c),
            ctypes.byref(small.in_c),
            told.pieces.ctypes.data,
            count,
            *(array.ctypes.data for array in (told.kind, told.counts, first, slot, missing)),
            ctypes.byref(into.in_c),
        )

    def add_grid(self, grid: Float32, between: Between, y: Ints, x: Ints, colours: Float32) -> None:
        """Adds to ``(N, C)`` colours of N pixels what a grid ``(h, w, C)`` says there, interpolated."""
        count, channels = colours.shape
        _expect_inside(y, x, between.size_hw)
        self._call["add_grid"](
            _address(grid, np.float32, (*between.grid_hw, channels)),
            channels,
            ctypes.byref(between.in_c),
            _address(y, np.int32, (count,)),
            _address(x, np.int32, (count,)),
            count,
            _address(colours, np.float32, (count, channels)),
        )

    def paste(self, picture: Pixels, white: float, y: Ints, x: Ints, colours: Float32) -> None:
        """Writes ``(N, C)`` colours in grey levels at N pixels into the first channels of a picture ``(H, W, ...)``."""
        count, channels = colours.shape
        _expect_inside(y, x, picture.shape[:2])
        self._call["paste"](
            _address(picture, picture.dtype, picture.shape),
            picture.shape[1],
            picture[0, 0].size,
            picture.itemsize,
            white,
            _address(y, np.int32, (count,)),
            _address(x, np.int32, (count,)),
            count,
            _address(colours, np.float32, (count, channels)),
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
            _address(known, np.uint8, (*shape[:2], 3)),
            _address(filled, np.uint8, shape),
            _address(windows.is_hole, np.bool_, (tokens, SAMPLES)),
            shape[0],
            shape[1],
            _address(windows.corners_yx, np.int32, (tokens, 2)),
            _address(windows.own, np.float32, (tokens, SAMPLES, 3)),
            _address(windows.weight, np.float32, (tokens, SAMPLES)),
            mean_forgiven,
            _address(rows, np.int32, (count,)),
            _address(moved_yx, np.int32, (count, 2)),
            count,
            cost.ctypes.data,
        )
        return cost


def _expect_inside(y: Ints, x: Ints, size_hw: tuple[int, ...]) -> None:
    """That is what C would read and write beyond."""
    for axis, length in zip((y, x), size_hw, strict=False):
        if len(axis) and not 0 <= axis.min() <= axis.max() < length:
            raise IndexError(f"pixels from {axis.min()} to {axis.max()} along an axis of {length}")


def _address(array: NDArray[Any], dtype: DTypeLike, shape: tuple[int, ...]) -> int:
    """Where an array begins, if it has the form that C takes it to have."""
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise TypeError(
            f"an array of {array.dtype} {array.shape}, C-contiguous: {array.flags.c_contiguous};"
            f" expected {np.dtype(dtype)} {shape}, C-contiguous"
        )
    return array.ctypes.data
