"""Holes in the shape of things: silhouettes from a folder, scaled, turned and placed by name and seed.

Everything is counted in whole numbers, so that the same files give the same holes on every machine.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rethined.data.photos import SUFFIXES
from rethined.errors import DatasetError, MaskError
from rethined.files import files_below, sha256_of
from rethined.imageio import open_picture
from rethined.masks import MaskWarning, as_hole
from rethined.types import HoleMap, SizeHW

COUNT = (1, 3)
"""How many silhouettes a photograph gets."""
LENGTH_PERMILLE = (150, 400)
"""Long side of a silhouette, in thousandths of the short side of the picture."""
TURN_DEGREES = 15
"""It is turned by at most this."""
ONE = 1 << 16
"""Sine and cosine are counted in parts of this: a last digit that differs between machines is rounded away."""
TRIES = 20


@dataclass(frozen=True)
class Silhouettes:
    """The silhouettes of a folder.

    Attributes:
        shapes: ``(h, w)`` bool each, ``True`` = object, cut to what is object; in the order of the files' names.
        sha256: Checksum of the files in that order.
    """

    shapes: tuple[HoleMap, ...]
    sha256: str

    def draw(self, size_hw: SizeHW, rng: np.random.Generator) -> HoleMap:
        """One to three silhouettes in a picture.

        Args:
            size_hw: Height and width of the picture in pixels.
            rng: Source of all randomness.

        Returns:
            ``(H, W)`` bool, ``True`` = fill; never empty.
        """
        hole = np.zeros(size_hw, bool)
        for _ in range(int(rng.integers(COUNT[0], COUNT[1] + 1))):
            shape = self.shapes[int(rng.integers(len(self.shapes)))]
            if rng.integers(2):
                shape = shape[:, ::-1]
            length_px = max(1, min(size_hw) * int(rng.integers(LENGTH_PERMILLE[0], LENGTH_PERMILLE[1] + 1)) // 1000)
            degrees = int(rng.integers(-TURN_DEGREES, TURN_DEGREES + 1))
            _place(hole, _turned(shape, length_px, degrees), rng)
        return hole


def load_silhouettes(folder: Path) -> Silhouettes:
    """Every picture file below a folder as a silhouette.

    The alpha channel tells what is object where there is one that varies, opaque = object; otherwise white does, by the
    rule of :func:`rethined.masks.as_hole`.

    Raises:
        DatasetError: No folder, none with picture files in it, or a picture in which nothing or everything is object.
        ImageReadError: A file that cannot be read.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; give a folder of silhouettes")
    files = {file.relative_to(folder).as_posix(): file for file in files_below(folder, SUFFIXES)}
    if not files:
        raise DatasetError(
            f"{folder} holds no picture files; expected silhouettes that end in {', '.join(sorted(SUFFIXES))}"
        )
    in_order = [files[name] for name in sorted(files)]
    listing = "".join(f"{sha256_of(file)}\n" for file in in_order)
    return Silhouettes(tuple(_read(file) for file in in_order), hashlib.sha256(listing.encode()).hexdigest())


def _read(file: Path) -> HoleMap:
    picture = open_picture(file)
    if picture.has_transparency_data:
        alpha = picture.convert("RGBA").getchannel("A")
        low, high = alpha.getextrema()
        picture = picture.convert("RGB") if low == high else alpha
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", MaskWarning)  # most of a silhouette's picture may well be object
            shape = as_hole(picture, (picture.height, picture.width))
    except MaskError as error:
        raise DatasetError(f"{file} is no silhouette: {error}") from error
    rows, columns = np.flatnonzero(shape.any(1)), np.flatnonzero(shape.any(0))
    if not len(rows):
        raise DatasetError(
            f"{file} is blank: no pixel is object; expected a silhouette, opaque where alpha tells, otherwise white"
        )
    return shape[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].copy()


def _turned(shape: HoleMap, length_px: int, degrees: int) -> HoleMap:
    """A shape scaled to a long side and turned about its middle, nearest neighbour; never empty."""
    full_hw = shape.shape
    height, width = (max(1, (2 * side * length_px + max(full_hw)) // (2 * max(full_hw))) for side in full_hw)
    side = math.isqrt(height * height + width * width) + 1
    cosine, sine = (round(value * ONE) for value in (math.cos(math.radians(degrees)), math.sin(math.radians(degrees))))
    # From the middle, in half pixels, so that the centres of pixels are whole numbers.
    away = 2 * np.arange(side, dtype=np.int64) + 1 - side
    y, x = away[:, None], away[None, :]
    rows = (cosine * y + sine * x + height * ONE) * full_hw[0] // (2 * height * ONE)
    columns = (cosine * x - sine * y + width * ONE) * full_hw[1] // (2 * width * ONE)
    inside = (rows >= 0) & (rows < full_hw[0]) & (columns >= 0) & (columns < full_hw[1])
    turned = np.zeros((side, side), bool)
    turned[inside] = shape[rows[inside], columns[inside]]
    if not turned.any():  # so thin that it lies between all samples
        return np.ones((height, width), bool)
    kept_rows, kept_columns = np.flatnonzero(turned.any(1)), np.flatnonzero(turned.any(0))
    return turned[kept_rows[0] : kept_rows[-1] + 1, kept_columns[0] : kept_columns[-1] + 1]


def _place(hole: HoleMap, shape: HoleMap, rng: np.random.Generator) -> None:
    """Adds a shape to a hole at a place where at least half of it lies in the picture."""
    for _ in range(TRIES):
        top, left = (int(rng.integers(full)) - side // 2 for full, side in zip(hole.shape, shape.shape, strict=True))
        target = hole[max(0, top) : top + shape.shape[0], max(0, left) : left + shape.shape[1]]
        first_y, first_x = max(0, -top), max(0, -left)
        part = shape[first_y : first_y + target.shape[0], first_x : first_x + target.shape[1]]
        if 2 * np.count_nonzero(part) >= np.count_nonzero(shape):
            target |= part
            return
    top, left = ((full - side) // 2 for full, side in zip(hole.shape, shape.shape, strict=True))
    hole[top : top + shape.shape[0], left : left + shape.shape[1]] |= shape
