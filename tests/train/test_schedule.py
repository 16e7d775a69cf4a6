from __future__ import annotations

import pytest

from rethined.train.schedule import TimedRate


def test_rate_rises_with_steps_stays_and_falls_with_time() -> None:
    seconds = iter([100.0, 100.0, 101.0, 102.0, 160.0, 190.0, 205.0, 220.0, 500.0])
    rate = TimedRate(2.0, 2.0, 4, clock=lambda: next(seconds))
    steps = (0, 1, 3, 9, 10, 10_000, 10_001, 10_002)
    assert [rate(step) for step in steps] == pytest.approx([0.5, 1.0, 2.0, 2.0, 1.0, 0.5, 0.0, 0.0])


def test_a_run_that_goes_on_keeps_its_beginning() -> None:
    seconds = 90.0
    rate = TimedRate(2.0, 2.0, 1, clock=lambda: seconds, began_s=0.0)
    assert rate(5) == pytest.approx(1.0)
