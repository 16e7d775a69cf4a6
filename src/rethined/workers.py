"""Threads for the steps between two runs of the network."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
OnDone = Callable[[float], None]
"""Hears which share of some work is done, 0..1; an error it raises ends that work."""


POLL_S = 0.05
"""How often a caller hears that work goes on, so that it can end it."""


class Workers:
    """Runs a function over items on some threads; safe to share, also with a process that is forked off.

    What it runs must not call it again with a listener: all threads could then wait for each other.

    Args:
        threads: At least 1; with 1 everything runs in the caller's thread.

    Attributes:
        threads: As given.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._begin()

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        on_done: OnDone | None = None,
    ) -> list[Result]:
        """The results in the order of the items; an error of the first item that failed is raised.

        Args:
            function: Called with each item.
            items: What to call it with.
            on_done: Called in the caller's thread with the share of the items that is done, after each of them, and
                with several threads at least every 50 ms. An error it raises comes out of here at once: items not yet
                begun are dropped, others run to their end unheard.
        """
        items = list(items)
        pool = self._pool() if self.threads > 1 and len(items) > 1 else None
        if pool is None:
            results = []
            for item in items:
                results.append(function(item))
                if on_done:
                    on_done(len(results) / len(items))
            return results
        if on_done is None:
            return self._share(pool, function, items)
        futures = [pool.submit(function, item) for item in items]
        try:
            _listen(futures, on_done)
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def _pool(self) -> ThreadPoolExecutor:
        if self._begun_in != os.getpid():
            self._begin()
        return self._threads

    def _begin(self) -> None:
        """Makes threads for this process: one that is forked off has none of its parent's, and would wait for ever."""
        self._threads = ThreadPoolExecutor(self.threads, thread_name_prefix="rethined")
        self._begun_in = os.getpid()

    def _share(self, pool: ThreadPoolExecutor, function: Callable[[Item], Result], items: list[Item]) -> list[Result]:
        """The caller's thread works as well: one less to be woken, which takes as long as many an item does."""
        left, results = deque(enumerate(items)), dict[int, Result]()
        errors = dict[int, BaseException]()

        def work() -> None:
            while left:
                try:
                    number, item = left.popleft()
                except IndexError:  # another thread was faster
                    return
                try:
                    results[number] = function(item)
                except BaseException as error:  # noqa: BLE001 - raised where all threads have met
                    errors[number] = error
                    left.clear()

        try:
            helpers = [pool.submit(work) for _ in range(min(self.threads, len(items)) - 1)]
            work()
            for helper in helpers:
                if not helper.cancel():
                    helper.result()
        finally:
            left.clear()  # after an interrupt: what has begun runs to its end unheard, and no more begins
        if errors:
            raise errors[min(errors)]
        return [results[number] for number in range(len(items))]


def _listen(futures: list[Future[Result]], on_done: OnDone) -> None:
    """Waits until all are done or one has failed."""
    pending = set(futures)
    while pending:
        done, pending = wait(pending, POLL_S, FIRST_COMPLETED)
        if any(future.exception() for future in done):
            return
        on_done(1 - len(pending) / len(futures))


SERIAL = Workers(1)
"""Runs everything in the caller's thread."""


def parts(count: int, most: int) -> list[slice]:
    """``count`` items in parts of at most so many."""
    return [slice(start, min(start + most, count)) for start in range(0, count, most)]


def stretch(on_done: OnDone | None, begin: float, end: float) -> OnDone | None:
    """For work that is the stretch from ``begin`` to ``end`` of a larger one, 0..1: whom it tells what it has done."""
    return on_done and (lambda share: on_done(begin + (end - begin) * share))
