"""Resident memory of this process, as Linux tells it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def before_and_peak_mib(work: Callable[[], object]) -> tuple[float, float]:
    """Resident memory before some work and its peak during it, in MiB.

    Raises:
        OSError: The system does not tell.
    """
    # Linux counts the peak from here on.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_mib("VmRSS")
    work()
    return before, _status_mib("VmHWM")


def _status_mib(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")
