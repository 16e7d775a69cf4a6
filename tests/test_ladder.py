from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rethined.ladder import (
    AGAIN_SHARE,
    LEAST_CELLS,
    MOST_WINDOWS,
    RUN_PX,
    _least_cost_px,
    cells_on,
    hole_cells,
    plan_looks,
    windows_of,
)
from rethined.regions import Plan, Window
from rethined.types import Box, HoleMap, SizeHW

CELL_PX = 32
cell_maps = hnp.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)), fill=st.just(False))


def hole_of(size_hw: SizeHW, *boxes: Box) -> HoleMap:
    hole = np.zeros(size_hw, bool)
    for box in boxes:
        hole[box.slices] = True
    return hole


def cost_px(windows: tuple[Window, ...]) -> int:
    return sum(window.around.height * window.around.width for window in windows)


@given(seed=st.integers(0, 2**32 - 1), size_hw=st.tuples(st.integers(1, 150), st.integers(1, 150)))
def test_cells_hold_any_hole(seed: int, size_hw: SizeHW) -> None:
    hole = np.random.default_rng(seed).random(size_hw) > 0.999
    cells = hole_cells(hole)
    assert cells.shape == (-(-size_hw[0] // CELL_PX), -(-size_hw[1] // CELL_PX))
    for (row, column), marked in np.ndenumerate(cells):
        top, left = row * CELL_PX, column * CELL_PX
        assert marked == hole[top : top + CELL_PX, left : left + CELL_PX].any()


@given(
    seed=st.integers(0, 2**32 - 1),
    size_hw=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    grid_hw=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_cells_of_another_size_miss_no_hole(seed: int, size_hw: SizeHW, grid_hw: SizeHW) -> None:
    hole = np.random.default_rng(seed).random(size_hw) > 0.999
    marked = cells_on(hole_cells(hole), size_hw, grid_hw)
    assert marked.shape == grid_hw
    for y, x in np.argwhere(hole):
        assert marked[int(y * grid_hw[0] / size_hw[0]), int(x * grid_hw[1] / size_hw[1])]


def test_cells_far_from_any_hole_are_not_marked() -> None:
    marked = cells_on(hole_cells(hole_of((1000, 1000), Box(10, 10, 20, 20))), (1000, 1000), (8, 8))
    assert np.argwhere(marked).tolist() == [[0, 0]]


@given(cells=cell_maps)
def test_windows_hold_every_hole_with_its_surroundings(cells: HoleMap) -> None:
    size_hw = (cells.shape[0] * CELL_PX - 5, cells.shape[1] * CELL_PX - 9)
    windows = windows_of(cells, size_hw)
    assert len(windows) <= MOST_WINDOWS
    covered = np.zeros(size_hw, bool)
    for window in windows:
        core, around = window.core, window.around
        assert around == around.clipped(size_hw)
        assert around.top <= core.top < core.bottom <= around.bottom
        assert around.left <= core.left < core.right <= around.right
        for side, picture in zip((around.height, around.width), size_hw, strict=True):
            assert side >= min(LEAST_CELLS * CELL_PX, picture) - CELL_PX
        covered[core.slices] = True
    for row, column in np.argwhere(cells):
        assert covered[row * CELL_PX : (row + 1) * CELL_PX, column * CELL_PX : (column + 1) * CELL_PX].all()
    assert _least_cost_px(cells, size_hw) <= cost_px(windows) <= size_hw[0] * size_hw[1]


def test_windows_begin_where_the_network_can() -> None:
    cells = np.zeros((40, 40), bool)
    cells[11, 7] = cells[30, 33] = True
    windows = windows_of(cells, (1280, 1280))
    assert len(windows) == 2
    for window in windows:
        assert window.around.top % CELL_PX == window.around.left % CELL_PX == 0
        assert window.around.height == window.around.width == LEAST_CELLS * CELL_PX


def test_neighbours_share_a_window_and_a_thousand_specks_are_few() -> None:
    near = np.zeros((64, 64), bool)
    near[20, 20] = near[20, 24] = True
    assert len(windows_of(near, (2048, 2048))) == 1
    specks = np.random.default_rng(0).random((512, 512)) > 0.996
    assert len(windows_of(specks, (16384, 16384))) <= MOST_WINDOWS


def test_holes_all_over_are_looked_at_as_a_whole() -> None:
    assert windows_of(np.ones((16, 20), bool), (512, 640)) == (Window(Box(0, 0, 512, 640), Box(0, 0, 512, 640)),)


SMALL = Box(900, 900, 1000, 980)


@pytest.mark.parametrize(
    ("size_hw", "budget_px", "working_px", "rungs", "is_enlarged"),
    [
        ((400, 400), 24e6, None, [416], True),
        ((400, 400), 0, None, [416], False),
        ((400, 400), 0.05e6, None, [416], False),
        ((400, 400), 0, 800, [416], False),
        ((400, 400), 0, 832, [416], True),
        ((2048, 2048), 0, None, [512], False),
        ((2048, 2048), 1.1e6, None, [512, 1024, 2048], False),
        ((2048, 2048), 0.15e6, None, [512, 1024], False),
        ((2048, 2048), 0.05e6, None, [512], False),
        ((3000, 4000), 1.1e6, None, [512, 1024, 2048], False),
        ((9000, 9000), 24e6, None, [512, 1024, 2048], False),
        ((2048, 2048), 0, 512, [512], False),
        ((2048, 2048), 0, 1024, [512, 1024], False),
        ((2048, 2048), 0, 2048, [512, 1024, 2048], False),
        # From 512 px rungs would end far below the photograph's size.
        ((2047, 2047), 1.1e6, None, [480, 960, 1920], False),
        ((2047, 2047), 0.15e6, None, [512, 1024], False),
        ((2047, 2047), 0, None, [512], False),
        ((2047, 2047), 0, 2047, [480, 960, 1920], False),
        ((2047, 2047), 0, 2046, [512, 1024], False),
        ((1536, 1536), 24e6, None, [384, 768, 1536], False),
        ((1535, 1535), 24e6, None, [512, 1024], True),
        ((1200, 1200), 24e6, None, [512, 1024], True),
        ((1200, 1200), 0, 1024, [512, 1024], False),
        ((1000, 1000), 24e6, None, [480, 960], True),
        ((768, 768), 24e6, None, [384, 768], True),
        ((767, 767), 24e6, None, [768], True),
        ((600, 600), 0.05e6, None, [608], False),
        ((600, 600), 0, None, [512], False),
        ((600, 600), 0, 599, [512], False),
    ],
)
def test_plans_of_known_pictures(
    size_hw: SizeHW, budget_px: float, working_px: int | None, rungs: list[int], is_enlarged: bool
) -> None:
    small = SMALL.clipped(size_hw) if min(size_hw) > 900 else Box(200, 200, 260, 240)
    plan = plan_looks(hole_of(size_hw, small), budget_px=budget_px, working_px=working_px)
    assert [max(rung_hw) for rung_hw in plan.rungs_hw] == rungs
    assert bool(plan.enlarged) == is_enlarged
    assert len(plan.windows) == len(plan.rungs_hw)
    assert plan.windows[0][0].around == Box(0, 0, *plan.rungs_hw[0])


def spent_px(plan: Plan) -> int:
    return sum(cost_px(windows) for windows in (*plan.windows[1:], *(look.windows for look in plan.enlarged)))


@given(seed=st.integers(0, 2**32 - 1), budget_px=st.sampled_from([0, 1e5, 1.1e6, 24e6]))
def test_no_plan_spends_more_than_its_budget(seed: int, budget_px: float) -> None:
    rng = np.random.default_rng(seed)
    hole = np.zeros((rng.integers(1, 3000), rng.integers(1, 3000)), bool)
    for _ in range(rng.integers(1, 6)):
        top, left = rng.integers(0, hole.shape[0]), rng.integers(0, hole.shape[1])
        hole[top : top + rng.integers(1, 300), left : left + rng.integers(1, 300)] = True
    plans = [plan_looks(hole, budget_px=limit) for limit in (budget_px, 2 * budget_px + 1)]
    assert spent_px(plans[0]) <= budget_px
    assert len(plans[0].rungs_hw) <= len(plans[1].rungs_hw)


@pytest.mark.parametrize(
    ("long_px", "working_px", "enlarged_px"),
    [
        (32, None, [64, 128]),
        (256, None, [512, 1024]),
        (480, None, [960, 1920]),
        (481, None, [1024]),  # 512 is the network's size for it
        (512, None, [1024]),
        (1024, None, [2048]),
        (256, 1024, [512, 1024]),
        (256, 1023, [512]),
        (256, 511, []),
    ],
)
def test_photographs_are_enlarged_until_they_are_looked_at_closely(
    long_px: int, working_px: int | None, enlarged_px: list[int]
) -> None:
    hole = np.ones((long_px, 32), bool)
    plan = plan_looks(hole, budget_px=24e6, working_px=working_px)
    assert [look.windows[0].around.height for look in plan.enlarged] == enlarged_px


def test_a_look_too_many_is_left_out() -> None:
    hole = np.ones((256, 256), bool)
    once, again = (cost_px(look.windows) + RUN_PX for look in plan_looks(hole, budget_px=24e6).enlarged)
    enough = again / AGAIN_SHARE
    for budget_px, looks in ((enough + 10, 2), (enough - 10, 1), (once, 1), (once - 1, 0)):
        assert len(plan_looks(hole, budget_px=budget_px).enlarged) == looks
    speck = hole_of((256, 256), Box(100, 100, 110, 110))
    assert len(plan_looks(speck, budget_px=1.1e6).enlarged) == 2


@pytest.mark.parametrize("size_hw", [(512, 512), (333, 500), (640, 480), (1200, 900)], ids=str)
def test_windows_of_what_is_enlarged_hold_the_hole(size_hw: SizeHW) -> None:
    hole = hole_of(size_hw, Box(100, 30, 160, 111))
    plan = plan_looks(hole, budget_px=24e6)
    ((window,),) = (look.windows for look in plan.enlarged)
    height, width = (2 * side for side in plan.working_hw)
    held = window.core.scaled(size_hw[0] / height, size_hw[1] / width)
    assert (held.top <= 100, held.left <= 30, held.bottom >= 160, held.right >= 111) == (True,) * 4
    assert window.around == window.around.clipped((height, width))
    assert all(corner % CELL_PX == 0 for corner in window.around.corners)
