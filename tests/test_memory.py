from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rethined import memory, native
from rethined.errors import MemoryBudgetError, OptionError
from rethined.memory import BATCH_PX, CopyingCosts, Load, fit_plan, load_of, peak_mb
from rethined.regions import Enlarged, Plan, Window, plan_rungs
from rethined.types import Box, SizeHW

RUNGS = ((512, 512), (1024, 1024), (2048, 2048))


@st.composite
def loads(draw: st.DrawFn) -> Load:
    height, width = draw(st.integers(1, 9000)), draw(st.integers(1, 9000))
    hole_px = draw(st.integers(1, height * width))
    return Load(
        (height, width),
        hole_px,
        draw(st.integers(0, height * width - hole_px)),
        draw(st.floats(0, 1)),
        *(draw(st.booleans()) for _ in range(3)),
    )


def load(hole_px: int = 100_000, size_hw: SizeHW = (2048, 2048)) -> Load:
    return Load(size_hw, hole_px, 1000, 0.1)


# ---- what there is to do ----


def test_a_load_is_counted_on_the_hole() -> None:
    hole = np.zeros((128, 256), bool)
    hole[16:32, 32:64] = True  # two tokens of 16 x 16 px
    hole[127, 255] = True
    given_load = load_of(
        hole, (64, 128), pixel_bytes=6, has_forbidden=True, is_grown=False, is_feathered=True, inplace=True
    )
    tokens = 8 * 16
    assert given_load == Load((128, 256), 16 * 32 + 1, 2 * (16 + 32) + 4 + 3, 3 / tokens, 6, True, False, True, True)


# ---- what it takes ----


