from __future__ import annotations

import threading

import pytest

from rethined.workers import SERIAL, Workers


@pytest.mark.parametrize("workers", [SERIAL, Workers(3)], ids=["serial", "three"])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_results_come_in_the_order_of_the_items(workers: Workers, count: int) -> None:
    assert workers.map(lambda i: i * i, range(count)) == [i * i for i in range(count)]


def test_several_threads_work_at_once() -> None:
    meeting = threading.Barrier(2, timeout=10)
    assert len(Workers(2).map(lambda _: meeting.wait(), range(2))) == 2


def test_one_thread_is_the_callers() -> None:
    assert set(SERIAL.map(lambda _: threading.get_ident(), range(3))) == {threading.get_ident()}


@pytest.mark.parametrize("workers", [SERIAL, Workers(2)], ids=["serial", "two"])
def test_the_first_error_is_raised(workers: Workers) -> None:
    def fail(i: int) -> None:
        if i > 1:
            raise ValueError(i)

    with pytest.raises(ValueError, match="2"):
        workers.map(fail, range(5))
