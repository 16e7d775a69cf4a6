"""Where the time of training steps goes, part by part."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from rethined.train.device import CPU

WARM_UP_STEPS = 3
"""Steps before the first that counts: memory is allocated in them, and kernels are chosen."""


class Profile:
    """Adds up the time of the parts of some steps, and tells once they are over; without steps it does nothing.

    A part's time is that since the part before it ended, so that together they are all the time there is.

    Args:
        steps: Steps to look at, after three that are not.
        device: What the steps compute on; a GPU is waited for at the end of each part, which costs it some speed.
        tell: Receives the table, when the steps are done or the run ends before.
        clock: Seconds since any moment.
    """

    def __init__(
        self,
        steps: int = 0,
        *,
        device: torch.device = CPU,
        tell: Callable[[str], object] = lambda _: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._steps = steps
        self._device = device
        self._tell = tell
        self._clock = clock
        self._seconds: dict[str, float] = {}
        self._done = -WARM_UP_STEPS
        self._last = clock()

    def end_part(self, name: str) -> None:
        """Says that a part of a step has ended; parts of one name are added up."""
        if self._steps == 0:
            return
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = self._clock()
        if self._done >= 0:
            self._seconds[name] = self._seconds.get(name, 0.0) + now - self._last
        self._last = now

    def end_step(self) -> None:
        """Says that a step has ended, with all its parts."""
        if self._steps == 0:
            return
        self.end_part("rest")
        self._done += 1
        if self._done == self._steps:
            self.close()

    def close(self) -> None:
        """Tells what there is, unless that has been done."""
        if self._done > 0:
            self._tell(self.table())
        self._steps = 0
        self._done = 0

    def table(self) -> str:
        """The mean milliseconds of each part in a step and their share, dearest first."""
        total = sum(self._seconds.values())
        lines = [f"{self._done} steps of {1e3 * total / self._done:.1f} ms:"]
        for name, seconds in sorted(self._seconds.items(), key=lambda item: -item[1]):
            lines.append(f"  {name:<20} {1e3 * seconds / self._done:>9.2f} ms {seconds / total:>7.1%}")
        return "\n".join(lines)
