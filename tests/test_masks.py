from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import DTypeLike, NDArray
from PIL import Image

from rethined.errors import ImageReadError, MaskError, OptionError
from rethined.masks import MaskWarning, as_forbidden, as_hole, grow_hole
from rethined.types import HoleMap, ImageLike

quiet = pytest.mark.filterwarnings("ignore::rethined.masks.MaskWarning")

truths = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)).filter(
    lambda truth: not truth.all()
)


def white(truth: HoleMap, dtype: DTypeLike, value: float) -> NDArray[Any]:
    return np.where(truth, value, 0).astype(dtype)


def pil(truth: HoleMap, mode: str) -> Image.Image:
    return Image.fromarray(white(truth, np.uint8, 255)).convert(mode)


def white_first_palette(truth: HoleMap) -> Image.Image:
    """A palette image whose index 0 is white and index 1 black, so that indices taken for values come out inverted."""
    image = Image.fromarray(white(~truth, np.uint8, 1))
    image.putpalette([255, 255, 255, 0, 0, 0])
    return image


def transparent_hole(truth: HoleMap, colour: int) -> NDArray[np.uint8]:
    mask = np.full((*truth.shape, 4), colour, np.uint8)
    mask[..., 3] = white(~truth, np.uint8, 255)
    return mask


# Every way to say the same thing.
FORMS: dict[str, Any] = {
    "bool": lambda t: t,
    "bool column axis": lambda t: t[..., np.newaxis],
    "bool RGB": lambda t: np.stack([t] * 3, axis=2),
    "uint8 0/255": lambda t: white(t, np.uint8, 255),
    "uint8 0/128": lambda t: white(t, np.uint8, 128),
    "uint8 0/1": lambda t: white(t, np.uint8, 1),
    "uint8 (H, W, 1)": lambda t: white(t, np.uint8, 255)[..., np.newaxis],
    "uint8 127/128": lambda t: np.where(t, 128, 127).astype(np.uint8) if t.any() else white(t, np.uint8, 1),
    "int8": lambda t: white(t, np.int8, 127),
    "int64 0/1": lambda t: white(t, np.int64, 1),
    "int64 0/255": lambda t: white(t, np.int64, 255),
    "uint16 full": lambda t: white(t, np.uint16, 65535),
    "uint16 0/255": lambda t: white(t, np.uint16, 255),
    "big-endian uint16": lambda t: white(t, np.uint16, 65535).astype(">u2"),
    "float32 0/1": lambda t: white(t, np.float32, 1),
    "float16 0/1": lambda t: white(t, np.float16, 1),
    "float64 0/255": lambda t: white(t, np.float64, 255),
    "float just above half": lambda t: np.where(t, 0.501, 0.5) if t.any() else white(t, np.float64, 1),
    "grey RGB": lambda t: np.stack([white(t, np.uint8, 255)] * 3, axis=2),
    "grey RGB 0/1": lambda t: np.stack([white(t, np.uint8, 1)] * 3, axis=2),
    "red": lambda t: np.stack([white(t, np.uint8, 255), *[np.zeros(t.shape, np.uint8)] * 2], axis=2),
    "dark green": lambda t: white(t, np.uint8, 255)[..., np.newaxis] & np.array([0, 20, 0], np.uint8),
    "nearly grey": lambda t: in_webp(t),
    "float with rounding errors": lambda t: white(t, np.float32, 1)[..., np.newaxis] * np.float32([1, 0.9999999, 1]),
    "opaque RGBA": lambda t: np.dstack([white(t, np.uint8, 255)] * 3 + [np.full(t.shape, 255, np.uint8)]),
    "transparent RGBA": lambda t: np.dstack([white(t, np.uint8, 255)] * 3 + [np.zeros(t.shape, np.uint8)]),
    "RGBA with any alpha": lambda t: np.dstack([white(t, np.uint8, 255)] * 4),
    "bool of 255": lambda t: white(t, np.uint8, 255).view(bool),
    "fortran order": lambda t: np.asfortranarray(white(t, np.uint8, 255)),
    "flipped twice": lambda t: white(t, np.uint8, 255)[::-1].copy()[::-1],
    **{f"PIL {mode}": lambda t, mode=mode: pil(t, mode) for mode in ("1", "L", "P", "RGB", "RGBA", "LA", "I", "F")},
    "PIL white first palette": white_first_palette,
    "PIL I;16": lambda t: Image.fromarray(white(t, np.uint16, 65535)),
    "PIL CMYK": lambda t: pil(t, "RGB").convert("CMYK"),
    "PIL premultiplied": lambda t: pil(t, "RGBA").convert("RGBa"),
}


