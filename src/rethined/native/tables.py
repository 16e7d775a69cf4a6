"""What compiled loops work on: arrays, and the structures of addresses that C takes them as.

Each structure is that of ``loops.c``, field by field. An address is taken once the array has been found to have the
form that C takes it to have.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rethined.types import Float32, HoleMap, Image8, Ints, Pixels, SizeHW

SAMPLES = 64
"""Samples of a window that is compared: 8 x 8, every 2 px, the first ``MARGIN_PX`` above and left of the token."""
MARGIN_PX = 4
"""Pixels around a picture that is laid out; they repeat its edge, so that no window leaves it."""
TOKEN_PX = 8
"""Side of what is copied."""

ADDRESS, SIZE, INT, FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_float


class _Blend(ctypes.Structure):
    _fields_ = (
        *((name, ADDRESS) for name in ("colours", "barred", "shift_y", "shift_x", "is_set", "gate")),
        *((name, ADDRESS * 2) for name in ("token_y", "weight_y", "token_x", "weight_x")),
        *((name, SIZE) for name in ("height", "width", "columns")),
        *((name, INT) for name in ("channels", "bytes_each")),
        ("gain", FLOAT),
    )


class _Between(ctypes.Structure):
    _fields_ = (
        *((name, ADDRESS * 2) for name in ("row", "column")),
        *((name, ADDRESS) for name in ("row_share", "column_share")),
        ("width", SIZE),
    )


class _Small(ctypes.Structure):
    _fields_ = (("copied", ADDRESS), ("membrane", ADDRESS), ("between", _Between))


class _Region(ctypes.Structure):
    _fields_ = (
        *((name, ADDRESS) for name in ("hole", "unknown", "labels", "label_row", "label_column")),
        *((name, SIZE) for name in ("width", "label_columns")),
    )


class _Shrinking(ctypes.Structure):
    _fields_ = (
        *((name, ADDRESS) for name in ("image", "hole", "cell_column")),
        *((name, ADDRESS * 2) for name in ("ends", "parts")),
        *((name, SIZE) for name in ("height", "width", "small_height", "small_width")),
        *((name, INT) for name in ("channels", "bytes_each")),
    )


class _Seam(ctypes.Structure):
    _fields_ = (("diagonal", FLOAT), ("pull_gain", FLOAT), ("levels", INT))


class _Filled(ctypes.Structure):
    _fields_ = tuple((name, ADDRESS) for name in ("y", "x", "colours"))


class _Copying(ctypes.Structure):
    _fields_ = (
        *((name, ADDRESS) for name in ("touched", "voice", "copied", "membrane")),
        *((name, FLOAT) for name in ("contrast", "pull_gain")),
        ("levels", INT),
    )


class _Search(ctypes.Structure):
    _fields_ = (
        *((name, ADDRESS) for name in ("pictures", "is_free", "offered", "asked", "corners_yx")),
        *((name, SIZE) for name in ("height", "width", "free_height", "free_width")),
        *((name, FLOAT) for name in ("far_px", "far_most", "less_detail", "more_detail", "mean_forgiven")),
    )


class _Windows(ctypes.Structure):
    _fields_ = tuple((name, ADDRESS) for name in ("is_hole", "own", "weight"))


WINDOWS = _Windows
"""An address of each array of :class:`Windows`."""


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
            sides.append((ADDRESS * 2)(*(address_of(token, np.int32, (length,)) for token, _ in side)))
            sides.append((ADDRESS * 2)(*(address_of(weight, np.float32, (length,)) for _, weight in side)))
        channels = self.colours.shape[2]
        return _Blend(
            address_of(self.colours, self.colours.dtype, (height, width, channels)),
            address_of(self.barred, np.bool_, (height, width)),
            address_of(self.shift_y, np.int32, tokens),
            address_of(self.shift_x, np.int32, tokens),
            address_of(self.is_set, np.float32, tokens),
            address_of(self.gate, np.float32, tokens),
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
        tables: The row before each, the one after, and how much that one counts; the same of columns.
    """

    size_hw: SizeHW
    grid_hw: SizeHW
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

    @property
    def scale_yx(self) -> tuple[float, float]:
        """Pixels per cell."""
        return self.size_hw[0] / self.grid_hw[0], self.size_hw[1] / self.grid_hw[1]

    @cached_property
    def in_c(self) -> _Between:
        """Their addresses: valid as long as this object is."""
        pairs = [(ADDRESS * 2)(first.ctypes.data, second.ctypes.data) for first, second, _ in self.tables]
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
        addresses = (address_of(picture, np.float32, shape) for picture in (self.copied, self.membrane))
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
            address_of(self.hole, np.bool_, shape),
            address_of(self.unknown, np.bool_, shape),
            address_of(self.labels, np.int32, self.labels.shape),
            *(cells.ctypes.data for cells in self.cells),
            shape[1],
            self.labels.shape[1],
        )


