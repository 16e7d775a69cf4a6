"""``rethined inpaint``: one photograph."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from rethined.cli.masks import add_mask_options, mask_rule
from rethined.cli.shared import Commands, add_fill_options, fill_options, plain_warnings
from rethined.errors import MaskError, OptionError

if TYPE_CHECKING:
    from rethined.masking import MaskSource

SILENT_S = 2.0
"""How long a command may say nothing."""


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``inpaint`` to the commands."""
    parser = commands.add_parser(
        "inpaint",
        help="fill the hole of one photograph",
        description="Fills what a mask marks in PHOTO and writes the result. All other pixels stay as they are.",
    )
    parser.add_argument(
        "photo", metavar="PHOTO", help="picture file: PNG, JPEG, WebP, TIFF, AVIF, HEIC or BMP; depth and alpha stay"
    )
    parser.add_argument(
        "mask_given",
        metavar="MASK",
        nargs="?",
        help="picture of the same size; white (128 and above) is filled. Short for --mask MASK",
    )
    parser.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        help="where to write; the suffix names the format (default: beside PHOTO, as NAME-filled, in its format)",
    )
    add_mask_options(parser)
    add_fill_options(parser)
    parser.add_argument(
        "--preview",
        action="store_true",
        help="fill nothing: write a small copy with the hole tinted, OUT.preview.jpg, and print how the mask was"
        " understood",
    )
    parser.add_argument(
        "--explain", metavar="OUT", help="also write a picture of where each part of the fill was copied from"
    )
    parser.add_argument("--times", action="store_true", help="print the milliseconds of each stage")
    parser.set_defaults(run=_run_inpaint)


def _run_inpaint(parsed: argparse.Namespace) -> None:
    from rethined.engine import Inpainter
    from rethined.imageio import expect_writable, write_image
    from rethined.masks import grow_hole
    from rethined.photo import read_photo

    options = fill_options(parsed)
    if parsed.preview:
        _preview(parsed)
        return
    for place in (parsed.out, parsed.explain):
        if place is not None:
            expect_writable(place)
    with plain_warnings():
        photo = read_photo(parsed.photo)
        out = photo.default_out if parsed.out is None else parsed.out
        photo.expect_writable(out, options)
        mask = _mask_of(parsed)
        hole = mask.hole(photo.pixels, name=photo.path, grow_px=options.grow_px)
        inpainter = Inpainter(parsed.network, options=options, threads=parsed.threads, runtime=parsed.runtime)
        result = inpainter.fill(photo.pixels, hole, forbid=parsed.forbid, on_progress=_tell_when_slow())
        explained = None
        if parsed.explain is not None:
            explained = inpainter.explain(photo.pixels, hole, forbid=parsed.forbid).picture()
        hole = grow_hole(hole, options.grow_px)
        mask.finish(result.image, hole)
        photo.write(out, result.image, hole, options)
    if explained is not None:
        write_image(parsed.explain, explained)
    if parsed.times:
        for name, milliseconds in result.stages_ms.items():
            print(f"{name:10s} {milliseconds:8.1f} ms")


def _preview(parsed: argparse.Namespace) -> None:
    """Shows what would be filled."""
    from rethined.imageio import expect_writable, write_image
    from rethined.masking.preview import PREVIEW_SUFFIX, preview
    from rethined.photo import read_photo

    with plain_warnings():
        photo = read_photo(parsed.photo)
        out = f"{photo.default_out if parsed.out is None else parsed.out}{PREVIEW_SUFFIX}"
        expect_writable(out)
        mask = _mask_of(parsed)
        hole = mask.hole(photo.pixels, name=photo.path, grow_px=parsed.grow)
        shown, line = preview(photo.pixels, mask, hole, grow_px=parsed.grow)
    write_image(out, shown)
    print(f"{parsed.photo}: {line}")


def _mask_of(parsed: argparse.Namespace) -> MaskSource:
    """The mask of the one photograph."""
    from rethined.masking.rules import MaskFinder

    if parsed.mask_given is not None:
        if parsed.mask is not None:
            raise OptionError(f"two masks are given, {parsed.mask_given} and --mask {parsed.mask}; leave one out")
        parsed.mask = parsed.mask_given
    photo = Path(parsed.photo)
    mask = MaskFinder(mask_rule(parsed)).find(photo, PurePath(photo.name))
    if isinstance(mask, MaskError):
        raise MaskError(f"{photo} {mask}") from mask
    return mask


def _tell_when_slow() -> Callable[[str, float], None]:
    """Names the stages that begin more than two seconds after the start."""
    started = time.monotonic()
    told = ""

    def tell(stage: str, share: float) -> None:
        nonlocal told
        seconds = time.monotonic() - started
        if stage != told and seconds > SILENT_S:
            print(f"rethined: {stage}, {share:.0%} done ({seconds:.0f} s)", file=sys.stderr)
        told = stage

    return tell
