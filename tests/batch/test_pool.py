from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool

import pytest

from rethined.batch.pool import in_turn, spread, stop_on_interrupt

DIES = "__import__('os')._exit(3)"
FAILS = "1 / 0"


def never() -> bool:
    return False


def spread_eval(items: list[str], is_stopped: object = never) -> Iterator[tuple[str, object]]:
    # A built-in: processes that are started afresh cannot import this module.
    done = spread(eval, items, processes=2, prepare=str, arguments=(), is_stopped=is_stopped)
    return ((item, future.exception() or future.result()) for item, future in done)


def test_one_after_another_errors_are_handed_on() -> None:
    done = list(in_turn(eval, ["2 + 2", FAILS, "3"], is_stopped=never))
    assert [item for item, _ in done] == ["2 + 2", FAILS, "3"]
    assert done[0][1].result() == 4
    assert isinstance(done[1][1].exception(), ZeroDivisionError)


def test_a_process_that_dies_takes_one_item_with_it() -> None:
    done = dict(spread_eval(["1", FAILS, "2", DIES, "3"]))
    assert isinstance(done.pop(DIES), BrokenProcessPool)
    assert isinstance(done.pop(FAILS), ZeroDivisionError)
    assert done == {"1": 1, "2": 2, "3": 3}


def test_after_a_stop_nothing_is_begun() -> None:
    stopped: list[bool] = []
    done = []
    for item, _ in in_turn(eval, ["1", "2", "3"], is_stopped=lambda: bool(stopped)):
        done.append(item)
        stopped.append(True)
    assert done == ["1"]
    assert list(spread_eval(["1", "2"], lambda: True)) == []


def test_the_first_interrupt_asks_and_the_second_raises() -> None:
    told = []
    before = signal.getsignal(signal.SIGINT)
    with stop_on_interrupt(lambda: told.append("stop")) as is_stopped:
        assert not is_stopped()
        signal.raise_signal(signal.SIGINT)
        assert is_stopped()
        assert told == ["stop"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_signals_may_ask_too_and_are_given_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_interrupt(lambda: None, signals=(signal.SIGINT, signal.SIGTERM)) as is_stopped:
        signal.raise_signal(signal.SIGTERM)
        assert is_stopped()
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL, "the second time it ends the process"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before
    with (
        pytest.raises(KeyboardInterrupt),
        stop_on_interrupt(lambda: signal.default_int_handler(signal.SIGINT, None)),
    ):
        signal.raise_signal(signal.SIGINT)


def test_processes_end_with_the_one_that_started_them() -> None:
    code = textwrap.dedent(
        """
        from rethined.batch.pool import spread
        for _, future in spread(eval, ["1", "__import__('time').sleep(60)"],
                                processes=2, prepare=str, arguments=(), is_stopped=bool):
            print(future.result(), flush=True)
        """
    )
    # Its processes hold its pipes open: the end of the output is their end.
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        parent.kill()
        assert parent.communicate(timeout=30) == ("", None)
