"""The paste: filled pixels into a copy of the picture or into itself, known pixels bit-exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rethined.types import Float32, Image8


def paste(
    image: Image8, y: NDArray[np.int32], x: NDArray[np.int32], colours: Float32, *, inplace: bool = False
) -> Image8:
    """A copy of ``image`` with ``colours`` at the given pixels, rounded and clipped to 0..255.

    Args:
        image: ``(H, W, 3)`` uint8, C-contiguous; not changed, unless ``inplace``.
        y, x: ``(N,)`` rows and columns, each pixel once.
        colours: ``(N, 3)`` float32 in about 0..255.
        inplace: Write into ``image`` and give it back, no copy; the last step, so that an error leaves it as it was.
    """
    place = y.astype(np.int64) * image.shape[1] + x
    rounded = np.clip(np.rint(colours), 0, 255).astype(np.uint8)
    result = image if inplace else image.copy()
    result.reshape(-1, 3)[place] = rounded
    return result
