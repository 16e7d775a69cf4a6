"""The paste: filled pixels into a copy of the picture or into itself, known pixels bit-exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rethined.depth import from_levels
from rethined.types import Float32, Pixels

CHUNK = 1 << 18
"""Pixels pasted at a time, so that what rounding takes does not grow with the hole."""


def paste(
    image: Pixels, y: NDArray[np.int32], x: NDArray[np.int32], colours: Float32, *, inplace: bool = False
) -> Pixels:
    """A copy of ``image`` with ``colours`` at the given pixels, rounded and clipped to black and white.

    Args:
        image: ``(H, W)`` or ``(H, W, C)`` in its own depth; not changed, unless ``inplace``.
        y, x: ``(N,)`` rows and columns, each pixel once.
        colours: ``(N, 1)`` or ``(N, 3)`` float32 in about 0..255, for the first channels; others, alpha, stay.
        inplace: Write into ``image``, which is C-contiguous, and give it back, no copy; the last step, so that an error
            leaves it as it was.
    """
    result = image if inplace else image.copy(order="C")
    flat = result.reshape(image.shape[0] * image.shape[1], -1)[:, : colours.shape[1]]
    for start in range(0, len(y), CHUNK):
        part = slice(start, start + CHUNK)
        flat[y[part].astype(np.int64) * image.shape[1] + x[part]] = from_levels(colours[part], image.dtype)
    return result
