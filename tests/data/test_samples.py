from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from rethined.data import samples as module
from rethined.data.photos import Photo
from rethined.data.samples import Batch, Sample, Sampler, prefetch
from rethined.distance import distance_px
from rethined.resample import shrink_known
from rethined.types import HoleMap

CROP_PX = 64
REGION_PX = 2 * CROP_PX


def noise_photo(seed: int, size_hw: tuple[int, int] = (160, 200)) -> Photo:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), np.uint8)
    return Photo(f"noise {seed}", (pixels, pixels[::2, ::2], pixels[::4, ::4]))


def sampler(seed: int = 5) -> Sampler:
    return Sampler([noise_photo(1), noise_photo(2)], seed=seed, crop_px=CROP_PX)


def content(sample: Sample) -> tuple[bytes, ...]:
    return tuple(np.asarray(getattr(sample, field.name)).tobytes() for field in dataclasses.fields(sample))


@pytest.fixture
def planted_hole(monkeypatch: pytest.MonkeyPatch) -> HoleMap:
    """A hole on even pixels, so that every pixel at half scale is either known or not."""
    hole = np.zeros((REGION_PX, REGION_PX), bool)
    hole[20:52, 70:96] = hole[88:90, 10:60] = True
    monkeypatch.setattr(module, "draw_hole", lambda *_, **__: hole)
    return hole


def test_a_sample_is_a_function_of_seed_and_number() -> None:
    drawn = [content(sampler().draw(index)) for index in range(6)]
    backwards = sampler()
    assert [content(backwards.draw(index)) for index in reversed(range(6))] == drawn[::-1]
    assert [content(sample) for sample in sampler().batch(2, 3).samples] == drawn[2:5]
    assert len(set(drawn)) == 6
    assert content(sampler(seed=6).draw(0)) != drawn[0]


def test_batches_count_samples() -> None:
    batch = sampler().batch(10, 3)
    assert (len(batch.samples), batch.position) == (3, 13)


@pytest.mark.parametrize("index", range(8))
def test_shapes_types_and_ranges(index: int) -> None:
    sample = sampler().draw(index)
    square = (CROP_PX, CROP_PX)
    for name, shape, dtype in (
        ("coarse_known", (*square, 3), np.uint8),
        ("coarse_open", square, np.bool_),
        ("coarse_hole", square, np.bool_),
        ("coarse_target", (*square, 3), np.uint8),
        ("fine_target", (*square, 3), np.uint8),
        ("fine_hole", square, np.bool_),
    ):
        array = getattr(sample, name)
        assert (array.shape, array.dtype) == (shape, dtype), name
    assert sample.coarse_target.std() > 2
    assert (sample.coarse_known[sample.coarse_hole] == 0).all()