def test_an_estimate_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted costs, each stage made the largest in turn."""
    names = [name for name in vars(memory) if name.endswith(("_B", "_MB")) and name != "MB"]
    for name in names:
        monkeypatch.setattr(memory, name, 0)
    monkeypatch.setattr(memory, "MARGIN", 1)
    form = "COMPILED" if native.loops() else "BY_NUMPY"
    free = CopyingCosts(0, 0, 0, 0)
    monkeypatch.setattr(memory, form, free)
    one = Load(
        (1000, 2000), 300_000, 50_000, 0.25, 0, has_forbidden=True, is_grown=True, is_feathered=True, inplace=False
    )
    rungs_hw = ((320, 640), (640, 1280))
    expected = {
        "MASKS_B": 2,
        "FORBIDDEN_B": 2,
        "GROWING_B": 2,
        "FEATHERED_B": 2,
        "KNOWN_B": 2,
        "SHRUNK_B": 0.8192,
        "NETWORK_B": 0.8192,
        "KEPT_B": 0.8192,
        "COPIED_B": 0.8192,
        "SEARCHED_B": 0.8192 / 4,
        "PRODUCT_B": 3200 * 3200 / 4 / 1e6,
        "IDLE_MB": 3 / 100,
    }
    assert set(expected) == set(names)
    for name, per_unit in expected.items():
        with monkeypatch.context() as patch:
            patch.setattr(memory, name, 100)
            scale = 10_000 if name.endswith("_MB") else 100
            assert peak_mb(one, rungs_hw, workers=3) == int(np.ceil(scale * per_unit - 1e-6)), name
    copying = {"carried_b": 0.35, "pasted_b": 0.3, "searching_mb": 3 / 100, "batch_b": 3 * 331_776 / 1e6}
    for name, per_unit in copying.items():
        with monkeypatch.context() as patch:
            patch.setattr(memory, form, replace(free, **{name: 100}))
            scale = 10_000 if name.endswith("_mb") else 100
            assert peak_mb(one, rungs_hw, workers=3) == int(np.ceil(scale * per_unit - 1e-6)), name
    assert peak_mb(replace(one, pixel_bytes=100), rungs_hw, workers=3) == 200, "a copy of the picture"
    monkeypatch.setattr(memory, "NETWORK_B", 100)
    assert peak_mb(one, rungs_hw, workers=3, closest_px=4_000_000) == 400, "the largest look counts"


@given(
    one=loads(),
    grow=st.sampled_from(
        ["hole_px", "rim_px", "token_share", "has_forbidden", "is_grown", "is_feathered", "inplace", "size_hw"]
    ),
    by=st.floats(0, 3),
    rungs=st.integers(1, 3),
    workers=st.integers(1, 64),
)
def test_more_to_do_never_takes_less(one: Load, grow: str, by: float, rungs: int, workers: int) -> None:
    more = {
        "hole_px": one.hole_px + int(by * one.hole_px),
        "rim_px": one.rim_px + int(by * one.rim_px),
        "token_share": min(1.0, one.token_share * (1 + by)),
        "has_forbidden": True,
        "is_grown": True,
        "is_feathered": True,
        "inplace": False,
        "size_hw": (one.size_hw[0] + int(by * 100), one.size_hw[1] + int(by * 7)),
    }
    less_mb = peak_mb(one, RUNGS[:rungs], workers=workers)
    assert less_mb <= peak_mb(replace(one, **{grow: more[grow]}), RUNGS[:rungs], workers=workers)  # type: ignore[arg-type]
    assert less_mb <= peak_mb(one, RUNGS[:rungs], workers=workers + 1)
    assert less_mb <= peak_mb(one, RUNGS[: rungs + 1], workers=workers)


def test_known_fills_are_estimated_above_what_they_took() -> None:
    """Peaks measured as resident memory of a process of its own, under a square hole."""
    for side_px, share, working_px, workers, compiled_mb, by_numpy_mb in (
        (4096, 0.5, 1024, 2, 445, 646),
        (4096, 0.9, 1024, 1, 574, 847),
        (1024, 0.9, 512, 1, 115, 151),
        (2048, 0.5, 2048, 2, 458, 454),
        (8192, 0.3, 512, 2, 785, 1101),
    ):
        hole = np.zeros((side_px, side_px), bool)
        hole[8 : 8 + int(side_px * share**0.5), 8 : 8 + int(side_px * share**0.5)] = True
        plan = plan_rungs(hole.shape, first_px=512, working_px=working_px)
        one = load_of(
            hole,
            plan.rungs_hw[0],
            pixel_bytes=3,
            has_forbidden=False,
            is_grown=False,
            is_feathered=False,
            inplace=False,
        )
        measured_mb = compiled_mb if native.loops() else by_numpy_mb
        assert measured_mb < peak_mb(one, plan.rungs_hw, workers=workers) < 2 * measured_mb


# ---- the plan ----


@given(one=loads(), workers=st.integers(1, 16), limit_mb=st.integers(1, 9000), more_mb=st.integers(0, 3000))
def test_a_plan_keeps_to_its_limit_and_more_memory_never_makes_it_worse(
    one: Load, workers: int, limit_mb: int, more_mb: int
) -> None:
    full = Plan(one.size_hw, RUNGS)
    least_mb = peak_mb(one, RUNGS[:1], workers=1)
    if limit_mb < least_mb:
        with pytest.raises(MemoryBudgetError, match=f"max_memory_mb is {limit_mb}; .* at least {least_mb} MB"):
            fit_plan(full, one, workers=workers, limit_mb=limit_mb)
        return
    plan = fit_plan(full, one, workers=workers, limit_mb=limit_mb)
    assert plan.workers is not None
    assert plan.memory_mb == peak_mb(one, plan.rungs_hw, workers=plan.workers) <= limit_mb
    assert plan.rungs_hw == RUNGS[: len(plan.rungs_hw)]
    richer = fit_plan(full, one, workers=workers, limit_mb=limit_mb + more_mb)
    assert richer.workers is not None
    assert (len(richer.rungs_hw), richer.workers) >= (len(plan.rungs_hw), plan.workers)
    assert len(fit_plan(full, one, workers=workers + 8, limit_mb=limit_mb).rungs_hw) == len(plan.rungs_hw), "threads"


def test_threads_go_before_a_look_does() -> None:
    one = load(hole_px=2 * BATCH_PX)
    limit_mb = peak_mb(one, RUNGS, workers=2)
    plan = fit_plan(Plan((2048, 2048), RUNGS), one, workers=8, limit_mb=limit_mb)
    assert (plan.rungs_hw, plan.workers, plan.memory_mb) == (RUNGS, 2, limit_mb)
    one_less = fit_plan(Plan((2048, 2048), RUNGS), one, workers=8, limit_mb=peak_mb(one, RUNGS, workers=1) - 1)
    assert one_less.rungs_hw == RUNGS[:2]


def test_the_look_at_what_is_enlarged_goes_first() -> None:
    box = Box(0, 0, 3000, 3000)
    windows = tuple((Window(b, b),) for b in (Box(0, 0, *r) for r in RUNGS))
    plan = Plan((4096, 4096), RUNGS, windows, (Enlarged(2, (Window(box, box),)),))
    with_it_mb = peak_mb(load(), RUNGS, workers=1, closest_px=9_000_000)
    assert fit_plan(plan, load(), workers=1, limit_mb=with_it_mb).enlarged == plan.enlarged
    without = fit_plan(plan, load(), workers=1, limit_mb=with_it_mb - 1)
    assert (without.enlarged, without.rungs_hw, without.windows) == ((), RUNGS, plan.windows)
    less = fit_plan(plan, load(), workers=1, limit_mb=peak_mb(load(), RUNGS, workers=1) - 1)
    assert (less.rungs_hw, less.windows) == (RUNGS[:2], plan.windows[:2])


def test_looks_at_what_is_enlarged_go_one_by_one() -> None:
    boxes = Box(0, 0, 512, 512), Box(0, 0, 1024, 1024)
    rungs_hw = ((256, 256),)
    plan = Plan(
        (256, 256), rungs_hw, (), tuple(Enlarged(n, (Window(b, b),)) for n, b in zip((2, 4), boxes, strict=True))
    )
    one = load(10_000, (256, 256))
    for looks in (2, 1, 0):
        seen_px = [0, 512**2, 1024**2][looks]
        limit_mb = peak_mb(one, rungs_hw, workers=1, closest_px=seen_px)
        assert fit_plan(plan, one, workers=1, limit_mb=limit_mb).enlarged == plan.enlarged[:looks]


def test_the_least_that_is_said_is_enough() -> None:
    full = Plan((2048, 2048), RUNGS)
    with pytest.raises(OptionError, match="2048 high and 2048 wide with 2% hole") as caught:
        fit_plan(full, load(), workers=4, limit_mb=1)
    least_mb = int(str(caught.value).split(" at least ")[1].split()[0])
    plan = fit_plan(full, load(), workers=4, limit_mb=least_mb)
    assert (plan.rungs_hw, plan.workers) == (RUNGS[:1], 1)
