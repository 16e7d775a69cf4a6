from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rethined.matching import corrupted_tokens
from rethined.regions import SIZE_MULTIPLE, TOKEN_PX, group_holes, plan_rungs
from rethined.resample import shrink_known
from rethined.types import Box, HoleMap, SizeHW

FIRST_PX = 512
sides = st.one_of(st.integers(1, 64), st.integers(1, 8192))
tokens = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24), elements=st.booleans())
sparse_tokens = hnp.arrays(np.bool_, st.tuples(st.integers(1, 30), st.integers(1, 30)), fill=st.just(False))


def rounded_up(side: int) -> int:
    return -(-side // SIZE_MULTIPLE) * SIZE_MULTIPLE


# ---- network sizes ----


@given(size_hw=st.tuples(sides, sides), working_px=st.integers(FIRST_PX, 8192))
def test_plan_rungs(size_hw: SizeHW, working_px: int) -> None:
    plan = plan_rungs(size_hw, first_px=FIRST_PX, working_px=working_px)
    long_px = max(size_hw)
    assert plan.size_hw == size_hw
    assert plan.working_hw == plan.rungs_hw[-1]
    for height, width in plan.rungs_hw:
        assert height % SIZE_MULTIPLE == width % SIZE_MULTIPLE == 0 < min(height, width)
    for coarse, fine in zip(plan.rungs_hw, plan.rungs_hw[1:], strict=False):
        assert fine == (2 * coarse[0], 2 * coarse[1])
    first_long_px = max(plan.rungs_hw[0])
    assert first_long_px == rounded_up(min(FIRST_PX, long_px))
    if len(plan.rungs_hw) > 1:
        assert max(plan.working_hw) <= min(working_px, long_px)
    assert 2 * max(plan.working_hw) > min(working_px, long_px), "one more rung would have fitted"
    # Each side is within half a multiple of its share of the long side, or one multiple where the picture is small.
    scale = min(FIRST_PX, long_px) / long_px
    slack = SIZE_MULTIPLE / 2 if scale < 1 else SIZE_MULTIPLE - 1
    for got, side in zip(plan.rungs_hw[0], size_hw, strict=True):
        assert got == SIZE_MULTIPLE or abs(got - side * scale) <= slack


@pytest.mark.parametrize(
    ("size_hw", "working_px", "rungs_hw"),
    [
        ((1, 1), 1024, [(32, 32)]),
        ((64, 64), 1024, [(64, 64)]),
        ((65, 31), 1024, [(96, 32)]),
        ((512, 512), 1024, [(512, 512)]),
        ((1023, 1023), 1024, [(512, 512)]),
        ((1024, 1024), 1023, [(512, 512)]),
        ((1024, 1024), 1024, [(512, 512), (1024, 1024)]),
        ((3000, 4000), 2048, [(384, 512), (768, 1024), (1536, 2048)]),
        ((8192, 100), 1024, [(512, 32), (1024, 64)]),
        ((100, 8192), 512, [(32, 512)]),
    ],
)
def test_plan_rungs_of_known_pictures(size_hw: SizeHW, working_px: int, rungs_hw: list[SizeHW]) -> None:
    assert list(plan_rungs(size_hw, first_px=FIRST_PX, working_px=working_px).rungs_hw) == rungs_hw


# ---- groups ----


@given(corrupted=tokens)
def test_every_corrupted_token_and_its_neighbours_lie_in_the_box_of_their_group(corrupted: HoleMap) -> None:
    groups = group_holes(corrupted)
    height, width = corrupted.shape
    assert groups.labels.shape == corrupted.shape
    assert groups.labels.dtype == np.int32
    assert (groups.labels[corrupted] > 0).all()
    assert set(np.unique(groups.labels)) - {0} == set(range(1, groups.count + 1))
    for y, x in np.argwhere(corrupted):
        around = groups.labels[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        assert (around == groups.labels[y, x]).all()
    for label, box in enumerate(groups.boxes, 1):
        assert box == box.clipped((height, width))
        rows, columns = np.nonzero(groups.labels == label)
        assert box == Box(rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)


@given(corrupted=sparse_tokens)
def test_grouping_survives_flips_and_reordering(corrupted: HoleMap) -> None:
    count = group_holes(corrupted).count
    for turned in (
        corrupted[::-1],
        corrupted[:, ::-1],
        corrupted[::-1, ::-1],
        corrupted.T,
        np.asfortranarray(corrupted),
    ):
        assert group_holes(np.ascontiguousarray(turned)).count == count


@pytest.mark.parametrize(
    ("places", "count"),
    [
        ([], 0),
        ([(0, 0)], 1),
        ([(4, 4), (5, 5)], 1),
        ([(4, 5), (5, 4)], 1),
        ([(4, 4), (4, 7)], 1),
        ([(4, 4), (7, 7)], 1),
        ([(4, 4), (4, 8)], 2),
        ([(0, 0), (0, 15), (15, 0), (15, 15)], 4),
    ],
)
def test_tokens_whose_neighbourhoods_touch_are_one_group(places: list[SizeHW], count: int) -> None:
    corrupted = np.zeros((16, 16), bool)
    for place in places:
        corrupted[place] = True
    groups = group_holes(corrupted)
    assert groups.count == count
    assert (groups.labels > 0).any() == bool(places)


@given(
    size_hw=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.001, 0.05, 0.6]),
)
def test_every_hole_pixel_has_the_label_of_a_group(size_hw: SizeHW, seed: int, share: float) -> None:
    hole = np.random.default_rng(seed).random(size_hw) < share
    working_hw = plan_rungs(size_hw, first_px=128, working_px=256).working_hw
    touched = shrink_known(np.zeros((*size_hw, 3), np.uint8), hole, working_hw).touched
    groups = group_holes(corrupted_tokens(touched))
    y, x = (axis.astype(np.int32) for axis in np.nonzero(hole))
    labels = groups.label_at(y, x, size_hw)
    assert labels.dtype == np.int32
    assert (labels > 0).all()


def test_label_at_names_the_token_that_holds_the_pixel() -> None:
    corrupted = np.zeros((4, 8), bool)
    corrupted[0, 0] = corrupted[3, 7] = True
    groups = group_holes(corrupted)
    y, x = np.array([0, 31, 0, 16, 15]), np.array([0, 63, 63, 48, 16])
    for factor in (1, 5):  # picture pixels per network pixel
        size_hw = (4 * TOKEN_PX * factor, 8 * TOKEN_PX * factor)
        got = groups.label_at((y * factor).astype(np.int32), (x * factor).astype(np.int32), size_hw)
        assert got.tolist() == [1, 2, 0, 2, 0]
