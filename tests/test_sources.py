from __future__ import annotations

import itertools
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rethined.sources as module
from planted import field_of, square_hole, stripes
from rethined.climb import Rung
from rethined.errors import OptionError
from rethined.matching import Matches, corrupted_tokens
from rethined.offsets import FAR_PX, OffsetField, choose_offsets
from rethined.ranking import serial_ranker
from rethined.regions import TOKEN_PX, Plan
from rethined.resample import halve_any
from rethined.session import NetworkResult
from rethined.sources import SourceMap, find_sources, forbidden_at
from rethined.types import Box, Float32, HoleMap, SizeHW
from rethined.workers import OnDone, Workers

pytestmark = pytest.mark.usefixtures("each_loops")

COARSE_HW, FINE_HW = (128, 160), (256, 320)
HOLE = square_hole(FINE_HW, Box(96, 128, 144, 200))
Found = tuple[OffsetField, Float32, Float32, Matches]


def rungs(picture: Float32 | None = None, given: HoleMap | None = None) -> list[Rung]:
    """Two sizes of a picture whose fill is right."""
    fine = stripes(FINE_HW).astype(np.float32) if picture is None else picture
    coarse = np.asarray(cv2.resize(fine, COARSE_HW[::-1], interpolation=cv2.INTER_AREA), np.float32)
    half_given = None if given is None else halve_any(HOLE) & ~halve_any(HOLE & ~given)
    return [Rung(halve_any(HOLE), coarse, half_given), Rung(HOLE, fine, given)]


