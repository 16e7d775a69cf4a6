from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from planted import field_of
from rethined.climb import climb
from rethined.distance import distance_px
from rethined.ladder import plan_looks
from rethined.offsets import OffsetField
from rethined.regions import Enlarged, Window, in_pixels
from rethined.resample import Shrunk, halve_any
from rethined.session import NetworkResult
from rethined.types import Box, Float32, HoleMap, SizeHW


class FakeSession:
    """A network that paints the hole one grey level brighter at each look, and tells what it saw."""

    def __init__(self) -> None:
        self.seen: list[SizeHW] = []

    def run(self, prefilled: Float32, hole: HoleMap) -> NetworkResult:
        fill = prefilled.copy()
        self.fill(fill, hole)
        none = np.zeros((1, hole.shape[0] // 8, hole.shape[1] // 8), np.float32)
        return NetworkResult(fill, none, none)

    def fill(self, prefilled: Float32, hole: HoleMap) -> None:
        assert prefilled.flags.c_contiguous
        assert hole.shape == prefilled.shape[:2]
        assert all(side % 32 == 0 for side in hole.shape)
        self.seen.append(hole.shape)
        prefilled[hole] += 1


@contextmanager
def stage(_name: str) -> Iterator[None]:
    yield


def grey(size_hw: SizeHW, level: int = 100) -> np.ndarray:
    return np.full((*size_hw, 3), level, np.uint8)


def run(size_hw: SizeHW, hole: HoleMap, **plan: Any) -> tuple[FakeSession, list[Any]]:  # noqa: ANN401
    session = FakeSession()
    climbed = climb(session, grey(size_hw), hole, plan_looks(hole, **plan), stage)  # type: ignore[arg-type]
    return session, climbed.rungs


def one_hole(size_hw: SizeHW) -> HoleMap:
    hole = np.zeros(size_hw, bool)
    hole[size_hw[0] // 2 : size_hw[0] // 2 + 90, size_hw[1] // 3 : size_hw[1] // 3 + 50] = True
    return hole


@pytest.mark.parametrize(
    ("size_hw", "first_px"), [((2048, 2048), 512), ((1280, 1920), 480), ((1777, 1201), 416), ((3000, 4000), 512)]
)
def test_each_look_begins_with_what_the_one_before_gave(size_hw: SizeHW, first_px: int) -> None:
    hole = one_hole(size_hw)
    session, rungs = run(size_hw, hole, budget_px=1.1e6)
    assert [max(rung.filled.shape) for rung in rungs] == [first_px, 2 * first_px, 4 * first_px]
    first, second = session.seen[:2]
    assert max(first) == first_px
    assert max(second) < 512, "a window, not the whole"
    # Known pixels stay; in the middle of the hole all three looks have added their level.
    last = rungs[-1]
    np.testing.assert_allclose(last.filled[~last.touched], 100, atol=1e-3)
    y, x = (
        int(axis.mean() * side / full)
        for axis, side, full in zip(np.nonzero(hole), last.touched.shape, size_hw, strict=True)
    )
    np.testing.assert_allclose(last.filled[y, x], 103, atol=0.2)


def test_windows_give_what_the_whole_gives_for_a_network_that_sees_a_pixel() -> None:
    size_hw = (1024, 1024)
    hole = np.zeros(size_hw, bool)
    hole[100:130, 200:260] = hole[700:800, 850:860] = True
    session, rungs = run(size_hw, hole, budget_px=0, working_px=1024)
    assert len(session.seen) == 3, "the whole, and two windows"
    expected = np.repeat(np.where(hole, 102, 100)[..., None], 3, 2)
    # Where the coarse fill is enlarged, its edges are soft.
    np.testing.assert_allclose(rungs[-1].filled, expected, atol=0.5)


def test_a_window_at_the_border_of_the_photograph_is_padded() -> None:
    size_hw = (1601, 1607)
    hole = np.zeros(size_hw, bool)
    hole[1560:, 1590:] = True
    _, rungs = run(size_hw, hole, budget_px=1.1e6)
    assert rungs[-1].filled[-1, -1] == pytest.approx(103, abs=0.2)


SMALL = [(512, 512), (341, 500), (640, 480), (150, 190), (1200, 900)]


@pytest.mark.parametrize("size_hw", SMALL, ids=str)
def test_small_photographs_are_looked_at_enlarged(size_hw: SizeHW) -> None:
    hole = np.zeros(size_hw, bool)
    side = 20 * max(1, max(size_hw) // 512)  # not so deep on the first look that smaller ones come before it
    hole[60 : 60 + side, 50 : 50 + side] = True
    session, rungs = run(size_hw, hole, budget_px=24e6)
    assert session.seen[0] == rungs[0].touched.shape
    last = rungs[-1]
    # In the middle of the hole each look has added its level.
    middle = distance_px(last.touched, 100).argmax()
    enlarged = 2 if max(last.touched.shape) < 512 else 1
    np.testing.assert_allclose(last.filled.reshape(-1, 3)[middle], 100 + len(rungs) + enlarged, atol=0.35)
    np.testing.assert_allclose(last.filled[~last.touched], 100, atol=1e-3)


class Watching(FakeSession):
    """Keeps what it was shown last, and fills nothing."""

    def fill(self, prefilled: Float32, hole: HoleMap) -> None:
        super().fill(prefilled.copy(), hole)
        self.last = prefilled.copy(), hole


@pytest.mark.parametrize("size_hw", SMALL, ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_enlarged_is_the_photograph(size_hw: SizeHW, dtype: type[np.unsignedinteger[Any]]) -> None:
    """Of a slope, means and what lies between pixels are the slope."""
    rows, columns = np.indices(size_hw).astype(np.float32)
    slope = 20 + rows * 0.125 + columns * 0.0625
    image = np.rint(slope[..., None].repeat(3, 2) * (257 if dtype is np.uint16 else 1)).astype(dtype)
    hole, session = one_hole(size_hw), Watching()
    plan = plan_looks(hole, budget_px=24e6)
    climb(session, image, hole, plan, stage)  # type: ignore[arg-type]
    around = plan.enlarged[-1].windows[-1].around
    seen, seen_hole = session.last
    assert seen.shape[:2] == seen_hole.shape == (around.height, around.width)
    factor = plan.enlarged[-1].factor
    scale_y, scale_x = (length / (factor * side) for length, side in zip(size_hw, plan.working_hw, strict=True))
    y = (np.arange(around.top, around.bottom) + 0.5) * scale_y - 0.5
    x = (np.arange(around.left, around.right) + 0.5) * scale_x - 0.5
    expected = 20 + y[:, None].clip(0, size_hw[0] - 1) * 0.125 + x.clip(0, size_hw[1] - 1) * 0.0625
    far = cv2.dilate(seen_hole.astype(np.uint8), np.ones((9, 9))) == 0
    assert far.any()
    np.testing.assert_allclose(seen[..., 1][far], expected[far], atol=0.01 if dtype is np.uint16 else 0.6)


def test_a_window_of_what_is_enlarged_answers_for_its_core() -> None:
    hole = np.zeros((512, 512), bool)
    hole[200:210, 200:210] = hole[200:210, 300:310] = True
    around = Box(256, 256, 640, 768)
    plan = plan_looks(hole, budget_px=0)
    cores = Box(256, 256, 640, 512), Box(256, 512, 640, 768)
    results = []
    for windows in ([0], [1], [0, 1]):
        enlarged = tuple(Window(cores[n], around) for n in windows)
        looks = replace(plan, enlarged=(Enlarged(2, enlarged),))
        climbed = climb(FakeSession(), grey(hole.shape), hole, looks, stage)  # type: ignore[arg-type]
        results.append([climbed.rungs[0].filled[205, x, 0] for x in (205, 305)])
    np.testing.assert_allclose(results, [[102, 101], [101, 102], [102, 102]], atol=0.1)


def test_what_is_enlarged_holds_nothing_of_the_hole() -> None:
    size_hw = (500, 333)
    hole, sessions = one_hole(size_hw), []
    for level in (0, 255):
        image = grey(size_hw)
        image[hole] = level
        sessions.append(Watching())
        climb(sessions[-1], image, hole, plan_looks(hole, budget_px=24e6), stage)  # type: ignore[arg-type]
    np.testing.assert_array_equal(*(session.last[0] for session in sessions))


def test_fast_looks_once() -> None:
    session, rungs = run((2048, 2048), one_hole((2048, 2048)), budget_px=0)
    assert session.seen == [(512, 512)]
    assert len(rungs) == 1


def test_deep_in_a_hole_the_prefill_is_what_the_network_makes_of_half_the_size() -> None:
    hole = np.zeros((512, 512), bool)
    hole[60:460, 60:460] = True
    session, rungs = run((512, 512), hole, budget_px=0)
    assert session.seen == [(128, 128), (256, 256), (512, 512)]
    row = rungs[0].filled[260, 60:260, 0] - 100
    np.testing.assert_allclose(row[:16], 1, atol=1e-3)  # up to 16 px deep: pull-push, and the one look
    np.testing.assert_allclose(row[31], 2, atol=0.05)  # 32 px deep, 16 of them at half the size
    np.testing.assert_allclose(row[66:], 3, atol=1e-3)  # 32 px deep at half the size
    assert (np.diff(row) > -1e-3).all()
    np.testing.assert_allclose(rungs[0].filled[~hole], 100, atol=1e-3)


@pytest.mark.parametrize(("side_px", "is_deep"), [(400, True), (40, False)])
def test_the_first_look_is_prefilled_with_copies_where_the_hole_is_deep(side_px: int, is_deep: bool) -> None:
    hole = np.zeros((512, 512), bool)
    hole[60 : 60 + side_px, 60 : 60 + side_px] = True
    given = []

    def copy(small: Shrunk, prefilled: Float32, deep: HoleMap) -> tuple[Float32, OffsetField]:
        given.append((small, deep))
        return np.where(deep[..., None], np.float32(200), prefilled), field_of((8, 8), deep[::16, ::16])

    plan = plan_looks(hole, budget_px=0)
    climbed = climb(FakeSession(), grey((512, 512)), hole, plan, stage, copy)  # type: ignore[arg-type]
    assert len(given) == is_deep
    assert (climbed.structure is not None) == is_deep
    if is_deep:
        small, deep = given[0]
        np.testing.assert_array_equal(small.hole, hole)
        np.testing.assert_array_equal(deep, distance_px(hole, 400) >= 24)  # half of the way from 16 to 32 px
        np.testing.assert_allclose(climbed.rungs[0].filled[deep], 201)


def test_what_goes_on_in_steps_is_known_to_all_looks() -> None:
    """Filled at the finest size, it is no hole to the network at any, but still touched."""
    hole = one_hole((1024, 1024))
    tokens = np.zeros((128, 128), bool)
    tokens[64:70, 42:46] = True  # the upper left of it

    def repeat(small: Shrunk, half: Shrunk | None) -> tuple[Shrunk, OffsetField]:
        assert half is not None
        assert half.hole.shape == (512, 512)
        copied = small.hole & in_pixels(tokens)
        assert copied.any()
        image = np.where(copied[..., None], np.float32(200), small.image)
        return Shrunk(image, small.hole & ~copied, small.touched), field_of((0, 240), tokens)

    plan = plan_looks(hole, budget_px=1.1e6)
    climbed = climb(FakeSession(), grey((1024, 1024)), hole, plan, stage, None, repeat)  # type: ignore[arg-type]
    assert climbed.repeats is not None
    np.testing.assert_array_equal(climbed.repeats.is_set, tokens)
    coarse, fine = climbed.rungs
    assert fine.given is not None
    assert coarse.given is not None
    np.testing.assert_array_equal(fine.given, fine.touched & in_pixels(tokens))
    np.testing.assert_array_equal(coarse.given, coarse.touched & ~halve_any(fine.touched & ~fine.given))
    np.testing.assert_array_equal(fine.filled[fine.given], 200)
    inner = ~halve_any(~fine.given)
    assert inner.any()
    np.testing.assert_allclose(coarse.filled[inner], 200, atol=1e-3)
    left = fine.touched & ~fine.given
    assert left.any()
    assert (fine.filled[left] != 200).all()
    np.testing.assert_array_equal(fine.touched, hole)


def test_nothing_is_given_where_nothing_goes_on_in_steps() -> None:
    hole = one_hole((512, 512))
    plan = plan_looks(hole, budget_px=0)
    climbed = climb(
        FakeSession(),
        grey((512, 512)),
        hole,
        plan,
        stage,
        None,
        lambda small, _: (small, None),  # type: ignore[arg-type]
    )
    assert climbed.repeats is None
    assert climbed.rungs[0].given is None


@pytest.mark.parametrize("size_hw", [(512, 352), (101, 75)], ids=str)
def test_looks_at_half_the_size_are_padded(size_hw: SizeHW) -> None:
    hole = np.ones(size_hw, bool)
    hole[:3] = False
    session, rungs = run(size_hw, hole, budget_px=0)
    assert len(session.seen) == 3
    assert rungs[0].filled[-1, -1] == pytest.approx(103, abs=1e-3)
