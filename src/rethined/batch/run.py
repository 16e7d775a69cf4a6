"""``rethined batch``: fills what is not filled yet, goes on after what fails, and remembers what is done."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from rethined.batch.engines import Engine, LocalEngine
from rethined.batch.fill import Report, Settings, make_folder
from rethined.batch.jobs import JobList, Task, expect_some
from rethined.batch.journal import facts_of, open_journal
from rethined.batch.pool import IsStopped, in_turn
from rethined.batch.preview import Previewer
from rethined.batch.progress import Progress
from rethined.batch.staging import staged
from rethined.errors import RethinedError
from rethined.files import clear_leftovers
from rethined.places import Location


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        filled: Photographs that are written now.
        skipped: Photographs that were done already.
        failed: Photographs that could not be done.
        left: Photographs not begun, since the run was stopped.
    """

    filled: int
    skipped: int
    failed: int
    left: int = 0


def fill_all(
    jobs: JobList,
    settings: Settings,
    out: Location,
    progress: Callable[[int], Progress],
    *,
    processes: int = 1,
    engine: Engine | None = None,
    again: bool = False,
    is_stopped: IsStopped = lambda: False,
) -> Outcome:
    """Fills all photographs of a list that are not filled yet.

    Args:
        jobs: What to do.
        settings: How.
        out: Folder of the results and of the journal; made when missing.
        progress: Makes what tells of the run, given how many photographs can be tried.
        processes: How many photographs at once on this machine. Results do not depend on it.
        engine: Who fills, if not processes of this machine; ``processes`` then means nothing.
        again: Fill as well what is filled already.
        is_stopped: Asked before each photograph; after ``True`` only what is going on is finished.

    Raises:
        InputError: There is nothing to do at all.
        OptionError, ModelError, MissingExtraError: Settings that no photograph could be filled with.
        FileError: ``out`` or the journal cannot be written.
    """
    expect_some(jobs)
    engine = engine or LocalEngine(settings, processes)
    options_key = settings.key()
    make_folder(out)
    notes = without_leftovers(out, jobs.tasks)
    with open_journal(out) as journal:
        facts = {task.name: facts_of(task, options_key) for task in jobs.tasks}
        due = [task for task in jobs.tasks if again or not journal.is_done(task, facts[task.name])]

        def note_done(task: Task) -> None:
            journal.add(task, facts[task.name])

        skipped = len(jobs.tasks) - len(due)
        done = engine.fill(due, is_stopped=is_stopped)
        return _attend(jobs, due, skipped, done, progress, "filled", on_done=note_done, notes=notes)


def preview_all(
    jobs: JobList,
    settings: Settings,
    out: Location,
    progress: Callable[[int], Progress],
    *,
    on_line: Callable[[str], None],
    is_stopped: IsStopped = lambda: False,
) -> Outcome:
    """Shows what would be filled, see :class:`Previewer`; every picture anew, and the journal is left alone.

    Args:
        jobs: What to show.
        settings: How it would be filled.
        out: Folder of the previews; made when missing.
        progress: As for :func:`fill_all`.
        on_line: Hears how each mask was understood.
        is_stopped: As for :func:`fill_all`.

    Raises:
        InputError: There is nothing to do at all.
        ImageWriteError: ``out`` cannot be made.
    """
    expect_some(jobs)
    make_folder(out)

    done = in_turn(staged(Previewer(settings)), jobs.tasks, is_stopped=is_stopped)
    return _attend(jobs, jobs.tasks, 0, done, progress, "shown", on_line=on_line)


def without_leftovers(out: Location, tasks: Sequence[Task]) -> list[str]:
    """Removes what a run that was killed has left half-written where results go; what to say about it."""
    folders = {out, *(task.out.parent for task in tasks), Path(tempfile.gettempdir())}
    removed = sum(clear_leftovers(folder) for folder in folders if isinstance(folder, Path))
    return [f"half-written files of a run that was killed: {removed} removed"] if removed else []


def _attend(
    jobs: JobList,
    due: Sequence[Task],
    skipped: int,
    done: Iterator[tuple[Task, Future[Report]]],
    progress: Callable[[int], Progress],
    what: str,
    *,
    on_done: Callable[[Task], None] = lambda _task: None,
    on_line: Callable[[str], None] = lambda _line: None,
    notes: Sequence[str] = (),
) -> Outcome:
    """Tells of everything that is done or fails, and counts it."""
    teller = progress(len(due))
    for note in notes:
        teller.note(note)
    if jobs.results_left_out:
        teller.note(f"{jobs.results_left_out} pictures below --out are not taken as photographs")
    for photo, message in jobs.problems:
        teller.fail(photo, message)
    filled, failed = 0, len(jobs.problems)
    for task, future in done:
        error = future.exception()
        if error is None:
            on_done(task)
            filled += 1
            report = future.result()
            if report.line:
                teller.wipe()
                on_line(f"{task.photo}: {report.line}")
            for warning in report.warnings:
                teller.tell(f"warning: {task.photo}: {warning}")
        else:
            failed += 1
            teller.fail(task.photo, reason_of(error))
        teller.step()
    outcome = Outcome(filled, skipped, failed, len(due) + len(jobs.problems) - filled - failed)
    counts = {what: filled, "done before": skipped, "failed": failed, "left": outcome.left}
    teller.end(", ".join(f"{count} {name}" for name, count in counts.items() if count or name == what))
    return outcome


def reason_of(error: BaseException) -> str:
    """Why a photograph could not be filled, in a line."""
    if isinstance(error, BrokenProcessPool):
        return "the process that filled it died, for want of memory perhaps; try fewer --jobs, or --max-memory"
    if isinstance(error, RethinedError):
        return str(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory; try fewer --jobs, or --max-memory"
    return f"{type(error).__name__}: {error}"
