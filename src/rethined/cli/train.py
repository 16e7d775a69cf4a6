"""``rethined train``: a network from photographs."""

from __future__ import annotations

import argparse
from pathlib import Path

from rethined.cli.shared import Commands, add_computing, missing_extra


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``train`` to the commands."""
    parser = commands.add_parser(
        "train",
        help="train the network on a folder of photographs",
        description="Trains on all photographs below FOLDER, or in tar shards. Run the same command again to go on"
        " where it stopped. Needs: pip install 'rethined[train]'.",
    )
    parser.add_argument(
        "folder",
        metavar="FOLDER",
        type=Path,
        help="photographs, at any depth; or tar shards, in quotation marks: 'shards-{000..099}.tar', 'shards/*.tar'",
    )
    parser.add_argument("--out", type=Path, default=Path("runs/default"), help="folder of the run (runs/default)")
    parser.add_argument("--cache", type=Path, help="folder of the decoded photographs (OUT/cache)")
    parser.add_argument(
        "--val", type=Path, metavar="FOLDER", help="photographs to watch the fill on, never trained on; shards too"
    )
    parser.add_argument(
        "--start-from",
        type=Path,
        metavar="FILE",
        help="begin a new run with these .safetensors weights, of a network that may have fewer blocks",
    )
    parser.add_argument("--max-minutes", type=float, metavar="M", help="stop after M minutes; resume any time")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="TOML file of settings, see configs/ in the repository; the options below win over it",
    )
    parser.add_argument("--steps", type=int, help="length of the whole run")
    parser.add_argument("--cooldown-steps", type=int, help="steps of falling learning rate at its end")
    parser.add_argument("--learning-rate", type=float, help="peak learning rate")
    parser.add_argument("--seed", type=int, help="start of all randomness")
    parser.add_argument("--feature-weight", type=float, help="weight of the feature distance; 0 leaves it out")
    add_computing(parser)
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that draw samples (default: on a CPU 0, a thread; beside a GPU one less than processors)",
    )
    parser.add_argument(
        "--tensorboard",
        action="store_true",
        help="also write logs for TensorBoard, in OUT/tensorboard; needs: pip install 'rethined[tensorboard]'",
    )
    parser.add_argument(
        "--profile-steps",
        type=int,
        default=0,
        metavar="N",
        help="tell where the time of N steps went: data, forward, losses, backward, optimiser, average",
    )
    parser.set_defaults(run=_run_train)


def _run_train(parsed: argparse.Namespace) -> None:
    try:
        from rethined.train.run import train_folder
    except ImportError as error:
        raise missing_extra("train", error) from error
    names = ("steps", "cooldown_steps", "learning_rate", "seed", "feature_weight")
    changes = {name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None}
    train_folder(
        parsed.folder,
        parsed.out,
        settings_file=parsed.config,
        changes=changes,
        cache=parsed.cache,
        start_from=parsed.start_from,
        val_folder=parsed.val,
        max_minutes=parsed.max_minutes,
        threads=parsed.threads,
        tensorboard=parsed.tensorboard,
        device=parsed.device,
        profile_steps=parsed.profile_steps,
        workers=parsed.workers,
    )
