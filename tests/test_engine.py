from __future__ import annotations

import doctest
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from rethined import engine, jpeg
from rethined import repeats as repeats_module
from rethined import sources as sources_module
from rethined.engine import Inpainter, inpaint
from rethined.errors import (
    ImageError,
    ImageReadError,
    ImageWriteError,
    MaskError,
    MemoryBudgetError,
    ModelNotFoundError,
    OptionError,
)
from rethined.imageio import read_image, write_image
from rethined.offsets import OffsetField
from rethined.options import InpaintOptions, Preset
from rethined.regions import TOKEN_PX, Plan
from rethined.session import NetworkResult, OnnxSession
from rethined.types import Float32, HoleMap, Image8, ImageLike, Pixels, SizeHW
from rethined.workers import Workers

STAGES = ["check", "plan", "shrink", "repeat", "prefill", "network", "match", "transfer", "composite"]

quiet = pytest.mark.filterwarnings("ignore::rethined.masks.MaskWarning")


@pytest.fixture(scope="module")
def inpainter(tiny_network_path: Path) -> Inpainter:
    return Inpainter(tiny_network_path, threads=1)


def photo(size_hw: SizeHW, seed: int = 0) -> Image8:
    """Ramps with noise on them: neither flat nor repeating."""
    rows, columns = np.indices(size_hw)
    ramps = np.stack([rows * 200 / size_hw[0], columns * 200 / size_hw[1], (rows + columns) % 90], axis=2)
    return (ramps + np.random.default_rng(seed).uniform(0, 50, (*size_hw, 3))).astype(np.uint8)


def block(size_hw: SizeHW, top: int, left: int, bottom: int, right: int) -> HoleMap:
    hole = np.zeros(size_hw, bool)
    hole[top:bottom, left:right] = True
    return hole


@st.composite
def masks(draw: st.DrawFn, size_hw: SizeHW) -> HoleMap:
    """Up to three blocks anywhere, and dust."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    hole = rng.random(size_hw) < draw(st.sampled_from([0, 0.001, 0.1, 0.6]))
    for _ in range(draw(st.integers(0, 3))):
        top, left = rng.integers(0, size_hw[0]), rng.integers(0, size_hw[1])
        hole[top : top + rng.integers(1, size_hw[0] + 1), left : left + rng.integers(1, size_hw[1] + 1)] = True
    return hole


# ---- what a fill promises ----


@quiet
@settings(max_examples=30)
@given(data=st.data(), size_hw=st.tuples(st.integers(64, 201), st.integers(64, 301)))
def test_known_pixels_come_back_bit_exact(inpainter: Inpainter, data: st.DataObject, size_hw: SizeHW) -> None:
    image, hole = photo(size_hw), data.draw(masks(size_hw))
    assume(not hole.all())
    before = image.copy(), hole.copy()
    image.flags.writeable = hole.flags.writeable = False
    result = inpainter.fill(image, hole)
    assert result.image.shape == image.shape
    assert result.image.dtype == np.uint8
    assert result.image.flags.writeable
    assert not np.shares_memory(result.image, image)
    np.testing.assert_array_equal(result.image[~hole], image[~hole])
    assert result.hole_share == pytest.approx(hole.mean())
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(hole, before[1])


@pytest.mark.parametrize(
    ("size_hw", "box"),
    [
        ((64, 64), (0, 0, 10, 10)),
        ((100, 130), (90, 0, 100, 130)),
        ((100, 130), (0, 129, 100, 130)),
        ((100, 130), (50, 0, 51, 130)),
        ((100, 130), (3, 64, 100, 65)),
        ((97, 131), (20, 30, 21, 31)),
        ((2000, 64), (900, 10, 1000, 60)),
        ((64, 2000), (0, 400, 64, 700)),
        ((1, 300), (0, 100, 1, 140)),
        ((1100, 1200), (500, 500, 640, 660)),
    ],
    ids=[
        "corner",
        "border",
        "border line",
        "hairline",
        "upright hairline",
        "pixel",
        "tall",
        "wide",
        "row",
        "two rungs",
    ],
)
def test_holes_anywhere_are_filled_from_what_is_around(
    inpainter: Inpainter, size_hw: SizeHW, box: tuple[int, int, int, int]
) -> None:
    image, hole = photo(size_hw), block(size_hw, *box)
    damaged = np.where(hole[..., None], np.uint8((255, 0, 255)), image)
    result = inpainter.fill(damaged, hole)
    np.testing.assert_array_equal(result.image[~hole], image[~hole])
    error, damage = (np.abs(x[hole].astype(float) - image[hole]).mean() for x in (result.image, damaged))
    assert error < damage / 2
    assert result.used_transfer
    assert list(result.stages_ms) == STAGES
    assert all(milliseconds >= 0 for milliseconds in result.stages_ms.values())
    assert isinstance(result.plan, Plan)
    assert result.plan.size_hw == size_hw


def corner_places(length_px: int, network_px: int) -> np.ndarray:
    """Every second pixel of which the network pixel it is counted to, the last of a cell, holds a sliver only."""
    first = np.arange(length_px)
    counted_to = first * network_px // length_px
    sliver_px = (counted_to + 1) * length_px / network_px - first
    return first[(sliver_px < 0.12) & (counted_to % 4 == 3)][::2]


def test_no_lone_pixel_is_left_out_whatever_the_factor(inpainter: Inpainter) -> None:
    image = np.full((777, 1301, 3), 100, np.uint8)
    hole = np.zeros((777, 1301), bool)
    hole[np.ix_(corner_places(777, 640), corner_places(1301, 1024))] = True
    assert hole.sum() > 100
    image[hole] = (255, 0, 255)
    filled = inpainter(image, hole)
    assert not (filled[hole] == (255, 0, 255)).all(1).any()


@settings(max_examples=15)
@given(data=st.data(), size_hw=st.tuples(st.integers(64, 150), st.integers(64, 150)))
def test_what_lies_in_the_hole_has_no_influence(inpainter: Inpainter, data: st.DataObject, size_hw: SizeHW) -> None:
    hole = block(size_hw, *data.draw(st.sampled_from([(10, 10, 40, 30), (0, 0, 64, 9), (33, 5, 34, 60)])))
    first, second = photo(size_hw), photo(size_hw, 1)
    second[~hole] = first[~hole]
    np.testing.assert_array_equal(inpainter(first, hole), inpainter(second, hole))


@pytest.mark.parametrize("size_hw", [(64, 64), (91, 203), (600, 40)])
@pytest.mark.parametrize("colour", [(200, 120, 40), (0, 0, 0), (255, 255, 255)])
def test_a_constant_is_filled_with_the_constant(
    zero_head_network_path: Path, size_hw: SizeHW, colour: tuple[int, int, int]
) -> None:
    image = np.full((*size_hw, 3), colour, np.uint8)
    filled = Inpainter(zero_head_network_path, threads=1)(image, block(size_hw, 20, 10, 50, 30))
    np.testing.assert_allclose(filled.astype(int), image, atol=1)


def test_the_network_is_given_the_hole_and_what_is_around_it(
    inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Float32, HoleMap]] = []
    run, fill = OnnxSession.run, OnnxSession.fill

    def watch_run(self: OnnxSession, prefilled: Float32, hole: HoleMap) -> NetworkResult:
        seen.append((prefilled, hole))
        return run(self, prefilled, hole)

    def watch_fill(self: OnnxSession, prefilled: Float32, hole: HoleMap) -> None:
        seen.append((prefilled.copy(), hole))
        fill(self, prefilled, hole)

    monkeypatch.setattr(OnnxSession, "run", watch_run)
    monkeypatch.setattr(OnnxSession, "fill", watch_fill)
    image, hole = photo((1024, 1024)), block((1024, 1024), 256, 512, 384, 640)
    inpainter.with_options(InpaintOptions(working_px=1024))(image, hole)
    *deep, first, second = seen
    assert [hole.shape for _, hole in deep] == [(256, 256)], "what the first is prefilled with, half as deep as that"
    np.testing.assert_array_equal(first[1], block((512, 512), 128, 256, 192, 320))
    # The second look is at a window round the hole: 64 px more on all sides, in cells of 32 px.
    window = np.s_[160:480, 416:736]
    np.testing.assert_array_equal(second[1], hole[window])
    assert max(prefilled[small].std() for prefilled, small in seen) < 40, "the prefill is smooth"
    np.testing.assert_array_equal(second[0][~second[1]], image[window][~hole[window]])


@pytest.mark.parametrize(("preset", "rounds"), [("fast", [0]), ("balanced", [0, 3]), ("best", [0, 3])])
def test_copies_are_made_to_fit_on_the_finest_look_but_with_fast(
    preset: Preset, rounds: list[int], inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    choose = sources_module.choose_offsets

    def watch(*arguments: Any, agree_rounds: int, **options: Any) -> OffsetField:  # noqa: ANN401
        asked.append(agree_rounds)
        return choose(*arguments, agree_rounds=agree_rounds, **options)

    monkeypatch.setattr(sources_module, "choose_offsets", watch)
    inpainter.with_options(InpaintOptions(preset=preset))(photo((1024, 1024)), block((1024, 1024), 256, 512, 384, 640))
    assert asked == rounds


@pytest.mark.parametrize(("side_px", "is_deep"), [(128, True), (40, False)])
def test_deep_holes_are_prefilled_with_copies(side_px: int, is_deep: bool, inpainter: Inpainter) -> None:
    size_hw = (512, 512)
    image, hole = photo(size_hw), block(size_hw, 64, 96, 64 + side_px, 96 + side_px)
    result = inpainter.fill(image, hole)
    assert result.sources is not None
    assert (result.sources.structure is not None) == is_deep
    followed = inpainter.fill(image, hole, sources=result.sources)
    np.testing.assert_array_equal(followed.image, result.image)


def facade(size_hw: SizeHW, channels: int = 3) -> np.ndarray:
    """Windows in rows and columns on a wall, every 64 and 80 px."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    window = (y % 64 > 20) & (y % 64 < 52) & (x % 80 > 20) & (x % 80 < 60)
    bar = window & (x % 80 < 30)
    picture = np.where(bar, 90, np.where(window, 40, 200)).astype(np.uint8)
    return np.stack([picture + np.uint8(10 * channel) for channel in range(channels)], -1)


