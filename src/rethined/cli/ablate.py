"""``rethined ablate``: variants of a training, compared."""

from __future__ import annotations

import argparse
from pathlib import Path

from rethined.cli.shared import Commands, add_computing, missing_extra


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``ablate`` to the commands."""
    parser = commands.add_parser(
        "ablate",
        help="train variants for the same time or steps each and compare them",
        description="Trains each variant of VARIANTS on the photographs below FOLDER, for the same minutes or steps and"
        " from the same start, and writes a table, OUT/ablation.md. Run the same command again to go on where it"
        " stopped. Needs: pip install 'rethined[train]'.",
    )
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="photographs, at any depth; or tar shards, as for rethined train"
    )
    parser.add_argument(
        "plan", metavar="VARIANTS", type=Path, help="TOML file, see configs/ablations/ in the repository"
    )
    parser.add_argument(
        "--val", type=Path, metavar="FOLDER", required=True, help="photographs to measure on, never trained on"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the ablation")
    parser.add_argument("--cache", type=Path, help="folder of the decoded photographs (OUT/cache)")
    parser.add_argument(
        "--start-from", type=Path, metavar="FILE", help="begin every variant with these .safetensors weights"
    )
    add_computing(parser)
    parser.set_defaults(run=_run_ablate)


def _run_ablate(parsed: argparse.Namespace) -> None:
    try:
        from rethined.ablate.run import ablate
    except ImportError as error:
        raise missing_extra("train", error) from error
    print(
        ablate(
            parsed.folder,
            parsed.plan,
            parsed.out,
            val_folder=parsed.val,
            cache=parsed.cache,
            start_from=parsed.start_from,
            threads=parsed.threads,
            device=parsed.device,
        ),
        end="",
    )
