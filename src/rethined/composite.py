"""The paste: filled pixels into a copy of the picture, known pixels bit-exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rethined.types import Float32, Image8


def paste(image: Image8, y: NDArray[np.int32], x: NDArray[np.int32], colours: Float32) -> Image8:
    """A copy of ``image`` with ``colours`` at the given pixels, rounded and clipped to 0..255.

    Args:
        image: ``(H, W, 3)`` uint8; not changed.
        y, x: ``(N,)`` rows and columns, each pixel once.
        colours: ``(N, 3)`` float32 in about 0..255.
    """
    result = image.copy()
    place = y.astype(np.int64) * image.shape[1] + x
    result.reshape(-1, 3)[place] = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
    return result
