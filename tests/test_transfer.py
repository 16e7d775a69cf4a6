from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planted import PERIOD_PX, field_of, square_hole, stripes
from rethined import fullsize, regions
from rethined import transfer as transfer_module
from rethined.detail import detail_levels
from rethined.fullsize import DIAGONAL
from rethined.matching import corrupted_tokens
from rethined.offsets import OffsetField
from rethined.resample import shrink_any, shrink_known
from rethined.transfer import VOICE, bend_base, contrast_share, copy_small, detail_gate, transfer, voice_weight
from rethined.types import Box
from rethined.workers import Workers

pytestmark = pytest.mark.usefixtures("each_loops")


def filled_by(image: np.ndarray, hole: np.ndarray, field: OffsetField, fill: np.ndarray) -> np.ndarray:
    """The picture after a transfer, when the network gave ``fill`` in the hole."""
    small = shrink_known(image, hole, fill.shape[:2])
    filled = np.where(small.hole[..., None], fill, small.image).astype(np.float32)
    y, x, colours = transfer(image, hole, filled, small.touched, field)
    result = image.astype(np.float32)
    result[y, x] = colours
    return result


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_a_planted_offset_copies_exactly_that_texture(factor: int) -> None:
    small_hw = (96, 128)
    full_hw = (96 * factor, 128 * factor)
    image = stripes(full_hw)
    hole = square_hole(full_hw, Box(30 * factor, 40 * factor, 52 * factor, 60 * factor))
    damaged = np.where(hole[..., None], np.uint8(255), image)
    is_set = corrupted_tokens(shrink_known(damaged, hole, small_hw).touched)
    truth = shrink_known(image, np.zeros(full_hw, bool), small_hw).image
    # A whole number of periods, at full resolution as well as on the network's grid.
    result = filled_by(damaged, hole, field_of((2 * PERIOD_PX, -PERIOD_PX), is_set), truth)
    np.testing.assert_allclose(result, image, atol=0.01)


def test_a_wrong_offset_is_noticed() -> None:
    image = stripes((96, 128))
    hole = square_hole((96, 128), Box(30, 40, 52, 60))
    is_set = corrupted_tokens(hole)
    result = filled_by(image, hole, field_of((2 * PERIOD_PX + 3, 0), is_set), image)
    assert np.abs(result - image)[hole].mean() > 10


@pytest.mark.parametrize("size_hw", [(96, 128), (70, 101), (200, 333)], ids=str)
def test_a_constant_picture_is_filled_with_the_constant(size_hw: tuple[int, int]) -> None:
    image = np.full((*size_hw, 3), 77, np.uint8)
    hole = square_hole(size_hw, Box(20, 20, 50, 60))
    small = shrink_known(image, hole, (96, 128))
    small.image[small.hole] = 77
    is_set = corrupted_tokens(small.touched)
    y, x, colours = transfer(image, hole, small.image, small.touched, field_of((0, 56), is_set))
    # The shrunk picture is a mean of 8-bit values: near the hole it is off by a fraction of a level.
    np.testing.assert_allclose(colours, 77, atol=0.2)
    assert np.array_equal(np.sort(y * size_hw[1] + x), np.flatnonzero(hole))