def in_webp(truth: HoleMap) -> Image.Image:
    """What a lossy file makes of a grey mask that is stored as RGB: a level of colour here and there."""
    values = np.repeat(white(truth, np.uint8, 255)[..., np.newaxis], 3, axis=2)
    values[..., 1] = np.where(truth, values[..., 1] - 1, 2)
    return Image.fromarray(values)


def content(mask: ImageLike) -> bytes:
    return mask.tobytes() if isinstance(mask, (np.ndarray, Image.Image)) else b""


def test_one_pixel_of_another_tint_does_not_make_a_mask_coloured() -> None:
    mask = np.full((100, 100, 3), 3, np.uint8)
    mask[20:80, 20:80] = 255
    expected = mask[..., 0] == 255
    mask[50, 50] = (254, 255, 255)
    mask[90, 90] = (90, 0, 0)
    np.testing.assert_array_equal(as_hole(mask, (100, 100)), expected)
    mask[20:80, 5:20] = 60  # soft edges warn whether they are exactly grey or not
    with pytest.warns(MaskWarning, match="9% of the non-zero mask pixels are grey"):
        as_hole(mask, (100, 100))


def test_what_a_lossy_file_leaves_around_a_colour_is_no_hole(tmp_path: Path) -> None:
    mask = np.zeros((96, 128, 3), np.uint8)
    mask[30:61, 37:83] = (255, 0, 0)
    truth = mask[..., 0] == 255
    Image.fromarray(mask).save(tmp_path / "m.jpg", quality=75)
    with Image.open(tmp_path / "m.jpg") as image:
        assert np.asarray(image)[~grow_hole(truth, 4)].any()
    hole = as_hole(tmp_path / "m.jpg", (96, 128))
    assert hole[truth].all()
    assert not hole[~grow_hole(truth, 2)].any()  # colour is stored at half the size


def test_all_colours_of_a_label_map_are_hole() -> None:
    mask = np.zeros((9, 3, 3), np.uint8)
    mask[1], mask[2], mask[3] = (128, 0, 0), (64, 0, 128), (0, 64, 0)
    np.testing.assert_array_equal(as_hole(mask, (9, 3))[:, 0], np.isin(np.arange(9), [1, 2, 3]))


@quiet
@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=25)
@given(truth=truths)
def test_any_form_of_a_mask_is_the_same_hole_map(form: str, truth: HoleMap) -> None:
    mask = FORMS[form](truth)
    before = content(mask)
    hole = as_hole(mask, truth.shape)
    assert hole.dtype == np.bool_
    np.testing.assert_array_equal(hole, truth)
    np.testing.assert_array_equal(hole.view(np.uint8), truth, "True is 1, in whatever byte it came")
    assert content(mask) == before
    assert not np.shares_memory(hole, truth)


@quiet
@given(truth=truths, colour=st.integers(0, 255))
def test_transparency_marks_the_hole_where_colour_says_nothing(truth: HoleMap, colour: int) -> None:
    assume(truth.any())
    mask = transparent_hole(truth, colour)
    np.testing.assert_array_equal(as_hole(mask, truth.shape), truth)
    np.testing.assert_array_equal(as_hole(Image.fromarray(mask), truth.shape), truth)


@pytest.mark.parametrize(("alpha", "is_hole"), [(127, True), (128, False)])
@quiet
def test_half_transparent_is_decided_at_128(alpha: int, is_hole: bool) -> None:
    mask = np.zeros((1, 3, 4), np.uint8)
    mask[0, :, 3] = (255, alpha, 255)
    assert as_hole(mask, (1, 3)).tolist() == [[False, is_hole, False]]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_mask_files_are_read_upright(tmp_path: Path, suffix: str) -> None:
    truth = np.zeros((4, 7), bool)
    truth[0, :3] = True
    path = tmp_path / f"mask{suffix}"
    exif = Image.Exif()
    exif[274] = 1 if suffix == ".bmp" else 6
    stored = truth if suffix == ".bmp" else np.rot90(truth, 1)
    Image.fromarray(white(stored, np.uint8, 255)).save(path, exif=exif)
    np.testing.assert_array_equal(as_hole(path, (4, 7)), truth)
    np.testing.assert_array_equal(as_hole(str(path), (4, 7)), truth)


def test_transparent_palette_file(tmp_path: Path) -> None:
    mask = Image.new("P", (3, 1), 0)
    mask.putpalette([50, 60, 70, 50, 60, 70])
    mask.putpixel((1, 0), 1)
    mask.save(tmp_path / "mask.png", transparency=1)
    assert as_hole(tmp_path / "mask.png", (1, 3)).tolist() == [[False, True, False]]


