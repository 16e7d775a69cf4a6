"""``rethined inpaint``: one photograph."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from rethined.cli.shared import Commands, add_fill_options, fill_options, plain_warnings

SILENT_S = 2.0
"""How long a command may say nothing."""


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``inpaint`` to the commands."""
    parser = commands.add_parser(
        "inpaint",
        help="fill the hole of one photograph",
        description="Fills what MASK marks white in PHOTO and writes the result. All other pixels stay as they are.",
    )
    parser.add_argument(
        "photo", metavar="PHOTO", help="picture file: PNG, JPEG, WebP, TIFF, AVIF, HEIC or BMP; depth and alpha stay"
    )
    parser.add_argument("mask", metavar="MASK", help="picture of the same size; white (128 and above) is filled")
    parser.add_argument(
        "-o",
        "--out",
        metavar="OUT",
        help="where to write; the suffix names the format (default: beside PHOTO, as NAME-filled, in its format)",
    )
    add_fill_options(parser)
    parser.add_argument(
        "--explain", metavar="OUT", help="also write a picture of where each part of the fill was copied from"
    )
    parser.add_argument("--times", action="store_true", help="print the milliseconds of each stage")
    parser.set_defaults(run=_run_inpaint)


def _run_inpaint(parsed: argparse.Namespace) -> None:
    from rethined.engine import Inpainter
    from rethined.imageio import expect_writable, write_image
    from rethined.masks import as_hole, grow_hole
    from rethined.photo import read_photo

    options = fill_options(parsed)
    for place in (parsed.out, parsed.explain):
        if place is not None:
            expect_writable(place)
    with plain_warnings():
        photo = read_photo(parsed.photo)
        out = photo.default_out if parsed.out is None else parsed.out
        photo.expect_writable(out, options)
        hole = as_hole(parsed.mask, photo.pixels.shape[:2], invert=parsed.invert)
        inpainter = Inpainter(parsed.network, options=options, threads=parsed.threads, runtime=parsed.runtime)
        result = inpainter.fill(photo.pixels, hole, forbid=parsed.forbid, on_progress=_tell_when_slow())
        explained = None
        if parsed.explain is not None:
            explained = inpainter.explain(photo.pixels, hole, forbid=parsed.forbid).picture()
        photo.write(out, result.image, grow_hole(hole, options.grow_px), options)
    if explained is not None:
        write_image(parsed.explain, explained)
    if parsed.times:
        for name, milliseconds in result.stages_ms.items():
            print(f"{name:10s} {milliseconds:8.1f} ms")


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
