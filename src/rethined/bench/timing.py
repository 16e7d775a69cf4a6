"""The one timer.

Contract: every call is made twice before the clock starts, so that nothing is loaded or allocated for the first time;
then all calls take turns, so that a busy moment of the machine meets all of them; at least five rounds, then on until
thirty rounds or two seconds a call are reached. Wall-clock time. What is reported is the median with the interquartile
range and the 95th percentile; minima are reported too, as what the machine can do when it is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

WARM_UPS = 2
MIN_ROUNDS, MAX_ROUNDS = 5, 30
ENOUGH_S = 2.0


@dataclass(frozen=True)
class Timing:
    """Wall-clock times of one call in milliseconds.

    Attributes:
        median_ms, iqr_ms, p95_ms, min_ms: Statistics over the rounds.
        p25_ms, p75_ms: The quartiles that the interquartile range lies between.
        rounds: How many there were.
    """

    median_ms: float
    iqr_ms: float
    p95_ms: float
    min_ms: float
    p25_ms: float
    p75_ms: float
    rounds: int

    def cells(self) -> str:
        """Median, interquartile range and 95th percentile as three cells of a Markdown table."""
        return f"{self.median_ms:.1f} | {self.iqr_ms:.1f} | {self.p95_ms:.1f}"


def time_together(
    calls: dict[str, Callable[[], object]], *, clock: Callable[[], float] = time.perf_counter
) -> dict[str, Timing]:
    """Times several calls in turns; see the module's text.

    Args:
        calls: By name.
        clock: Gives seconds.
    """
    for call in calls.values():
        for _ in range(WARM_UPS):
            call()
    samples: dict[str, list[float]] = {name: [] for name in calls}
    waiting = dict(calls)
    while waiting:
        for name, call in waiting.items():
            began = clock()
            call()
            samples[name].append((clock() - began) * 1e3)
        waiting = {name: call for name, call in waiting.items() if not _is_enough(samples[name])}
    return {name: summarise(values) for name, values in samples.items()}


def summarise(milliseconds: list[float]) -> Timing:
    """The statistics of some samples."""
    low, median, high, p95 = (float(x) for x in np.percentile(milliseconds, (25, 50, 75, 95)))
    return Timing(
        median_ms=round(median, 3),
        iqr_ms=round(high - low, 3),
        p95_ms=round(p95, 3),
        min_ms=round(min(milliseconds), 3),
        p25_ms=round(low, 3),
        p75_ms=round(high, 3),
        rounds=len(milliseconds),
    )


def _is_enough(milliseconds: list[float]) -> bool:
    rounds = len(milliseconds)
    return rounds >= MAX_ROUNDS or (rounds >= MIN_ROUNDS and sum(milliseconds) >= ENOUGH_S * 1e3)
