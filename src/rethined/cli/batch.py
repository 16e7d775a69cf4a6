"""``rethined batch``: many photographs."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from rethined.cli.masks import add_mask_options, mask_rule, names_a_mask
from rethined.cli.shared import EXIT_OK, EXIT_SOME_FAILED, Commands, add_fill_options, add_format_option, fill_settings
from rethined.errors import OptionError

if TYPE_CHECKING:
    from rethined.batch.engines import Engine
    from rethined.batch.fill import Settings
    from rethined.batch.jobs import JobList
    from rethined.places import Location


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``batch`` to the commands."""
    parser = commands.add_parser(
        "batch",
        help="fill many photographs",
        description="Fills all PHOTOS and writes the results below DIR under the same names. Run the same command again"
        " to go on where it stopped: what is filled already is not filled again. PHOTOS, masks, FILE of --manifest and"
        " DIR may be URLs that fsspec knows, such as s3://bucket/folder. Exit status: 0 all done, 1 some failed, 2"
        " nothing can be done, 130 interrupted.",
    )
    parser.add_argument("photos", metavar="PHOTOS", nargs="*", help="files, folders, patterns in quotes, or URLs")
    parser.add_argument("-o", "--out", metavar="DIR", required=True, help="folder of the results")
    parser.add_argument("-r", "--recursive", action="store_true", help="look into folders within folders too")
    parser.add_argument(
        "--manifest",
        metavar="FILE",
        help="instead of PHOTOS and a rule for masks: a CSV file with the columns image,mask[,out] or JSON lines with"
        " these keys; paths are relative to FILE, out is relative to DIR",
    )
    add_mask_options(parser)
    add_format_option(parser, of="each photograph")
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="photographs at once, each in a process (default: 1; on a cluster, as many as it has cores for)",
    )
    parser.add_argument(
        "--engine",
        default="local",
        metavar="NAME",
        help="who fills: local, this machine; or ray, a cluster, which needs: pip install 'rethined[cluster]'",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="of --engine ray; auto for the cluster this machine is part of (default: RAY_ADDRESS, else one is started"
        " here for this run)",
    )
    parser.add_argument("--again", action="store_true", help="fill as well what is filled already")
    parser.add_argument(
        "--preview",
        action="store_true",
        help="fill nothing: write small copies with the hole tinted, NAME.preview.jpg, and print how each mask was"
        " understood",
    )
    parser.add_argument("--quiet", action="store_true", help="tell what is odd and what failed, and nothing else")
    add_fill_options(parser)
    parser.set_defaults(run=_run_batch)


def _run_batch(parsed: argparse.Namespace) -> int:
    from rethined.batch.pool import stop_on_interrupt
    from rethined.batch.progress import Progress
    from rethined.batch.run import fill_all, preview_all
    from rethined.places import located

    settings = fill_settings(parsed)
    _expect_engine(parsed)
    out = located(parsed.out)
    jobs = _batch_jobs(parsed, out, settings.forbid)

    def progress(total: int) -> Progress:
        return Progress(total, sys.stderr, quiet=parsed.quiet)

    def on_stop() -> None:
        # One write to the file itself: the stream may be in the middle of a line when the signal comes.
        os.write(2, b"\nrethined: finishing what is going on; Ctrl-C again ends at once\n")

    with ExitStack() as open_until_done:
        engine = None if parsed.engine == "local" else open_until_done.enter_context(_cluster(parsed, settings))
        is_stopped = open_until_done.enter_context(stop_on_interrupt(on_stop))
        if parsed.preview:
            outcome = preview_all(jobs, settings, out, progress, on_line=print, is_stopped=is_stopped)
        else:
            outcome = fill_all(
                jobs,
                settings,
                out,
                progress,
                processes=1 if parsed.jobs is None else parsed.jobs,
                engine=engine,
                again=parsed.again,
                is_stopped=is_stopped,
            )
        if is_stopped():
            raise KeyboardInterrupt
    return EXIT_SOME_FAILED if outcome.failed else EXIT_OK


def _expect_engine(parsed: argparse.Namespace) -> None:
    if parsed.engine not in ("local", "ray"):
        raise OptionError(f"the engine is {parsed.engine!r}; expected local or ray")
    if parsed.engine == "local" and parsed.cluster is not None:
        raise OptionError(f"the cluster is {parsed.cluster!r}, and the engine local; pass --engine ray too")
    if parsed.engine == "ray" and parsed.preview:
        raise OptionError("--preview is drawn on this machine; leave out --engine ray")


def _cluster(parsed: argparse.Namespace, settings: Settings) -> AbstractContextManager[Engine]:
    from rethined.batch.cluster import cluster_engine

    return cluster_engine(settings, address=parsed.cluster, at_once=parsed.jobs)


def _batch_jobs(parsed: argparse.Namespace, out: Location, forbid: Path | None) -> JobList:
    """What the arguments of ``batch`` ask for."""
    from rethined.batch.jobs import as_preview, keep_name, list_jobs, pair_jobs, with_format
    from rethined.batch.manifest import read_manifest
    from rethined.places import located

    naming = keep_name if parsed.format is None else with_format(parsed.format)
    if parsed.preview:
        naming = as_preview
    if parsed.manifest is not None:
        if parsed.photos or parsed.recursive or names_a_mask(parsed):
            raise OptionError(
                "--manifest names photographs and masks; leave out PHOTOS, --recursive, --mask... and --box"
            )
        manifest = located(parsed.manifest)
        return pair_jobs(
            read_manifest(manifest, out),
            manifest.parent,
            out,
            labels=parsed.mask_label,
            invert=parsed.invert,
            naming=naming,
            forbid=forbid,
        )
    if not parsed.photos:
        raise OptionError("no photographs are given; expected files, folders or patterns, or a --manifest")
    rule = mask_rule(parsed, located)
    return list_jobs(parsed.photos, rule, out, recursive=parsed.recursive, naming=naming, forbid=forbid)
