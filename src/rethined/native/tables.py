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

from rethined.types import Float32, HoleMap, Ints, Pixels, SizeHW

SAMPLES = 64
"""Samples of a window that is compared."""

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


class _Filled(ctypes.Structure):
    _fields_ = tuple(
        (name, ADDRESS) for name in ("y", "x", "colours", "ring", "ring_missing", "rim_y", "rim_x", "rim_missing")
    )


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


def cells_of(pieces: NDArray[np.int64]) -> NDArray[np.int64]:
    """``(P,)``, how many cells the box that each piece sees has with its border; see :class:`Told`."""
    top, left, bottom, right = pieces[:, 5:].T
    return np.asarray((bottom - top + 2) * (right - left + 2), np.int64)


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
            *(address_of(axis, np.int32, (hole_px,)) for axis in (self.y, self.x)),
            address_of(self.colours, np.float32, (hole_px, channels)),
            address_of(self.ring, np.int64, (ring_px,)),
            address_of(self.ring_missing, np.float32, (ring_px, channels)),
            *(address_of(axis, np.int32, (rim_px,)) for axis in (self.rim_y, self.rim_x)),
            address_of(self.rim_missing, np.float32, (rim_px, channels)),
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


def address_of(array: NDArray[Any], dtype: DTypeLike, shape: tuple[int, ...]) -> int:
    """Where an array begins, if it has the form that C takes it to have."""
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        raise TypeError(
            f"an array of {array.dtype} {array.shape}, C-contiguous: {array.flags.c_contiguous};"
            f" expected {np.dtype(dtype)} {shape}, C-contiguous"
        )
    return array.ctypes.data
