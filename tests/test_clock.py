from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rethined.clock import Clock

STAGES = ("check", "plan", "shrink", "repeat", "prefill", "network", "match", "transfer", "composite")
areas = st.lists(st.integers(1, 10**7), min_size=1, max_size=5)


@given(expected=areas, looks=st.integers(1, 6), inner=st.lists(st.floats(0, 1), max_size=3))
def test_shares_never_fall_and_end_at_one(expected: list[int], looks: int, inner: list[float]) -> None:
    """Also if the network runs more often or more rarely than was said."""
    told: list[float] = []
    clock = Clock(lambda _stage, share: told.append(share))
    for name in (*STAGES[:4], *STAGES[4:6] * looks, *STAGES[6:]):
        with clock.stage(name):
            if name == "plan":
                clock.expect_looks(expected)
            for share in inner:
                clock.within(share)
    clock.finish()
    assert told[0] == 0
    assert told == sorted(told)
    assert told[-1] == 1
    assert all(type(share) is float for share in told)


def test_looks_share_their_stretch_by_area() -> None:
    told: dict[str, list[float]] = {}
    clock = Clock(lambda stage, share: told.setdefault(stage, []).append(share))
    clock.expect_looks([2048, 8192])
    for name in STAGES[4:6] * 2 + STAGES[6:7]:
        with clock.stage(name):
            pass
    first, second = told["network"]
    (end,) = told["match"]
    assert told["prefill"] == told["network"]
    assert second - first == pytest.approx((end - first) / 5)


def test_what_is_within_a_stage_ends_where_the_next_begins() -> None:
    told: list[tuple[str, float]] = []
    clock = Clock(lambda *what: told.append(what))
    with clock.stage("match"):
        clock.within(0.5)
        clock.within(1)
    with clock.stage("transfer"):
        pass
    (_, begin), (_, middle), (_, end), (_, after) = told
    assert begin < middle < end == after
    assert [stage for stage, _ in told] == ["match"] * 3 + ["transfer"]


def test_milliseconds_of_one_name_add_up_in_order() -> None:
    clock = Clock()
    for name, naps in (("network", 1), ("match", 0), ("network", 1)):
        with clock.stage(name):
            time.sleep(0.01 * naps)
    assert list(clock.stages_ms) == ["network", "match"]
    assert clock.stages_ms["network"] >= 20
