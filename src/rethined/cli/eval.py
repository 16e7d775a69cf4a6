"""``rethined eval``: scores."""

from __future__ import annotations

import argparse
from pathlib import Path

from rethined.cli.shared import Commands, add_engine_options, add_peer_options, missing_extra, whole_numbers


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``eval`` to the commands."""
    parser = commands.add_parser(
        "eval",
        help="score rethined and others on photographs",
        description="Cuts holes into all photographs below FOLDER, lets every method fill them and scores the results."
        " Run the same command again to go on where it stopped. Writes scores.csv, report.json, report.md and"
        " report.html. Needs: pip install 'rethined[bench]'.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="photographs, at any depth, or a benchmark")
    parser.add_argument("--out", type=Path, default=Path("eval"), help="folder of the evaluation (eval)")
    parser.add_argument("--sizes", default="2048", metavar="PX,...", help="long sides to shrink to, or native (2048)")
    parser.add_argument(
        "--masks",
        default="df8k-blobs",
        metavar="NAME,...",
        help="hole presets (df8k-blobs); objects=FOLDER for the silhouettes in FOLDER",
    )
    parser.add_argument(
        "--methods",
        default="rethined,telea",
        metavar="NAME,...",
        help="methods, or paths of learned peers' ONNX or TorchScript files (rethined,telea)",
    )
    parser.add_argument("--reference", default="telea", metavar="NAME", help="what differences are taken from (telea)")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N photographs only")
    parser.add_argument("--seed", type=int, default=0, help="start of the randomness of the holes")
    parser.add_argument("--no-perc", action="store_true", help="leave out the perceptual distance perc")
    parser.add_argument(
        "--metric-weights",
        type=Path,
        metavar="DIR",
        help="weights of LPIPS and FID (default: torch.hub's folder); needs: pip install 'rethined[published]'",
    )
    add_peer_options(parser)
    add_engine_options(parser)
    parser.set_defaults(run=_run_eval)


def _run_eval(parsed: argparse.Namespace) -> None:
    try:
        from rethined.eval.command import run_eval
    except ImportError as error:
        raise missing_extra("bench", error) from error
    table = run_eval(
        parsed.folder,
        parsed.out,
        sizes_px=[] if parsed.sizes == "native" else whole_numbers(parsed.sizes),
        presets=parsed.masks.split(","),
        methods=parsed.methods.split(","),
        reference=parsed.reference,
        limit=parsed.limit,
        seed=parsed.seed,
        network=parsed.network,
        threads=parsed.threads,
        peers_python=parsed.peers_python,
        with_perc=not parsed.no_perc,
        metric_weights=parsed.metric_weights,
    )
    print(table)
    print(f"\nreport in {parsed.out}: report.html, report.md, report.json, scores.csv")
