"""Pure geometry: at which sizes the network looks, and through which windows.

The first look is at the whole picture. Finer ones need only what lies round the holes: a window of at least 256 px, the
size the network was trained on, that holds a group of holes with 64 px of surroundings. Windows that overlap are joined
where that is cheaper, so a thousand specks are a few windows, or the whole picture once.

Two kinds of finer looks:

- *Rungs*: the network's picture doubled, as long as it is no larger than the photograph, up to 2048 px. The finest of
  them is the grid that matching and transfer work on. The last of these, in place of a look at the photograph itself
  that is averaged back onto a grid of 1024 px: perceptual distance -4 % and hole PSNR +.3 dB under one ellipse at 2048
  px, -7 % and +.3 dB under scattered ones.
- *Looks at the photograph enlarged*, averaged back onto the grid, to twice a grid of up to 1024 px, where there is
  nothing finer to look at: all of the network then works at twice the resolution. At 512 px hole PSNR +.1 to +.2 dB,
  perceptual distance -2 to -4 %; enlarged by 1.5, half of it, by 3, the same. Where twice the grid is less than 1024
  px, once more to four times, if that is cheap: at 256 px another -1 to -2 %. To twice a grid of 2048 px: nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rethined.options import FIRST_PX, MOST_PX
from rethined.regions import SIZE_MULTIPLE, Enlarged, Plan, Window, group_cells, plan_rungs, with_neighbours
from rethined.resample import halve_any
from rethined.types import Box, HoleMap, SizeHW

AGAIN_PX = 1024
"""Where twice the grid is less than this, four times the grid is looked at as well."""
AGAIN_SHARE = 0.15
"""What of a budget the look at four times the grid may take: it gives less than the one before and costs four times as
much, 50 ms for scattered holes at 256 px where all the rest takes 30."""
ENLARGED_RATIO = 1.5
"""Only where a photograph is less than this larger than the grid, it is looked at enlarged. Where it is more than that
beyond the end of rungs from 512 px, the first look has a size of its own."""

MARGIN_CELLS = 2
LEAST_CELLS = 8
"""Surroundings and least side of a window, in cells of 32 px."""
WHOLE_SHARE = 0.7
"""Windows that cover more of the picture than this are replaced by the whole of it."""
MOST_WINDOWS = 64
"""With more groups of holes than this, cells are joined four by four."""
RUN_PX = 16_384
"""What a run costs beside its pixels, in pixels."""

Corners = NDArray[np.int64]
"""Boxes ``(..., 4)``: top, left, bottom, right, in cells."""


def plan_looks(hole: HoleMap, *, budget_px: float, working_px: int | None = None) -> Plan:
    """The looks at one picture.

    Args:
        hole: ``(H, W)`` bool, not empty.
        budget_px: How many pixels the network may see after the first look.
        working_px: Most pixels on the long side of the finest look; takes the place of the budget.
    """
    size_hw = (hole.shape[0], hole.shape[1])
    long_px = max(size_hw)
    if working_px is None and not budget_px:
        whole_hw = plan_rungs(size_hw, first_px=FIRST_PX, working_px=FIRST_PX).working_hw
        return Plan(size_hw, (whole_hw,), ((_whole(whole_hw),),))
    limit_px = MOST_PX
    if working_px is not None:
        budget_px, limit_px = float("inf"), min(MOST_PX, max(working_px, FIRST_PX))
    cells = hole_cells(hole)
    usual = plan_rungs(size_hw, first_px=FIRST_PX, working_px=limit_px)
    ladder = plan_rungs(size_hw, first_px=_first_px(long_px, limit_px), working_px=limit_px)
    plan, left_px = _within(ladder, cells, budget_px)
    if ladder != usual and plan.rungs_hw != ladder.rungs_hw:
        plan, left_px = _within(usual, cells, budget_px)
    return replace(plan, enlarged=_looks_enlarged(cells, size_hw, plan.working_hw, left_px, working_px))


def _first_px(long_px: int, limit_px: int) -> int:
    """Long side of a first look from which rungs end at the photograph's own size, or nearly.

    Less than 768 px are looked at as they are. From 512 px rungs may end at little more than half of a larger one; then
    384 px or more will do. Where the budget does not reach their end, that is worth nothing.
    """
    if not FIRST_PX < long_px <= limit_px:
        return FIRST_PX
    if long_px < ENLARGED_RATIO * FIRST_PX:
        return long_px
    first_px = float(long_px)
    while first_px > FIRST_PX:
        first_px /= 2
    return int(first_px) // SIZE_MULTIPLE * SIZE_MULTIPLE if first_px >= ENLARGED_RATIO / 2 * FIRST_PX else FIRST_PX


def _within(ladder: Plan, cells: HoleMap, budget_px: float) -> tuple[Plan, float]:
    """A ladder with its windows, as far up as a budget reaches, and what is left of that."""
    rungs_hw = [ladder.rungs_hw[0]]
    windows: list[tuple[Window, ...]] = [(_whole(rungs_hw[0]),)]
    for rung_hw in ladder.rungs_hw[1:]:
        wanted = _windows_on(rung_hw, budget_px, cells, ladder.size_hw)
        if wanted is None:
            break
        budget_px -= _cost_px(wanted)
        rungs_hw.append(rung_hw)
        windows.append(wanted)
    return Plan(ladder.size_hw, tuple(rungs_hw), tuple(windows)), budget_px


def _looks_enlarged(
    cells: HoleMap, size_hw: SizeHW, grid_hw: SizeHW, budget_px: float, working_px: int | None
) -> tuple[Enlarged, ...]:
    """Looks at twice the grid, then at four times where that is still small; fewer where they are too dear.

    None where the photograph has far more pixels than the grid, or the grid is as fine as any.
    """
    if 2 * max(grid_hw) > MOST_PX or max(size_hw) >= ENLARGED_RATIO * max(grid_hw):
        return ()
    looks: list[Enlarged] = []
    again_px = AGAIN_SHARE * budget_px
    for factor in (2, 4) if 2 * max(grid_hw) < AGAIN_PX else (2,):
        enlarged_hw = (factor * grid_hw[0], factor * grid_hw[1])
        if working_px is not None and max(enlarged_hw) > working_px:
            break
        wanted = _windows_on(enlarged_hw, budget_px, cells, size_hw)
        if wanted is None:
            break
        budget_px = min(budget_px - _cost_px(wanted), again_px)
        looks.append(Enlarged(factor, wanted))
    return tuple(looks)


def _windows_on(look_hw: SizeHW, budget_px: float, cells: HoleMap, size_hw: SizeHW) -> tuple[Window, ...] | None:
    """:func:`windows_of` a picture shrunk or enlarged to ``look_hw``, or ``None`` where they cost more than that.

    Mostly that is told before they are searched. ``cells`` are those of the picture's own size.
    """
    cells = cells_on(cells, size_hw, (look_hw[0] // SIZE_MULTIPLE, look_hw[1] // SIZE_MULTIPLE))
    if _least_cost_px(cells, look_hw) > budget_px:
        return None
    windows = windows_of(cells, look_hw)
    return windows if _cost_px(windows) <= budget_px else None


def windows_of(cells: HoleMap, size_hw: SizeHW) -> tuple[Window, ...]:
    """Windows that together hold all holes of a network picture.

    Args:
        cells: ``(h, w)`` bool, cells of 32 x 32 px that hold any hole; the last ones may reach beyond the picture.
        size_hw: Height and width of the picture.

    Returns:
        Windows whose cores together hold every hole.
    """
    if not cells.any():
        return ()
    if np.count_nonzero(with_neighbours(cells, MARGIN_CELLS)) > WHOLE_SHARE * cells.size:
        return (_whole(size_hw),)  # where the search below would end
    side = 1
    marked = cells
    while len(boxes := group_cells(with_neighbours(marked)).boxes) > MOST_WINDOWS:
        side *= 2
        marked = halve_any(np.pad(marked, [(0, length % 2) for length in marked.shape]))
    grid_hw = (cells.shape[0], cells.shape[1])
    corners = np.array([box.corners for box in boxes]) * side
    cores = _joined(corners.clip(0, np.array(grid_hw * 2)), grid_hw)
    around = _around(cores, grid_hw)
    if _area(around).sum() > WHOLE_SHARE * cells.size:
        return (_whole(size_hw),)
    return tuple(Window(_in_px(core, size_hw), _in_px(seen, size_hw)) for core, seen in zip(cores, around, strict=True))


def hole_cells(hole: HoleMap) -> HoleMap:
    """``(ceil(H / 32), ceil(W / 32))`` bool: cells of 32 x 32 px that hold any hole, the last ones cut off."""
    height, width = hole.shape
    whole = height - height % SIZE_MULTIPLE
    marked = hole.view(np.uint8)
    # The largest of whole rows of cells at a time: one pass at the speed of memory.
    rows = marked[:whole].reshape(-1, SIZE_MULTIPLE, width).max(1)
    if whole < height:
        rows = np.concatenate([rows, marked[whole:].max(0, keepdims=True)])
    padded = np.pad(rows, ((0, 0), (0, -width % SIZE_MULTIPLE)))
    return np.asarray(padded.reshape(len(rows), -1, SIZE_MULTIPLE).any(2))


def cells_on(cells: HoleMap, size_hw: SizeHW, grid_hw: SizeHW) -> HoleMap:
    """Cells of another size, spread evenly over a picture, that share any pixel with marked ones.

    Args:
        cells: As :func:`hole_cells` gives them for a picture of ``size_hw``.
        size_hw: Height and width of the picture.
        grid_hw: Rows and columns of the other cells.
    """
    for axis, (length, count) in enumerate(zip(size_hw, grid_hw, strict=True)):
        across = np.moveaxis(cells, axis, 0)
        first = np.arange(count) * length // (count * SIZE_MULTIPLE)
        end = -(-(np.arange(count) + 1) * length // (count * SIZE_MULTIPLE))
        lines = [across[start:stop].any(0) for start, stop in zip(first, end, strict=True)]
        cells = np.moveaxis(np.stack(lines), 0, axis)
    return np.ascontiguousarray(cells)


def _around(cores: Corners, size_hw: SizeHW) -> Corners:
    """Cores with their surroundings, in cells: as large at borders where the picture allows."""
    limit = np.array(size_hw)
    first, end = cores[..., :2], cores[..., 2:]
    length = np.minimum(limit, np.maximum(end - first + 2 * MARGIN_CELLS, LEAST_CELLS))
    start = ((first + end - length) // 2).clip(0, limit - length)
    return np.concatenate([start, start + length], -1)


def _joined(cores: Corners, size_hw: SizeHW) -> Corners:
    """Joins windows, the pair that saves most first, as long as that makes them cheaper together."""
    overhead = RUN_PX // SIZE_MULTIPLE**2
    while len(cores) > 1:
        union = np.concatenate(
            [np.minimum(cores[:, None, :2], cores[None, :, :2]), np.maximum(cores[:, None, 2:], cores[None, :, 2:])], -1
        )
        area = _area(_around(cores, size_hw))
        gain = area[:, None] + area + overhead - _area(_around(union, size_hw))
        np.fill_diagonal(gain, 0)
        i, j = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[i, j] <= 0:
            break
        cores = np.concatenate([np.delete(cores, (i, j), 0), union[i, j][None]])
    return cores


def _area(corners: Corners) -> Corners:
    return np.asarray((corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1]))


def _in_px(corners: Corners, size_hw: SizeHW) -> Box:
    top, left, bottom, right = (int(corner) * SIZE_MULTIPLE for corner in corners)
    return Box(top, left, bottom, right).clipped(size_hw)


def _whole(size_hw: SizeHW) -> Window:
    box = Box(0, 0, *size_hw)
    return Window(box, box)


def _least_cost_px(cells: HoleMap, size_hw: SizeHW) -> int:
    """What windows of a picture cost at least, which together see all holes with their surroundings."""
    seen = with_neighbours(cells, MARGIN_CELLS)
    height_px, width_px = (
        np.minimum(SIZE_MULTIPLE, length - SIZE_MULTIPLE * np.arange(count))
        for length, count in zip(size_hw, seen.shape, strict=True)
    )
    return int(height_px @ (seen @ width_px))


def _cost_px(windows: Sequence[Window]) -> int:
    return sum(window.around.area_px + RUN_PX for window in windows)
