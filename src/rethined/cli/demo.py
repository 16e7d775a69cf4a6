"""``rethined demo``: sample photographs."""

from __future__ import annotations

import argparse
from pathlib import Path

from rethined.cli.shared import Commands, add_engine_options


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``demo`` to the commands."""
    parser = commands.add_parser(
        "demo",
        help="fill holes in sample photographs and show how long it takes",
        description="Fills holes in the photographs that scikit-image carries and in a generated 4096 x 4096 scene,"
        " writes before/after/zoom pictures and prints the time of each stage beside OpenCV's Telea on the same holes."
        " Needs: pip install 'rethined[demo]'.",
    )
    parser.add_argument("--out", type=Path, default=Path("rethined-demo"), help="folder to write to (rethined-demo)")
    add_engine_options(parser)
    parser.set_defaults(run=_run_demo)


def _run_demo(parsed: argparse.Namespace) -> None:
    from rethined.demo import run_demo

    run_demo(parsed.out, network=parsed.network, threads=parsed.threads)
