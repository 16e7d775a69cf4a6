"""``rethined bench``: times."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rethined.cli.shared import Commands, add_network_option, add_peer_options, numbers, thread_counts, whole_numbers


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``bench`` to the commands."""
    parser = commands.add_parser(
        "bench",
        help="time rethined and others",
        description="Times every method on a generated scene under holes, array to array, in turns; writes bench.json"
        " and bench.md. Nothing else should run meanwhile.",
    )
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder to write to (bench)")
    parser.add_argument("--sizes", default="512,1024,2048,4096", metavar="PX,...", help="sides (512,1024,2048,4096)")
    parser.add_argument(
        "--methods",
        default="rethined,rethined-fast,telea",
        metavar="NAME,...",
        help="methods, or paths of learned peers' ONNX or TorchScript files (rethined,rethined-fast,telea)",
    )
    parser.add_argument("--reference", default="telea", metavar="NAME", help="what ratios are taken from (telea)")
    parser.add_argument("--shares", default="0.07", metavar="X,...", help="shares of the picture that are hole (0.07)")
    parser.add_argument("--threads", default="all", metavar="N,...", help="numbers of threads, or all (all)")
    add_peer_options(parser)
    add_network_option(parser)
    parser.set_defaults(run=_run_bench)


def _run_bench(parsed: argparse.Namespace) -> None:
    from rethined.bench.run import run_bench

    table = run_bench(
        parsed.out,
        sides_px=whole_numbers(parsed.sizes),
        methods=parsed.methods.split(","),
        reference=parsed.reference,
        network=parsed.network,
        threads=thread_counts(parsed.threads),
        shares=numbers(parsed.shares),
        peers_python=parsed.peers_python,
        on_row=lambda what: print(f"rethined: timing {what}", file=sys.stderr),
    )
    print(table)
    print(f"in {parsed.out}: bench.json, bench.md")
