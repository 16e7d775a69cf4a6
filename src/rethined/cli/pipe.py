"""``rethined pipe``: frames of a video, through standard input and output."""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, BinaryIO, TextIO

from rethined.cli.masks import add_mask_options, fixed_mask
from rethined.cli.shared import (
    EXIT_OK,
    Commands,
    add_fill_options,
    add_format_option,
    fill_options,
    leave_stdout,
    plain_warnings,
    tell,
)
from rethined.errors import OptionError
from rethined.types import SizeHW

if TYPE_CHECKING:
    from rethined.pipe.steady import Renewal


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``pipe`` to the commands."""
    parser = commands.add_parser(
        "pipe",
        help="fill frames from standard input to standard output",
        description="Reads frames from standard input, fills the same hole in each, and writes them to standard output."
        " With --size frames are raw pixels; without, whole pictures (PNG, JPEG, ...), each after its length in 4"
        " bytes, big-endian, and results come in the same form. All frames copy from the same places, so that what is"
        " copied does not flicker; it is no video model. Exit status: 0 all done, 2 a frame that cannot be used, 130"
        " after Ctrl-C, which lets the frame be finished, 141 nobody reads the results.",
    )
    parser.add_argument("--size", metavar="WxH", help="width and height of raw frames, such as 1920x1080")
    parser.add_argument(
        "--pixel-format",
        metavar="NAME",
        help="of raw frames, named as in ffmpeg: rgb24 (default), bgr24, rgba, gray, gray16le, rgb48le, rgba64le",
    )
    add_format_option(parser, of="each frame")
    add_mask_options(parser, by_name=False)
    add_fill_options(parser)
    parser.add_argument(
        "--renew",
        default="cuts",
        metavar="WHEN",
        help="when to search anew where to copy from: cuts, where another scene begins (default); never; or N, every N"
        " frames and at cuts",
    )
    parser.add_argument("--quiet", action="store_true", help="tell what is odd and what failed, and nothing else")
    parser.set_defaults(run=_run_pipe)


def _run_pipe(parsed: argparse.Namespace) -> int:
    from rethined.batch.pool import stop_on_interrupt
    from rethined.engine import Inpainter
    from rethined.imageio import format_named
    from rethined.pipe.run import fill_frames
    from rethined.pipe.steady import SteadyFiller
    from rethined.pipe.streams import EncodedFrames, Frames, RawFrames

    options, mask, renewal = fill_options(parsed), fixed_mask(parsed), _renewal(parsed.renew)
    if options.jpeg == "lossless":
        raise OptionError("--jpeg lossless goes with files, and frames on a stream are encoded anew; leave it out")
    source, sink = _open(sys.stdin, "input"), _open(sys.stdout, "output")
    frames: Frames
    if parsed.size is not None:
        if parsed.format is not None:
            raise OptionError("--format goes with whole pictures; leave it out, or leave --size out")
        frames = RawFrames(source, sink, _size_hw(parsed.size), parsed.pixel_format or "rgb24")
    elif parsed.pixel_format is not None:
        raise OptionError("--pixel-format goes with raw frames; give their --size too, or leave it out")
    else:
        frames = EncodedFrames(source, sink, None if parsed.format is None else format_named(parsed.format))
    inpainter = Inpainter(parsed.network, options=options, threads=parsed.threads, runtime=parsed.runtime)
    fill = SteadyFiller(inpainter, mask, forbid=parsed.forbid, renewal=renewal)

    def on_stop() -> None:
        if frames.is_waiting:
            raise KeyboardInterrupt

    try:
        with plain_warnings(), stop_on_interrupt(on_stop) as is_stopped:
            count = fill_frames(frames, fill, is_stopped=is_stopped)
            if is_stopped():
                raise KeyboardInterrupt
    except BrokenPipeError:
        return leave_stdout()
    if not parsed.quiet:
        tell(f"{count} frames filled, sources searched for {fill.searches} of them")
    return EXIT_OK


def _open(stream: TextIO | None, name: str) -> BinaryIO:
    """The bytes of a standard stream; as a function, since it is ``None`` where it is closed, which its type denies."""
    if stream is None or stream.buffer.isatty():
        what = "closed" if stream is None else "a terminal"
        raise OptionError(f"standard {name} is {what}; expected a stream of frames, so use a pipe or a file")
    return stream.buffer


def _size_hw(text: str) -> SizeHW:
    """``1920x1080`` as height and width."""
    found = re.fullmatch(r"(\d{1,9})x(\d{1,9})", text)
    if found is None:
        raise OptionError(f"the size is {text!r}; expected width and height in pixels, such as 1920x1080")
    return int(found[2]), int(found[1])


def _renewal(text: str) -> Renewal:
    """``cuts``, ``never`` or a number of frames."""
    from rethined.pipe.steady import Renewal

    if text in ("cuts", "never"):
        return Renewal(at_cuts=text == "cuts")
    if not text.isdecimal():
        raise OptionError(f"--renew is {text!r}; expected cuts, never or a number of frames")
    return Renewal(frames=int(text))
