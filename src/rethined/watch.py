"""``rethined watch``: a folder whose photographs are filled as they come.

It is looked at again and again, by name, size and time of change: that works on network folders too, which do not tell
when something changes. A photograph is complete when neither it nor its mask has changed for a while. The journal is
that of :mod:`rethined.batch`, so nothing is filled twice, after a restart neither.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rethined.batch.fill import Filler, Report, Settings, expect_no_less_than_one, make_folder
from rethined.batch.jobs import JobList, Task
from rethined.batch.journal import Facts, Journal, facts_of
from rethined.batch.pool import POLL_S, IsStopped
from rethined.batch.run import Outcome, reason_of, without_leftovers
from rethined.errors import OptionError, RethinedError
from rethined.places import Location

MOST_S = 86_400
"""Longest time between two looks: a day."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often a folder is looked at, and how long a photograph has to stay as it is.

    Attributes:
        every_s: Seconds between two looks.
        settle_s: Seconds after which a photograph that has not changed is complete.

    Raises:
        OptionError: Below 0 or above a day.
    """

    every_s: float = 1.0
    settle_s: float = 2.0

    def __post_init__(self) -> None:
        for name, seconds in (("every", self.every_s), ("settle", self.settle_s)):
            if not 0 <= seconds <= MOST_S:
                raise OptionError(f"{name} is {seconds:g} s; expected 0 to {MOST_S}")


@dataclass(frozen=True)
class Listener:
    """Hears what happens.

    Attributes:
        on_filled: A photograph is filled: which, what is odd about its mask, the seconds it took.
        on_failed: One cannot be filled: which, and why.
        on_note: Something else.
    """

    on_filled: Callable[[Task, Report, float], None]
    on_failed: Callable[[Location, str], None]
    on_note: Callable[[str], None]


def watch(
    find: Callable[[], JobList],
    settings: Settings,
    out: Path,
    listener: Listener,
    *,
    pace: Pace | None = None,
    once: bool = False,
    is_stopped: IsStopped = lambda: False,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Outcome:
    """Fills photographs as they come, until it is stopped.

    What cannot be filled is told, and tried again when it, or its mask, has changed. Results may be taken away.

    Args:
        find: Lists what there is now.
        settings: How to fill.
        out: Folder of the results and of the journal; made when missing.
        listener: Hears what happens.
        pace: How often to look; the default one when ``None``.
        once: Look twice, fill what has not changed in between, and end.
        is_stopped: Asked before each photograph, and every .2 s between.
        sleep: Waits for so many seconds.
        clock: Seconds.

    Raises:
        OptionError, ModelError, MissingExtraError: Settings that no photograph could be filled with.
        FileError: ``out`` or the journal cannot be written.
        RethinedError: What ``find`` raises the first time. Later it is told: network folders go and come back.
    """
    pace = pace or Pace()
    expect_no_less_than_one("threads", settings.threads)
    jobs = find()  # what is wrong with it is said before anything is made
    filler = Filler(settings, settings.threads)
    key = settings.key()
    make_folder(out)
    for note in without_leftovers(out, jobs.tasks):
        listener.on_note(note)
    with Journal(out) as journal:
        watcher = _Watcher(filler, key, journal, listener, pace.settle_s, clock)
        watcher.attend(jobs, is_stopped)
        while not is_stopped():
            _wait(pace.settle_s if once else pace.every_s, is_stopped, sleep, clock)
            watcher.look(find, is_stopped)
            if once:
                break
        return watcher.outcome()


def _wait(seconds: float, is_stopped: IsStopped, sleep: Callable[[float], None], clock: Callable[[], float]) -> None:
    """Waits, in steps so short that a wish to stop is heard."""
    end_s = clock() + seconds
    while not is_stopped() and (left_s := end_s - clock()) > 0:
        sleep(min(left_s, POLL_S))


class _Watcher:
    """Fills what is complete of what is found, and remembers the rest."""

    def __init__(
        self,
        filler: Filler,
        options_key: str,
        journal: Journal,
        listener: Listener,
        settle_s: float,
        clock: Callable[[], float],
    ) -> None:
        self._filler, self._options_key, self._journal = filler, options_key, journal
        self._listener, self._settle_s, self._clock = listener, settle_s, clock
        self._waiting: dict[str, tuple[Facts, float]] = {}
        self._failed: dict[str, Facts] = {}
        self._problems: dict[Location, str] = {}
        self._trouble = ""
        self._filled = 0
        self._done_before: int | None = None

    def look(self, find: Callable[[], JobList], is_stopped: IsStopped) -> None:
        """Lists what there is, and attends to it."""
        try:
            jobs = find()
        except RethinedError as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self._listener.on_note(f"{error}; waiting for it")
            return
        if self._trouble:
            self._listener.on_note("it is there again")
            self._trouble = ""
        self.attend(jobs, is_stopped)

    def attend(self, jobs: JobList, is_stopped: IsStopped) -> None:
        """Fills what of a list is complete and not done."""
        for photo, message in jobs.problems:
            if self._problems.get(photo) != message:
                self._listener.on_failed(photo, message)
        self._problems = dict(jobs.problems)
        waiting, self._waiting = self._waiting, {}
        done = 0
        for task in jobs.tasks:
            facts = facts_of(task, self._options_key)
            if facts is None:  # gone again, or its mask
                continue
            if self._journal.is_noted(task, facts):
                done += 1
                continue
            if self._failed.get(task.name) == facts:
                continue
            before, since_s = waiting.get(task.name, (None, 0.0))
            if before != facts:
                since_s = self._clock()
            if is_stopped() or self._clock() - since_s < self._settle_s:
                self._waiting[task.name] = (facts, since_s)
            else:
                self._fill(task, facts)
        if self._done_before is None:
            self._done_before = done

    def _fill(self, task: Task, facts: Facts) -> None:
        began_s = self._clock()
        try:
            report = self._filler(task)
        except Exception as error:  # noqa: BLE001 - the next photograph may be filled all the same
            self._failed[task.name] = facts
            self._listener.on_failed(task.photo, reason_of(error))
            return
        self._journal.add(task, facts, may_be_gone=True)
        self._failed.pop(task.name, None)
        self._filled += 1
        self._listener.on_filled(task, report, self._clock() - began_s)

    def outcome(self) -> Outcome:
        """What has been done so far."""
        failed = len(self._failed) + len(self._problems)
        return Outcome(self._filled, self._done_before or 0, failed, len(self._waiting))