def described(fill: Float32, length: int = 8) -> NetworkResult:
    """Descriptors that say nothing."""
    size_hw = (fill.shape[0] // TOKEN_PX, fill.shape[1] // TOKEN_PX)
    raw = np.random.default_rng(3).standard_normal((2, length, *size_hw))
    query, key = (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)
    return NetworkResult(fill, query, key)


def found(
    steps: list[Rung],
    forbidden: HoleMap | None = None,
    *,
    threads: int = 1,
    on_done: OnDone | None = None,
    repeats: OffsetField | None = None,
) -> Found:
    return find_sources(
        steps,
        described(steps[0].filled),
        forbidden_at(forbidden, [(rung.touched.shape[0], rung.touched.shape[1]) for rung in steps]),
        candidates=2,
        agree_rounds=3,
        temperature=0.1,
        ranker=serial_ranker(),
        on_done=on_done,
        workers=Workers(threads),
        repeats=repeats,
    )


def corners(field: OffsetField) -> list[tuple[int, int]]:
    """Where the sources lie."""
    places = np.argwhere(field.is_set) * TOKEN_PX + field.offset_yx[field.is_set]
    return [(int(y), int(x)) for y, x in places]


def overlapping(field: OffsetField, marked: HoleMap) -> int:
    return sum(bool(marked[y : y + TOKEN_PX, x : x + TOKEN_PX].any()) for y, x in corners(field))


class Search(NamedTuple):
    """What the search of one rung was asked for."""

    size_hw: SizeHW
    corrupted: HoleMap
    settings: dict[str, object]


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[Search]:
    """Those made from now on."""
    heard: list[Search] = []

    def choose(
        picture: Float32, touched: HoleMap, corrupted: HoleMap, *rest: object, **settings: object
    ) -> OffsetField:
        heard.append(Search((picture.shape[0], picture.shape[1]), corrupted, settings))
        return choose_offsets(picture, touched, corrupted, *rest, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "choose_offsets", choose)
    return heard


# ---- what is found ----


def test_all_tokens_of_the_finest_rung_get_a_source_that_is_known() -> None:
    field, gate, asked, learned = found(rungs())
    np.testing.assert_array_equal(field.is_set, corrupted_tokens(HOLE))
    assert overlapping(field, HOLE) == 0
    assert gate.shape == asked.shape == field.is_set.shape
    np.testing.assert_array_equal(learned.rows, np.flatnonzero(corrupted_tokens(halve_any(HOLE))))
    assert learned.sources.shape == (len(learned.rows), 2)


def test_what_repeats_is_copied_from_a_step_away() -> None:
    """The fill is right, so nothing fits but whole steps of the pattern."""
    field, *_ = found(rungs())
    at_step = (field.offset_yx[field.is_set] % 16 == 0).all(1)
    assert at_step.mean() > 0.9


def test_one_look_is_enough() -> None:
    field, *_ = found(rungs()[:1])
    np.testing.assert_array_equal(field.is_set, corrupted_tokens(halve_any(HOLE)))


def blots(seed: int) -> Float32:
    """Soft noise: a source that is a pixel further on fits as well, or better."""
    noise = np.random.default_rng(seed).uniform(0, 255, (*FINE_HW, 3))
    return np.asarray(cv2.blur(noise, (9, 9)), np.float32)


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("side", ["left", "right"])
def test_nothing_is_copied_from_what_is_forbidden(side: str, seed: int | None) -> None:
    picture = None if seed is None else blots(seed)
    forbidden = np.zeros((3 * FINE_HW[0], 3 * FINE_HW[1]), bool)  # as large as the photograph
    forbidden[:, slice(0, 380) if side == "left" else slice(610, None)] = True
    (small,) = forbidden_at(forbidden, [FINE_HW])
    assert small is not None
    free, *_ = found(rungs(picture))
    assert overlapping(free, small), "else the picture shows nothing"
    field, *_ = found(rungs(picture), forbidden)
    assert field.is_set.any()
    assert overlapping(field, small) == 0


def test_without_anything_to_copy_no_token_has_a_source() -> None:
    field, gate, *_ = found(rungs(), np.ones(FINE_HW, bool))
    assert not field.is_set.any()
    np.testing.assert_array_equal(gate, 1)


# ---- tokens that have their source already ----


GIVEN = square_hole(FINE_HW, Box(96, 128, 144, 160))


@pytest.mark.parametrize("is_any_forbidden", [False, True])
def test_what_was_copied_before_keeps_its_source_and_is_none(is_any_forbidden: bool) -> None:
    own = (0, -96)
    repeats = field_of(own, corrupted_tokens(GIVEN))
    forbidden = square_hole(FINE_HW, Box(0, 0, 8, 8)) if is_any_forbidden else None
    field, *_ = found(rungs(given=GIVEN), forbidden, repeats=repeats)
    np.testing.assert_array_equal(field.is_set, corrupted_tokens(HOLE))
    np.testing.assert_array_equal(field.offset_yx[repeats.is_set], np.broadcast_to(own, (repeats.is_set.sum(), 2)))
    others = OffsetField(field.offset_yx, field.is_set & ~repeats.is_set)
    assert others.is_set.any()
    assert overlapping(others, HOLE) == 0, "what was given is known, and still no source"


def test_what_was_copied_before_is_not_searched_again(searches: list[Search]) -> None:
    found(rungs(given=GIVEN), repeats=field_of((0, -96), corrupted_tokens(GIVEN)))
    left = HOLE & ~GIVEN
    for search, expected in zip(searches, (halve_any(left), left), strict=True):
        np.testing.assert_array_equal(search.corrupted, corrupted_tokens(expected))


# ---- how it is found ----


def test_copies_agree_on_the_finest_rung_alone(searches: list[Search]) -> None:
    found(rungs())
    found(rungs()[:1])
    asked = [
        (search.size_hw, search.settings["agree_rounds"], search.settings.get("far_px", FAR_PX)) for search in searches
    ]
    assert asked == [(COARSE_HW, 0, FAR_PX), (FINE_HW, 3, 2 * FAR_PX), (COARSE_HW, 3, FAR_PX)]


def test_progress_never_falls() -> None:
    told: list[float] = []
    found(rungs(), on_done=told.append)
    assert all(before <= after for before, after in itertools.pairwise(told))
    assert len(told) > 4
    assert 0 < told[0] < 0.7
    assert 0.7 < told[-1] <= 1


def test_the_number_of_threads_changes_nothing() -> None:
    (one, *rest), (two, *others) = (found(rungs(), threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.offset_yx, two.offset_yx)
    for single, double in zip(rest[:2], others[:2], strict=True):
        np.testing.assert_array_equal(single, double)


# ---- what is forbidden ----


@given(
    factors=st.tuples(st.sampled_from([1.0, 1.3, 2.5, 4.0]), st.sampled_from([1.0, 1.7, 3.0])),
    place=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
)
def test_a_single_forbidden_pixel_is_found_on_every_rung(
    factors: tuple[float, float], place: tuple[float, float]
) -> None:
    size_hw = (round(FINE_HW[0] * factors[0]), round(FINE_HW[1] * factors[1]))
    y, x = (int(share * side) for share, side in zip(place, size_hw, strict=True))
    coarse, fine = forbidden_at(square_hole(size_hw, Box(y, x, y + 1, x + 1)), [COARSE_HW, FINE_HW])
    assert coarse is not None
    assert fine is not None
    assert coarse.shape == COARSE_HW
    assert fine[y * FINE_HW[0] // size_hw[0], x * FINE_HW[1] // size_hw[1]]
    assert 1 <= np.count_nonzero(fine) <= 4
    np.testing.assert_array_equal(coarse, halve_any(fine))


def test_where_nothing_is_forbidden_no_map_is_made() -> None:
    assert forbidden_at(None, [COARSE_HW, FINE_HW]) == [None, None]


# ---- sources of an earlier fill ----


def source_map() -> SourceMap:
    field = field_of((0, 64), corrupted_tokens(HOLE))
    gate = np.ones(field.is_set.shape, np.float32)
    return SourceMap(Plan((500, 640), (COARSE_HW, FINE_HW)), HOLE, field, gate, gate)


def test_sources_serve_the_same_hole_alone() -> None:
    sources = source_map()
    sources.expect_size((500, 640))
    sources.expect_hole(HOLE.copy())
    other = HOLE.copy()
    other[0, 0] = True
    with pytest.raises(OptionError, match="sources are those of another hole"):
        sources.expect_hole(other)
    with pytest.raises(OptionError, match="a picture 500 high and 640 wide, this one is 640 high and 500 wide"):
        sources.expect_size((640, 500))
