"""``rethined watch``: a folder, as photographs come."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from rethined.cli.masks import add_mask_options, mask_rule
from rethined.cli.shared import (
    EXIT_OK,
    EXIT_SOME_FAILED,
    Commands,
    add_fill_options,
    add_format_option,
    fill_settings,
    tell,
)

if TYPE_CHECKING:
    from rethined.batch.fill import Report
    from rethined.batch.jobs import JobList, Task


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``watch`` to the commands."""
    parser = commands.add_parser(
        "watch",
        help="fill photographs as they come into a folder",
        description="Looks into IN again and again, fills each photograph once it is complete, and writes the result"
        " below OUT under the same name, whole or not at all. What was filled is not filled again, after a restart"
        " neither; what changes is. Ends at Ctrl-C or SIGTERM, when the photograph that is going on is finished. Exit"
        " status: 0 all that came is done, 1 some failed, 2 nothing can be done.",
    )
    parser.add_argument("folder", metavar="IN", help="folder of photographs; a network folder too")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder of the results")
    parser.add_argument("-r", "--recursive", action="store_true", help="look into folders within folders too")
    parser.add_argument("--once", action="store_true", help="fill what is there now and complete, and end")
    parser.add_argument("--every", type=float, default=1.0, metavar="S", help="seconds between two looks (default 1)")
    parser.add_argument(
        "--settle",
        type=float,
        default=2.0,
        metavar="S",
        help="seconds after which a photograph whose size and time have not changed is complete (default 2)",
    )
    add_mask_options(parser)
    add_format_option(parser, of="each photograph")
    parser.add_argument("--quiet", action="store_true", help="tell what is odd and what failed, and nothing else")
    add_fill_options(parser)
    parser.set_defaults(run=_run_watch)


def _run_watch(parsed: argparse.Namespace) -> int:
    from rethined.batch.jobs import keep_name, list_jobs, with_format
    from rethined.batch.pool import stop_on_interrupt
    from rethined.errors import ImageReadError
    from rethined.watch import Listener, Pace, watch

    settings, rule = fill_settings(parsed), mask_rule(parsed)
    pace = Pace(every_s=parsed.every, settle_s=parsed.settle)
    naming = keep_name if parsed.format is None else with_format(parsed.format)

    def find() -> JobList:
        if not Path(parsed.folder).is_dir():
            raise ImageReadError(f"there is no folder at {parsed.folder!r}; check the path")
        return list_jobs(
            [parsed.folder], rule, parsed.out, recursive=parsed.recursive, naming=naming, forbid=settings.forbid
        )

    def on_filled(task: Task, report: Report, seconds: float) -> None:
        for warning in report.warnings:
            tell(f"warning: {task.photo}: {warning}")
        note(f"{task.photo} filled in {seconds:.1f} s")

    def note(line: str) -> None:
        if not parsed.quiet:
            tell(line)

    def on_stop() -> None:
        # One write to the file itself: the stream may be in the middle of a line when the signal comes.
        os.write(2, b"rethined: finishing what is going on\n")

    listener = Listener(on_filled, lambda photo, why: tell(f"{photo}: {why}"), tell)
    with stop_on_interrupt(on_stop, signals=(signal.SIGINT, signal.SIGTERM)) as is_stopped:
        outcome = watch(find, settings, parsed.out, listener, pace=pace, once=parsed.once, is_stopped=is_stopped)
    left = f", {outcome.left} not complete" if outcome.left else ""
    note(f"{outcome.filled} filled, {outcome.skipped} done before, {outcome.failed} failed{left}")
    return EXIT_SOME_FAILED if outcome.failed else EXIT_OK
