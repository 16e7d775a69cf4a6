"""Who fills the photographs of a run: processes of this machine, or a cluster (:mod:`rethined.batch.cluster`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import Protocol

from rethined.batch.fill import Filler, Report, Settings, expect_no_less_than_one
from rethined.batch.jobs import Task
from rethined.batch.pool import IsStopped, in_turn, spread
from rethined.batch.staging import Work, staged
from rethined.runtime import available_cores


class Engine(Protocol):
    """What a run needs of those who fill."""

    def fill(self, tasks: Sequence[Task], *, is_stopped: IsStopped) -> Iterator[tuple[Task, Future[Report]]]:
        """Fills, and gives each task with its finished future, in the order in which they finish.

        A process that dies takes no more than one photograph with it, which then has a :class:`BrokenProcessPool` as
        its error; one that was going on when a process died may be filled twice, and is given once.

        Args:
            tasks: What to fill.
            is_stopped: Asked before each; after ``True`` only what is going on is finished.
        """
        ...


class LocalEngine:
    """Fills on this machine, in this process or in several.

    Args:
        settings: How.
        processes: How many photographs at once.

    Raises:
        OptionError, ModelError, MissingExtraError: Settings that no photograph could be filled with.
    """

    def __init__(self, settings: Settings, processes: int = 1) -> None:
        expect_no_less_than_one("jobs", processes)
        expect_no_less_than_one("threads", settings.threads)
        self._settings = settings
        self._processes = processes
        self._threads = settings.threads or max(1, available_cores() // processes)
        # Made here even where others do the work: what is wrong with it is then said once, not for each photograph.
        self._fill = staged(Filler(settings, self._threads))

    def fill(self, tasks: Sequence[Task], *, is_stopped: IsStopped) -> Iterator[tuple[Task, Future[Report]]]:
        """As :meth:`Engine.fill`."""
        if self._processes == 1:
            return in_turn(self._fill, tasks, is_stopped=is_stopped)
        return spread(
            _fill_here,
            tasks,
            processes=self._processes,
            prepare=_prepare,
            arguments=(self._settings, self._threads),
            is_stopped=is_stopped,
        )


_filler_here: list[Work] = []
"""The engine of a process that was started for one run."""


def _prepare(settings: Settings, threads: int) -> None:
    _filler_here[:] = [staged(Filler(settings, threads))]


def _fill_here(task: Task) -> Report:
    return _filler_here[0](task)
