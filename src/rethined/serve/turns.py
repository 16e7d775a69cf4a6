"""Turns: how many requests there may be, which of them are filled now, and how one ends before its time."""

from __future__ import annotations

import asyncio
import math
import shutil
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from rethined.errors import RethinedError
from rethined.files import make_private_folder
from rethined.serve import refusals

Result = TypeVar("Result")


class EndedError(RethinedError):
    """Work that nobody waits for any more."""


class Turns:
    """Takes in requests up to a number and works on some of them at a time; safe to share.

    All that a request needs is bounded by its turn: a request without one is refused before its body is read, and a
    turn is free again only when its thread has let go of it and its files are gone.

    Args:
        workers: Threads that work.
        queue: Turns beyond those.
        timeout_s: How long one may wait and work.
    """

    def __init__(self, *, workers: int, queue: int, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.is_stopping = False
        self._workers = workers
        self._most = workers + queue
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="rethined-serve")
        self._lock = threading.Lock()
        self._taken: set[Turn] = set()
        self._waiting = self._running = 0
        self._mean_s = 1.0

    @property
    def taken(self) -> int:
        """Requests that are here: received, waiting, worked on or sent back."""
        return len(self._taken)

    @property
    def waiting(self) -> int:
        """Those of them that wait for a thread."""
        return self._waiting

    @property
    def running(self) -> int:
        """Those of them that a thread works on."""
        return self._running

    def take(self) -> Turn:
        """A turn, to be closed by the caller.

        Raises:
            HTTPException: 429 where all are taken, 503 while stopping.
        """
        with self._lock:
            if self.is_stopping:
                raise refusals.stopping()
            if len(self._taken) >= self._most:
                retry_s = math.ceil(self._mean_s * len(self._taken) / self._workers)
                raise refusals.queue_full(len(self._taken), max(1, retry_s))
            turn = Turn(self)
            self._taken.add(turn)
            return turn

    def stop(self) -> None:
        """Takes in no more; what is here is worked on to its end."""
        self.is_stopping = True

    def end_all(self) -> None:
        """Ends what waits, and what is worked on at its next step."""
        self.stop()
        with self._lock:
            turns = list(self._taken)
        for turn in turns:
            turn.end()

    def close(self) -> None:
        """Ends all and waits until the threads have let go."""
        self.end_all()
        self._pool.shutdown()

    def _begin(self, turn: Turn, work: Callable[[], Result]) -> Future[Result]:
        asked = time.perf_counter()

        def begin() -> Result:
            began = time.perf_counter()
            turn.waited_ms = (began - asked) * 1e3
            self._count(waiting=-1, running=+1)
            try:
                turn.expect_wanted()
                result = work()
                self._mean_s += 0.1 * (time.perf_counter() - began - self._mean_s)
                return result
            finally:
                self._count(running=-1)

        def leave(future: Future[Result]) -> None:
            if future.cancelled():
                self._count(waiting=-1)

        self._count(waiting=+1)
        future = self._pool.submit(begin)
        future.add_done_callback(leave)
        return future

    def _count(self, *, waiting: int = 0, running: int = 0) -> None:
        with self._lock:
            self._waiting += waiting
            self._running += running

    def _free(self, turn: Turn) -> None:
        with self._lock:
            self._taken.discard(turn)


class Turn:
    """One request's turn, with a folder for its files; made by :meth:`Turns.take`.

    Attributes:
        waited_ms: Milliseconds its work waited for a thread.
    """

    def __init__(self, turns: Turns) -> None:
        self.waited_ms = 0.0
        self._turns = turns
        self._folder: Path | None = None
        self._is_ended = threading.Event()
        self._future: Future[Any] | None = None

    @property
    def folder(self) -> Path:
        """A folder of its own, removed with all that is in it when the turn is over."""
        if self._folder is None:
            self._folder = make_private_folder()
        return self._folder

    async def run(self, work: Callable[[], Result], leaving: Coroutine[Any, Any, None]) -> Result:
        """What ``work`` gives, once a thread is free for it; called once.

        Args:
            work: Asks :meth:`expect_wanted` between its steps.
            leaving: Ends when the client has gone.

        Raises:
            HTTPException: 503 when the time is over, 499 when the client has gone; ``work`` is then ended.
            EndedError: It was ended from elsewhere.
        """
        self._future = self._turns._begin(self, work)
        waiting = asyncio.wrap_future(self._future)
        waiting.add_done_callback(_look_at)
        left = asyncio.ensure_future(leaving)
        try:
            done, _ = await asyncio.wait(
                {waiting, left}, timeout=self._turns.timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            left.cancel()
            if not waiting.done():
                self.end()
        if waiting in done:
            if waiting.cancelled():
                raise EndedError("ended before it was begun")
            result: Result = waiting.result()
            return result
        raise refusals.gone() if left in done else refusals.out_of_time(self._turns.timeout_s)

    def expect_wanted(self) -> None:
        """Raises :class:`EndedError` where nobody waits for the work any more."""
        if self._is_ended.is_set():
            raise EndedError("nobody waits for it any more")

    def end(self) -> None:
        """Ends the work: at once if it has not begun, else at its next step."""
        self._is_ended.set()
        if self._future is not None:
            self._future.cancel()

    def close(self) -> None:
        """Gives the turn back, as soon as no thread works on it; called again it does nothing."""
        self.end()
        if self._future is None:
            self._free()
        else:
            self._future.add_done_callback(lambda _: self._free())

    def _free(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        self._turns._free(self)


def _look_at(future: asyncio.Future[Any]) -> None:
    """Takes note of an error that comes when nobody waits any more; asyncio would complain about it."""
    if not future.cancelled():
        future.exception()
