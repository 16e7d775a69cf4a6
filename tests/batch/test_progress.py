from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from rethined.batch.progress import MOST_LISTED, Progress, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def ticking(step_s: float) -> Callable[[], float]:
    now = -step_s

    def clock() -> float:
        nonlocal now
        now += step_s
        return now

    return clock


def test_without_a_terminal_each_tenth_is_a_line() -> None:
    stream = io.StringIO()
    progress = Progress(40, stream, clock=ticking(8))
    for _ in range(40):
        progress.step()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    # The clock was asked once at the start and once a line.
    assert lines[0] == "rethined: 4/40 done, 0.5 a second, 72 s left"
    assert lines[-1] == "rethined: 40/40 done, 0.5 a second"


@pytest.mark.parametrize("total", [1, 3, 7, 10, 11, 99])
def test_few_lines_and_the_last_says_all(total: int) -> None:
    stream = io.StringIO()
    progress = Progress(total, stream)
    for _ in range(total):
        progress.step()
    lines = stream.getvalue().splitlines()
    assert len(lines) == min(total, 10)
    assert lines[-1].startswith(f"rethined: {total}/{total} done")


def test_a_terminal_shows_one_line_that_is_rewritten_below_all_else() -> None:
    stream = Terminal()
    progress = Progress(3, stream, clock=ticking(1))
    progress.step()
    progress.fail("a.png", "is broken")
    progress.step()
    progress.end("1 filled")
    first, second = "rethined: 1/3 done, 1 a second, 2 s left", "rethined: 2/3 done, 1 failed, 1 a second, 1 s left"

    def wiped(line: str) -> str:
        return f"\r{' ' * len(line)}\r"

    assert stream.getvalue() == (
        f"{first}{wiped(first)}rethined: a.png: is broken\n{first}{wiped(first)}{second}{wiped(second)}"
        "rethined: 1 failed:\n  a.png: is broken\nrethined: 1 filled\n"
    )


def test_quiet_tells_what_failed_alone() -> None:
    stream = io.StringIO()
    progress = Progress(1, stream, quiet=True)
    progress.note("by the way")
    progress.step()
    progress.end("1 filled")
    assert stream.getvalue() == ""
    progress.fail("a.png", "is broken")
    assert stream.getvalue() == "rethined: a.png: is broken\n"


def test_the_first_failures_are_told_again() -> None:
    stream = io.StringIO()
    progress = Progress(30, stream, quiet=True)
    for i in range(30):
        progress.fail(i, "no")
        progress.step()
    progress.end("0 filled, 30 failed")
    lines = stream.getvalue().splitlines()[30:]
    assert lines[0] == f"rethined: 30 failed, the first {MOST_LISTED} of them:"
    assert lines[1:-1] == [f"  {i}: no" for i in range(20)]
    assert lines[-1] == "rethined: 0 filled, 30 failed"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89.4, "89 s"), (90, "2 min"), (3540, "59 min"), (12000, "3 h 20 min")]
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
