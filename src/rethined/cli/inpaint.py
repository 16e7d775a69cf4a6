"""``rethined inpaint``: one photograph."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from rethined.cli.masks import add_mask_options, mask_rule
from rethined.cli.shared import (
    EXIT_OK,
    Commands,
    add_fill_options,
    fill_options,
    leave_stdout,
    plain_warnings,
    tell,
)
from rethined.errors import MaskError, OptionError
from rethined.files import fault_of, private_folder

if TYPE_CHECKING:
    from rethined.masking import MaskSource

SILENT_S = 2.0
"""How long a command may say nothing."""
STREAM = "-"
"""Stands for standard input as a photograph, and for standard output as a result."""


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``inpaint`` to the commands."""
    parser = commands.add_parser(
        "inpaint",
        help="fill the hole of one photograph",
        description="Fills what a mask marks in PHOTO and writes the result. All other pixels stay as they are. - as"
        " PHOTO is standard input, and as OUT standard output.",
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
        help="where to write; the suffix names the format (default: beside PHOTO, as NAME-filled, in its format; to"
        " standard output where PHOTO is -)",
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
    parser.set_defaults(run=_run_inpaint, take_rest=_take_rest)


def _take_rest(parsed: argparse.Namespace, rest: list[str]) -> None:
    """Takes a mask that comes after options: argparse looks for it right behind the photograph alone.

    Raises:
        OptionError: There is more.
    """
    if parsed.mask_given is not None or len(rest) > 1:
        raise OptionError(
            f"more is given than a photograph and its mask: {' '.join(rest)}; say with -o where to write, and fill many"
            " photographs with rethined batch"
        )
    (parsed.mask_given,) = rest


def _run_inpaint(parsed: argparse.Namespace) -> int:
    _expect_one_photo(parsed)
    if parsed.preview:
        _preview(parsed)
    elif STREAM in (parsed.photo, parsed.out):
        return _fill_stream(parsed)
    else:
        out = _fill(parsed, folder=None)
        if parsed.out is None:
            tell(f"written to {out}")
    return EXIT_OK


def _expect_one_photo(parsed: argparse.Namespace) -> None:
    """Checks what photograph and mask are, where people mean another command.

    Raises:
        OptionError: A folder, or what no file is.
    """
    if parsed.photo and not fault_of(parsed.photo) and Path(parsed.photo).is_dir():
        raise OptionError(
            f"{parsed.photo!r} is a folder, and one photograph is filled here; for many: rethined batch {parsed.photo}"
            " --mask-dir MASKS --out DIR"
        )
    for place in (parsed.photo, parsed.mask_given, parsed.mask):
        if place is not None and "://" in place:
            raise OptionError(f"{place!r} is a URL, and files alone are read here; download it first")


def _fill_stream(parsed: argparse.Namespace) -> int:
    """Fills a photograph from standard input, or to standard output, or both."""
    from rethined.imageio import read_header
    from rethined.photo import naming_files_alone

    is_from, is_to = parsed.photo == STREAM, parsed.out in (STREAM, None)
    for option, is_given in (("--times", parsed.times and is_to), ("--explain -", parsed.explain == STREAM)):
        if is_given:
            raise OptionError(f"{option} and the picture would both go to standard output; leave one of them out")
    for stream, name, is_used in ((sys.stdin, "input", is_from), (sys.stdout, "output", is_to)):
        if is_used and stream is None:
            raise OptionError(f"standard {name} is closed; use a file")
        if is_used and stream.isatty():
            raise OptionError(f"standard {name} is a terminal; expected a picture, so use a pipe or a file")
    with private_folder() as folder:
        with naming_files_alone(folder):
            if is_from:
                photo = folder / "standard input"
                photo.write_bytes(sys.stdin.buffer.read())
                parsed.photo = str(photo)
            if is_to:
                parsed.out = str(folder / f"standard output{read_header(parsed.photo).suffix or '.png'}")
            out = _fill(parsed, folder=folder)
        if is_to:
            try:
                sys.stdout.buffer.write(out.read_bytes())
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                return leave_stdout()
    return EXIT_OK


def _fill(parsed: argparse.Namespace, *, folder: Path | None) -> Path:
    """Fills a file into another, and gives the place of that.

    Args:
        parsed: What to do.
        folder: A folder that nobody knows, whose files have no names.
    """
    from rethined.engine import Inpainter
    from rethined.imageio import expect_writable, write_image
    from rethined.masks import grow_hole
    from rethined.photo import read_photo

    options = fill_options(parsed)
    for place in (parsed.out, parsed.explain):
        if place is not None:
            expect_writable(place)
    with plain_warnings(folder):
        photo = read_photo(parsed.photo)
        out = photo.default_out if parsed.out is None else Path(parsed.out)
        photo.expect_writable(out, options)
        mask = _mask_of(parsed)
        _expect_inputs_stay(parsed, out, mask)
        name = None if photo.path.parent == folder else photo.path
        hole = mask.hole(photo.pixels, name=name, grow_px=options.grow_px)
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
        for stage, milliseconds in result.stages_ms.items():
            print(f"{stage:10s} {milliseconds:8.1f} ms")
    return out


def _expect_inputs_stay(parsed: argparse.Namespace, out: Path, mask: MaskSource) -> None:
    """Checks that nothing is written over what is still of use; the photograph itself may become the result.

    Raises:
        OptionError: It would be.
    """
    masks = {"the mask": getattr(mask, "path", None), "the forbid mask": parsed.forbid}
    written = {"-o": (out, masks)}
    if parsed.explain is not None:
        written["--explain"] = (parsed.explain, {"the photograph": parsed.photo, "the result": out, **masks})
    for option, (place, others) in written.items():
        for what, other in others.items():
            if other is not None and os.path.realpath(place) == os.path.realpath(other):
                raise OptionError(f"{option} {str(place)!r} would replace {what}; give another place")


def _preview(parsed: argparse.Namespace) -> None:
    """Shows what would be filled."""
    if STREAM in (parsed.photo, parsed.out):
        raise OptionError("--preview is drawn beside a file; give the photograph as one")
    from rethined.imageio import expect_writable, write_image
    from rethined.masking.preview import PREVIEW_SUFFIX, preview
    from rethined.photo import read_photo

    fill_options(parsed)  # what is wrong with them is said here too
    with plain_warnings():
        photo = read_photo(parsed.photo)
        out = f"{photo.default_out if parsed.out is None else parsed.out}{PREVIEW_SUFFIX}"
        expect_writable(out)
        mask = _mask_of(parsed)
        hole = mask.hole(photo.pixels, name=photo.path, grow_px=parsed.grow)
        shown, line = preview(photo.pixels, mask, hole, grow_px=parsed.grow)
    write_image(out, shown)
    print(f"{parsed.photo}: {line}")
    if parsed.out is None:
        tell(f"written to {out}")


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
