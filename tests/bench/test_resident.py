from __future__ import annotations

import sys

import numpy as np
import pytest

from rethined.bench.resident import before_and_peak_mib


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the peak from a moment on")
def test_the_peak_counts_what_work_takes_and_gives_back() -> None:
    before, peak = before_and_peak_mib(lambda: np.ones(64 << 20, np.uint8).sum())
    assert 60 <= peak - before <= 90
    again, peak = before_and_peak_mib(lambda: None)
    assert peak - again <= 10, "counted from the start of the work, not of the process"
