"""The command line. Each command imports its own room, so that ``rethined inpaint`` never needs the workshop."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from rethined._version import __version__
from rethined.cli import (
    ablate,
    batch,
    bench,
    dataset,
    demo,
    eval,
    export,
    figures,
    finetune,
    info,
    inpaint,
    pipe,
    serve,
    train,
    watch,
)
from rethined.cli.shared import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK, leave_stdout
from rethined.doors import through
from rethined.errors import RethinedError

COMMANDS = (
    *(inpaint, batch, watch, pipe, serve, demo, info),
    *(train, finetune, ablate, export, eval, bench, figures, dataset),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status.

    0: done. 1: some of many photographs failed. 2: input that cannot be used. 130: interrupted.
    141: nobody reads the output.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name of a file that the terminal cannot show is shown escaped
            stream.reconfigure(errors="backslashreplace")
    parser = build_parser()
    parsed, rest = parser.parse_known_args(_with_boxes(sys.argv[1:] if arguments is None else arguments))
    if rest and (parsed.take_rest is None or any(word.startswith("-") and word != "-" for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        with through("command line"):
            if rest:
                parsed.take_rest(parsed, rest)
            run: Callable[[argparse.Namespace], int | None] = parsed.run
            status = run(parsed) or EXIT_OK
        if sys.stdout:
            sys.stdout.flush()  # while it can still be told that nobody reads
        return status
    except RethinedError as error:
        return _refused(error)
    except BrokenPipeError:
        return leave_stdout()
    except MemoryError as error:
        return _refused(f"not enough memory: {str(error) or 'the system gives no more'}; give smaller pictures")
    except OSError as error:  # a full disk, or a folder that was taken away: not of our making
        return _refused(error)
    except KeyboardInterrupt:
        print("rethined: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, as commands do: their usage is longer than a screen."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {message}; {self.prog} --help tells what is expected\n")


def _with_boxes(arguments: Sequence[str]) -> list[str]:
    """The words with each box joined to its option: argparse takes one that begins left of a picture for an option."""
    joined: list[str] = []
    for word in arguments:
        if joined and joined[-1] == "--box" and re.match(r"-[\d.]", word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _refused(error: Exception | str) -> int:
    print(f"rethined: {error}", file=sys.stderr)
    return EXIT_BAD_INPUT


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = _Parser(
        prog="rethined",
        description="Fill holes in photographs, at any size, on a plain CPU.",
        epilog="rethined COMMAND --help tells more about a command.",
    )
    parser.set_defaults(take_rest=None)  # what a command does with words that argparse finds no place for
    parser.add_argument("--version", action="version", version=f"rethined {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_command(commands)
    return parser
