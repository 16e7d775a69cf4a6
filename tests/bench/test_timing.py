from __future__ import annotations

from collections.abc import Callable

import pytest

from rethined.bench.timing import MAX_ROUNDS, MIN_ROUNDS, WARM_UPS, Timing, summarise, time_together


class Clock:
    """Time that only passes when a call says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def taking(self, *seconds: float) -> Callable[[], None]:
        left = list(seconds)

        def call() -> None:
            self.seconds += left.pop(0) if len(left) > 1 else left[0]

        return call


def test_the_warm_up_is_not_counted() -> None:
    clock = Clock()
    timing = time_together({"a": clock.taking(*[9.0] * WARM_UPS, 0.1)}, clock=clock)["a"]
    assert (timing.median_ms, timing.p95_ms, timing.min_ms, timing.iqr_ms) == pytest.approx((100, 100, 100, 0))
    assert timing.rounds == 20


@pytest.mark.parametrize(("seconds", "rounds"), [(0.001, MAX_ROUNDS), (0.2, 10), (3.0, MIN_ROUNDS)])
def test_rounds_follow_the_contract(seconds: float, rounds: int) -> None:
    clock = Clock()
    assert time_together({"a": clock.taking(seconds)}, clock=clock)["a"].rounds == rounds


def test_calls_take_turns() -> None:
    clock, order = Clock(), []

    def call(name: str) -> Callable[[], None]:
        def run() -> None:
            order.append(name)
            clock.seconds += 0.5

        return run

    time_together({"a": call("a"), "b": call("b")}, clock=clock)
    assert order == ["a"] * WARM_UPS + ["b"] * WARM_UPS + ["a", "b"] * MIN_ROUNDS


def test_statistics_of_known_samples() -> None:
    expected = Timing(median_ms=3, iqr_ms=2, p95_ms=4.8, min_ms=1, p25_ms=2, p75_ms=4, rounds=5)
    assert summarise([4.0, 1.0, 2.0, 3.0, 5.0]) == expected