@pytest.mark.parametrize("factor", [1, 3])
def test_the_blend_reads_no_forbidden_pixel_beside_a_source(factor: int) -> None:
    """Sources themselves are clear of it; the half token round them, which the blend reads too, is not."""
    full_hw = (96 * factor, 128 * factor)
    image = np.full((*full_hw, 3), (120, 80, 0), np.uint8)
    hole = square_hole(full_hw, Box(32 * factor, 40 * factor, 48 * factor, 56 * factor))
    forbidden = square_hole(full_hw, Box(0, 88 * factor, 96 * factor, 128 * factor))
    image[forbidden] = (120, 80, 255)
    small = shrink_known(image, hole, (96, 128))
    small.image[small.hole] = (120, 80, 0)
    small_forbidden = shrink_any(forbidden, (96, 128))
    # The left tokens of the hole point at those just beside what is forbidden, the right ones away from it.
    field = field_of((0, -32), corrupted_tokens(small.touched))
    field.offset_yx[:, 5] = (0, 40)
    blue = {}
    for name, barred in (("free", (None, None)), ("forbidden", (forbidden, small_forbidden))):
        _, _, colours = transfer(
            image, hole, small.image, small.touched, field, forbidden=barred[0], small_forbidden=barred[1]
        )
        blue[name] = colours[:, 2].max()
    assert blue["free"] > 20
    assert blue["forbidden"] < 0.01


def test_the_low_band_is_not_copied_from_barred_pixels() -> None:
    filled = np.full((96, 128, 3), (120, 80, 0), np.float32)
    filled[:, 88:, 2] = 255
    touched, barred = square_hole((96, 128), Box(32, 40, 48, 56)), square_hole((96, 128), Box(0, 88, 96, 128))
    field = field_of((0, -32), corrupted_tokens(touched))
    field.offset_yx[:, 5] = (0, 40)
    gate = np.ones(field.is_set.shape, np.float32)
    free, clear = (
        copy_small(filled, touched, field, gate, gate, barred=where)[0] for where in (touched, touched | barred)
    )
    assert free[touched][:, 2].max() > 20
    assert clear[touched][:, 2].max() == 0


@pytest.mark.parametrize("factor", [1, 2])
def test_noise_stays_as_strong_as_it_is_around(factor: int, rng: np.random.Generator) -> None:
    """Tokens that disagree average each other out; what that takes is put back, at the network's own size too."""
    small_hw = (96, 128)
    full_hw = (96 * factor, 128 * factor)
    image = rng.normal(128, 25, (*full_hw, 1)).clip(0, 255).astype(np.uint8).repeat(3, axis=2)
    hole = square_hole(full_hw, Box(32 * factor, 48 * factor, 64 * factor, 80 * factor))
    small = shrink_known(image, hole, small_hw)
    filled = np.where(small.hole[..., None], np.float32(128), small.image)
    corrupted = corrupted_tokens(small.touched)
    offset_yx = np.zeros((*corrupted.shape, 2), np.int32)
    rows, columns = np.nonzero(corrupted)
    offset_yx[corrupted, 0] = rng.choice([0, 8, 16, 24], len(rows)) - 8 * (rows - 1)
    offset_yx[corrupted, 1] = rng.integers(-20, 20, len(columns))
    _, _, colours = transfer(image, hole, filled, small.touched, OffsetField(offset_yx, corrupted))
    assert colours.std() == pytest.approx(image[~hole].std(), rel=0.12)


@pytest.mark.parametrize(("factor", "share"), [(0.5, 1.0), (1.0, 1.0), (1.25, 0.75), (2.0, 0.0), (7.3, 0.0)])
def test_contrast_of_the_networks_grid_is_put_back_where_no_finer_band_is(factor: float, share: float) -> None:
    assert contrast_share((factor, 0.9 * factor)) == contrast_share((0.9 * factor, factor)) == pytest.approx(share)


def test_the_content_of_the_hole_does_not_matter(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (128, 160, 3), np.uint8)
    hole = rng.random((128, 160)) > 0.9
    other = np.where(hole[..., None], rng.integers(0, 256, image.shape, np.uint8), image)
    corrupted = corrupted_tokens(hole)
    field = OffsetField(rng.integers(-60, 60, (*corrupted.shape, 2)).astype(np.int32), corrupted)
    fill = rng.uniform(0, 255, (128, 160, 3))
    results = [filled_by(picture, hole, field, fill) for picture in (image, other)]
    assert np.array_equal(results[0][hole], results[1][hole])