@dataclass(frozen=True)
class Shrinking:
    """A picture that is shrunk; see :func:`rethined.resample.shrink_known`.

    Attributes:
        image: ``(H, W, C)`` of 1 or 3 channels, uint8, uint16 or float32.
        hole: ``(H, W)`` bool.
        size_hw: Height and width wanted, no larger.
    """

    image: Pixels
    hole: HoleMap
    size_hw: SizeHW
    cell_column: Ints = field(init=False, repr=False)
    covered: tuple[Ints, Ints, Float32, Float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        (_, width), (_, small_width) = self.hole.shape, self.size_hw
        columns = np.arange(width, dtype=np.int64) * small_width // width
        object.__setattr__(self, "cell_column", columns.astype(np.int32))
        # In units of 1 / small_width of a column, so that all is exact.
        left, right = (
            np.arange(small_width, dtype=np.int64) * width,
            np.arange(1, small_width + 1, dtype=np.int64) * width,
        )
        first, last = left // small_width, (right - 1) // small_width
        first_part = np.minimum((first + 1) * small_width, right) - left
        parts = [(part / small_width).astype(np.float32) for part in (first_part, right - last * small_width)]
        object.__setattr__(self, "covered", (first.astype(np.int32), last.astype(np.int32), *parts))

    @cached_property
    def in_c(self) -> _Shrinking:
        """Their addresses: valid as long as this object is."""
        (height, width), channels = self.hole.shape, self.image.shape[2]
        if channels not in {1, 3} or not (0 < self.size_hw[0] <= height and 0 < self.size_hw[1] <= width):
            raise TypeError(f"{self.size_hw} of {height} x {width} pixels of {channels} channels")
        return _Shrinking(
            address_of(self.image, self.image.dtype, (height, width, channels)),
            address_of(self.hole, np.bool_, (height, width)),
            self.cell_column.ctypes.data,
            *((ADDRESS * 2)(*(each.ctypes.data for each in pair)) for pair in (self.covered[:2], self.covered[2:])),
            *(height, width, *self.size_hw, channels, self.image.itemsize),
        )


@dataclass(frozen=True)
class Told:
    """Pixels of some pieces.

    Attributes:
        pieces: ``(P, 10)`` int64: the label of each one's group; top, left, bottom and right of the box that it answers
            for, and of the box that it sees; whether it is a tile, see :class:`rethined.regions.Piece`.
        kind: Of the pixels that pieces see, uint8, each box with a border of zeros, one after the other: 1 hole of the
            piece's group, 2 known beside that, 0 neither.
        counts: ``(P, 6)`` int64, how many hole pixels each answers for, and how many pixels of kind 2 it sees; top,
            left, bottom and right of the pixels of both kinds in the box that it sees, the last two within.
    """

    pieces: NDArray[np.int64]
    kind: NDArray[np.uint8]
    counts: NDArray[np.int64]

    @property
    def hole_px(self) -> int:
        """Hole pixels that all the pieces answer for."""
        return int(self.counts[:, 0].sum())


def cells_of(pieces: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(P,)``, how many cells the box that each piece sees has with its border; see :class:`Told`."""
    top, left, bottom, right = pieces[:, 5:9].T
    return np.asarray((bottom - top + 2) * (right - left + 2), np.int64)


@dataclass(frozen=True)
class Seam:
    """How a fill meets what is known; see :mod:`rethined.fullsize`.

    Attributes:
        diagonal: What a known pixel beside a corner of a hole pixel counts, one beside an edge counting 1.
        pull_gain: See :data:`rethined.resample.PULL_GAIN`.
        levels: Halvings of what is missing at the rim.
    """

    diagonal: float
    pull_gain: float
    levels: int

    @cached_property
    def in_c(self) -> _Seam:
        """The same for C."""
        return _Seam(self.diagonal, self.pull_gain, self.levels)


@dataclass(frozen=True)
class FilledPixels:
    """Hole pixels with their colours.

    Attributes:
        y, x: Rows and columns, ``(N,)`` int32.
        colours: ``(N, C)`` float32.
    """

    y: Ints
    x: Ints
    colours: Float32

    @staticmethod
    def empty(hole_px: int, channels: int) -> FilledPixels:
        """Room for so many pixels."""
        return FilledPixels(
            np.empty(hole_px, np.int32), np.empty(hole_px, np.int32), np.empty((hole_px, channels), np.float32)
        )

    @cached_property
    def in_c(self) -> _Filled:
        """Their addresses: valid as long as this object is."""
        hole_px, channels = self.colours.shape
        return _Filled(
            *(address_of(axis, np.int32, (hole_px,)) for axis in (self.y, self.x)),
            address_of(self.colours, np.float32, (hole_px, channels)),
        )


@dataclass(frozen=True)
class Copying:
    """What a copy at the network's size is made with, and where it goes; see :func:`rethined.transfer.copy_small`.

    Attributes:
        touched: ``(h, w)`` bool.
        voice: ``(h, w)`` float32, see :func:`rethined.transfer.voice_weight`.
        copied, membrane: ``(h, w, 3)`` float32, written.
        contrast: As there.
        pull_gain: See :data:`rethined.resample.PULL_GAIN`.
        levels: Halvings of the pyramid that bends.
    """

    touched: HoleMap
    voice: Float32
    copied: Float32
    membrane: Float32
    contrast: float
    pull_gain: float
    levels: int

    @cached_property
    def in_c(self) -> _Copying:
        """Their addresses: valid as long as this object is."""
        size_hw = self.touched.shape
        return _Copying(
            address_of(self.touched, np.bool_, size_hw),
            address_of(self.voice, np.float32, size_hw),
            address_of(self.copied, np.float32, (*size_hw, 3)),
            address_of(self.membrane, np.float32, (*size_hw, 3)),
            *(self.contrast, self.pull_gain, self.levels),
        )


@dataclass(frozen=True)
class SearchTables:
    """What tells the cost of an offset, of R tokens; see :mod:`rethined.offsets`.

    Attributes:
        pictures: What is compared outside of holes, and what is inside; see :func:`laid_out_shape`.
        is_free: ``(h, w)`` bool, where sources may begin; no larger than ``offered``.
        offered: ``(H, W)`` float32, detail of sources.
        asked: ``(R,)`` float32.
        corners_yx: ``(R, 2)`` int32, of the tokens.
        far_px: How far away a source costs twice as much.
        far_most: So many times that is as far as distance counts.
        less_detail, more_detail: Cost of each squared grey level.
        mean_forgiven: Share of the squared difference in mean colour that does not count.
    """

    pictures: Image8
    is_free: HoleMap
    offered: Float32
    asked: Float32
    corners_yx: Ints
    far_px: float
    far_most: float
    less_detail: float
    more_detail: float
    mean_forgiven: float

    @cached_property
    def in_c(self) -> _Search:
        """Their addresses: valid as long as this object is."""
        (height, width), free_hw, tokens = self.offered.shape, self.is_free.shape, len(self.asked)
        if free_hw[0] > height or free_hw[1] > width:
            raise TypeError(f"places of {free_hw} in a picture of {height} x {width}")
        return _Search(
            address_of(self.pictures, np.uint8, laid_out_shape((height, width))),
            address_of(self.is_free, np.bool_, free_hw),
            address_of(self.offered, np.float32, (height, width)),
            address_of(self.asked, np.float32, (tokens,)),
            address_of(self.corners_yx, np.int32, (tokens, 2)),
            *(height, width, *free_hw),
            *(self.far_px, self.far_most, self.less_detail, self.more_detail, self.mean_forgiven),
        )


@dataclass(frozen=True)
class Windows:
    """Windows of R tokens that others are compared with; see :mod:`rethined.offsets`.

    Attributes:
        is_hole: ``(R, 64)`` bool, which samples are taken from what fills holes.
        own: ``(R, 64, 4)`` uint8, the last of each as in a picture that is laid out.
        weight: ``(R, 64)`` uint8, at most 127, so that sums fit into 32 bits; in a window without any, nothing differs.
    """

    is_hole: HoleMap
    own: Image8
    weight: Image8

    @cached_property
    def in_c(self) -> _Windows:
        """Their addresses: valid as long as this object is."""
        shape = (len(self.is_hole), SAMPLES)
        return _Windows(
            address_of(self.is_hole, np.bool_, shape),
            address_of(self.own, np.uint8, (*shape, 4)),
            address_of(self.weight, np.uint8, shape),
        )


def laid_out_shape(size_hw: SizeHW) -> tuple[int, int, int, int, int]:
    """Of two pictures as windows are taken from them, so that what a window samples of a row lies together.

    The axes are: picture, row, even or odd column, half of the column, and of the last three channels and a 0. Rows and
    columns have a margin.
    """
    height, width = size_hw
    if width % 2:
        raise TypeError(f"a picture {width} px wide; expected an even number")
    return 2, height + 2 * MARGIN_PX, 2, width // 2 + MARGIN_PX, 4


def address_of(array: NDArray[Any], dtype: DTypeLike, shape: tuple[int, ...]) -> int:
    """Where an array begins, if it has the form that C takes it to have."""
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise TypeError(
            f"an array of {array.dtype} {array.shape}, C-contiguous: {array.flags.c_contiguous};"
            f" expected {np.dtype(dtype)} {shape}, C-contiguous"
        )
    return array.ctypes.data
