"""The command line. Each command imports its own room, so that ``rethined inpaint`` never needs the workshop."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

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
from rethined.cli.shared import EXIT_BAD_INPUT, EXIT_INTERRUPTED, EXIT_OK
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
    parser = build_parser()
    parsed, rest = parser.parse_known_args(arguments)
    if rest and (parsed.take_rest is None or any(word.startswith("-") and word != "-" for word in rest)):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        with through("command line"):
            if rest:
                parsed.take_rest(parsed, rest)
            run: Callable[[argparse.Namespace], int | None] = parsed.run
            return run(parsed) or EXIT_OK
    except RethinedError as error:
        print(f"rethined: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("rethined: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


def build_parser() -> argparse.ArgumentParser:
    """The parser with all commands."""
    parser = argparse.ArgumentParser(
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
