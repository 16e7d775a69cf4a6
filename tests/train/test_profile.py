from __future__ import annotations

import re

import pytest
import torch

from rethined.train.device import CPU
from rethined.train.profile import WARM_UP_STEPS, Profile


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


def take_steps(profile: Profile, watch: Watch, count: int, scale: float = 1.0) -> None:
    for _ in range(count):
        for name, seconds in (("data", 0.01), ("forward", 0.02), ("backward", 0.05), ("forward", 0.01)):
            watch.seconds += seconds * scale
            profile.end_part(name)
        watch.seconds += 0.01 * scale
        profile.end_step()


def test_parts_are_added_up_after_the_first_steps(watch: Watch) -> None:
    told: list[str] = []
    profile = Profile(4, tell=told.append, clock=watch)
    take_steps(profile, watch, WARM_UP_STEPS, scale=50)
    take_steps(profile, watch, 3)
    assert told == []
    take_steps(profile, watch, 5)
    (table,) = told
    first, *rows = table.splitlines()
    assert first == "4 steps of 100.0 ms:"
    found = [re.fullmatch(r"  (\w+) +([\d.]+) ms +([\d.]+)%", row) for row in rows]
    assert [row and row.groups() for row in found] == [
        ("backward", "50.00", "50.0"),
        ("forward", "30.00", "30.0"),
        ("data", "10.00", "10.0"),
        ("rest", "10.00", "10.0"),
    ]


def test_a_run_that_ends_before_tells_what_there_is_once(watch: Watch) -> None:
    told: list[str] = []
    profile = Profile(40, tell=told.append, clock=watch)
    take_steps(profile, watch, WARM_UP_STEPS + 2)
    profile.close()
    profile.close()
    assert [text.splitlines()[0] for text in told] == ["2 steps of 100.0 ms:"]
    short = Profile(40, tell=told.append, clock=watch)
    take_steps(short, watch, WARM_UP_STEPS)
    short.close()
    assert len(told) == 1


def test_without_steps_it_does_nothing() -> None:
    def clock() -> float:
        calls.append(1)
        return 0.0

    calls: list[int] = []
    profile = Profile(clock=clock)
    profile.end_part("data")
    profile.end_step()
    profile.close()
    assert len(calls) == 1


def test_a_gpu_is_waited_for(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    Profile(1, device=CPU, clock=watch).end_part("data")
    assert waited == []
    gpu = torch.device("cuda", 1)
    Profile(1, device=gpu, clock=watch).end_part("data")
    assert waited == [gpu]