@pytest.mark.parametrize("preset", ["fast", "balanced", "best"])
@pytest.mark.parametrize(("size_hw", "factor"), [((512, 640), 1), ((1024, 1280), 2)])
def test_a_facade_goes_on_in_its_grid(inpainter: Inpainter, preset: Preset, size_hw: SizeHW, factor: int) -> None:
    truth = facade((size_hw[0] // factor, size_hw[1] // factor)).repeat(factor, 0).repeat(factor, 1)
    hole = block(size_hw, *(factor * edge for edge in (190, 240, 320, 400)))
    damaged = np.where(hole[..., None], np.uint8(255), truth)
    result = inpainter.with_options(InpaintOptions(preset=preset)).fill(damaged, hole)
    assert result.sources is not None
    assert result.sources.repeats is not None
    assert result.sources.repeats.is_set.sum() > hole.sum() / 64 / factor**2 / 2
    error = np.abs(result.image.astype(int) - truth)
    np.testing.assert_array_equal(error[~hole], 0)
    assert np.median(error[hole]) <= 1
    assert (error[hole] > 40).mean() < 0.1


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, None), (np.uint16, 3), (np.float32, 4)])
def test_a_facade_goes_on_in_its_own_depth(inpainter: Inpainter, dtype: type, channels: int | None) -> None:
    truth = in_depth(facade((512, 640)), dtype, channels)
    hole = block((512, 640), 190, 240, 320, 400)
    result = inpainter.fill(np.where(hole[..., None] if truth.ndim == 3 else hole, truth.max(), truth), hole)
    assert result.sources is not None
    assert result.sources.repeats is not None
    assert result.image.dtype == dtype
    colours = (result.image, truth) if channels != 4 else (result.image[..., :3], truth[..., :3])
    error = np.abs(colours[0].astype(float) - colours[1])[hole] / (1 if dtype == np.float32 else np.iinfo(dtype).max)
    assert np.median(error) < 0.01


def test_what_goes_on_in_steps_keeps_its_sources_and_is_none(inpainter: Inpainter) -> None:
    """One half of the hole goes on, the other lies in noise: that copies from nothing that was filled."""
    image, hole = facade((512, 640)), block((512, 640), 190, 240, 320, 400)
    image[300:] = np.random.default_rng(3).integers(0, 256, image[300:].shape, np.uint8)
    sources = inpainter.fill(image, hole).sources
    assert sources is not None
    assert sources.repeats is not None
    field, given = sources.field, sources.repeats
    others = field.is_set & ~given.is_set
    assert given.is_set.any()
    assert others.any()
    np.testing.assert_array_equal(field.offset_yx[given.is_set], given.offset_yx[given.is_set])
    assert (sources.gate[given.is_set] == 1).all()
    for top, left in np.argwhere(others) * TOKEN_PX + field.offset_yx[others]:
        assert not sources.touched[top : top + TOKEN_PX, left : left + TOKEN_PX].any()


