"""What several commands need: options of a fill, lists of numbers, lines for people, exit statuses."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from rethined.errors import MissingExtraError, OptionError

if TYPE_CHECKING:
    from rethined.batch.fill import Settings
    from rethined.options import InpaintOptions

EXIT_OK, EXIT_SOME_FAILED, EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 0, 1, 2, 130, 141

Commands = argparse._SubParsersAction  # the only name argparse has for it


def add_fill_options(parser: argparse.ArgumentParser) -> None:
    """Options of every command that fills, beside those of :mod:`rethined.cli.masks`."""
    parser.add_argument("--forbid", metavar="MASK", help="picture of the same size; white is never copied from")
    parser.add_argument(
        "--feather",
        type=int,
        default=0,
        metavar="PX",
        help="let the fill fade in over PX pixels inside the hole, from what the photograph shows there (default 0)",
    )
    parser.add_argument(
        "--preset",
        default="balanced",
        help="fast, balanced or best: how closely the network may look (default balanced)",
    )
    parser.add_argument(
        "--working-px",
        type=int,
        metavar="PX",
        help="most pixels on the long side of the network's closest look instead, from 512 to 2048, whatever it costs",
    )
    parser.add_argument(
        "--max-memory",
        type=int,
        metavar="MB",
        help="most memory the fill may take beside the picture: looks less closely where it would take more (default:"
        " no limit)",
    )
    parser.add_argument(
        "--strip",
        action="store_true",
        help="leave out EXIF, colour profile, XMP, resolution and text, which are kept otherwise",
    )
    parser.add_argument(
        "--jpeg",
        metavar="HOW",
        help="how a JPEG becomes a JPEG: lossless changes only blocks that the hole touches and needs: pip install"
        " 'rethined[jpeg]'; reencode encodes all of it anew (default: lossless where it can be done)",
    )
    add_engine_options(parser)
    add_runtime_option(parser)


def add_runtime_option(parser: argparse.ArgumentParser) -> None:
    """What runs the network."""
    parser.add_argument(
        "--runtime",
        default="onnxruntime",
        help="what runs the network: onnxruntime, or openvino, which is faster on some processors and needs:"
        " pip install 'rethined[openvino]'",
    )


def add_computing(parser: argparse.ArgumentParser) -> None:
    """What a training computes on."""
    parser.add_argument("--device", default="auto", help="cpu, cuda, or auto: a CUDA device where there is one (auto)")
    parser.add_argument("--threads", type=int, help="threads of the computation (default: all cores)")


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """The network and the threads."""
    add_network_option(parser)
    parser.add_argument("--threads", type=int, help="threads to use (default: all cores)")


def add_format_option(parser: argparse.ArgumentParser, *, of: str) -> None:
    """The format of results, that of each of many pictures otherwise."""
    parser.add_argument(
        "--format", metavar="NAME", help=f"png, jpg, webp, tif, bmp, avif or heic (default: that of {of})"
    )


def add_network_option(parser: argparse.ArgumentParser) -> None:
    """The network."""
    parser.add_argument("--network", metavar="FILE", help="a rethined ONNX file (default: the one in the package)")


def add_peer_options(parser: argparse.ArgumentParser) -> None:
    """Where peers that cannot share this Python are."""
    parser.add_argument(
        "--peers-python",
        type=Path,
        metavar="PATH",
        help="interpreter with opencv-contrib-python-headless, for the methods xphoto-shiftmap, xphoto-fsr-fast and"
        " xphoto-fsr-best",
    )


def fill_options(parsed: argparse.Namespace) -> InpaintOptions:
    """The engine's options as :func:`add_fill_options` and :func:`rethined.cli.masks.add_mask_options` took them."""
    from rethined.options import InpaintOptions

    return InpaintOptions(
        preset=parsed.preset,
        working_px=parsed.working_px,
        grow_px=parsed.grow,
        feather_px=parsed.feather,
        max_memory_mb=parsed.max_memory,
        strip=parsed.strip,
        jpeg=parsed.jpeg,
    )


def fill_settings(parsed: argparse.Namespace) -> Settings:
    """How many photographs are filled, as :func:`add_fill_options` took it."""
    from rethined.batch.fill import Settings
    from rethined.weights import SHIPPED_NETWORK

    return Settings(
        network=SHIPPED_NETWORK if parsed.network is None else Path(parsed.network),
        options=fill_options(parsed),
        forbid=None if parsed.forbid is None else Path(parsed.forbid),
        threads=parsed.threads,
        runtime=parsed.runtime,
    )


@contextmanager
def plain_warnings(folder: Path | None = None) -> Iterator[None]:
    """Tells what is odd about a mask or a file in one line, and once: the engine looks at the same mask again.

    Args:
        folder: One that nobody knows, whose files are named without it.
    """
    from rethined.masks import MaskWarning
    from rethined.metadata import FileWarning
    from rethined.photo import without_folder

    told: set[str] = set()

    def tell(message: Warning | str, *_where: object, **_more: object) -> None:
        text = str(message) if folder is None else without_folder(folder, str(message))
        if text not in told:
            print(f"rethined: warning: {text}", file=sys.stderr)
        told.add(text)

    with warnings.catch_warnings():
        for category in (MaskWarning, FileWarning):
            warnings.simplefilter("always", category)
        warnings.showwarning = tell
        yield


def missing_extra(extra: str, error: ImportError) -> MissingExtraError:
    """What to install, from an import that failed."""
    return MissingExtraError(f"this command needs the package {error.name!r}: pip install 'rethined[{extra}]'")


def leave_stdout() -> int:
    """Lets go of standard output when nobody reads it any more; gives the exit status that says so."""
    # Python would complain once more when it closes the stream.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_BROKEN_PIPE


def whole_numbers(text: str) -> list[int]:
    """``1024,2048`` as numbers."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(f"{text!r} is no list of whole numbers; expected for example 1024,2048") from error


def numbers(text: str) -> list[float]:
    """``0.01,0.07`` as numbers."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(f"{text!r} is no list of numbers; expected for example 0.01,0.07") from error


def thread_counts(text: str) -> list[int | None]:
    """``1,all`` as numbers, ``None`` for all."""
    try:
        return [None if part == "all" else int(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(f"{text!r} is no list of numbers of threads; expected for example 1,all") from error


def tell(line: str) -> None:
    """One line about what is going on, where it does not disturb results."""
    print(f"rethined: {line}", file=sys.stderr)
