from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rethined.regions import SIZE_MULTIPLE, TILE_PX, batches, group_cells, group_holes, plan_rungs
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


@given(cells=tokens)
def test_every_cell_of_a_hole_lies_in_the_box_of_its_group(cells: HoleMap) -> None:
    groups = group_cells(cells)
    assert groups.labels.shape == cells.shape
    assert groups.labels.dtype == np.int32
    np.testing.assert_array_equal(groups.labels > 0, cells)
    assert set(np.unique(groups.labels)) - {0} == set(range(1, groups.count + 1))
    for label, box in enumerate(groups.boxes, 1):
        assert box == box.clipped(cells.shape)
        rows, columns = np.nonzero(groups.labels == label)
        assert box == Box(rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)


@given(cells=sparse_tokens)
def test_grouping_survives_flips_and_reordering(cells: HoleMap) -> None:
    count = group_cells(cells).count
    for turned in (cells[::-1], cells[:, ::-1], cells[::-1, ::-1], cells.T, np.asfortranarray(cells)):
        assert group_cells(np.ascontiguousarray(turned)).count == count


@pytest.mark.parametrize(
    ("places", "count"),
    [
        ([], 0),
        ([(0, 0)], 1),
        ([(4, 4), (5, 5)], 1),
        ([(4, 5), (5, 4)], 1),
        ([(4, 4), (4, 6)], 2),
        ([(0, 0), (0, 15), (15, 0), (15, 15)], 4),
    ],
)
def test_cells_that_touch_are_one_group(places: list[SizeHW], count: int) -> None:
    cells = np.zeros((16, 16), bool)
    for place in places:
        cells[place] = True
    groups = group_cells(cells)
    assert groups.count == count
    assert (groups.labels > 0).any() == bool(places)


@given(cells=sparse_tokens, limit_px=st.integers(1, 5000), scale=st.sampled_from([1, 3, 40]))
def test_batches_hold_every_piece_once_and_keep_the_limit(cells: HoleMap, limit_px: int, scale: int) -> None:
    size_hw = (cells.shape[0] * scale, cells.shape[1] * scale)
    pieces = list(group_cells(cells).pieces(size_hw, margin_px=16))
    made = list(batches(pieces, limit_px))
    assert [piece for batch in made for piece in batch] == pieces
    areas = [[piece.around.height * piece.around.width for piece in batch] for batch in made]
    assert all(len(area) == 1 or sum(area) <= limit_px for area in areas)


@given(data=st.data(), scale=st.sampled_from([1, 7, 64]))
def test_every_hole_pixel_is_answered_for_by_one_piece(data: st.DataObject, scale: int) -> None:
    cells = data.draw(tokens)
    size_hw = (cells.shape[0] * scale, cells.shape[1] * scale)
    groups = group_cells(cells)
    hole = np.repeat(np.repeat(cells, scale, 0), scale, 1)
    answered = np.zeros(size_hw, int)
    for piece in groups.pieces(size_hw, margin_px=64):
        assert piece.around == piece.around.clipped(size_hw)
        assert max(piece.core.height, piece.core.width) <= TILE_PX
        mine = groups.mask_of(piece.label, piece.around, size_hw)
        y, x = (axis.astype(np.int32) for axis in np.nonzero(mine))
        y, x = y + np.int32(piece.around.top), x + np.int32(piece.around.left)
        owned = piece.owns(y, x)
        np.add.at(answered, (y[owned], x[owned]), 1)
    np.testing.assert_array_equal(answered, hole)


def test_large_groups_are_cut_into_tiles_that_hold_hole() -> None:
    cells = np.eye(64, dtype=bool)
    pieces = list(group_cells(cells).pieces((64 * 64, 64 * 64), margin_px=128))
    assert all(piece.is_tile for piece in pieces)
    # The diagonal of 8 x 8 tiles and some of their neighbours, not all 64.
    assert 8 <= len(pieces) <= 24
    for piece in pieces:
        assert (piece.around.top, piece.around.left) == piece.corner_yx
        assert piece.around.top % 128 == piece.around.left % 128 == 0, "cells are those of the neighbours"


@given(
    size_hw=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.001, 0.05, 0.6]),
)
def test_every_hole_pixel_has_the_label_of_a_group(size_hw: SizeHW, seed: int, share: float) -> None:
    hole = np.random.default_rng(seed).random(size_hw) < share
    working_hw = plan_rungs(size_hw, first_px=128, working_px=256).working_hw
    touched = shrink_known(np.zeros((*size_hw, 3), np.uint8), hole, working_hw).touched
    groups = group_holes(touched)
    masks = [groups.mask_of(label, Box(0, 0, *size_hw), size_hw) for label in range(1, groups.count + 1)]
    labelled = np.sum(masks, 0) if masks else np.zeros(size_hw)
    np.testing.assert_array_equal(labelled[hole], 1)


def test_there_are_never_too_many_groups() -> None:
    touched = np.zeros((512, 1024), bool)
    touched[::16, ::16] = True
    assert group_holes(touched).count == 1, "2048 specks, merged"
    touched[:] = False
    touched[::32, ::32] = True
    assert group_holes(touched).count == 512


def test_mask_of_names_the_cell_that_holds_the_pixel() -> None:
    cells = np.zeros((4, 8), bool)
    cells[0, 0] = cells[3, 7] = True
    groups = group_cells(cells)
    for factor in (1, 5):  # picture pixels per cell
        size_hw = (4 * factor, 8 * factor)
        for label, (row, column) in ((1, (0, 0)), (2, (3, 7))):
            expected = np.zeros(size_hw, bool)
            expected[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor] = True
            box = Box(1, 2, *size_hw)
            np.testing.assert_array_equal(groups.mask_of(label, Box(0, 0, *size_hw), size_hw), expected)
            np.testing.assert_array_equal(groups.mask_of(label, box, size_hw), expected[box.slices])
            assert groups.is_in(label, box, size_hw) == expected[box.slices].any()


def test_long_lines_side_by_side_are_grouped_together() -> None:
    hatched = np.zeros((512, 512), np.uint8)
    for start in range(-512, 512, 24):
        cv2.line(hatched, (start, 0), (start + 512, 512), 1, 1)
    groups = group_holes(hatched > 0)
    assert sum(box.area_px for box in groups.boxes) <= 2 * groups.labels.size
    speck = np.zeros((512, 512), bool)
    speck[::40, ::40] = True
    assert group_holes(speck).labels.shape == (128, 128), "as fine as ever"