def test_a_facade_comes_out_the_same_from_its_own_sources(
    inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, hole = facade((512, 640)), block((512, 640), 190, 240, 320, 400)
    first = inpainter.fill(image, hole)
    assert first.sources is not None
    assert first.sources.repeats is not None
    monkeypatch.setattr(repeats_module, "find_repeats", None)  # nothing is searched any more
    np.testing.assert_array_equal(inpainter.fill(image, hole, sources=first.sources).image, first.image)
    other = 255 - image
    followed = inpainter.fill(other, hole, sources=first.sources).image
    assert np.median(np.abs(followed.astype(int) - other)[hole]) <= 1


def test_a_facade_goes_on_from_where_it_is_allowed(inpainter: Inpainter) -> None:
    image, hole = facade((512, 640)), block((512, 640), 190, 240, 320, 400)
    forbid = block((512, 640), 0, 0, 512, 240)
    told = inpainter.explain(image, hole, forbid=forbid)
    source_x = (told.corner_yx + told.offset_yx)[told.is_copied][:, 1]
    assert source_x.min() >= 240
    assert (told.offset_yx[told.is_copied] % (64, 80) == 0).all(1).mean() > 0.5


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_how_arrays_lie_in_memory_makes_no_difference(channels: int, inpainter: Inpainter) -> None:
    size_hw = (200, 300)
    image = np.ascontiguousarray(np.resize(photo(size_hw), (*size_hw, channels)))
    if channels == 4:
        image[150:, 200:, 3] = 0
    hole, forbidden = block(size_hw, 60, 90, 100, 140), block(size_hw, 0, 0, 30, 300)
    expected = inpainter(image, hole, forbid=forbidden)
    forms: list[Callable[[np.ndarray], np.ndarray]] = [
        np.asfortranarray,
        lambda array: np.ascontiguousarray(array[::-1])[::-1],
        lambda array: np.repeat(np.repeat(array, 2, 0), 3, 1)[::2, ::3],
        lambda array: np.ascontiguousarray(np.swapaxes(array, 0, 1)).swapaxes(0, 1),
    ]
    for form in forms:
        given, mask, forbid = (form(array) for array in (image, hole, forbidden))
        assert not mask.flags.c_contiguous
        np.testing.assert_array_equal(inpainter(given, mask, forbid=forbid), expected)


def test_progress_names_every_stage_and_ends_at_one(inpainter: Inpainter) -> None:
    image, hole = photo((600, 1100)), block((600, 1100), 200, 300, 400, 700)
    told: list[tuple[str, float]] = []
    result = inpainter.fill(image, hole, on_progress=lambda *what: told.append(what))
    assert list(dict.fromkeys(stage for stage, _ in told)) == STAGES
    shares = [share for _, share in told]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert shares.count(1) == 1
    assert len([stage for stage, _ in told if stage == "transfer"]) >= 3, "told between batches too"
    np.testing.assert_array_equal(result.image, inpainter(image, hole))


def test_progress_of_nothing_to_fill_ends_at_one_too(inpainter: Inpainter) -> None:
    told: list[tuple[str, float]] = []
    inpainter.fill(photo((64, 64)), np.zeros((64, 64), bool), on_progress=lambda *what: told.append(what))
    assert told == [("check", 0), ("check", 1)]


@pytest.mark.parametrize("stage", STAGES)
def test_an_error_of_who_hears_of_progress_ends_the_fill(inpainter: Inpainter, stage: str) -> None:
    image, hole = photo((70, 90)), block((70, 90), 20, 30, 40, 50)

    def stop(now: str, _share: float) -> None:
        if now == stage:
            raise TimeoutError(stage)

    with pytest.raises(TimeoutError, match=stage):
        inpainter.fill(image, hole, on_progress=stop)
    inpainter.fill(image, hole)


def test_a_large_fill_can_be_ended_between_batches(inpainter: Inpainter) -> None:
    image, hole = photo((1100, 1200)), block((1100, 1200), 100, 100, 800, 900)
    shares: list[float] = []

    def stop(stage: str, share: float) -> None:
        if stage == "transfer":
            shares.append(share)
            if len(shares) == 4:
                raise TimeoutError

    with pytest.raises(TimeoutError):
        inpainter.fill(image, hole, on_progress=stop)
    assert shares[0] < shares[-1] < 0.95


@pytest.mark.parametrize("error", [StopIteration, GeneratorExit, RuntimeError])
def test_any_error_of_a_listener_comes_out_as_it_is(inpainter: Inpainter, error: type[BaseException]) -> None:
    image, hole = photo((64, 64)), block((64, 64), 20, 20, 30, 30)
    for moment in range(6):
        told: list[str] = []

        def stop(stage: str, _share: float, told: list[str] = told, moment: int = moment) -> None:
            told.append(stage)
            if len(told) > moment:
                raise error

        with pytest.raises(error):
            inpainter.fill(image, hole, on_progress=stop)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"threads": 0}, "threads is 0; expected a whole number from 1"),
        ({"threads": True}, "threads is True"),
        ({"threads": 2.0}, "threads is 2.0"),
        ({"threads": "2"}, "threads is '2'"),
        ({"network": 3}, "network is of type int; expected the path"),
    ],
)
def test_what_an_inpainter_cannot_be_made_of(given: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        Inpainter(**given)


def test_same_input_same_bytes_also_from_many_threads(inpainter: Inpainter) -> None:
    jobs = [(photo((90 + 7 * i, 140), i), block((90 + 7 * i, 140), 20, 30 + i, 60, 70)) for i in range(8)]
    serial = [inpainter(*job) for job in jobs]
    with ThreadPoolExecutor(4) as pool:
        parallel = list(pool.map(lambda job: inpainter(*job), jobs * 2))
    for got, expected in zip(parallel, serial * 2, strict=True):
        np.testing.assert_array_equal(got, expected)


@quiet
@pytest.mark.parametrize("step", [8, 4])
def test_where_no_whole_token_is_known_nothing_is_copied(inpainter: Inpainter, step: int) -> None:
    image, hole = photo((64, 96)), np.zeros((64, 96), bool)
    hole[3::step, 3::step] = True
    result = inpainter.fill(image, hole)
    assert not result.used_transfer
    np.testing.assert_array_equal(result.image[~hole], image[~hole])
    assert np.abs(result.image.astype(float) - image)[hole].mean() < 30
    assert list(result.stages_ms) == STAGES


# ---- a picture's own depth ----

WHITE = {np.uint8: 255, np.uint16: 65535, np.float32: 1}
depths = pytest.mark.parametrize("dtype", WHITE)


def in_depth(image: Image8, dtype: type, channels: int | None) -> Pixels:
    """The same picture in another depth; grey is its green channel, alpha its blue one."""
    of_channels = {None: 1, 1: [1], 2: [1, 2], 3: [0, 1, 2], 4: [0, 1, 2, 2]}
    return (image[..., of_channels[channels]] * dtype(WHITE[dtype] / 255)).astype(dtype)


@quiet
@settings(max_examples=40)
@given(
    data=st.data(),
    size_hw=st.tuples(st.integers(40, 150), st.integers(40, 150)),
    dtype=st.sampled_from(sorted(WHITE, key=str)),
    channels=st.sampled_from([None, 1, 2, 3, 4]),
)
def test_dtype_shape_known_pixels_and_alpha_stay(
    inpainter: Inpainter, data: st.DataObject, size_hw: SizeHW, dtype: type, channels: int | None
) -> None:
    image, hole = in_depth(photo(size_hw), dtype, channels), data.draw(masks(size_hw))
    if channels in (2, 4):
        image[size_hw[0] // 2 :, : size_hw[1] // 2, -1] = 0
        assume(not (hole | (image[..., -1] == 0)).all())
    assume(not hole.all())
    before = image.copy()
    image.flags.writeable = False
    filled = inpainter(image, hole)
    assert (filled.dtype, filled.shape) == (image.dtype, image.shape)
    assert not np.shares_memory(filled, image)
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    if channels in (2, 4):
        np.testing.assert_array_equal(filled[..., -1], image[..., -1])
    np.testing.assert_array_equal(image, before)


@depths
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_an_empty_mask_gives_an_equal_copy_in_any_depth(
    inpainter: Inpainter, dtype: type, channels: int | None
) -> None:
    image = in_depth(photo((40, 50)), dtype, channels)
    filled = inpainter(image, np.zeros((40, 50), bool))
    assert filled.dtype == image.dtype
    np.testing.assert_array_equal(filled, image)
    assert not np.shares_memory(filled, image)


@depths
@pytest.mark.parametrize("channels", [3, 4])
def test_the_fill_is_the_same_in_all_depths(inpainter: Inpainter, dtype: type, channels: int) -> None:
    image, hole = photo((96, 128)), block((96, 128), 30, 40, 60, 80)
    image[..., 2] |= 1  # alpha, where it is one
    filled = inpainter(in_depth(image, dtype, channels), hole)
    levels = filled[..., :3].astype(float) * (255 / WHITE[dtype])
    np.testing.assert_allclose(levels, inpainter(image, hole), atol=0.51)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_grey_photograph_stored_in_colour_stays_grey(dtype: type, inpainter: Inpainter) -> None:
    image, hole = photo((200, 240)), block((200, 240), 60, 70, 120, 150)
    image = np.repeat(image[..., :1], 3, axis=2).astype(dtype)
    image[hole] = (255, 0, 255)
    result = inpainter(image, hole)
    assert (result == result[..., :1]).all()
    assert len(np.unique(result[hole])) > 5
    np.testing.assert_array_equal(result[~hole], image[~hole])


@depths
@pytest.mark.parametrize("channels", [None, 1, 2])
def test_grey_is_filled_like_three_equal_channels(
    zero_head_network_path: Path, dtype: type, channels: int | None
) -> None:
    image, hole = in_depth(photo((96, 128)) | np.uint8(1), dtype, channels), block((96, 128), 30, 40, 60, 80)
    inpainter = Inpainter(zero_head_network_path, threads=1)
    grey = image.reshape(96, 128, -1)[..., :1]
    filled, coloured = inpainter(image, hole), inpainter(np.repeat(grey, 3, axis=2), hole)
    step = {np.uint8: 1, np.uint16: 1, np.float32: 1e-5}[dtype]
    np.testing.assert_allclose(filled.reshape(96, 128, -1)[..., 0], coloured[..., 0].astype(float), atol=step)


@pytest.mark.parametrize("size_hw", [(96, 160), (700, 1300)], ids=["own size", "shrunk"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_smooth_ramp_is_filled_without_steps_of_eight_bits(
    zero_head_network_path: Path, size_hw: SizeHW, channels: int, dtype: type
) -> None:
    # A tenth of a grey level per pixel: in eight bits ten equal pixels and then a step.
    levels = 100 + 0.1 * np.arange(size_hw[1])
    truth = np.broadcast_to((levels * WHITE[dtype] / 255)[:, None], (*size_hw, channels)).astype(dtype)
    height, width = size_hw
    hole = block(size_hw, height // 3, width // 3, height // 3 + 30, width // 3 + 40)
    damaged = np.where(hole[..., None], dtype(0), truth)
    filled = Inpainter(zero_head_network_path, threads=1)(damaged, hole)
    in_hole = filled[hole].reshape(30, 40, channels).astype(float) * (255 / WHITE[dtype])
    expected = np.broadcast_to(levels[width // 3 : width // 3 + 40, None], in_hole.shape)
    np.testing.assert_allclose(in_hole, expected, atol=0.5)
    steps = np.abs(np.diff(in_hole, axis=1))
    assert steps.max() < 0.9, "a step of eight bits is 1"
    assert np.unique(in_hole).size > 300


def test_floats_beyond_black_and_white_stay_and_are_not_filled_in(inpainter: Inpainter) -> None:
    hole = block((96, 128), 30, 40, 60, 80)
    image = in_depth(photo((96, 128)), np.float32, 3)
    image[:, :64] += np.float32(0.6)
    image[:, 64:] -= np.float32(0.6)
    assert image.min() < 0 < 1 < image.max()
    filled = inpainter(image, hole)
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    assert filled[hole].min() >= 0
    assert filled[hole].max() <= 1


@depths
@pytest.mark.parametrize("channels", [2, 4])
def test_colours_below_alpha_zero_have_no_influence(inpainter: Inpainter, dtype: type, channels: int) -> None:
    image, hole = in_depth(photo((96, 128)) | np.uint8(1), dtype, channels), block((96, 128), 30, 40, 60, 80)
    other = image.copy()
    transparent = np.zeros_like(hole)
    transparent[20:60, 20:60] = transparent[70:, :] = True  # over the hole, beside it and far from it
    for picture, colour in ((image, 0), (other, WHITE[dtype])):
        picture[transparent] = colour
        picture[transparent, -1] = 0
    first, second = inpainter(image, hole), inpainter(other, hole)
    for filled, picture in ((first, image), (second, other)):
        np.testing.assert_array_equal(filled[~hole], picture[~hole])
        np.testing.assert_array_equal(filled[..., -1], picture[..., -1])
    np.testing.assert_array_equal(first[hole], second[hole])


@depths
def test_a_constant_beside_transparent_pixels_is_filled_with_the_constant(
    zero_head_network_path: Path, dtype: type
) -> None:
    image = in_depth(np.full((96, 128, 3), (200, 120, 255), np.uint8), dtype, 4)
    image[:, :50] = 0  # transparent black up to the middle of the hole
    hole = block((96, 128), 30, 40, 60, 60)
    filled = Inpainter(zero_head_network_path, threads=1)(image, hole)
    np.testing.assert_allclose(filled[hole][:, :3] * (255 / WHITE[dtype]), [[200, 120, 255]] * 600, atol=1)
    assert not filled[:30, :50].any(), "what is transparent and not marked stays as it is"


@depths
def test_a_picture_of_which_only_the_hole_is_opaque_is_refused(inpainter: Inpainter, dtype: type) -> None:
    image, hole = np.zeros((64, 80, 4), dtype), block((64, 80), 10, 10, 30, 30)
    image[hole] = WHITE[dtype]
    with pytest.raises(MaskError, match="fully transparent"):
        inpainter(image, hole)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_floats_without_a_value_are_refused(inpainter: Inpainter, value: float) -> None:
    image = in_depth(photo((64, 80)), np.float32, 3)
    image[5, 6, 2] = value
    with pytest.raises(ImageError, match=r"NaN or infinite values, 1 in all, the first at index \(5, 6, 2\)"):
        inpainter(image, block((64, 80), 10, 10, 30, 30))


# ---- where not to copy from ----


BLUE = block((192, 256), 16, 88, 88, 240)


def stripes_with_one_good_source() -> tuple[Image8, HoleMap]:
    """Red stripes in two places of a green board, a hole in one; beside it, and only there, some pixels are blue.

    ``BLUE`` is the box of the second place.
    """
    rows, columns = np.indices((192, 256))
    image = np.zeros((192, 256, 3), np.uint8)
    image[..., 1] = 255 * ((rows // 6 + columns // 6) % 2)
    for box in (block((192, 256), 18, 18, 70, 86), BLUE):
        image[box, 0] = (255 * ((rows + columns) // 4 % 2))[box]
        image[box, 1] = 60
    image[BLUE & ((rows + columns) % 8 == 1), 2] = 255
    return image, block((192, 256), 24, 24, 64, 80)


def test_nothing_is_copied_from_a_forbidden_place(zero_head_network_path: Path) -> None:
    inpainter = Inpainter(zero_head_network_path, threads=1)
    image, hole = stripes_with_one_good_source()
    assert (inpainter(image, hole)[hole, 2] > 100).mean() > 0.02, "the forbidden place is the good one"
    result = inpainter.fill(image, hole, forbid=BLUE)
    assert result.used_transfer
    assert result.image[hole, 2].max() <= 12, "a breath of blue comes with the prefill, no copy"
    np.testing.assert_array_equal(result.image[~hole], image[~hole])


def test_a_single_forbidden_pixel_is_not_copied_either(zero_head_network_path: Path) -> None:
    """On two rungs and away from the grid of tokens, so that refined offsets and the blend's margin meet it as well."""
    size_hw = (600, 1100)
    rows, columns = np.indices(size_hw)
    image = np.zeros((*size_hw, 3), np.uint8)
    image[..., 0] = 255 * ((rows + columns) // 8 % 2)
    hole = block(size_hw, 250, 480, 330, 600)
    dots = (rows % 16 == 5) & (columns % 16 == 13) & ~block(size_hw, 232, 462, 348, 618)
    image[dots, 2] = 255
    inpainter = Inpainter(zero_head_network_path, threads=1)
    assert inpainter(image, hole)[hole, 2].max() > 20
    assert inpainter(image, hole, forbid=dots)[hole, 2].max() <= 2


def test_forbidding_nothing_changes_nothing(inpainter: Inpainter) -> None:
    image, hole = photo((150, 190)), block((150, 190), 40, 50, 80, 90)
    expected = inpainter(image, hole)
    np.testing.assert_array_equal(inpainter(image, hole, forbid=np.zeros((150, 190), bool)), expected)
    np.testing.assert_array_equal(inpainter(image, hole, forbid=hole), expected)


def test_forbidden_pixels_stay_known_to_the_network(inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Float32] = []
    run = OnnxSession.run

    def watch(self: OnnxSession, prefilled: Float32, hole: HoleMap) -> NetworkResult:
        seen.append(prefilled)
        return run(self, prefilled, hole)

    monkeypatch.setattr(OnnxSession, "run", watch)
    image, hole = photo((150, 190)), block((150, 190), 40, 50, 80, 90)
    inpainter(image, hole)
    inpainter(image, hole, forbid=block((150, 190), 0, 0, 150, 100))
    np.testing.assert_array_equal(*seen)


@quiet
@pytest.mark.parametrize("size_hw", [(64, 96), (300, 1100)])
def test_forbidding_everything_leaves_the_fill_of_the_network(inpainter: Inpainter, size_hw: SizeHW) -> None:
    image, hole = photo(size_hw), block(size_hw, 20, 30, 37, 51)
    result = inpainter.fill(image, hole, forbid=np.ones(size_hw, bool))
    assert not result.used_transfer
    np.testing.assert_array_equal(result.image[~hole], image[~hole])
    assert np.abs(result.image.astype(float) - image)[hole].mean() < 40


def test_a_forbid_mask_of_another_size_is_refused_by_its_name(inpainter: Inpainter) -> None:
    with pytest.raises(MaskError, match="the forbid mask is 64 high and 81 wide, the picture 64 high and 80 wide"):
        inpainter(photo((64, 80)), block((64, 80), 1, 1, 9, 9), forbid=np.zeros((64, 81), bool))


# ---- nothing or all to fill ----


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 3), (64, 64), (5, 700)])
def test_an_empty_mask_gives_an_equal_copy(inpainter: Inpainter, size_hw: SizeHW) -> None:
    image = photo(size_hw)
    result = inpainter.fill(image, np.zeros(size_hw, np.uint8))
    np.testing.assert_array_equal(result.image, image)
    assert result.image is not image
    assert not np.shares_memory(result.image, image)
    assert (result.plan, result.hole_share, result.used_transfer) == (None, 0, False)
    assert list(result.stages_ms) == ["check"]


@pytest.mark.parametrize("size_hw", [(1, 1), (2, 3), (64, 64)])
def test_an_all_hole_mask_is_refused(inpainter: Inpainter, size_hw: SizeHW) -> None:
    with pytest.raises(MaskError, match="nothing is known"):
        inpainter(photo(size_hw), np.ones(size_hw, bool))


@quiet
@pytest.mark.parametrize("size_hw", [(1, 2), (2, 1), (3, 3), (7, 9)])
@example(seed=0)
@settings(max_examples=8)
@given(seed=st.integers(0, 1000))
def test_pictures_of_a_few_pixels(inpainter: Inpainter, size_hw: SizeHW, seed: int) -> None:
    image, hole = photo(size_hw, seed), np.random.default_rng(seed).random(size_hw) < 0.5
    hole.flat[seed % hole.size] = False
    np.testing.assert_array_equal(inpainter(image, hole)[~hole], image[~hole])


# ---- doors ----


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA", "I;16", "I", "P", "1"])
def test_pil_in_pil_out(inpainter: Inpainter, mode: str) -> None:
    image = Image.fromarray(photo((70, 90)))
    if mode.startswith("I"):
        image = Image.fromarray(photo((70, 90))[..., 0] * np.uint16(257)).convert(mode)
    elif mode != "RGB":
        image = image.convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(photo((70, 90), 2)[..., 0]))
    before, hole = image.tobytes(), block((70, 90), 20, 30, 40, 50)
    filled = inpainter(image, Image.fromarray(hole))
    assert isinstance(filled, Image.Image)
    assert filled.mode == ("RGB" if mode in ("P", "1") else mode)
    assert filled.size == (90, 70)
    np.testing.assert_array_equal(np.asarray(filled)[~hole], np.asarray(image.convert(filled.mode))[~hole])
    assert image.tobytes() == before
    assert np.asarray(filled)[hole].std() > 0
    if mode in ("LA", "RGBA"):
        np.testing.assert_array_equal(np.asarray(filled)[..., -1], np.asarray(image)[..., -1])


@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize(("out", "expected"), [(None, "my.photo-filled.png"), ("other.bmp", "other.bmp")])
def test_path_in_path_out(inpainter: Inpainter, tmp_path: Path, out: str | None, expected: str, as_text: bool) -> None:
    image, hole = photo((70, 90)), block((70, 90), 20, 30, 40, 50)
    source = tmp_path / "my.photo.png"
    write_image(source, image)
    before = source.read_bytes()
    door = str if as_text else Path
    target = inpainter(door(source), hole, out=None if out is None else door(tmp_path / out))
    assert target == tmp_path / expected
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({"my.photo.png", expected})
    np.testing.assert_array_equal(read_image(target), inpainter(image, hole))
    assert source.read_bytes() == before


def test_a_file_comes_back_with_what_it_said_unless_it_is_stripped(inpainter: Inpainter, tmp_path: Path) -> None:
    source, hole = tmp_path / "a.webp", block((70, 90), 20, 30, 40, 50)
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 3
    Image.fromarray(photo((70, 90))).save(source, lossless=True, exif=exif)
    target = inpainter(source, hole)
    assert target == tmp_path / "a-filled.webp"
    with Image.open(target) as image:
        assert dict(image.getexif()) == {0x010F: "Maker", 0x0112: 1}
    np.testing.assert_array_equal(read_image(target)[~hole], photo((70, 90))[::-1, ::-1][~hole])
    inpainter.with_options(InpaintOptions(strip=True))(source, hole, out=tmp_path / "b.webp")
    with Image.open(tmp_path / "b.webp") as image:
        assert not image.getexif()


def test_of_a_jpeg_the_widened_hole_is_written(inpainter: Inpainter, tmp_path: Path) -> None:
    source = tmp_path / "a.jpg"
    Image.fromarray(photo((70, 90))).save(source, quality=95, subsampling=0)
    hole = block((70, 90), 24, 32, 40, 48)
    options = InpaintOptions(grow_px=8, jpeg="lossless" if jpeg.is_installed() else "reencode")
    wide = inpainter.with_options(options)
    target = wide(source, hole)
    filled = wide(read_image(source), hole)
    assert np.abs(read_image(target)[16:48, 24:56].astype(int) - filled[16:48, 24:56]).mean() < 6


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [None, 3, 4])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_files_keep_their_depth_and_channels(
    inpainter: Inpainter, tmp_path: Path, dtype: type, channels: int | None, suffix: str
) -> None:
    image, hole = in_depth(photo((70, 90)), dtype, channels), block((70, 90), 20, 30, 40, 50)
    write_image(tmp_path / f"a{suffix}", image)
    target = inpainter(tmp_path / f"a{suffix}", hole, out=tmp_path / f"b{suffix}")
    written = read_image(target, as_stored=True)
    assert (written.dtype, written.shape) == (image.dtype, image.shape)
    np.testing.assert_array_equal(written, inpainter(image, hole))


def test_a_format_that_cannot_hold_the_result_is_told_before_the_work(
    inpainter: Inpainter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image(tmp_path / "a.png", in_depth(photo((70, 90)), np.uint16, 3))
    monkeypatch.setattr(Inpainter, "fill", None)
    with pytest.raises(ImageWriteError, match="is 16-bit RGB; JPEG files hold 8-bit grey, RGB"):
        inpainter(tmp_path / "a.png", block((70, 90), 20, 30, 40, 50), out=tmp_path / "b.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("wrap", [lambda image: image, Image.fromarray], ids=["array", "PIL"])
def test_out_goes_with_a_path_only(inpainter: Inpainter, tmp_path: Path, wrap: type) -> None:
    with pytest.raises(OptionError, match="it goes with a path only"):
        inpainter(wrap(photo((64, 64))), block((64, 64), 1, 1, 9, 9), out=tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def test_true_may_be_any_byte(inpainter: Inpainter) -> None:
    """As in Pillow's bitmaps, and in masks of 0 and 255 that are viewed as bool."""
    image, hole = photo((150, 190)), block((150, 190), 40, 50, 80, 90)
    expected = inpainter(image, hole)
    bitmap, view = Image.fromarray(hole), (hole * np.uint8(255)).view(bool)
    for mask in (bitmap, view):
        np.testing.assert_array_equal(inpainter(image, mask), expected)
    forbidden = block((150, 190), 0, 0, 150, 40)
    expected = inpainter(image, hole, forbid=forbidden)
    np.testing.assert_array_equal(inpainter(image, hole, forbid=(forbidden * np.uint8(255)).view(bool)), expected)


# ---- sources of an earlier fill ----


@pytest.mark.parametrize(
    ("size_hw", "preset", "channels"),
    [((192, 256), "fast", 3), ((600, 1100), "balanced", 3), ((500, 900), "best", None), ((192, 256), "fast", 4)],
)
def test_a_still_picture_comes_out_the_same_from_its_own_sources(
    inpainter: Inpainter, size_hw: SizeHW, preset: Preset, channels: int | None
) -> None:
    image, hole = in_depth(photo(size_hw) | np.uint8(1), np.uint8, channels), block(size_hw, 40, 50, 97, 121)
    forbid = block(size_hw, 0, 0, size_hw[0], 30)
    steady = inpainter.with_options(InpaintOptions(preset=preset))
    first = steady.fill(image, hole, forbid=forbid)
    assert first.sources is not None
    second = steady.fill(image, hole, forbid=forbid, sources=first.sources)
    np.testing.assert_array_equal(second.image, first.image)
    assert second.sources is first.sources
    assert second.plan is first.plan
    assert list(second.stages_ms) == STAGES


def test_with_sources_another_frame_copies_from_the_same_places(zero_head_network_path: Path) -> None:
    """In the middle of a token its own source counts for all but 2 %; of noise, the low band that is bent is little."""
    size_hw = (192, 256)
    hole = block(size_hw, 64, 80, 128, 160)
    inpainter = Inpainter(zero_head_network_path, threads=1)
    first, second = (np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), np.uint8) for seed in (1, 2))
    sources = inpainter.fill(first, hole).sources
    told = inpainter.explain(first, hole)
    middle = (told.corner_yx + np.array(told.side_yx) / 2).astype(int)
    inside = told.is_copied & hole[tuple(middle.T)]
    source = (middle + told.offset_yx)[inside]
    wanted = second[tuple(source.T)].ravel()
    followed, searched = (
        inpainter.fill(second, hole, sources=given).image[tuple(middle[inside].T)].ravel() for given in (sources, None)
    )
    assert inside.sum() > 20
    assert np.corrcoef(followed, wanted)[0, 1] > 0.8
    assert abs(np.corrcoef(searched, wanted)[0, 1]) < 0.4


def test_sources_say_how_much_detail_is_copied(zero_head_network_path: Path) -> None:
    size_hw = (192, 256)
    image, hole = np.random.default_rng(1).integers(0, 256, (*size_hw, 3), np.uint8), block(size_hw, 64, 80, 128, 160)
    inpainter = Inpainter(zero_head_network_path, threads=1)
    sources = inpainter.fill(image, hole).sources
    assert sources is not None
    sources = replace(sources, structure=None)  # which has detail of its own
    shut = replace(sources, gate=np.zeros_like(sources.gate))
    open_detail, shut_detail = (
        np.abs(np.diff(inpainter.fill(image, hole, sources=given).image[70:120, 90:150].astype(int), axis=1)).mean()
        for given in (sources, shut)
    )
    assert shut_detail < 0.2 * open_detail


def test_with_sources_noise_moves_no_copy(inpainter: Inpainter) -> None:
    size_hw = (192, 256)
    image, hole = photo(size_hw), block(size_hw, 64, 80, 128, 160)
    rng = np.random.default_rng(4)
    noisy = np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    first = inpainter.fill(image, hole)
    followed, searched = (inpainter.fill(noisy, hole, sources=sources).image for sources in (first.sources, None))
    changes = [np.abs(other[hole].astype(float) - first.image[hole]).mean() for other in (followed, searched)]
    assert changes[0] < 0.7 * changes[1]


def test_sources_keep_known_pixels_and_progress(inpainter: Inpainter) -> None:
    image, hole = photo((150, 190)), block((150, 190), 40, 50, 80, 90)
    sources = inpainter.fill(image, hole).sources
    other = photo((150, 190), seed=1)
    told: list[float] = []
    filled = inpainter.fill(other, hole, sources=sources, on_progress=lambda _stage, share: told.append(share)).image
    np.testing.assert_array_equal(filled[~hole], other[~hole])
    assert (filled[hole] != other[hole]).any()
    assert told == sorted(told)
    assert told[-1] == 1


def test_sources_of_another_size_or_hole_are_refused(inpainter: Inpainter) -> None:
    image, hole = photo((150, 190)), block((150, 190), 40, 50, 80, 90)
    sources = inpainter.fill(image, hole).sources
    with pytest.raises(
        OptionError, match=r"sources are those of a picture 150 high and 190 wide, this one is 190 high"
    ):
        inpainter.fill(photo((190, 150)), np.ascontiguousarray(hole.T), sources=sources)
    with pytest.raises(OptionError, match="sources are those of another hole"):
        inpainter.fill(image, block((150, 190), 40, 50, 80, 99), sources=sources)
    clear = np.dstack([image, np.where(block((150, 190), 0, 0, 20, 20), 0, 255).astype(np.uint8)])
    with pytest.raises(OptionError, match="or of other transparency"):
        inpainter.fill(clear, hole, sources=sources)


def test_without_a_hole_there_are_no_sources(inpainter: Inpainter) -> None:
    assert inpainter.fill(photo((64, 80)), np.zeros((64, 80), bool)).sources is None


# ---- in place ----


def test_inplace_writes_into_the_array_and_gives_it_back(inpainter: Inpainter) -> None:
    image, hole = photo((150, 190)), block((150, 190), 40, 50, 80, 90)
    expected = inpainter(image, hole)
    first, second = image.copy(), image.copy()
    assert inpainter(first, hole, inplace=True) is first
    assert inpainter.fill(second, hole, inplace=True).image is second
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(second, expected)
    assert inpainter(image, np.zeros((150, 190), bool), inplace=True) is image


def test_inplace_copies_no_picture(inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch) -> None:
    class Uncopied(np.ndarray):  # type: ignore[type-arg]
        def copy(self, order: str = "C") -> Uncopied:  # type: ignore[override]  # noqa: ARG002
            raise AssertionError("copied")

    image = photo((150, 190)).view(Uncopied)
    monkeypatch.setattr(engine, "as_image", lambda value: value)
    filled = inpainter.fill(image, block((150, 190), 40, 50, 80, 90), inplace=True).image
    assert filled is image
    with pytest.raises(AssertionError, match="copied"):
        inpainter.fill(image, block((150, 190), 40, 50, 80, 90))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_inplace_in_any_depth(inpainter: Inpainter, dtype: type, channels: int | None) -> None:
    image = np.ascontiguousarray(in_depth(photo((96, 128)) | np.uint8(1), dtype, channels))
    hole = block((96, 128), 30, 40, 60, 80)
    expected = inpainter(image, hole)
    assert inpainter(image, hole, inplace=True) is image
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("stage", STAGES)
def test_a_fill_in_place_that_is_ended_leaves_the_array_as_it_was(inpainter: Inpainter, stage: str) -> None:
    """Even at the last word, when all is computed."""
    image, hole = photo((70, 90)), block((70, 90), 20, 30, 40, 50)
    before = image.copy()

    def stop(now: str, share: float) -> None:
        if now == stage and (stage != "composite" or share == 1):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        inpainter.fill(image, hole, inplace=True, on_progress=stop)
    np.testing.assert_array_equal(image, before)


def read_only(image: Image8) -> Image8:
    image.flags.writeable = False
    return image


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (read_only, ImageError, "is read-only; pass a copy"),
        (lambda image: image[:, ::-1], ImageError, r"is a view with strides .* expected a C-contiguous array"),
        (lambda image: np.asfortranarray(image), ImageError, "expected a C-contiguous array"),
        (lambda image: image.astype(np.float64), ImageError, "dtype float64; expected"),
        (lambda image: image[..., 0], ImageError, r"is a view with strides"),
        (Image.fromarray, OptionError, "inplace is True with a picture of type Image; it goes with an array only"),
        (lambda _image: "photo.png", OptionError, "inplace is True with a picture of type str"),
    ],
)
def test_inplace_refuses_what_it_could_not_write_into(
    inpainter: Inpainter, change: Callable[[Image8], ImageLike], error: type[Exception], says: str
) -> None:
    for fill in (inpainter, inpainter.fill):
        with pytest.raises(error, match=says):
            fill(change(photo((64, 80))), block((64, 80), 1, 1, 9, 9), inplace=True)  # type: ignore[operator]


# ---- what cannot be used ----


def test_inputs_that_cannot_be_used_are_refused(inpainter: Inpainter, tmp_path: Path) -> None:
    image, hole = photo((64, 80)), block((64, 80), 1, 1, 9, 9)
    write_image(tmp_path / "a.png", image)
    for arguments, error in (
        ((image.astype(np.float32), hole), ImageError),
        ((image.astype(np.float64), hole), ImageError),
        ((image[None], hole), ImageError),
        ((None, hole), ImageError),
        ((image, hole.T), MaskError),
        ((image, None), MaskError),
        ((tmp_path / "missing.png", hole), ImageReadError),
        ((image, tmp_path / "missing.png"), ImageReadError),
    ):
        with pytest.raises(error):
            inpainter(*arguments)
    with pytest.raises(ImageWriteError):
        inpainter(tmp_path / "a.png", hole, out=tmp_path / "a.xyz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


# ---- settings ----


def test_with_options_shares_the_network(inpainter: Inpainter) -> None:
    other = inpainter.with_options(InpaintOptions(grow_px=9))
    assert other._session is inpainter._session
    assert (inpainter.options.grow_px, other.options.grow_px) == (0, 9)


@pytest.mark.parametrize(("grow_px", "pixels"), [(0, 1), (1, 5), (2, 13), (5, 81)])
def test_grow_px_widens_the_hole_by_a_disc(inpainter: Inpainter, grow_px: int, pixels: int) -> None:
    image, hole = photo((80, 80)), block((80, 80), 40, 40, 41, 41)
    result = inpainter.with_options(InpaintOptions(grow_px=grow_px)).fill(image, hole)
    assert result.hole_share * 6400 == pytest.approx(pixels)
    rows, columns = np.indices((80, 80)) - 40
    known = rows**2 + columns**2 > grow_px**2
    np.testing.assert_array_equal(result.image[known], image[known])
    assert hole.sum() == 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_feather_px_fades_in_from_what_the_photograph_shows(inpainter: Inpainter, dtype: type) -> None:
    image, hole = photo((80, 80)), block((80, 80), 30, 30, 50, 50)
    image[hole] = (255, 0, 255)
    image = (image * (np.float32(1) / 255)) if dtype is np.float32 else image * dtype(257 if dtype is np.uint16 else 1)
    results = {
        px: inpainter.with_options(InpaintOptions(feather_px=px))(image, hole).astype(float) for px in (0, 4, 512)
    }
    away = {px: np.abs(result - image)[hole].mean() for px, result in results.items()}
    assert away[0] > away[4] > 10 * away[512] > 0
    np.testing.assert_array_equal(results[4][~hole], image[~hole])
    np.testing.assert_allclose(results[4][35:45, 35:45], results[0][35:45, 35:45], atol=0)


def test_a_hole_that_grows_over_everything_is_refused(inpainter: Inpainter) -> None:
    with pytest.raises(MaskError, match=r"grown by 200 px covers the whole picture.*grow it less"):
        inpainter.with_options(InpaintOptions(grow_px=200))(photo((80, 80)), block((80, 80), 40, 40, 41, 41))


@pytest.mark.parametrize(("working_px", "rungs"), [(512, 1), (1024, 2)])
def test_working_px_limits_the_rungs(inpainter: Inpainter, working_px: int, rungs: int) -> None:
    options = InpaintOptions(working_px=working_px)
    result = inpainter.with_options(options).fill(photo((200, 1200)), block((200, 1200), 80, 500, 100, 520))
    assert result.plan is not None
    assert len(result.plan.rungs_hw) == rungs
    assert max(result.plan.working_hw) == working_px


# ---- within a limit of memory ----


def test_a_limit_lowers_working_px_and_the_plan_says_so(inpainter: Inpainter) -> None:
    image, hole = photo((600, 1100)), block((600, 1100), 200, 300, 300, 450)
    free = inpainter.fill(image, hole)
    assert free.plan is not None
    assert (free.plan.workers, free.plan.memory_mb) == (None, None)
    needed = {}
    for limit_mb in (1_000_000, 80):
        result = inpainter.with_options(InpaintOptions(max_memory_mb=limit_mb)).fill(image, hole)
        assert result.plan is not None
        assert result.plan.workers == 1
        assert result.plan.memory_mb is not None
        assert result.plan.memory_mb <= limit_mb
        needed[limit_mb] = result.plan.memory_mb
        lowered = InpaintOptions(working_px=max(result.plan.working_hw) * (2 if result.plan.enlarged else 1))
        np.testing.assert_array_equal(result.image, inpainter.with_options(lowered)(image, hole))
        assert result.plan.rungs_hw == free.plan.rungs_hw[: 2 if limit_mb > 80 else 1]
        assert bool(result.plan.enlarged) == (limit_mb > 80)
    assert needed[80] < needed[1_000_000]


def test_fewer_threads_under_a_limit_give_the_same_picture(
    tiny_network_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[int] = []
    transfer = engine.transfer

    def watch(*arguments: object, workers: Workers, **more: object) -> object:
        used.append(workers.threads)
        return transfer(*arguments, workers=workers, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "transfer", watch)
    image, hole = photo((600, 1100)), block((600, 1100), 100, 200, 500, 900)
    four = Inpainter(tiny_network_path, threads=4)
    plans = [four.with_options(InpaintOptions(max_memory_mb=1000)).fill(image, hole)]
    assert plans[0].plan is not None
    needed_mb = plans[0].plan.memory_mb
    assert needed_mb is not None
    plans.append(four.with_options(InpaintOptions(max_memory_mb=needed_mb - 1)).fill(image, hole))
    workers = [result.plan.workers for result in plans if result.plan]
    assert workers[0] == 4
    assert workers[1] in (1, 2, 3)
    assert used == workers
    assert plans[1].plan is not None
    assert plans[0].plan.rungs_hw == plans[1].plan.rungs_hw
    np.testing.assert_array_equal(plans[0].image, plans[1].image)


def test_a_limit_that_cannot_be_kept_is_refused_and_changes_nothing(inpainter: Inpainter) -> None:
    image, hole = photo((150, 190)), block((150, 190), 40, 50, 80, 90)
    before = image.copy()
    with pytest.raises(MemoryBudgetError, match=r"max_memory_mb is 3; .* takes at least [0-9]+ MB: allow that much"):
        inpainter.with_options(InpaintOptions(max_memory_mb=3)).fill(image, hole, inplace=True)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_below_one_are_refused(tiny_network_path: Path, threads: int) -> None:
    with pytest.raises(OptionError, match=f"threads is {threads}; expected a whole number from 1, or nothing"):
        Inpainter(tiny_network_path, threads=threads)


def test_the_network_can_be_chosen_and_says_what_it_is(tiny_network_path: Path, tmp_path: Path) -> None:
    facts = Inpainter(str(tiny_network_path), threads=1).network_metadata
    assert facts["training_data"] == "none"
    with pytest.raises(ModelNotFoundError):
        Inpainter(tmp_path / "missing.onnx")


@pytest.fixture
def shipped(tiny_network_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The tiny network in place of the shipped one."""
    monkeypatch.setattr(engine, "SHIPPED_NETWORK", tiny_network_path)
    engine._shipped_inpainter.cache_clear()
    yield
    engine._shipped_inpainter.cache_clear()


@pytest.mark.usefixtures("shipped")
def test_inpaint_loads_the_shipped_network_once(inpainter: Inpainter) -> None:
    image, hole = photo((70, 90)), block((70, 90), 20, 30, 40, 50)
    np.testing.assert_array_equal(inpaint(image, hole), inpainter(image, hole))
    wide = InpaintOptions(grow_px=4)
    np.testing.assert_array_equal(inpaint(image, hole, options=wide), inpainter.with_options(wide)(image, hole))
    np.testing.assert_array_equal(inpaint(image, hole), inpainter(image, hole))
    assert engine._shipped_inpainter.cache_info().misses == 1


def test_the_example_of_the_inpainter_runs_with_the_shipped_network() -> None:
    outcome = doctest.testmod(engine)
    assert outcome.attempted >= 6
    assert outcome.failed == 0


@pytest.mark.parametrize("size_hw", [(64, 33000), (33000, 40)], ids=str)
def test_pictures_longer_than_opencv_can_address(inpainter: Inpainter, size_hw: SizeHW) -> None:
    image = np.broadcast_to(np.uint8((90, 120, 30)), (*size_hw, 3)).copy()
    hole = np.zeros(size_hw, bool)
    hole[20:40, 10:30] = hole[-30:-10, -30:-10] = True
    damaged = np.where(hole[..., None], np.uint8(255), image)
    np.testing.assert_allclose(inpainter(damaged, hole).astype(int), image, atol=12)
