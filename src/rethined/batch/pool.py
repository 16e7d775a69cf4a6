"""Work spread over processes; one that dies takes a single item with it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from types import FrameType
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
IsStopped = Callable[[], bool]

POLL_S = 0.2
"""How long a wish to stop may go unheard on systems where waiting cannot be interrupted."""


def in_turn(
    work: Callable[[Item], Result], items: Sequence[Item], *, is_stopped: IsStopped
) -> Iterator[tuple[Item, Future[Result]]]:
    """Calls ``work`` with each item, here; what comes out is as that of :func:`spread`."""
    for item in items:
        if is_stopped():
            return
        future: Future[Result] = Future()
        try:
            future.set_result(work(item))
        except Exception as error:  # noqa: BLE001 - handed to the caller, as a process would
            future.set_exception(error)
        yield item, future


def spread(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    processes: int,
    prepare: Callable[..., None],
    arguments: tuple[object, ...],
    is_stopped: IsStopped,
) -> Iterator[tuple[Item, Future[Result]]]:
    """Calls ``work`` with each item in processes of their own, and gives each item with its finished future.

    A process that dies breaks a whole pool. What was going on then is done again one by one, each in a process of its
    own: the item that kills that one too has a :class:`BrokenProcessPool` as its error, and a new pool goes on with the
    rest.

    Args:
        work: Named in a module, so that the processes can import it; the result of items in flight may be computed
            twice.
        items: What to call it with.
        processes: How many at once.
        prepare: Called first in each process.
        arguments: What with.
        is_stopped: Asked before each item; after ``True`` only what is going on is finished.
    """
    waiting = list(reversed(items))
    while waiting and not is_stopped():
        suspects: list[Item] = []
        with _pool(processes, prepare, arguments) as pool:
            for item, future in _flow(pool, work, waiting, processes, is_stopped):
                if isinstance(future.exception(), BrokenProcessPool):
                    suspects.append(item)
                else:
                    yield item, future
        for item in suspects:
            if is_stopped():
                return
            with _pool(1, prepare, arguments) as pool:
                yield from _flow(pool, work, [item], 1, is_stopped)


def _flow(
    pool: ProcessPoolExecutor,
    work: Callable[[Item], Result],
    waiting: list[Item],
    in_flight: int,
    is_stopped: IsStopped,
) -> Iterator[tuple[Item, Future[Result]]]:
    """Finished items, in the order they finish; takes from the end of ``waiting`` until that or the pool is spent."""
    going: dict[Future[Result], Item] = {}
    is_whole = True
    while True:
        while is_whole and waiting and len(going) < in_flight and not is_stopped():
            try:
                future = pool.submit(work, waiting[-1])
            except BrokenProcessPool:
                is_whole = False
            else:
                going[future] = waiting.pop()
        if not going:
            return
        for future in wait(going, POLL_S, FIRST_COMPLETED).done:
            is_whole &= not isinstance(future.exception(), BrokenProcessPool)
            yield going.pop(future), future


def _pool(processes: int, prepare: Callable[..., None], arguments: tuple[object, ...]) -> ProcessPoolExecutor:
    # Not fork: a copy of a process whose threads hold locks waits for them forever.
    return ProcessPoolExecutor(processes, get_context("spawn"), initializer=_enter, initargs=(prepare, arguments))


def _enter(prepare: Callable[..., None], arguments: tuple[object, ...]) -> None:
    """What each process does first."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, _spare_once)
    prepare(*arguments)


def _end_with_parent() -> None:
    """Ends this process when its parent has ended: it would wait for work forever, since it holds its queue open."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _spare_once(_signal: int, _frame: FrameType | None) -> None:
    """Ctrl-C reaches all processes of a terminal: at the first the work is finished, at the second it ends."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def stop_on_interrupt(
    on_stop: Callable[[], None], *, signals: Sequence[signal.Signals] = (signal.SIGINT,)
) -> Iterator[IsStopped]:
    """Lets what is going on be finished after Ctrl-C; a second one raises :class:`KeyboardInterrupt` as usual.

    Signals are heard by the main thread alone; in another one this changes nothing.

    Args:
        on_stop: Called at the first Ctrl-C; an error it raises comes out of what is going on.
        signals: What counts as such; the second time they do what they always do.

    Yields:
        Whether to stop.
    """
    is_stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield is_stopped.is_set
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)
        is_stopped.set()
        on_stop()

    before = {each: signal.signal(each, stop) for each in signals}
    try:
        yield is_stopped.is_set
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
