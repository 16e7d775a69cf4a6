"""The work of a request: files in, a file out. Nothing here knows of HTTP."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from rethined.engine import Inpainter
from rethined.errors import MaskError, RethinedError
from rethined.imageio import PictureHeader, expect_writable, read_header, read_image, write_image
from rethined.masks import as_hole, grow_hole
from rethined.options import InpaintOptions
from rethined.serve.hearing import heard
from rethined.types import Box, HoleMap, Pixels, SizeHW

Step = Callable[[], None]
"""Called between steps; an error it raises ends the work."""


@dataclass(frozen=True, kw_only=True)
class FillJob:
    """What is to be filled, and how.

    Attributes:
        image: The photograph.
        out: Where the result goes; its suffix names the format.
        mask: Its mask; without one the boxes are the hole, and without those its own transparency.
        boxes: What to fill, in upright pixels; parts outside the picture do not count.
        forbid: Mask of what is never copied from.
        invert: Fill what the mask or the boxes leave out instead.
        options: How to fill.
    """

    image: Path
    out: Path
    mask: Path | None = None
    boxes: tuple[Box, ...] = ()
    forbid: Path | None = None
    invert: bool = False
    options: InpaintOptions = field(default_factory=InpaintOptions)


@dataclass(frozen=True)
class Done:
    """How a job went.

    Attributes:
        stages_ms: Milliseconds of reading, of the stages of the fill, and of writing, in order.
        warnings: What is odd about its masks.
        hole_px: Pixels that were filled.
        working_px: Long side of the network's finest look at the whole; 0 when there was no hole.
    """

    stages_ms: dict[str, float]
    warnings: tuple[str, ...]
    hole_px: int
    working_px: int


def header_of(path: Path) -> PictureHeader:
    """What a file that was sent says of itself.

    Raises:
        ImageReadError: As :func:`read_header`; the file is named without its folder.
    """
    with _naming_files_alone(path.parent):
        return read_header(path)


def fill_files(inpainter: Inpainter, job: FillJob, step: Step) -> Done:
    """Fills a file into another, which appears whole or not at all.

    Where the picture's transparency is its mask, all that was filled becomes opaque.

    Args:
        inpainter: The engine; the job's options take the place of its own.
        job: What to do.
        step: Called between steps, also within the long ones.

    Raises:
        ImageError, MaskError, OptionError, MemoryBudgetError, ImageReadError, ImageWriteError, InferenceError: As
            :meth:`Inpainter.fill` and :func:`write_image`; files are named without their folder.
    """
    with _naming_files_alone(job.image.parent), heard() as said:
        began = time.perf_counter()
        image = read_image(job.image, as_stored=True)
        expect_writable(job.out, image)
        hole = hole_of(job, image)
        stages_ms = {"read": _ms_since(began)}
        step()
        if not hole.any():
            said.append("nothing is marked; the image comes back as it was")
        result = inpainter.with_options(job.options).fill(
            image, hole, forbid=job.forbid, inplace=True, on_progress=lambda _stage, _share: step()
        )
        if job.mask is None and not job.boxes:
            image[..., -1][grow_hole(hole, job.options.grow_px)] = np.iinfo(image.dtype).max
        step()
        began = time.perf_counter()
        write_image(job.out, image)
        stages_ms |= result.stages_ms | {"write": _ms_since(began)}
        return Done(
            stages_ms,
            tuple(said),
            round(result.hole_share * hole.size),
            0 if result.plan is None else max(result.plan.working_hw),
        )


def hole_of(job: FillJob, image: Pixels) -> HoleMap:
    """What to fill of a photograph, before it is widened: ``(H, W)`` bool.

    Raises:
        MaskError, ImageReadError: As :func:`as_hole`; or nothing says what to fill.
    """
    size_hw = (image.shape[0], image.shape[1])
    if job.mask is not None:
        return as_hole(job.mask, size_hw, invert=job.invert)
    if job.boxes:
        return as_hole(_boxed(job.boxes, size_hw), size_hw, invert=job.invert)
    if image.ndim == 2 or image.shape[2] not in (2, 4):
        raise MaskError(
            "nothing says what to fill: there is no mask, no box, and the image has no alpha channel (a palette's"
            " transparency is not read); send one of them"
        )
    if job.invert:
        raise MaskError("invert goes with a mask or boxes, not with transparency: what is transparent is not known")
    return as_hole(image[..., -1] <= np.iinfo(image.dtype).max // 2, size_hw)


def show_file(source: Path, out: Path, *, max_px: int, step: Step) -> SizeHW:
    """Writes a picture as an 8-bit PNG to look at, upright, its long side at most ``max_px``.

    Returns:
        Height and width of the picture itself, upright.

    Raises:
        ImageReadError, ImageWriteError: As :func:`read_image` and :func:`write_image`.
    """
    with _naming_files_alone(source.parent):
        image = read_image(source)
        step()
        size_hw = (image.shape[0], image.shape[1])
        factor = max_px / max(size_hw)
        if factor < 1:
            height, width = (max(1, round(side * factor)) for side in size_hw)
            image = np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
            step()
        # Not write_image: nobody keeps this file, so it need not be small.
        Image.fromarray(image).save(out, "PNG", compress_level=1)
        return size_hw


def _boxed(boxes: tuple[Box, ...], size_hw: SizeHW) -> HoleMap:
    hole = np.zeros(size_hw, bool)
    for box in boxes:
        inside = box.clipped(size_hw)
        if inside.height <= 0 or inside.width <= 0:
            raise MaskError(
                f"the box {box.left},{box.top},{box.width},{box.height} (left, top, width, height) has no pixel in the"
                f" picture, which is {size_hw[0]} high and {size_hw[1]} wide; move it"
            )
        hole[inside.slices] = True
    return hole


@contextmanager
def _naming_files_alone(folder: Path) -> Iterator[None]:
    """Takes the folder out of messages: whoever sent the files does not know it."""
    try:
        yield
    except RethinedError as error:
        raise type(error)(str(error).replace(f"{folder}{os.sep}", "")) from error


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1e3
