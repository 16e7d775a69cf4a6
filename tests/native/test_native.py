"""Each compiled loop against the NumPy that it stands in for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rethined import Inpainter, InpaintOptions, native, regions
from rethined.composite import paste
from rethined.detail import DetailLevels, detail_levels, no_detail
from rethined.errors import InstallationError
from rethined.fullsize import Source, fill_pixels
from rethined.matching import corrupted_tokens
from rethined.native import (
    Between,
    BlendTables,
    Copying,
    FilledPixels,
    Loops,
    Region,
    Seam,
    Shrinking,
    SmallPictures,
    Windows,
)
from rethined.native.tables import cells_of
from rethined.offsets import OffsetField, _Search, choose_offsets, near_offsets
from rethined.pieces import hole_and_rim, in_numbers
from rethined.regions import group_holes
from rethined.resample import shrink_any, shrink_known, spread
from rethined.taps import Blend
from rethined.transfer import copy_small
from rethined.types import SizeHW
from rethined.workers import SERIAL, Workers

needs_loops = pytest.mark.skipif(native.loops() is None, reason="the package was installed without a C compiler")
SIZES = [((64, 96), (64, 96)), ((131, 200), (64, 96)), ((517, 300), (96, 64))]
WHITES = {"uint8": 255, "uint16": 65535, "float32": 1.0}


def both(monkeypatch: pytest.MonkeyPatch, work):  # noqa: ANN001, ANN201
    """What some work gives by compiled loops, and without them."""
    compiled = work()
    with monkeypatch.context() as without:
        without.setattr(native, "loops", lambda: None)
        return compiled, work()


def picture_of(rng: np.random.Generator, size_hw: tuple[int, int], channels: int, dtype: str) -> np.ndarray:
    white = WHITES[dtype]
    return (rng.random((*size_hw, channels)) * white).astype(dtype)


def blend_of(
    rng: np.random.Generator,
    size_hw: tuple[int, int],
    small_hw: tuple[int, int],
    channels: int = 3,
    dtype: str = "uint8",
) -> Blend:
    """Copies from all over a picture, some from beyond it and some from what is barred."""
    tokens_hw = (small_hw[0] // 8, small_hw[1] // 8)
    offsets = rng.integers(-small_hw[0], small_hw[0], (*tokens_hw, 2)).astype(np.int32)
    # Some neighbours agree: what they point at is one copy.
    offsets[:, 1::2] = offsets[:, ::2]
    field = OffsetField(offsets, rng.random(tokens_hw) < 0.8)
    scale_yx = (size_hw[0] / small_hw[0], size_hw[1] / small_hw[1])
    gate = rng.random(tokens_hw).astype(np.float32)
    picture = picture_of(rng, size_hw, channels, dtype)
    return Blend(picture, rng.random(size_hw) < 0.2, field, scale_yx, gate, white=WHITES[dtype])


@needs_loops
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_taps_are_equal(
    sizes: tuple[tuple[int, int], tuple[int, int]],
    dtype: str,
    channels: int,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    y, x = (rng.integers(0, side, 5000).astype(np.int32) for side in sizes[0])
    state = rng.bit_generator.state

    def taps():  # noqa: ANN202
        rng.bit_generator.state = state
        return blend_of(rng, *sizes, channels, dtype).at(y, x)

    compiled, twin = both(monkeypatch, taps)
    assert 0.1 < twin.is_valid.mean() < 1
    assert (twin.norm < 0.99).any()
    for name in ("mean", "norm", "is_valid", "gate"):
        np.testing.assert_array_equal(getattr(compiled, name), getattr(twin, name), err_msg=name)


@needs_loops
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize(("channels", "dtype"), [(3, "uint8"), (1, "uint16"), (3, "float32")])
def test_pixels_of_holes_are_equal(
    sizes: tuple[tuple[int, int], tuple[int, int]],
    channels: int,
    dtype: str,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size_hw, small_hw = sizes
    hole = rng.random(size_hw) < 0.002
    hole[10:40, 20:60] = hole[0:3, 70:] = True
    hole[45:, 5:9] = True
    unknown = hole | (rng.random(size_hw) < 0.05)
    groups = group_holes(shrink_any(unknown, small_hw))
    copied, membrane = (rng.uniform(-20, 255, (*small_hw, channels)).astype(np.float32) for _ in range(2))
    state = rng.bit_generator.state

    def fill() -> FilledPixels:
        rng.bit_generator.state = state
        blend = blend_of(rng, size_hw, small_hw, channels, dtype)
        source = Source(blend, SmallPictures(copied, membrane, Between(size_hw, small_hw)))
        return fill_pixels(source, blend.tables.colours, hole, unknown, groups)

    compiled, twin = both(monkeypatch, fill)
    assert len(twin.y) == np.count_nonzero(hole)
    for name in ("y", "x"):
        np.testing.assert_array_equal(getattr(compiled, name), getattr(twin, name), err_msg=name)
    # OpenCV interpolates in steps of 1/32 of a cell.
    gap = np.abs(compiled.colours - twin.colours)
    assert gap.max() < 275 / 32 * 4
    assert gap.mean() < 275 / 32 / 4


@needs_loops
@pytest.mark.parametrize("tile_px", [64, 512])
def test_pixels_of_holes_are_equal_where_grids_meet_in_steps_that_opencv_has(
    tile_px: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regions, "TILE_PX", tile_px)
    size_hw, small_hw = (256, 384), (64, 96)
    hole = np.zeros(size_hw, bool)
    hole[30:90, 40:200] = True
    groups = group_holes(shrink_any(hole, small_hw))
    copied, membrane = (rng.uniform(-20, 255, (*small_hw, 3)).astype(np.float32) for _ in range(2))
    state = rng.bit_generator.state

    def fill() -> FilledPixels:
        rng.bit_generator.state = state
        blend = blend_of(rng, size_hw, small_hw)
        source = Source(blend, SmallPictures(copied, membrane, Between(size_hw, small_hw)))
        return fill_pixels(source, blend.tables.colours, hole, hole, groups)

    compiled, twin = both(monkeypatch, fill)
    assert len(twin.y) == np.count_nonzero(hole)
    for name in ("y", "x"):
        np.testing.assert_array_equal(getattr(compiled, name), getattr(twin, name), err_msg=name)
    np.testing.assert_allclose(compiled.colours, twin.colours, atol=1e-3)


@needs_loops
@given(st.integers(0, 2**32 - 1), st.sampled_from(["uint8", "uint16", "float32"]), st.sampled_from([1, 2, 3, 4]))
def test_pasted_pixels_are_equal(seed: int, dtype: str, channels: int) -> None:
    rng = np.random.default_rng(seed)
    picture = picture_of(rng, (17, 23), channels, dtype)
    place = rng.permutation(17 * 23)[:200].astype(np.int32)
    y, x = np.divmod(place, np.int32(23))
    colours = rng.uniform(-60, 320, (200, 1 if channels < 3 else 3)).astype(np.float32)
    colours[:50] = np.rint(colours[:50]) + np.float32(0.5)  # ties go to the even neighbour
    monkeypatch = pytest.MonkeyPatch()
    compiled, twin = both(monkeypatch, lambda: paste(picture, y, x, colours))
    np.testing.assert_array_equal(compiled, twin)
    assert (compiled.reshape(17 * 23, -1)[place] != picture.reshape(17 * 23, -1)[place]).any()


@needs_loops
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1, 3]),
    st.sampled_from([None, 1, 3, 9]),
    st.integers(0, 2**32 - 1),
)
@example(1, 1, 3, None, 0)
@example(1, 1, 1, None, 3)
def test_spreading_is_equal(height: int, width: int, channels: int, levels: int | None, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.uniform(-100, 255, (height, width, channels)).astype(np.float32)
    weight = (rng.random((height, width)) * (rng.random((height, width)) < rng.random())).astype(np.float32)
    if rng.random() < 0.5:
        weight *= np.float32(0.05)
    else:
        weight[rng.random((height, width)) < rng.random()] = 1
    with pytest.MonkeyPatch.context() as monkeypatch:
        compiled, twin = both(monkeypatch, lambda: spread(values, weight, levels=levels))
    np.testing.assert_allclose(compiled, twin, rtol=1e-4, atol=1e-2)


@needs_loops
@pytest.mark.parametrize("contrast", [0, 0.7])
@pytest.mark.parametrize("tile_px", [64, 512])
def test_copies_at_the_networks_size_are_equal(
    contrast: float, tile_px: int, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regions, "TILE_PX", tile_px)
    filled = rng.uniform(0, 255, (160, 256, 3)).astype(np.float32)
    touched = rng.random((160, 256)) > 0.999
    touched[20:75, 30:170] = touched[130:160, 220:256] = True
    field = OffsetField(
        rng.integers(-160, 160, (20, 32, 2)).astype(np.int32), corrupted_tokens(touched) & (rng.random((20, 32)) < 0.9)
    )
    gate = rng.random((20, 32)).astype(np.float32)
    asked = 4 * rng.random((20, 32), np.float32)

    def copy() -> tuple[np.ndarray, np.ndarray]:
        return copy_small(filled, touched, field, gate, asked, barred=touched, contrast=contrast)

    compiled, twin = both(monkeypatch, copy)
    assert (np.abs(twin[1]) > 1).mean() > 0.1
    for got, expected in zip(compiled, twin, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-2)


@needs_loops
@given(st.integers(0, 2**32 - 1), st.tuples(st.integers(32, 400), st.integers(32, 700)), st.sampled_from([0, 0.1, 0.6]))
@example(0, (64, 640), 0.1)  # wider than what is looked at side by side
def test_hole_and_rim_are_told_alike(seed: int, size_hw: SizeHW, unknown_share: float) -> None:
    rng = np.random.default_rng(seed)
    hole = np.zeros(size_hw, bool)
    for _ in range(4):
        top, left = rng.integers(0, size_hw)
        hole[top : top + rng.integers(1, 90), left : left + rng.integers(1, 300)] = True
    unknown = hole | (rng.random(size_hw) < unknown_share)
    small_hw = (-(-size_hw[0] // 96) * 32, -(-size_hw[1] // 96) * 32)
    groups = group_holes(shrink_any(hole, small_hw))
    with pytest.MonkeyPatch.context() as smaller:
        smaller.setattr(regions, "TILE_PX", 128)
        pieces = list(groups.pieces(size_hw, margin_px=32))
    loops = native.loops()
    assert loops is not None
    told = loops.tell(Region(hole, unknown, groups.labels), in_numbers(pieces))
    ends = np.cumsum(cells_of(told.pieces))
    for piece, kind, counts in zip(pieces, np.split(told.kind, ends[:-1]), told.counts, strict=True):
        box = piece.around
        kind = kind.reshape(box.height + 2, box.width + 2)
        y, x = hole_and_rim(hole, unknown, groups, piece)
        np.testing.assert_array_equal(np.argwhere(kind), np.stack([y - box.top + 1, x - box.left + 1], 1))
        np.testing.assert_array_equal(kind[1:-1, 1:-1] == 1, hole[box.slices] & (kind[1:-1, 1:-1] > 0))
        owned = int((hole[y, x] & piece.owns(y, x)).sum())
        assert counts[:2].tolist() == [owned, int((kind == 2).sum())]
        if len(y):
            assert counts[2:].tolist() == [y.min() - box.top, x.min() - box.left, y.max() - box.top, x.max() - box.left]


@needs_loops
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.integers(1, 30), st.floats(0, 1), st.booleans())
def test_near_offsets_are_equal(seed: int, rows: int, columns: int, share: float, diagonals: bool) -> None:
    rng = np.random.default_rng(seed)
    corrupted, forbidden = rng.random((rows, columns)) < share, rng.random((rows, columns)) < 0.1
    compiled = near_offsets(corrupted, forbidden, diagonals=diagonals)
    with pytest.MonkeyPatch.context() as without:
        without.setattr(native, "loops", lambda: None)
        np.testing.assert_array_equal(compiled, near_offsets(corrupted, forbidden, diagonals=diagonals))


@needs_loops
@pytest.mark.parametrize("size_hw", [(8, 8), (8, 200), (136, 8), (160, 264)])
def test_detail_is_equal(size_hw: SizeHW, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = rng.uniform(0, 255, (*size_hw, 3)).astype(np.float32)
    touched = rng.random(size_hw) > 0.8
    touched[:, :12] = True
    compiled, twin = both(monkeypatch, lambda: detail_levels(picture, touched, workers=Workers(2)))
    for got, expected in zip(compiled, twin, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-3)


@needs_loops
@pytest.mark.parametrize(("agree_rounds", "trust_px"), [(0, None), (3, None), (3, 8.0)])
@pytest.mark.parametrize("seed", range(4))
def test_offsets_are_equal(
    agree_rounds: int, trust_px: float | None, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.uniform(0, 255, (96, 128, 3)).astype(np.float32)
    touched = rng.random((96, 128)) > 0.998
    touched[0:20, 0:30] = touched[60:96, 90:128] = True
    corrupted = corrupted_tokens(touched)
    start = rng.integers(-90, 90, (int(corrupted.sum()), 6, 2)).astype(np.int32)
    detail = detail_levels(picture, touched)

    def choose() -> OffsetField:
        return choose_offsets(
            picture, touched, corrupted, start, detail=detail, agree_rounds=agree_rounds, trust_px=trust_px
        )

    compiled, twin = both(monkeypatch, choose)
    assert twin.is_set.any()
    np.testing.assert_array_equal(compiled.is_set, twin.is_set)
    np.testing.assert_array_equal(compiled.offset_yx, twin.offset_yx)


@needs_loops
def test_offsets_cost_the_same_at_the_borders_too(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    picture = rng.uniform(0, 255, (64, 96, 3)).astype(np.float32)
    touched = rng.random((64, 96)) > 0.9
    corners = np.ascontiguousarray(np.argwhere(np.ones((8, 12), bool)) * 8, np.int32)
    # To each corner and edge of the picture, to its middle, a second time to the first, and out of it on each side.
    inside = [(y, x) for y in (0, 29, 56) for x in (0, 41, 88)]
    to_yx = np.array([*inside, inside[0], (-1, 9), (57, 9), (9, -1), (9, 89)], np.int32)
    wanted = rng.random((96, len(to_yx))) > 0.05
    is_free = rng.random((57, 89)) > 0.05
    is_free[tuple(np.transpose(inside))] = True
    detail = DetailLevels(*(rng.random(size_hw).astype(np.float32) for size_hw in ((64, 96), (8, 12))))

    def costs() -> list[np.ndarray]:
        search = _Search(picture, touched, is_free, corners, detail, 6, SERIAL)
        weight = np.where(search.is_hole, search.weight, np.uint8(127))
        windows = Windows(~search.is_hole, search.own[::-1].copy(), weight)
        return [
            search.cost(to_yx - corners[:, None], *which, wanted=wanted)
            for which in ((search._windows,), (search._windows, windows))
        ]

    for compiled, twin in zip(*both(monkeypatch, costs), strict=True):
        assert np.isfinite(twin[:, :9]).mean() > 0.9
        assert np.isinf(twin[:, 10:]).all()
        assert np.isinf(twin[wanted[:, 0], 9]).all()
        np.testing.assert_array_equal(compiled, twin)


@needs_loops
@pytest.mark.parametrize("preset", ["fast", "balanced"])
def test_fills_are_equal(
    preset: str, tiny_network_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = np.kron(rng.integers(0, 256, (50, 70, 3), np.uint8), np.ones((14, 14, 1), np.uint8))
    mask = np.zeros(photo.shape[:2], bool)
    mask[200:330, 300:420] = mask[500:505, :] = True
    inpainter = Inpainter(tiny_network_path, options=InpaintOptions(preset=preset), threads=2)
    compiled, twin = both(monkeypatch, lambda: inpainter(photo, mask))
    assert np.abs(compiled.astype(int) - twin)[mask].mean() < 0.02


@needs_loops
def test_what_does_not_fit_is_refused_before_it_reaches_c(rng: np.random.Generator) -> None:
    loops = native.loops()
    assert loops is not None
    tables = blend_of(rng, (64, 96), (64, 96)).tables
    inside = np.zeros(4, np.int32)
    with pytest.raises(IndexError, match=r"pixels from 0 to 64 along an axis of 64"):
        loops.blend(tables, np.array([0, 64], np.int32), inside[:2])
    with pytest.raises(IndexError, match=r"pixels from -1"):
        loops.blend(tables, inside, inside - 1)
    with pytest.raises(TypeError, match=r"an array of int64 \(4,\).*expected int32 \(4,\)"):
        loops.blend(tables, inside.astype(np.int64), inside)
    with pytest.raises(TypeError, match=r"C-contiguous: False"):
        loops.blend(tables, np.zeros(8, np.int32)[::2], inside)
    picture = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(IndexError):
        loops.paste(picture, 255, inside + 8, inside, np.zeros((4, 3), np.float32), SERIAL)
    flat = np.zeros((8, 8), bool)
    region = Region(flat, flat, np.zeros((2, 2), np.int32))
    with pytest.raises(IndexError, match="boxes up to"):
        loops.tell(region, np.array([[1, 0, 0, 8, 8, 0, 0, 8, 9, 0]]))
    everything = np.array([[1, 0, 0, 64, 96, 0, 0, 64, 96, 0]])
    full = np.ones((64, 96), bool)
    region = Region(full, full, np.ones((2, 2), np.int32))
    told = loops.tell(region, everything)
    assert told.counts.tolist() == [[64 * 96, 0, 0, 0, 63, 95]]
    small = np.zeros((64, 96, 3), np.float32)
    source, seam = SmallPictures(small, small, Between((64, 96), (64, 96))), Seam(0.3, 4, 3)
    with pytest.raises(IndexError, match="there is room for"):
        loops.fill(tables, source, seam, told, FilledPixels.empty(64 * 96, 3), 1)
    with pytest.raises(TypeError, match="0 levels"):
        loops.fill(tables, source, Seam(0.3, 4, 0), told, FilledPixels.empty(64 * 96, 3), 0)
    copying = Copying(full, small, small, 0.2, 0, 4, 3)
    with pytest.raises(TypeError, match="a picture of uint8"):
        loops.copy(tables, copying, region, everything)
    tables = blend_of(rng, (64, 96), (64, 96), dtype="float32").tables
    with pytest.raises(IndexError, match="boxes up to"):
        loops.copy(tables, copying, region, everything + 1)
    with pytest.raises(TypeError, match="2 channels"):
        loops.spread(small[..., :2], small[..., 0], None, 4)
    with pytest.raises(TypeError, match="expected float32"):
        loops.spread(small, small[:9, :, 0], None, 4)
    for size_hw in ((65, 96), (64, 0)):
        with pytest.raises(TypeError, match="of 64 x 96 pixels of 3 channels"):
            loops.shrink(Shrinking(small, full, size_hw), SERIAL)
    picture = rng.uniform(0, 255, (64, 96, 3)).astype(np.float32)
    corners = np.array([[0, 0], [8, 8]], np.int32)
    search = _Search(picture, full, np.ones((57, 89), bool), corners, no_detail((64, 96)), 43, SERIAL)
    to_yx, wanted = np.zeros((2, 5, 2), np.int32), np.ones((2, 5), bool)
    windows = [Windows(search.is_hole, search.own, search.weight)]
    for too_few_or_many in ([], windows * 3):
        with pytest.raises(TypeError, match="windows; expected 1 to 2"):
            loops.cost(search._tables, too_few_or_many, to_yx, wanted, SERIAL)
    with pytest.raises(TypeError, match=r"windows of .* tokens; there are 2"):
        loops.cost(
            search._tables, [Windows(search.is_hole[:1], search.own[:1], search.weight[:1])], to_yx, wanted, SERIAL
        )
    with pytest.raises(TypeError):
        loops.cost(search._tables, windows, to_yx[:, :4], wanted, SERIAL)
    grey, tokens = search.grey, np.zeros(4, np.int32)
    for moved_yx, token in ((corners + 57, tokens), (-corners - 1, tokens), (corners, tokens + 2)):
        with pytest.raises(IndexError, match="along an axis of"):
            loops.copied(grey, grey, full, corners, moved_yx, 0.75, token, SERIAL)
    with pytest.raises(TypeError, match="95 px wide"):
        loops.lay(np.ascontiguousarray(grey[:, 1:]), grey, SERIAL, is_mean=True)
    with pytest.raises(TypeError, match=r"expected uint8 \(72, 2, 52, 4\)"):
        loops.lay(grey, grey, SERIAL, is_mean=True)
    with pytest.raises(TypeError, match="a picture of 60 x 96; expected multiples of 8"):
        loops.detail(picture[:60], full[:60], SERIAL)
    with pytest.raises(TypeError):
        loops.detail(picture[..., :2].copy(), full, SERIAL)
    with pytest.raises(IndexError, match="along an axis of 8"):
        loops.walk(full[:8], corners + 1, corners + 1, 2, 9)
    with pytest.raises(ValueError, match="leads nowhere"):
        loops.walk(full, corners, corners, 2, 9)


@needs_loops
def test_limits_that_do_not_fit_are_refused_before_they_reach_c() -> None:
    compiled = native.loops()
    assert compiled
    picture, hole = np.zeros((16, 24, 3), np.float32), np.zeros((16, 24), bool)
    low, high = compiled.extremes(picture, hole, 0.49)
    assert low.shape == high.shape == (4, 6, 3)
    with pytest.raises(TypeError, match="a picture of 15 x 24; expected multiples of 4"):
        compiled.extremes(picture[:15], hole[:15], 0.49)
    with pytest.raises(TypeError):
        compiled.extremes(picture, hole[:, :20].copy(), 0.49)
    with pytest.raises(TypeError):
        compiled.write(picture.reshape(3, 16, 24), 1, hole, low[:3].copy(), high, picture)
    with pytest.raises(TypeError):
        compiled.write(picture, 1, hole, low, high, picture)


def test_without_a_library_there_are_no_loops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "LIBRARY", tmp_path / "loops.so")
    native.loops.cache_clear()
    try:
        assert native.loops() is None
    finally:
        native.loops.cache_clear()


def test_a_library_that_is_none_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "loops.so"
    broken.write_bytes(b"not a library")
    with pytest.raises(InstallationError, match="cannot be used"):
        Loops(broken)


def test_a_library_of_another_version_is_an_error(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    names = "".join(f"void rethined_{name}(void) {{}}\n" for name in native._ARGUMENTS)
    source, library = tmp_path / "other.c", tmp_path / "other.so"
    source.write_text(f"int rethined_loops_version(void) {{ return 0; }}\n{names}")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
    with pytest.raises(InstallationError, match=f"version 0, expected {native.VERSION}"):
        Loops(library)


def test_tables_are_those_of_the_picture() -> None:
    """Forms that differ are found when addresses are taken, whatever C would have made of them."""
    empty = np.zeros((4, 4), bool)
    tables = BlendTables(
        np.zeros((4, 4, 3), np.uint8),
        empty,
        *(np.zeros(1, np.int32) for _ in range(2)),
        *(np.zeros(1, np.float32) for _ in range(2)),
        [(np.zeros(4, np.int32), np.ones(4, np.float32))] * 2,
        [(np.zeros(5, np.int32), np.ones(5, np.float32))] * 2,
        columns=1,
        gain=1.0,
    )
    with pytest.raises(TypeError, match=r"expected int32 \(4,\)"):
        tables.in_c  # noqa: B018


@needs_loops
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("small_hw", [(131, 200), (64, 96), (33, 57), (131, 96), (13, 20), (5, 3), (1, 1)])
def test_pictures_shrink_to_the_same(
    small_hw: tuple[int, int], channels: int, dtype: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture_of(rng, (131, 200), channels, dtype)
    hole = rng.random((131, 200)) < 0.002
    hole[20:70, 30:90] = hole[0:9, :] = hole[:, 199] = True
    if dtype == "float32":
        image[hole] = np.nan
        image[~hole] *= 3
    compiled, twin = both(monkeypatch, lambda: shrink_known(image, hole, small_hw))
    np.testing.assert_array_equal(compiled.hole, twin.hole)
    np.testing.assert_array_equal(compiled.touched, twin.touched)
    # Sums are rounded to whole levels in pictures of 8 bits; half a level may go either way.
    gap = np.abs(compiled.image - twin.image)
    assert gap.max() < (4 if dtype == "uint8" else 0.05)
    assert gap.mean() < 0.01


@needs_loops
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("small_hw", [(33, 57), (13, 20)])
def test_pictures_of_which_hardly_anything_is_known_shrink_to_the_same(
    small_hw: tuple[int, int], dtype: str, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture_of(rng, (131, 200), 3, dtype)
    hole = np.ones((131, 200), bool)
    hole[50, 70] = False
    compiled, twin = both(monkeypatch, lambda: shrink_known(image, hole, small_hw))
    assert 0 < np.count_nonzero(~twin.hole) <= 4
    np.testing.assert_array_equal(compiled.hole, twin.hole)
    np.testing.assert_array_equal(compiled.touched, twin.touched)