def test_without_sources_the_fill_of_the_network_is_enlarged() -> None:
    image = np.full((64, 64, 3), 50, np.uint8)
    hole = square_hole((64, 64), Box(16, 16, 48, 48))
    filled = np.full((32, 32, 3), 50, np.float32)
    filled[12:20, 12:20] = 130
    touched = square_hole((32, 32), Box(8, 8, 24, 24))
    corrupted = corrupted_tokens(touched)
    field = field_of((0, 0), np.zeros_like(corrupted))
    y, x, colours = transfer(image, hole, filled, touched, field)
    centre = colours[(y == 31) & (x == 31)]
    np.testing.assert_allclose(centre, 130, atol=1e-3)


def test_the_base_meets_the_known_pixels_after_a_change_of_tone() -> None:
    touched = square_hole((40, 40), Box(12, 12, 28, 28))
    error, is_copied = np.full((40, 40, 3), 60, np.float32), np.ones((40, 40), bool)
    membrane = bend_base(error, touched, is_copied, 4, voice_weight(touched, np.zeros((5, 5), np.float32)))
    np.testing.assert_allclose(membrane, 60, atol=0.1)


def test_the_networks_voice_is_full_at_the_rim_and_fades_where_nothing_can_be_known() -> None:
    touched = square_hole((192, 256), Box(48, 64, 144, 192))
    rough = np.full((24, 32), 5, np.float32)
    row = voice_weight(touched, rough)[96]
    inwards = row[64:128]
    np.testing.assert_allclose(inwards[:2], VOICE, rtol=1e-5)
    assert (np.diff(inwards) <= 0).all()
    np.testing.assert_allclose(inwards[20:], 4.0**-4, rtol=1e-5)
    assert not voice_weight(touched, rough, voice=0).any()
    np.testing.assert_allclose(voice_weight(touched, rough / 10), VOICE, rtol=1e-5)  # surroundings without detail


def test_deep_in_a_hole_a_blur_does_not_wash_out_what_is_copied() -> None:
    """The network knows nothing there but the mean tone, and its fill says so."""
    image = stripes((192, 256))
    hole = square_hole((192, 256), Box(48, 32, 112, 96))
    blur = np.broadcast_to(image[~hole].mean(0), image.shape)
    result = filled_by(image, hole, field_of((0, 8 * PERIOD_PX), corrupted_tokens(hole)), blur)
    deep = square_hole(hole.shape, Box(68, 52, 92, 76))
    kept = result[deep].std(0) / image[deep].std(0)
    assert (kept > 0.6).all()  # .26 to .35 with a voice that does not fade


def test_the_gate_lets_pass_what_is_no_stronger_than_its_surroundings(rng: np.random.Generator) -> None:
    picture = np.full((96, 128, 3), 120, np.float32)
    picture[:, 64:] += rng.uniform(-60, 60, (96, 64, 1))
    touched = square_hole((96, 128), Box(40, 16, 48, 24)) | square_hole((96, 128), Box(40, 96, 48, 104))
    is_set = corrupted_tokens(touched)
    gates = {}
    for name, offset_yx in (("left", (24, 0)), ("right", (24, 80)), ("back", (24, -80))):
        gate = detail_gate(detail_levels(picture, touched), field_of(offset_yx, is_set))
        assert gate.shape == (12, 16)
        assert (gate[~is_set] == 1).all()
        gates[name] = (gate[5, 2], gate[5, 12])
    assert gates["left"] == (1, 1), "smooth from smooth, rough from rough"
    assert gates["right"][0] < 0.1, "rough into smooth"
    assert gates["back"][1] == 1, "smooth into rough"