def test_empty_mask_is_legal_and_silent() -> None:
    for mask in (np.zeros((3, 4), bool), np.zeros((3, 4, 4), np.float32), Image.new("P", (4, 3))):
        assert not as_hole(mask, (3, 4)).any()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((5, 4)), "the mask is 5 high and 4 wide, the picture 4 high and 5 wide; it looks transposed"),
        (np.zeros((8, 10)), "the mask is 8 high and 10 wide, .*; its sides have the same ratio: scale it to the size"),
        (np.zeros((400, 501)), "its sides have the same ratio"),
        (np.zeros((4, 9)), "the mask is 4 high and 9 wide, .*; pass a mask of the size of the picture"),
        (np.zeros((4, 6, 3)), "4 high and 6 wide, the picture 4 high and 5 wide; pass a mask of the size"),
        (Image.new("L", (4, 5)), "looks transposed"),
        (np.zeros((0, 5)), r"shape \(0, 5\), no pixels at all; expected 4 high and 5 wide"),
        (Image.new("L", (0, 0)), "no pixels at all"),
        (np.zeros(20), r"shape \(20,\); expected \(H, W\)"),
        (np.zeros((4, 5, 2)), r"shape \(4, 5, 2\); expected \(H, W\)"),
        (np.zeros((3, 4, 5)), r"shape \(3, 4, 5\).*channels last"),
        (np.zeros((1, 4, 5, 1)), r"shape \(1, 4, 5, 1\)"),
        (np.zeros((4, 5), object), "dtype object; expected bool, an integer or a float type"),
        (np.zeros((4, 5), complex), "dtype complex128"),
        (np.zeros((4, 5), "U1"), "dtype <U1"),
        (np.full((4, 5), np.nan), "contains NaN"),
        (np.pad([[[np.nan, 0, 1]]], ((0, 3), (0, 4), (0, 0))), "contains NaN"),
        (np.full((4, 5), -np.inf), "contains infinite values"),
        (np.full((4, 5), -1), r"values from -1 to -1; expected 0\.\.1, 0\.\.255 or 0\.\.65535"),
        (np.full((4, 5), -0.5), r"values from -0\.5 to -0\.5; expected 0\.\.1 or 0\.\.255"),
        (np.full((4, 5), 256.0), r"to 256\.0; expected 0\.\.1 or 0\.\.255"),
        (np.full((4, 5), 65536), "to 65536"),
        (np.ones((4, 5), bool), "marks every pixel as hole, so nothing is known.*invert"),
        (np.full((4, 5, 3), 255, np.uint8), "marks every pixel"),
        ([[0, 1]], "got list; pass a NumPy array"),
        (None, "got NoneType"),
    ],
)
def test_as_hole_errors(mask: ImageLike, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        as_hole(mask, (4, 5))


def test_unreadable_mask_files_raise_read_errors(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"no picture")
    for name, message in (("mask.png", "not a picture"), ("missing.png", "no picture file at")):
        with pytest.raises(ImageReadError, match=message):
            as_hole(tmp_path / name, (4, 5))
    with pytest.raises(ImageReadError, match="path is empty"):
        as_hole("", (4, 5))


def ramp(full: float, dtype: DTypeLike, grey: int) -> NDArray[Any]:
    """A 10 x 20 mask with 100 non-zero pixels, ``grey`` of them at 60 % of white."""
    mask = np.zeros((10, 20), dtype)
    mask[:, :10] = full
    mask.reshape(-1)[np.flatnonzero(mask)[:grey]] = 0.6 * full
    return mask


@pytest.mark.parametrize(("full", "dtype"), [(255, np.uint8), (65535, np.uint16), (1, np.float32), (255, np.float64)])
def test_grey_masks_warn_above_five_percent(full: float, dtype: DTypeLike) -> None:
    as_hole(ramp(full, dtype, 5), (10, 20))
    rule = rf"6% of the non-zero mask pixels are grey: values above {full / 2:g} on the scale 0\.\.{full}"
    with pytest.warns(MaskWarning, match=rule):
        hole = as_hole(ramp(full, dtype, 6), (10, 20))
    assert hole.sum() == 100


@pytest.mark.parametrize("level", [25, 230])
def test_nearly_black_and_nearly_white_are_not_grey(level: int) -> None:
    mask = np.full((4, 5), 0, np.uint8)
    mask[0] = (255, level, level, level, level)
    as_hole(mask, (4, 5))


@pytest.mark.parametrize("mask", [np.eye(5, dtype=np.uint8) * 2, np.eye(5) * 1.001, np.eye(5) * 0.05])
def test_marks_too_faint_to_count_warn(mask: NDArray[Any]) -> None:
    with pytest.warns(MaskWarning, match="5 non-zero pixels but marks nothing as hole: values above"):
        assert not as_hole(mask, (5, 5)).any()


def test_masks_that_look_inverted_warn_above_half() -> None:
    mask = np.zeros((10, 10), bool)
    mask[:5] = True
    as_hole(mask, (10, 10))
    mask[5, :7] = True
    message = r"the mask marks 57% as hole; white = fill; if it is inverted pass 255 - mask$"
    with pytest.warns(MaskWarning, match=message):
        as_hole(mask, (10, 10))


@quiet
@given(truth=truths)
def test_invert_swaps_hole_and_known(truth: HoleMap) -> None:
    assume(truth.any())
    np.testing.assert_array_equal(as_hole(white(~truth, np.uint8, 255), truth.shape, invert=True), truth)


def test_invert_of_an_empty_mask_leaves_nothing_known() -> None:
    with pytest.raises(MaskError, match="every pixel as hole"):
        as_hole(np.zeros((4, 5), np.uint8), (4, 5), invert=True)


# ---- forbidden ----


@quiet
@pytest.mark.parametrize("form", FORMS)
def test_a_forbid_mask_follows_the_rule_of_masks(form: str) -> None:
    truth = np.zeros((6, 7), bool)
    truth[1:3, 2:6] = True
    np.testing.assert_array_equal(as_forbidden(FORMS[form](truth), (6, 7)), truth)


def test_a_forbid_mask_may_mark_everything() -> None:
    assert as_forbidden(np.ones((4, 5), np.uint8), (4, 5)).all()


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.zeros((5, 4)), "the forbid mask is 5 high and 4 wide, the picture 4 high and 5 wide"),
        (np.zeros((4, 5, 2)), r"the forbid mask has shape \(4, 5, 2\)"),
        (np.full((4, 5), np.nan), "the forbid mask contains NaN"),
        (np.full((4, 5), -1), "the forbid mask has values from -1"),
        (3, "a forbid mask was expected, got int"),
    ],
)
def test_errors_of_a_forbid_mask_name_it(mask: ImageLike, says: str) -> None:
    with pytest.raises(MaskError, match=says):
        as_forbidden(mask, (4, 5))


