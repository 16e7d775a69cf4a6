"""``rethined dataset``: benchmarks of photographs with fixed holes."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rethined.cli.shared import Commands, missing_extra, tell
from rethined.errors import DatasetError


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``dataset`` to the commands."""
    parser = commands.add_parser(
        "dataset", help="build and check benchmarks", description="Benchmarks of photographs with fixed holes."
    )
    kinds = parser.add_subparsers(title="what to do", metavar="WHAT", required=True)
    df8k = kinds.add_parser(
        "df8k",
        help="DF8K-Inpainting from its public sources",
        description="Takes in DIV2K, Flickr2K and CAFHQ as people download them, with the released test masks.",
    )
    df8k.add_argument("--df2k", type=Path, required=True, metavar="DIR", help="DIV2K and Flickr2K, at any depth")
    df8k.add_argument("--cafhq", type=Path, metavar="DIR", help="CAFHQ (its licence is non-commercial)")
    df8k.add_argument("--masks", type=Path, metavar="ARCHIVE", help="the released test masks: zip, tar or folder")
    df8k.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the benchmark")
    df8k.set_defaults(run=_run_dataset_df8k)
    build = kinds.add_parser("build", help="one of any photographs", description="A benchmark of the same kind.")
    build.add_argument("folder", type=Path, metavar="FOLDER", help="photographs, at any depth")
    build.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the benchmark")
    build.set_defaults(run=_run_dataset_build)
    verify = kinds.add_parser("verify", help="check a benchmark's files", description="Compares with the checksums.")
    verify.add_argument("folder", type=Path, metavar="DIR", help="folder of the benchmark")
    verify.set_defaults(run=_run_dataset_verify)


def _run_dataset_df8k(parsed: argparse.Namespace) -> None:
    try:
        from rethined.dataset.build import build_df8k
    except ImportError as error:
        raise missing_extra("bench", error) from error
    items = build_df8k(parsed.df2k, parsed.cafhq, parsed.masks, parsed.out, tell=tell)
    _print_splits(parsed.out, [item.split for item in items])


def _run_dataset_build(parsed: argparse.Namespace) -> None:
    try:
        from rethined.dataset.build import build_folder
    except ImportError as error:
        raise missing_extra("bench", error) from error
    items = build_folder(parsed.folder, parsed.out, tell=tell)
    _print_splits(parsed.out, [item.split for item in items])


def _run_dataset_verify(parsed: argparse.Namespace) -> None:
    from rethined.dataset.manifest import load_benchmark, problems

    found = list(problems(parsed.folder))
    if found:
        raise DatasetError(f"{parsed.folder} is damaged: {'; '.join(found)}; build it again")
    print(f"{parsed.folder}: {len(load_benchmark(parsed.folder))} pictures, all as they were built")


def _print_splits(out: Path, splits: Sequence[str]) -> None:
    counts = ", ".join(f"{splits.count(split)} {split}" for split in ("train", "val", "test"))
    print(f"{out}: {len(splits)} pictures ({counts}), manifest.json")