def test_a_closed_gate_leaves_the_fill_of_the_network(rng: np.random.Generator) -> None:
    """Rough texture copied into a smooth place shows nowhere; with an open gate it would."""
    image = np.full((192, 256, 3), 120, np.uint8)
    image[:, 160:] = rng.integers(0, 256, (192, 96, 3))
    hole = square_hole((192, 256), Box(64, 48, 96, 80))
    is_set = corrupted_tokens(shrink_known(image, hole, (96, 128)).touched)
    result = filled_by(image, hole, field_of((0, 64), is_set), np.full((96, 128, 3), 120, np.float32))
    assert np.abs(result[hole] - 120).max() < 8


@pytest.mark.parametrize("step", [-20, 35])
@pytest.mark.parametrize("small_hw", [(96, 128), (48, 64), (24, 32)])
def test_the_seam_is_closed_when_the_fill_is_off_by_a_constant(step: int, small_hw: tuple[int, int]) -> None:
    image = np.full((96, 128, 3), 100, np.uint8)
    hole = square_hole((96, 128), Box(32, 40, 48, 60))
    off = np.full((*small_hw, 3), 100 + step, np.float32)
    touched = shrink_known(image, hole, small_hw).touched
    nothing = field_of((0, 0), np.zeros((small_hw[0] // 8, small_hw[1] // 8), bool))
    y, x, colours = transfer(image, hole, off, touched, nothing)
    missing = np.abs(colours[:, 0] - 100) / abs(step)
    depth = np.minimum.reduce([y - 31, 48 - y, x - 39, 60 - x])
    assert missing[depth == 1].max() < 1e-5
    assert missing[depth == 2].mean() < 0.4, "no step from the first ring to the second"
    assert missing[depth == 3].mean() < 0.6


def test_the_correction_of_the_seam_fades_with_its_reach() -> None:
    image = np.full((96, 256, 3), 100, np.uint8)
    hole = square_hole((96, 256), Box(0, 64, 96, 256))
    off = np.full((96, 256, 3), 90, np.float32)
    y, _, colours = transfer(image, hole, off, hole, field_of((0, 0), np.zeros((12, 32), bool)))
    added = colours[y == 48][:, 0] - 90
    assert added[0] == pytest.approx(10)
    assert (np.diff(added) <= 1e-5).all()
    assert added[2] > 1, "4 px is what it reaches at least"
    assert added[12:].max() == 0


def test_the_first_ring_takes_what_its_own_neighbours_miss() -> None:
    """Without that, a step of fine stripes along the rim would stay: the grid of the seam is too coarse for it."""
    image = np.full((96, 128, 3), 100, np.uint8)
    image[:, ::2] = 130
    hole = square_hole((96, 128), Box(32, 40, 56, 72))
    flat = np.full((96, 128, 3), 115, np.float32)
    y, x, colours = transfer(image, hole, flat, hole, field_of((0, 0), np.zeros((12, 16), bool)))
    above = colours[y == 32][2:30]
    assert np.array_equal(x[y == 32][2:30], np.arange(42, 70))
    # Two of three neighbours above are of the other colour, but only beside a corner.
    expected = np.where(np.arange(42, 70) % 2 == 0, 130 + 2 * DIAGONAL * 100, 100 + 2 * DIAGONAL * 130) / (
        1 + 2 * DIAGONAL
    )
    np.testing.assert_allclose(above[:, 0], expected, atol=0.5)


def test_holes_apart_do_not_change_each_other(rng: np.random.Generator) -> None:
    full_hw, small_hw = (320, 640), (160, 320)
    image = rng.integers(0, 256, (*full_hw, 3), np.uint8)
    boxes = (Box(40, 30, 90, 100), Box(200, 500, 207, 521), Box(150, 250, 260, 270))
    holes = [square_hole(full_hw, box) for box in boxes]
    fill = rng.uniform(0, 255, (*small_hw, 3)).astype(np.float32)
    tokens = [corrupted_tokens(shrink_known(image, hole, small_hw).touched) for hole in holes]
    offsets = np.zeros((20, 40, 2), np.int32)
    # Every source lies outside all three holes, in what is known in each of the pictures compared.
    offsets[tokens[0]], offsets[tokens[1]], offsets[tokens[2]] = (0, 104), (-48, -8), (8, 56)
    everything = filled_by(image, np.any(holes, 0), OffsetField(offsets, np.any(tokens, 0)), fill)
    for hole, own in zip(holes, tokens, strict=True):
        alone = filled_by(image, hole, OffsetField(offsets, own), fill)
        np.testing.assert_array_equal(alone[hole], everything[hole])


def test_threads_do_not_change_the_result(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (transfer_module, fullsize):
        monkeypatch.setattr(module, "BATCH_PX", 2000)
    image = rng.integers(0, 256, (192, 256, 3), np.uint8)
    hole = rng.random((192, 256)) > 0.995
    hole[60:100, 60:120] = True
    small = shrink_known(image, hole, (96, 128))
    corrupted = corrupted_tokens(small.touched)
    field = OffsetField(rng.integers(-60, 60, (*corrupted.shape, 2)).astype(np.int32), corrupted)
    results = [transfer(image, hole, small.image, small.touched, field, workers=Workers(n)) for n in (1, 3)]
    for serial, parallel in zip(*results, strict=True):
        np.testing.assert_array_equal(serial, parallel)


def test_tiles_of_a_large_hole_do_not_show(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    full_hw, small_hw = (512, 768), (128, 192)
    image = cv2.resize(rng.integers(0, 256, (32, 48, 3), np.uint8), full_hw[::-1], interpolation=cv2.INTER_CUBIC)
    hole = np.zeros(full_hw, np.uint8)
    cv2.line(hole, (20, 30), (740, 480), 1, 25)
    hole = hole.astype(bool)
    corrupted = corrupted_tokens(shrink_known(image, hole, small_hw).touched)
    field = OffsetField(np.broadcast_to(np.int32((0, 32)), (*corrupted.shape, 2)).copy(), corrupted)
    fill = rng.uniform(0, 255, (*small_hw, 3)).astype(np.float32)
    results = []
    for tile_px in (128, 384):
        monkeypatch.setattr(regions, "TILE_PX", tile_px)
        results.append(filled_by(image, hole, field, fill))
    difference = np.abs(results[0] - results[1])
    assert difference[~hole].max() == 0
    assert difference.max() < 0.01, "where tiles end has no influence"


@given(st.integers(0, 2**32 - 1), st.sampled_from([(64, 96), (61, 97), (130, 40), (33, 200)]))
def test_any_field_gives_finite_colours_for_every_hole_pixel_once(seed: int, full_hw: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (*full_hw, 3), np.uint8)
    hole = rng.random(full_hw) > rng.uniform(0.2, 0.999)
    hole.flat[0], hole.flat[-1] = True, False
    small = shrink_known(image, hole, (64, 96))
    corrupted = corrupted_tokens(small.touched)
    field = OffsetField(
        rng.integers(-99, 99, (*corrupted.shape, 2)).astype(np.int32), corrupted & (rng.random(corrupted.shape) > 0.2)
    )
    y, x, colours = transfer(image, hole, small.image, small.touched, field)
    assert np.isfinite(colours).all()
    assert np.array_equal(np.sort(y.astype(np.int64) * full_hw[1] + x), np.flatnonzero(hole))


def test_the_fill_is_not_heard_where_nothing_around_has_detail() -> None:
    touched = square_hole((64, 64), Box(24, 24, 40, 40))
    levels = np.repeat(np.float32([[0.1, 0.15, 0.275, 0.4, 0.9, 0.9, 0.9, 0.9]]), 8, axis=0)
    assert not voice_weight(touched, levels * np.float32(0.1)).any()
    weight = [float(voice_weight(touched, np.full((8, 8), level, np.float32))[0, 0]) for level in levels[0, :5]]
    np.testing.assert_allclose(weight, np.multiply(VOICE, [0, 0, 0.5, 1, 1]), atol=1e-6)
