"""``rethined figures``: drawings of scores and times."""

from __future__ import annotations

import argparse
from pathlib import Path

from rethined.cli.shared import Commands, missing_extra


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``figures`` to the commands."""
    parser = commands.add_parser(
        "figures",
        help="draw what eval, bench and train found",
        description="Draws quality against latency, latency against size and latency against the share of the hole,"
        " each as SVG and PNG, as far as the reports have them; learning curves of runs; or, with --stages, what each"
        " stage of a fill makes of a sample photograph, as JPEG. Needs: pip install 'rethined[bench]'.",
    )
    parser.add_argument("--eval", type=Path, dest="eval_file", metavar="FILE", help="report.json of rethined eval")
    parser.add_argument("--bench", type=Path, dest="bench_file", metavar="FILE", help="bench.json of rethined bench")
    parser.add_argument(
        "--run",
        type=Path,
        dest="runs",
        action="append",
        default=[],
        metavar="DIR",
        help="folder of rethined train whose learning curves are drawn; again for more runs in one figure",
    )
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder to write to (figures)")
    parser.add_argument("--score", default="perc", metavar="NAME", help="quality: perc, lpips or psnr (perc)")
    parser.add_argument("--size", type=int, metavar="PX", help="the only size of the evaluation to show")
    parser.add_argument("--masks", metavar="NAME", help="the only hole preset of the evaluation to show")
    parser.add_argument("--stages", action="store_true", help="draw the stages of a fill; needs no report")
    parser.set_defaults(run=_run_figures)


def _run_figures(parsed: argparse.Namespace) -> None:
    try:
        from rethined.figures.command import run_figures
        from rethined.figures.stages import write_stages
    except ImportError as error:
        raise missing_extra("bench", error) from error
    if parsed.stages:
        for file in write_stages(parsed.out):
            print(file)
        if parsed.eval_file is None and parsed.bench_file is None and not parsed.runs:
            return
    drawn = run_figures(
        parsed.out,
        eval_file=parsed.eval_file,
        bench_file=parsed.bench_file,
        runs=parsed.runs,
        score=parsed.score,
        size_px=parsed.size,
        preset=parsed.masks,
    )
    for line in drawn.left_out:
        print(f"left out: {line}")
    for file in drawn.files:
        print(file)