@pytest.mark.parametrize("index", range(6))
def test_both_scales_see_the_same_hole_and_the_same_picture(index: int, planted_hole: HoleMap) -> None:
    sample = sampler().draw(index)
    y, x = sample.corner_yx
    np.testing.assert_array_equal(sample.coarse_hole, planted_hole[::2, ::2])
    np.testing.assert_array_equal(sample.fine_hole, planted_hole[y : y + CROP_PX, x : x + CROP_PX])
    known = ~sample.coarse_hole
    np.testing.assert_array_equal(sample.coarse_known[known], sample.coarse_target[known])
    assert (sample.coarse_known[~known] == 0).all()
    means = sample.fine_target.reshape(CROP_PX // 2, 2, CROP_PX // 2, 2, 3).mean((1, 3))
    part = sample.coarse_target[y // 2 : (y + CROP_PX) // 2, x // 2 : (x + CROP_PX) // 2]
    np.testing.assert_allclose(part, means, atol=1)


def test_hole_colours_never_reach_what_is_known(planted_hole: HoleMap, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other colours in the hole change nothing but the targets."""
    before = sampler().draw(3)
    draw = Sampler._draw_region

    def spoilt(self: Sampler, photo: Photo, region_px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        region = draw(self, photo, region_px, rng).copy()
        region[planted_hole] = 255 - region[planted_hole]
        return region

    monkeypatch.setattr(Sampler, "_draw_region", spoilt)
    after = sampler().draw(3)
    np.testing.assert_array_equal(after.coarse_known, before.coarse_known)
    assert (after.coarse_target != before.coarse_target).any()


def test_crops_lie_inside_on_the_token_grid_and_hold_some_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    """One token of hole: every crop holds it, wherever it lies."""
    rng = np.random.default_rng(0)

    def one_token(*_: object, **__: object) -> HoleMap:
        hole = np.zeros((REGION_PX, REGION_PX), bool)
        y, x = 8 * rng.integers(REGION_PX // 8, size=2)
        hole[y : y + 8, x : x + 8] = True
        return hole

    monkeypatch.setattr(module, "draw_hole", one_token)
    drawn = [sampler().draw(index) for index in range(150)]
    corners = {sample.corner_yx for sample in drawn}
    assert len(corners) > 30
    for y, x in corners:
        assert y % 8 == x % 8 == 0
        assert 0 <= min(y, x) <= max(y, x) <= REGION_PX - CROP_PX
    assert all(sample.fine_hole.sum() == 64 for sample in drawn)


def test_a_hole_too_thin_for_the_grid_is_cropped_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    hole = np.zeros((REGION_PX, REGION_PX), bool)
    hole[3, 1:7] = True
    monkeypatch.setattr(module, "draw_hole", lambda *_, **__: hole)
    corners = {sampler().draw(index).corner_yx for index in range(20)}
    assert len(corners) > 10
    assert all(y % 8 == x % 8 == 0 and max(y, x) <= REGION_PX - CROP_PX for y, x in corners)


@pytest.mark.parametrize(("weights", "seen"), [(None, {10, 200}), ([1, 0], {10}), ([0, 3], {200})])
def test_weights_choose_photographs(weights: list[float] | None, seen: set[int]) -> None:
    photos = [Photo(str(value), (np.full((160, 160, 3), value, np.uint8),)) for value in (10, 200)]
    chosen = Sampler(photos, seed=0, crop_px=32, weights=weights)
    # Exposure and balance change values a little.
    values = [chosen.draw(index).fine_target.mean() for index in range(12)]
    assert {min((10, 200), key=lambda value: abs(value - mean)) for mean in values} == seen


def test_a_share_of_samples_is_drawn_and_leaves_the_others_to_photographs() -> None:
    photo = Photo("grey", (np.full((160, 160, 3), 128, np.uint8),))

    def drawn(share: float) -> list[bool]:
        chosen = Sampler([photo], seed=0, crop_px=32, procedural_share=share)
        return [bool(np.ptp(chosen.draw(index).fine_target, axis=(0, 1)).max() > 0) for index in range(60)]

    assert not any(drawn(0))
    assert all(drawn(1))
    assert 0.1 < np.mean(drawn(0.3)) < 0.5
    assert drawn(0.3) == drawn(0.3)


def test_photographs_smaller_than_a_region_are_enlarged() -> None:
    sample = Sampler([noise_photo(1, (100, 90))], seed=0, crop_px=CROP_PX).draw(0)
    assert sample.fine_target.shape == (CROP_PX, CROP_PX, 3)


# ---- prefetching ----


class Counting(Sampler):
    """Empty batches, and an error at a chosen place."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.fails_at = fails_at

    def batch(self, start: int, count: int) -> Batch:
        if self.fails_at is not None and start >= self.fails_at:
            raise RuntimeError(f"broken at {start}")
        return Batch((), start + count)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    assert "rethined-samples" not in {thread.name for thread in threading.enumerate()}


def test_batches_come_in_order_from_where_a_run_stopped() -> None:
    batches = prefetch(Counting(), start=40, count=4, depth=2)
    assert [next(batches).position for _ in range(7)] == [44, 48, 52, 56, 60, 64, 68]
    assert "rethined-samples" in {thread.name for thread in threading.enumerate()}
    batches.close()


def test_prefetched_batches_are_the_samplers_own() -> None:
    batches = prefetch(sampler(), start=3, count=2)
    batch = next(batches)
    batches.close()
    assert [content(sample) for sample in batch.samples] == [content(s) for s in sampler().batch(3, 2).samples]


def test_shares_are_together_what_one_process_draws() -> None:
    whole = prefetch(sampler(), start=5, count=4)
    shares = [prefetch(sampler(), start=5, count=4, share=(part, 2)) for part in range(2)]
    for _ in range(2):
        expected = next(whole)
        batches = [next(batches) for batches in shares]
        drawn = [content(sample) for batch in batches for sample in batch.samples]
        assert drawn == [content(sample) for sample in expected.samples]
        assert [batch.position for batch in batches] == [expected.position] * 2
    for batches in (whole, *shares):
        batches.close()


def test_errors_of_the_thread_reach_the_consumer_after_the_good_batches() -> None:
    batches = prefetch(Counting(fails_at=4), start=0, count=2)
    assert [next(batches).position for _ in range(2)] == [2, 4]
    with pytest.raises(RuntimeError, match="broken at 4"):
        next(batches)
    with pytest.raises(StopIteration):
        next(batches)


@pytest.mark.parametrize("side_px", [96, 20])
def test_a_share_of_samples_begins_with_copies_where_the_hole_is_deep(
    side_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    hole = np.zeros((256, 256), bool)
    hole[64 : 64 + 2 * side_px, 48 : 48 + 2 * side_px] = True
    monkeypatch.setattr(module, "draw_hole", lambda *_, **__: hole)
    photo = noise_photo(3, (256, 256))
    plain, copied, again = (Sampler([photo], seed=0, crop_px=128, copied_share=share).draw(4) for share in (0, 1, 1))
    deep = distance_px(plain.coarse_hole, 100) >= 24
    assert deep.any() == (side_px == 96)
    np.testing.assert_array_equal(plain.coarse_open, plain.coarse_hole)
    np.testing.assert_array_equal(copied.coarse_open, plain.coarse_hole & ~deep)
    np.testing.assert_array_equal(copied.coarse_known[~deep], plain.coarse_known[~deep])
    assert (plain.coarse_known[deep] == 0).all()
    assert not deep.any() or copied.coarse_known[deep].std() > 10, "noise is copied as noise"
    for name in ("coarse_hole", "coarse_target", "fine_target", "fine_hole", "corner_yx"):
        np.testing.assert_array_equal(getattr(copied, name), getattr(plain, name))
    assert content(again) == content(copied)


def test_a_share_of_samples_has_a_fine_view_that_is_the_coarse_one_enlarged(planted_hole: HoleMap) -> None:
    photos = [noise_photo(1), noise_photo(2)]
    plain, enlarged, again = (
        Sampler(photos, seed=5, crop_px=CROP_PX, enlarged_share=share).draw(4) for share in (0, 1, 1)
    )
    for name in ("coarse_known", "coarse_hole", "coarse_open", "coarse_target"):
        np.testing.assert_array_equal(getattr(enlarged, name), getattr(plain, name))
    y, x = enlarged.corner_yx
    fine = np.s_[y : y + CROP_PX, x : x + CROP_PX]
    np.testing.assert_array_equal(enlarged.fine_hole, planted_hole[fine])
    doubled = cv2.resize(enlarged.coarse_target, (REGION_PX, REGION_PX), interpolation=cv2.INTER_LINEAR)[fine]
    beside = cv2.dilate(planted_hole.astype(np.uint8), np.ones((5, 5)))[fine] > 0
    np.testing.assert_array_equal(enlarged.fine_target[enlarged.fine_hole], doubled[enlarged.fine_hole])
    np.testing.assert_allclose(enlarged.fine_target[~beside].astype(int), doubled[~beside], atol=1)
    assert content(again) == content(enlarged)


def test_nothing_of_the_truth_is_mixed_into_what_lies_beside_an_enlarged_hole(planted_hole: HoleMap) -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 256, (CROP_PX, CROP_PX, 3), np.uint8)
    size_hw = (CROP_PX, CROP_PX)
    coarse = shrink_known(target.repeat(2, 0).repeat(2, 1), planted_hole, size_hw)
    other = np.where(coarse.hole[..., None], 255 - target, target)
    (one, hole), (two, _) = (module._enlarged(truth, coarse) for truth in (target, other))
    np.testing.assert_array_equal(one[~hole], two[~hole])
    assert (one[hole] != two[hole]).mean() > 0.9
