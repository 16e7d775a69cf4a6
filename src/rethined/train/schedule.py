"""A learning rate that falls with time, for a run that has minutes and not steps."""

from __future__ import annotations

import time
from collections.abc import Callable

COOLDOWN_SHARE = 0.5
"""Share of a run, in time or in steps, during which the rate falls."""


class TimedRate:
    """The rate of each step: it rises over the first steps, stays, and is nothing when the time is over.

    However fast the machine is and however busy it becomes, the run gets its whole cooldown. Such a run cannot be
    resumed or repeated exactly.

    Args:
        peak: Highest rate.
        minutes: Length of the run, from now on.
        warmup_steps: Steps of rising rate.
        clock: Seconds since any moment.
        began_s: What the clock said at the start of the run; what it says now when ``None``.
    """

    def __init__(
        self,
        peak: float,
        minutes: float,
        warmup_steps: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        began_s: float | None = None,
    ) -> None:
        self._peak = peak
        self._seconds = 60 * minutes
        self._warmup_steps = warmup_steps
        self._clock = clock
        self._began = clock() if began_s is None else began_s

    def __call__(self, step: int) -> float:
        """Rate of step number ``step``, the first being 0, if it begins now."""
        rise = min(1.0, (step + 1) / self._warmup_steps)
        left = max(0.0, 1 - (self._clock() - self._began) / self._seconds)
        return self._peak * rise * min(1.0, left / COOLDOWN_SHARE)
