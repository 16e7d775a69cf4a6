"""The small copy of a picture that EXIF carries: viewers and file managers show it in place of the picture."""

from __future__ import annotations

import io

import cv2
import numpy as np
from PIL import Image

from rethined.depth import as_picture, as_shown
from rethined.types import Image8, Pixels, SizeHW

QUALITIES = (88, 75, 60, 40)
"""Of JPEG, tried in turn until it fits."""


def thumbnail(pixels: Pixels, size_hw: SizeHW, *, most_bytes: int) -> bytes:
    """A small copy as a JPEG, black beside the picture where its sides are in another ratio, as cameras have it.

    Args:
        pixels: The picture, as it is stored in its file; alpha is not shown.
        size_hw: Height and width of the copy; they change places where the picture lies the other way.
        most_bytes: As many as there is room for.

    Returns:
        The content of the file; nothing where none is so small.
    """
    height, width = pixels.shape[:2]
    if (height - width) * (size_hw[0] - size_hw[1]) < 0:
        size_hw = size_hw[1], size_hw[0]
    small = Image.fromarray(_fitted(pixels, size_hw))
    for quality in QUALITIES:
        content = io.BytesIO()
        small.save(content, "JPEG", quality=quality, subsampling="4:2:0", optimize=True)
        if content.tell() <= most_bytes:
            return content.getvalue()
    return b""


def _fitted(pixels: Pixels, size_hw: SizeHW) -> Image8:
    """The picture in the middle of ``(H, W, 3)`` uint8 of a size."""
    scale = min(room / side for room, side in zip(size_hw, pixels.shape, strict=False))
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    if max(size_hw[0] - height, size_hw[1] - width) <= 1:  # the same ratio, rounded
        height, width = size_hw
    small = np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
    copy = np.zeros((*size_hw, 3), np.uint8)
    top, left = (size_hw[0] - height) // 2, (size_hw[1] - width) // 2
    copy[top : top + height, left : left + width] = as_shown(as_picture(small).pixels)
    return copy
