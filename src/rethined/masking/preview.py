"""A look at what a mask means before anything is filled."""

from __future__ import annotations

from math import ceil

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rethined.depth import as_picture, as_shown
from rethined.masking.sources import MaskSource
from rethined.masks import grow_hole
from rethined.types import HoleMap, Image8, Pixels

PREVIEW_SUFFIX = ".preview.jpg"
"""What follows on the name of a result in that of its preview: beside it, and never in its place."""
MOST_PX = 1600
"""Longest side of a preview, without its line."""
TINT, TINT_SHARE = (255, 0, 255), 0.6
"""Colour of the hole, and how much of it."""
LINE_PX, TEXT_PX, LEAST_WIDTH_PX = 28, 16, 480
"""Height of the line below, of its letters, and its least width."""


def preview(image: Pixels, mask: MaskSource, hole: HoleMap, *, grow_px: int = 0) -> tuple[Image8, str]:
    """A copy of at most 1600 px with the hole tinted, and the line below it: how the mask was understood.

    Args:
        image: The picture as it is stored.
        mask: Its mask.
        hole: What it gave for the picture.
        grow_px: By how many pixels it will be widened.
    """
    hole = grow_hole(hole, grow_px)
    widened = f", widened by {grow_px} px" if grow_px else ""
    line = f"{np.count_nonzero(hole) / hole.size:.1%} of the picture is filled: {mask.words()}{widened}"
    return with_line(tinted(as_shown(as_picture(image).pixels), hole), line), line


def tinted(image: Image8, hole: HoleMap) -> Image8:
    """A copy with the hole tinted, made smaller where it is longer than 1600 px; single pixels of hole stay visible.

    Args:
        image: ``(H, W, 3)`` uint8.
        hole: ``(H, W)`` bool.
    """
    height, width = hole.shape
    scale = min(1.0, MOST_PX / max(height, width))
    area = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.array(cv2.resize(image, area, interpolation=cv2.INTER_AREA) if scale < 1 else image, np.uint8)
    marked = cv2.resize(hole.astype(np.float32), area, interpolation=cv2.INTER_AREA) > 0 if scale < 1 else hole
    small[marked] = np.rint(small[marked] * (1 - TINT_SHARE) + np.array(TINT) * TINT_SHARE)
    return small


def with_line(image: Image8, line: str) -> Image8:
    """The picture with a line of text on white below it; a narrow one gets as much white at its right as that needs.

    Args:
        image: ``(H, W, 3)`` uint8.
        line: What to write; letters that the built-in font may lack become question marks.
    """
    height, width = image.shape[:2]
    text, font = line.encode("ascii", "replace").decode(), ImageFont.load_default(TEXT_PX)
    canvas_px = max(width, LEAST_WIDTH_PX, ceil(font.getlength(text)) + 12)
    canvas = Image.new("RGB", (canvas_px, height + LINE_PX), "white")
    canvas.paste(Image.fromarray(image), (0, 0))
    ImageDraw.Draw(canvas).text((6, height + 5), text, fill="black", font=font)
    return np.array(canvas)
