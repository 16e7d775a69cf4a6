"""The work of a request: files in, a file out. Nothing here knows of HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import cv2
import numpy as np
from PIL import Image

from rethined.doors import through
from rethined.engine import Inpainter
from rethined.imageio import PictureHeader, read_header, read_image
from rethined.masking import MaskSource
from rethined.masking.annotations import forget
from rethined.masks import grow_hole
from rethined.options import InpaintOptions
from rethined.photo import naming_files_alone, read_photo, without_folder
from rethined.serve.hearing import heard
from rethined.types import SizeHW

Step = Callable[[], None]
"""Called between steps; an error it raises ends the work."""


@dataclass(frozen=True, kw_only=True)
class FillJob:
    """What is to be filled, and how.

    Attributes:
        image: The photograph.
        out: Where the result goes; its suffix names the format.
        mask: What says what to fill of it.
        name: What its sender calls it, for annotations of several pictures; ``None`` where that is not known.
        forbid: Mask of what is never copied from.
        options: How to fill.
    """

    image: Path
    out: Path
    mask: MaskSource
    name: PurePath | None = None
    forbid: Path | None = None
    options: InpaintOptions = field(default_factory=InpaintOptions)


@dataclass(frozen=True)
class Done:
    """How a job went.

    Attributes:
        stages_ms: Milliseconds of reading, of the stages of the fill, and of writing, in order.
        warnings: What is odd about its masks, and what of its file is not kept.
        hole_px: Pixels that were filled.
        working_px: Long side of the grid that sources were matched on; 0 when there was no hole.
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
    with naming_files_alone(path.parent):
        return read_header(path)


def fill_files(inpainter: Inpainter, job: FillJob, step: Step) -> Done:
    """Fills a file into another, which appears whole or not at all.

    Where the picture's transparency is its mask, all that was filled becomes opaque. What the file says beside its
    pixels goes along, see :mod:`rethined.photo`.

    Args:
        inpainter: The engine; the job's options take the place of its own.
        job: What to do.
        step: Called between steps, also within the long ones.

    Raises:
        ImageError, MaskError, OptionError, MemoryBudgetError, ImageReadError, ImageWriteError, InferenceError: As
            :meth:`Inpainter.fill` and :meth:`Photo.write`; files are named without their folder.
        MissingExtraError: As :meth:`Photo.expect_writable`.
    """
    folder, options = job.image.parent, job.options
    with through("http"), naming_files_alone(folder), heard() as said:
        began = time.perf_counter()
        photo = read_photo(job.image)
        photo.expect_writable(job.out, options)
        hole = job.mask.hole(photo.pixels, name=job.name, grow_px=options.grow_px)
        forget()  # what annotations were taken apart into, which is large
        stages_ms = {"read": _ms_since(began)}
        step()
        result = inpainter.with_options(options).fill(
            photo.pixels, hole, forbid=job.forbid, inplace=True, on_progress=lambda _stage, _share: step()
        )
        step()
        began = time.perf_counter()
        hole = grow_hole(hole, options.grow_px)
        job.mask.finish(photo.pixels, hole)
        photo.write(job.out, photo.pixels, hole, options)
        stages_ms |= result.stages_ms | {"write": _ms_since(began)}
        return Done(
            stages_ms,
            tuple(without_folder(folder, warning) for warning in said),
            round(result.hole_share * hole.size),
            0 if result.plan is None else max(result.plan.working_hw),
        )


def show_file(source: Path, out: Path, *, max_px: int, step: Step) -> SizeHW:
    """Writes a picture as an 8-bit PNG to look at, upright, its long side at most ``max_px``.

    Returns:
        Height and width of the picture itself, upright.

    Raises:
        ImageReadError, ImageWriteError: As :func:`read_image` and :func:`write_image`.
    """
    with naming_files_alone(source.parent):
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


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1e3
