"""A look at what masks mean before anything is filled."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from rethined.batch.fill import Report, Settings, heard, hole_of, make_folder
from rethined.batch.jobs import Task
from rethined.depth import as_picture, as_shown
from rethined.imageio import read_image, write_image
from rethined.masks import grow_hole
from rethined.types import HoleMap, Image8

MOST_PX = 1600
"""Longest side of a preview, without its line."""
TINT, TINT_SHARE = (255, 0, 255), 0.6
"""Colour of the hole, and how much of it."""
LINE_PX, TEXT_PX, LEAST_WIDTH_PX = 28, 16, 480
"""Height of the line below, of its letters, and the width it needs."""


class Previewer:
    """Shows the hole of photographs.

    Args:
        settings: How they would be filled.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, task: Task) -> Report:
        """Writes a copy of at most 1600 px with the hole tinted and a line below that says how the mask was understood.

        Raises:
            ImageError, MaskError, ImageReadError, ImageWriteError: As :meth:`Filler.__call__`.
        """
        with heard() as said:
            image = read_image(task.photo, as_stored=True)
            hole = hole_of(task, image, invert=self._settings.invert)
        hole = grow_hole(hole, self._settings.options.grow_px)
        line = f"{np.count_nonzero(hole) / hole.size:.1%} of the picture is filled: {self._rule(task)}"
        make_folder(task.out.parent)
        write_image(task.out, with_line(tinted(as_shown(as_picture(image).pixels), hole), line))
        return Report(tuple(dict.fromkeys(said)), line)

    def _rule(self, task: Task) -> str:
        if task.mask is None:
            rule = "its alpha up to half"
        else:
            rule = f"{'black' if self._settings.invert else 'white'} in {task.mask.name}"
        grow_px = self._settings.options.grow_px
        return f"{rule}, widened by {grow_px} px" if grow_px else rule


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
    """The picture with a line of text on white below it; a narrow one gets white at its right.

    Args:
        image: ``(H, W, 3)`` uint8.
        line: What to write; letters that the built-in font may lack become question marks.
    """
    height, width = image.shape[:2]
    canvas = Image.new("RGB", (max(width, LEAST_WIDTH_PX), height + LINE_PX), "white")
    canvas.paste(Image.fromarray(image), (0, 0))
    text = line.encode("ascii", "replace").decode()
    ImageDraw.Draw(canvas).text((6, height + 5), text, fill="black", font=ImageFont.load_default(TEXT_PX))
    return np.array(canvas)
