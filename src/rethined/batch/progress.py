"""What a long run says on the way: how far it is, what is odd, what failed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

MOST_LISTED = 20
"""How many failures are told again at the end."""
STEPS = 10
"""How many lines tell of progress where a line cannot be rewritten."""


class Progress:
    """Tells of a run, one line at a time; on a terminal the line that says how far it is is rewritten.

    Args:
        total: How many photographs are to be tried.
        stream: Where to tell.
        quiet: Tell what is odd and what failed, and nothing else.
        clock: Seconds.
    """

    def __init__(
        self, total: int, stream: TextIO, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = total
        self._stream = stream
        self._quiet = quiet
        self._clock = clock
        self._rewrites = stream.isatty()
        self._began_s = clock()
        self._done = 0
        self._shown = ""
        self._failures: list[str] = []

    def tell(self, line: str) -> None:
        """Tells something; the line of progress stays below it."""
        shown = self._shown
        self.wipe()
        self._stream.write(f"rethined: {line}\n")
        self._show(shown)

    def note(self, line: str) -> None:
        """Tells something that quiet runs keep to themselves."""
        if not self._quiet:
            self.tell(line)

    def fail(self, photo: object, message: str) -> None:
        """Tells that a photograph failed, and remembers it."""
        self._failures.append(f"{photo}: {message}")
        self.tell(self._failures[-1])

    def step(self) -> None:
        """One more photograph is done or has failed."""
        self._done += 1
        if self._quiet:
            return
        if self._rewrites:
            self.wipe()
            self._show(f"rethined: {self._line()}")
        elif self._done * STEPS // self._total > (self._done - 1) * STEPS // self._total:
            self.tell(self._line())

    def end(self, summary: str) -> None:
        """Tells the summary, after the failures once more: they may have scrolled away."""
        self.wipe()
        if self._failures:
            first = f", the first {MOST_LISTED} of them" if len(self._failures) > MOST_LISTED else ""
            self.tell(f"{len(self._failures)} failed{first}:")
            for failure in self._failures[:MOST_LISTED]:
                self._stream.write(f"  {failure}\n")
        if self._failures or not self._quiet:
            self.tell(summary)

    def wipe(self) -> None:
        """Takes the line of progress away, until the next one, so that something else can be written."""
        if self._shown:
            self._stream.write(f"\r{' ' * len(self._shown)}\r")
            self._stream.flush()
            self._shown = ""

    def _line(self) -> str:
        parts = [f"{self._done}/{self._total} done"]
        if self._failures:
            parts.append(f"{len(self._failures)} failed")
        seconds = self._clock() - self._began_s
        if seconds > 0:
            parts.append(f"{self._done / seconds:.2g} a second")
            if self._done < self._total:
                parts.append(f"{duration((self._total - self._done) * seconds / self._done)} left")
        return ", ".join(parts)

    def _show(self, line: str) -> None:
        self._stream.write(line)
        self._stream.flush()
        self._shown = line


def duration(seconds: float) -> str:
    """Seconds as people say it: ``42 s``, ``7 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