def test_warnings_of_a_forbid_mask_name_it() -> None:
    with pytest.warns(MaskWarning, match="the forbid mask has 5 non-zero pixels but marks nothing as forbidden"):
        as_forbidden(np.eye(5, dtype=np.uint8) * 2, (5, 5))


# ---- growing ----


@given(truth=truths, px=st.integers(0, 7))
def test_grow_adds_exactly_the_disc(truth: HoleMap, px: int) -> None:
    before = truth.copy()
    rows, columns = np.indices(truth.shape)
    expected = np.zeros_like(truth)
    for row, column in np.argwhere(truth):
        expected |= (rows - row) ** 2 + (columns - column) ** 2 <= px * px
    grown = grow_hole(truth, px)
    assert grown.dtype == np.bool_
    np.testing.assert_array_equal(grown, expected)
    np.testing.assert_array_equal(truth, before)
    assert not np.shares_memory(grown, truth)


def test_grow_large_radius_full_and_empty_maps() -> None:
    hole = np.zeros((3, 400), bool)
    hole[1, 0] = True
    assert grow_hole(hole, 300)[1].sum() == 301
    assert grow_hole(np.ones((3, 4), bool), 2).all()
    assert not grow_hole(np.zeros((3, 4), bool), 10**9).any()


def test_grow_refuses_a_negative_radius() -> None:
    with pytest.raises(OptionError, match="grow by -1 px; expected 0 or more"):
        grow_hole(np.zeros((3, 4), bool), -1)


def test_mask_warning_can_be_silenced_by_category() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaskWarning)
        assert as_hole(np.arange(9).reshape(3, 3) > 1, (3, 3)).sum() == 7


@pytest.mark.parametrize("px", [1, 2, 5, 15, 16, 17, 20])
def test_holes_grow_by_a_disc_however_that_is_found(px: int) -> None:
    rng = np.random.default_rng(px)
    hole = rng.random((70, 90)) < 0.002
    hole[0, 0] = hole[-1, 40] = True
    y, x = np.nonzero(hole)
    rows, columns = np.mgrid[:70, :90]
    near = ((rows[..., None] - y) ** 2 + (columns[..., None] - x) ** 2).min(2) <= px * px
    np.testing.assert_array_equal(grow_hole(hole, px), near)
    np.testing.assert_array_equal(grow_hole(np.asfortranarray(hole), px), near)
