"""``rethined finetune``: the shipped weights, tuned."""

from __future__ import annotations

import argparse
from pathlib import Path

from rethined.cli.shared import Commands, add_computing, missing_extra


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``finetune`` to the commands."""
    parser = commands.add_parser(
        "finetune",
        help="tune the shipped weights to photographs of your own",
        description="Trains the shipped weights on the photographs below FOLDER for some minutes. Some are held out; on"
        " them the result is compared with the shipped weights. Writes OUT.onnx (for --network), OUT.safetensors and"
        " the table, OUT.md. Needs: pip install 'rethined[train]'.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="at least four photographs, at any depth")
    parser.add_argument("-o", "--out", metavar="OUT", type=Path, required=True, help="file to write, ending in .onnx")
    parser.add_argument(
        "--minutes", type=float, default=15.0, metavar="M", help="time to train (15); measuring comes on top"
    )
    parser.add_argument(
        "--hold-out", type=int, default=5, metavar="N", help="hold out one in N photographs, at most 32 in all (5)"
    )
    parser.add_argument("--learning-rate", type=float, help="peak learning rate (3e-4)")
    parser.add_argument(
        "--training-data", default="not stated", help="what the photographs are, for the metadata of the file"
    )
    parser.add_argument("--cache", type=Path, help="folder to keep the decoded photographs in (default: none is kept)")
    add_computing(parser)
    parser.set_defaults(run=_run_finetune)


def _run_finetune(parsed: argparse.Namespace) -> None:
    try:
        from rethined.finetune.run import finetune_folder
    except ImportError as error:
        raise missing_extra("train", error) from error
    table = finetune_folder(
        parsed.folder,
        parsed.out,
        minutes=parsed.minutes,
        hold_out=parsed.hold_out,
        learning_rate=parsed.learning_rate,
        training_data=parsed.training_data,
        cache=parsed.cache,
        threads=parsed.threads,
        device=parsed.device,
    )
    print(table)
    print(
        f"in {parsed.out.parent}: " + ", ".join(f"{parsed.out.stem}{end}" for end in (".onnx", ".safetensors", ".md"))
    )
