"""``rethined info``: what runs here."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rethined.cli.shared import Commands, add_engine_options, add_runtime_option


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``info`` to the commands."""
    parser = commands.add_parser(
        "info",
        help="tell what is installed and whether it works",
        description="Tells what is installed, which network is run and its checksum, and which extras there are, and"
        " fills a small picture to see that it works. Exit status: 0 it works, 2 it does not.",
    )
    parser.add_argument("--json", action="store_true", help="the same for programs")
    add_engine_options(parser)
    add_runtime_option(parser)
    parser.set_defaults(run=_run_info)


def _run_info(parsed: argparse.Namespace) -> None:
    from rethined.about import about

    found = about(
        None if parsed.network is None else Path(parsed.network), threads=parsed.threads, runtime=parsed.runtime
    )
    print(json.dumps(found.facts(), indent=2) if parsed.json else "\n".join(found.lines()))
