"""Where a fill is: the milliseconds of its stages, and the share that is done, for a host to show and to cancel by."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import accumulate, pairwise

OnProgress = Callable[[str, float], None]
"""Receives the stage and the share of the fill that is done, 0..1; an error it raises ends the fill."""

LOOK = "look"
"""Prefill and network, which take turns: one stretch of the whole."""
COSTS_MS = {"check": 1, "plan": 0, "shrink": 8, "repeat": 1, LOOK: 114, "match": 63, "transfer": 80, "composite": 6}
"""What stages take at 2048 x 2048 under ellipses over 7 % (docs/performance.md): shares need be typical, not exact."""


class Clock:
    """Adds up the milliseconds of named stages, and tells how far the fill is.

    What it tells never falls, begins at 0 and ends at 1. It tells in the thread that fills.

    Args:
        on_progress: Told at the start of each stage and within the long ones.

    Attributes:
        stages_ms: Milliseconds of each stage so far, in order.
    """

    def __init__(self, on_progress: OnProgress | None = None) -> None:
        self.stages_ms: dict[str, float] = {}
        self._on_progress = on_progress
        total = sum(COSTS_MS.values())
        ends = accumulate(COSTS_MS.values(), initial=0)
        self._spans = {
            name: (begin / total, end / total) for name, (begin, end) in zip(COSTS_MS, pairwise(ends), strict=True)
        }
        self._looks = [self._spans[LOOK]]
        self._looked = 0
        self._stage, self._span, self._share = "", (0.0, 0.0), 0.0

    def expect_looks(self, areas: Sequence[int]) -> None:
        """Says how often the network will look, and at how many pixels: that much of the time each of them takes."""
        begin, end = self._spans[LOOK]
        ends = (begin + (end - begin) * area / sum(areas) for area in accumulate(areas, initial=0))
        self._looks = list(pairwise(ends))

    def stage(self, name: str) -> AbstractContextManager[None]:
        """Times what is done within, under one name; the same name may come again."""
        self._stage, self._span = name, self._spans.get(name) or self._look()
        self._tell(self._span[0])  # not within a generator, where a StopIteration would become another error
        return self._timed(name)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.stages_ms[name] = self.stages_ms.get(name, 0.0) + (time.perf_counter() - began) * 1e3
        if name == "network":
            self._looked += 1

    def within(self, share: float) -> None:
        """Tells that so much of the stage is done, 0..1."""
        begin, end = self._span
        self._tell(begin + (end - begin) * share)

    def finish(self) -> None:
        """Tells that all is done: the last moment at which the fill can be ended."""
        self._tell(1.0)

    def _look(self) -> tuple[float, float]:
        return self._looks[min(self._looked, len(self._looks) - 1)]

    def _tell(self, share: float) -> None:
        self._share = max(self._share, float(share))
        if self._on_progress:
            self._on_progress(self._stage, self._share)
