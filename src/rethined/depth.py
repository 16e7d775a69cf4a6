"""A picture's own depth: what came in becomes pixels to work on, and what was made goes back in the same form.

All arithmetic is in grey levels, float32 with white at 255, whatever the picture holds: the network, the constants and
the tests speak of those. Only where pixels of the picture are read or written does its own white matter, and it is told
from the dtype. 255 levels in float32 resolve 1/250 of a step of 16 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rethined.errors import ImageError, MaskError
from rethined.types import Float32, HoleMap, Image8, Pixels, SizeHW

LEVELS = 255
"""White, in grey levels."""
WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535, np.dtype(np.float32): 1}
"""White of each dtype that a picture may have, in its own values."""
BEYOND = 16
"""Furthest that values of a float picture may lie from 0: four stops above white. A picture that holds 0..255 goes
beyond that at once, and would be filled with black if it were let pass."""

_CONVERSIONS = {
    "bool": "image.astype(np.uint8) * 255",
    "float": "image.astype(np.float32) for values 0..1",
}


@dataclass(frozen=True)
class Picture:
    """What a user handed in, and what of it the engine works on.

    Attributes:
        given: The array that came in, see :func:`checked`; never written to.
        pixels: ``(H, W, 1)`` or ``(H, W, 3)``, the colours of ``given``, C-contiguous; a view where there is no alpha.
        transparent: ``(H, W)`` bool, pixels of alpha 0, whose colour means nothing; ``None`` where there are none.
    """

    given: Pixels
    pixels: Pixels
    transparent: HoleMap | None

    @property
    def size_hw(self) -> SizeHW:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def unknown(self, hole: HoleMap) -> HoleMap:
        """``(H, W)`` bool, pixels that say nothing about the picture: the hole, and what is fully transparent.

        Raises:
            MaskError: That is all of them.
        """
        if self.transparent is None:
            return hole
        unknown = hole | self.transparent
        if unknown.all():
            raise MaskError(
                "every pixel that the mask keeps is fully transparent (alpha 0), so nothing is known to fill from; "
                "drop the alpha channel if the colours below it are meant"
            )
        return unknown


def as_picture(given: Pixels) -> Picture:
    """Takes apart what :func:`checked` lets pass; without alpha no pixel is copied."""
    channels = given[..., np.newaxis] if given.ndim == 2 else given
    if channels.shape[2] in (1, 3):
        return Picture(given, np.ascontiguousarray(channels), None)
    transparent = np.ascontiguousarray(channels[..., -1] <= 0)
    return Picture(given, np.ascontiguousarray(channels[..., :-1]), transparent if transparent.any() else None)


def checked(array: NDArray[Any]) -> Pixels:
    """The same array, if it is a picture.

    Args:
        array: ``(H, W)`` or ``(H, W, 1)`` grey, ``(H, W, 2)`` grey and alpha, ``(H, W, 3)`` RGB or ``(H, W, 4)`` RGBA;
            uint8 in 0..255, uint16 in 0..65535 or float32 with white at 1.

    Raises:
        ImageError: Another dtype or shape, no pixels, NaN, infinite values, or floats further than 16 from 0.
    """
    if not isinstance(array, np.ndarray):
        raise ImageError(f"a NumPy array was expected, got {type(array).__name__}; convert it with np.asarray first")
    if array.dtype not in WHITE:
        raise ImageError(_dtype_message(array))
    if array.ndim not in (2, 3) or (array.ndim == 3 and not 1 <= array.shape[2] <= 4):
        raise ImageError(
            f"the picture has shape {array.shape}; expected (H, W) or (H, W, 1) grey, (H, W, 2) grey and alpha, "
            "(H, W, 3) RGB or (H, W, 4) RGBA, channels last"
        )
    if array.size == 0:
        raise ImageError(f"the picture has shape {array.shape}, no pixels at all; expected at least 1 x 1")
    if array.dtype.kind == "f":
        _expect_display_range(array)
    return array


def in_levels(values: NDArray[Any]) -> NDArray[Any]:
    """Values of a picture, of any shape, in grey levels; uint8 comes back as it is, all else as float32."""
    if values.dtype == np.uint8:
        return values
    return np.asarray(values * np.float32(LEVELS / WHITE[values.dtype]), np.float32)


def from_levels(levels: Float32, dtype: np.dtype[Any]) -> Pixels:
    """Grey levels as values of a picture of ``dtype``: integers are rounded, and black and white are the ends."""
    white = WHITE[dtype]
    values = levels if white == LEVELS else levels * np.float32(white / LEVELS)
    if dtype.kind != "f":
        values = np.rint(values)
    return np.clip(values, 0, white).astype(dtype, copy=False)


def as_shown(pixels: Pixels) -> Image8:
    """``(H, W, 1)`` or ``(H, W, 3)`` in any depth as ``(H, W, 3)`` uint8, to be looked at; not a copy if it is that."""
    levels = in_levels(pixels)
    if levels.dtype != np.uint8:
        levels = from_levels(levels, np.dtype(np.uint8))
    return levels if levels.shape[2] == 3 else np.ascontiguousarray(np.broadcast_to(levels, (*levels.shape[:2], 3)))


def _dtype_message(array: NDArray[Any]) -> str:
    if array.dtype.newbyteorder("=") in WHITE:
        how = f"image.astype(np.{array.dtype.name}), which puts its bytes in this machine's order"
    else:
        kind = "float" if array.dtype.kind == "f" else array.dtype.name
        how = _CONVERSIONS.get(kind, "image.astype(np.uint8) once its values are 0..255, np.uint16 for 0..65535")
    return f"the picture has dtype {array.dtype}; expected uint8, uint16 or float32. Convert it: {how}"


def _expect_display_range(array: NDArray[np.float32]) -> None:
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):  # NaN anywhere makes both of them NaN
        wrong = ~np.isfinite(array)
        first = tuple(int(i) for i in np.unravel_index(wrong.argmax(), array.shape))
        raise ImageError(
            f"the picture contains NaN or infinite values, {np.count_nonzero(wrong)} in all, the first at index "
            f"{first}; expected finite values, so replace them first, below the mask as well"
        )
    if max(-low, high) > BEYOND:
        raise ImageError(
            f"the picture has float values from {low:g} to {high:g}; expected 0..1, black to white (a few beyond are "
            f"fine, up to {BEYOND}), so divide it by the value that means white"
        )
