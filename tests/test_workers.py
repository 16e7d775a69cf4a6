from __future__ import annotations

import _thread
import multiprocessing
import os
import signal
import sys
import threading
import time

import pytest

from rethined.workers import SERIAL, Workers, parts, stretch


@pytest.mark.parametrize("workers", [SERIAL, Workers(3)], ids=["serial", "three"])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_results_come_in_the_order_of_the_items(workers: Workers, count: int) -> None:
    assert workers.map(lambda i: i * i, range(count)) == [i * i for i in range(count)]


def test_several_threads_work_at_once() -> None:
    meeting = threading.Barrier(2, timeout=10)
    assert len(Workers(2).map(lambda _: meeting.wait(), range(2))) == 2


def test_one_thread_is_the_callers() -> None:
    assert set(SERIAL.map(lambda _: threading.get_ident(), range(3))) == {threading.get_ident()}


def test_the_caller_works_as_well() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meet(_: int) -> int:
        meeting.wait()
        return threading.get_ident()

    assert threading.get_ident() in Workers(2).map(meet, range(2))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_is_forked_off_has_threads_of_its_own() -> None:
    workers = Workers(2)
    expected = workers.map(str, range(9), on_done=lambda _share: None)
    process = multiprocessing.get_context("fork").Process(
        target=lambda: sys.exit(workers.map(str, range(9), on_done=lambda _share: None) != expected)
    )
    process.start()
    process.join(30)
    try:
        assert process.exitcode == 0
    finally:
        process.kill()


def test_an_interrupt_ends_the_work() -> None:
    begun: list[int] = []
    interrupted: list[int] = []
    caller = threading.get_ident()

    def work(i: int) -> None:
        begun.append(i)
        if threading.get_ident() != caller and not interrupted:
            interrupted.append(i)
            _thread.interrupt_main()
        time.sleep(0.01)

    # Whoever is started in the background of a shell does not hear of interrupts.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            Workers(2).map(work, range(500))
    finally:
        signal.signal(signal.SIGINT, handler)
    met = len(begun)
    time.sleep(0.05)
    assert len(begun) <= met + 1 < 500


def test_work_may_be_shared_again_while_no_thread_is_free() -> None:
    workers = Workers(2)
    sums = workers.map(lambda i: sum(workers.map(lambda j: i * j, range(9))), range(9))
    assert sums == [36 * i for i in range(9)]


def test_after_an_error_nothing_more_is_begun() -> None:
    begun: list[int] = []

    def fail(i: int) -> None:
        begun.append(i)
        raise ValueError(i)

    with pytest.raises(ValueError, match="0"):
        Workers(3).map(fail, range(100))
    assert len(begun) <= 3, "one by each thread"


@pytest.mark.parametrize("workers", [SERIAL, Workers(2)], ids=["serial", "two"])
def test_the_first_error_is_raised(workers: Workers) -> None:
    def fail(i: int) -> None:
        if i > 1:
            raise ValueError(i)

    with pytest.raises(ValueError, match="2"):
        workers.map(fail, range(5))


@pytest.mark.parametrize("workers", [SERIAL, Workers(3)], ids=["serial", "three"])
@pytest.mark.parametrize("count", [1, 20])
def test_who_listens_hears_in_the_callers_thread_until_all_is_done(workers: Workers, count: int) -> None:
    heard: list[tuple[float, int]] = []
    results = workers.map(
        lambda i: i * i, range(count), on_done=lambda share: heard.append((share, threading.get_ident()))
    )
    assert results == [i * i for i in range(count)]
    shares, threads = zip(*heard, strict=True)
    assert list(shares) == sorted(shares)
    assert shares[-1] == 1
    assert set(threads) == {threading.get_ident()}


@pytest.mark.parametrize("workers", [SERIAL, Workers(2)], ids=["serial", "two"])
def test_the_first_error_is_raised_to_who_listens_too(workers: Workers) -> None:
    def fail(i: int) -> None:
        if i > 1:
            raise ValueError(i)

    with pytest.raises(ValueError, match="2"):
        workers.map(fail, range(5), on_done=lambda _share: None)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_listener_that_raises_ends_the_work(threads: int) -> None:
    begun: list[int] = []

    def work(i: int) -> None:
        begun.append(i)
        time.sleep(0.01)

    def stop(_share: float) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        Workers(threads).map(work, range(50), on_done=stop)
    time.sleep(0.05)
    assert len(begun) < 10


def test_a_listener_hears_while_items_take_long_and_can_end_the_wait() -> None:
    gate, heard = threading.Event(), []

    def stop(share: float) -> None:
        heard.append(share)
        if len(heard) == 2:
            raise TimeoutError

    try:
        with pytest.raises(TimeoutError):
            Workers(2).map(lambda _: gate.wait(10), range(2), on_done=stop)
    finally:
        gate.set()
    assert heard == [0, 0]


def test_a_stretch_tells_of_a_part() -> None:
    heard: list[float] = []
    tell = stretch(heard.append, 0.2, 0.6)
    assert tell is not None
    tell(0)
    tell(0.5)
    tell(1)
    assert heard == pytest.approx([0.2, 0.4, 0.6])
    assert stretch(None, 0.2, 0.6) is None


def test_parts_hold_everything_once() -> None:
    assert parts(0, 4) == []
    assert parts(4, 4) == [slice(0, 4)]
    assert parts(9, 4) == [slice(0, 4), slice(4, 8), slice(8, 9)]
