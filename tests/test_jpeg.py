from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from carried import jpeg_of, waves
from rethined import jpeg
from rethined.containers import APP0, COM, DQT, Segment, jpeg_layout, jpeg_with
from rethined.errors import MissingExtraError
from rethined.jpeg import CannotPatchError, coding_of, patched
from rethined.metadata import jfif
from rethined.types import HoleMap, Pixels, SizeHW

try:
    import jpegio
except ImportError:
    jpegio = None
needs_jpegio = pytest.mark.skipif(jpegio is None, reason="jpegio is not installed: pip install 'rethined[jpeg]'")

SAMPLINGS = {
    "4:4:4": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "4:2:2": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "4:2:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "4:4:0": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
    "4:1:1": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
}
UNITS_YX = {"grey": (8, 8), "4:4:4": (8, 8), "4:2:2": (8, 16), "4:2:0": (16, 16), "4:4:0": (16, 8), "4:1:1": (8, 32)}
RED, GREEN, GREY = (220, 30, 40), (30, 220, 60), (120, 120, 120)


def coded(picture: Pixels, sampling: str, *, quality: int = 85, progressive: bool = False, restart: int = 0) -> bytes:
    """A JPEG as OpenCV makes it, which knows samplings that Pillow does not."""
    how = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)]
    how += [cv2.IMWRITE_JPEG_RST_INTERVAL, restart]
    if sampling == "grey":
        given = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    else:
        given = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        how += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLINGS[sampling]]
    return cv2.imencode(".jpg", given, how)[1].tobytes()


def decoded(content: bytes) -> Pixels:
    return np.array(Image.open(io.BytesIO(content)))


def read(content: bytes, folder: Path) -> SimpleNamespace:
    (folder / "read.jpg").write_bytes(content)
    stored: SimpleNamespace = jpegio.read(str(folder / "read.jpg"))
    return stored


def hole_of(size_hw: SizeHW, top: int, left: int, bottom: int, right: int) -> HoleMap:
    hole = np.zeros(size_hw, bool)
    hole[top:bottom, left:right] = True
    return hole


def filled(picture: Pixels, hole: HoleMap, colour: tuple[int, int, int] = RED) -> Pixels:
    result = picture.copy()
    result[hole] = colour if picture.ndim == 3 else colour[0]
    return result


def changed_blocks(before: SimpleNamespace, after: SimpleNamespace) -> list[NDArray[np.bool_]]:
    """Of each component, which of its blocks differ in any coefficient."""
    return [
        (one != other).reshape(one.shape[0] // 8, 8, -1, 8).any(axis=(1, 3))
        for one, other in zip(before.coef_arrays, after.coef_arrays, strict=True)
    ]


def touched_units(hole: HoleMap, unit_yx: tuple[int, int]) -> NDArray[np.bool_]:
    """Units of blocks that hold a pixel of the hole, found one by one."""
    rows, columns = (-(-size // unit) for size, unit in zip(hole.shape, unit_yx, strict=True))
    touched = np.zeros((rows, columns), bool)
    for y, x in np.argwhere(hole):
        touched[y // unit_yx[0], x // unit_yx[1]] = True
    return touched


def expect_others_kept(content: bytes, result: bytes, hole: HoleMap, sampling: str, folder: Path) -> None:
    """Every coefficient outside the units of blocks that the hole touches is the same."""
    before, after = read(content, folder), read(result, folder)
    unit_y, unit_x = UNITS_YX[sampling]
    touched = touched_units(hole, (unit_y, unit_x))
    for info, changed in zip(before.comp_info, changed_blocks(before, after), strict=True):
        # Blocks of this component in a unit; one that is stored alone has no units.
        high, wide = (info.v_samp_factor, info.h_samp_factor) if sampling != "grey" else (1, 1)
        allowed = touched.repeat(high, axis=0).repeat(wide, axis=1)[: changed.shape[0], : changed.shape[1]]
        assert not changed[~allowed].any()
    for name in ("restart_interval", "progressive_mode", "image_width", "image_height", "jpeg_color_space"):
        assert getattr(before, name) == getattr(after, name)
    for one, other in zip(before.quant_tables, after.quant_tables, strict=True):
        np.testing.assert_array_equal(one, other)
    factors = [[(i.h_samp_factor, i.v_samp_factor, i.quant_tbl_no) for i in f.comp_info] for f in (before, after)]
    assert factors[0] == factors[1]


# ---- only what the hole touches changes ----


@needs_jpegio
@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"restart": 2}], ids=["plain", "progressive", "restart"])
@pytest.mark.parametrize("size_hw", [(64, 96), (53, 71), (33, 9)])
@pytest.mark.parametrize("sampling", UNITS_YX)
def test_every_coefficient_outside_touched_blocks_is_kept(
    tmp_path: Path, sampling: str, size_hw: SizeHW, how: dict[str, Any]
) -> None:
    content = coded(waves(size_hw), sampling, **how)
    picture = decoded(content)
    hole = hole_of(size_hw, 19, 2, 30, 7)
    hole[-1, -1] = True  # in the last block, which goes on beyond the picture
    result = patched(content, filled(picture, hole), hole, [])
    expect_others_kept(content, result, hole, sampling, tmp_path)
    error = np.abs(decoded(result).astype(int) - filled(picture, hole))
    assert error[hole].mean() < 40  # it is there, up to what tables and subsampling leave of so hard an edge
    assert error[~hole].mean() < 8


@needs_jpegio
@settings(max_examples=40)
@given(
    st.sampled_from(list(UNITS_YX)),
    st.tuples(st.integers(1, 50), st.integers(1, 50)),
    st.lists(st.tuples(st.integers(0, 49), st.integers(0, 49)), max_size=6),
    st.integers(20, 100),
    st.booleans(),
)
def test_that_holds_for_any_hole(
    tmp_path_factory: pytest.TempPathFactory,
    sampling: str,
    size_hw: SizeHW,
    pixels: list[tuple[int, int]],
    quality: int,
    progressive: bool,
) -> None:
    content = coded(waves(size_hw), sampling, quality=quality, progressive=progressive)
    hole = np.zeros(size_hw, bool)
    for y, x in pixels:
        hole[y % size_hw[0], x % size_hw[1]] = True
    result = patched(content, filled(decoded(content), hole), hole, [])
    expect_others_kept(content, result, hole, sampling, tmp_path_factory.mktemp("any"))


@needs_jpegio
def test_without_a_hole_nothing_changes(tmp_path: Path) -> None:
    content = coded(waves((50, 70)), "4:2:0")
    result = patched(content, decoded(content), np.zeros((50, 70), bool), [])
    assert not any(changed.any() for changed in changed_blocks(read(content, tmp_path), read(result, tmp_path)))


@needs_jpegio
def test_the_file_says_what_it_is_told_to() -> None:
    content = jpeg_of(waves((50, 70)), comment=b"old")
    segments = [jfif((300, 300)), Segment(COM, b"new")]
    result = patched(content + b"behind", decoded(content), np.zeros((50, 70), bool), segments)
    assert list(jpeg_layout(result).spoken) == segments
    assert jpeg_layout(result).end == len(result)


# ---- what touched blocks become ----


@needs_jpegio
@pytest.mark.parametrize("sampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
def test_whole_units_of_one_colour_become_that_colour(tmp_path: Path, sampling: str) -> None:
    content = coded(waves((64, 128)), sampling)
    hole = hole_of((64, 128), 16, 32, 48, 96)
    after = read(patched(content, filled(decoded(content), hole), hole, []), tmp_path)
    red, green, blue = RED
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    values = (luma - 128, (blue - luma) / 1.772, (red - luma) / 1.402)
    for info, coefficients, value in zip(after.comp_info, after.coef_arrays, values, strict=True):
        blocks = coefficients.reshape(coefficients.shape[0] // 8, 8, -1, 8).swapaxes(1, 2)
        scale_y, scale_x = coefficients.shape[0] / 64, coefficients.shape[1] / 128
        inner = blocks[int(2 * scale_y) : int(6 * scale_y), int(4 * scale_x) : int(12 * scale_x)]
        assert inner.size
        expected = np.zeros((8, 8), int)
        expected[0, 0] = round(8 * value / after.quant_tables[info.quant_tbl_no][0, 0])
        np.testing.assert_array_equal(inner, np.broadcast_to(expected, inner.shape))


@needs_jpegio
@pytest.mark.parametrize("sampling", ["grey", "4:4:4"])
def test_pixels_of_another_jpeg_bring_its_coefficients(tmp_path: Path, sampling: str) -> None:
    content, other = coded(waves((64, 96)), sampling), coded(waves((64, 96))[::-1, ::-1], sampling)
    hole = hole_of((64, 96), 8, 16, 40, 64)
    picture = np.where(hole[..., None] if sampling != "grey" else hole, decoded(other), decoded(content))
    after, wanted = read(patched(content, picture, hole, []), tmp_path), read(other, tmp_path)
    for one, two in zip(after.coef_arrays, wanted.coef_arrays, strict=True):
        difference = np.abs(one[8:40, 16:64] - two[8:40, 16:64])
        assert difference.max() <= 1  # a decoder has rounded its pixels
        assert difference.mean() < 0.01


@needs_jpegio
def test_known_pixels_of_touched_blocks_change_less_than_when_all_is_encoded_anew() -> None:
    content = coded(waves((128, 128)), "4:4:4", quality=75)
    picture = decoded(content)
    hole = np.zeros((128, 128), bool)
    hole[3::8, 4::8] = True  # one pixel of each block
    given = picture.copy()
    given[hole] ^= 64
    result = decoded(patched(content, given, hole, []))
    tables = Image.open(io.BytesIO(content)).quantization  # type: ignore[attr-defined]
    anew = decoded(jpeg_of(given, qtables=tables, subsampling=0))
    errors = [np.abs(other.astype(int) - picture)[~hole] for other in (result, anew)]
    assert 0 < errors[0].mean() < errors[1].mean()


@needs_jpegio
def test_nothing_of_the_removed_colour_is_left(tmp_path: Path) -> None:
    picture = np.full((64, 64, 3), GREY, np.uint8)
    picture[18:46:2, 18:46] = (255, 0, 0)  # stripes that subsampled colour cannot hold
    content = coded(picture, "4:2:0", quality=95)
    hole = hole_of((64, 64), 16, 16, 48, 48)
    after = read(patched(content, filled(decoded(content), hole, GREY), hole, []), tmp_path)
    assert not after.coef_arrays[1].any()
    assert not after.coef_arrays[2].any()


@needs_jpegio
@pytest.mark.parametrize(("sampling", "share"), [("4:2:0", 0.25), ("4:2:2", 0.5), ("4:4:4", 1.0)])
def test_a_sample_of_several_pixels_keeps_its_share_of_the_known_ones(
    tmp_path: Path, sampling: str, share: float
) -> None:
    content = coded(np.full((32, 32, 3), GREEN, np.uint8), sampling, quality=95)
    hole = np.zeros((32, 32), bool)
    hole[::2, ::2] = True
    if sampling == "4:2:2":
        hole[1::2, ::2] = True
    if sampling == "4:4:4":
        hole[:] = True
    hole[:, 16:] = False
    result = patched(content, filled(decoded(content), hole), hole, [])
    before, after = (read(given, tmp_path) for given in (content, result))
    step = after.quant_tables[1][0, 0]
    red_difference = (RED[0] - (0.299 * RED[0] + 0.587 * RED[1] + 0.114 * RED[2])) / 1.402
    expected = (1 - share) * before.coef_arrays[2][0, 0] + share * 8 * red_difference / step
    assert after.coef_arrays[2][0, 0] == round(expected)


@needs_jpegio
def test_codes_are_made_for_the_new_coefficients() -> None:
    content = jpeg_of(np.full((64, 64, 3), GREY, np.uint8), optimize=True)  # with codes for nothing else
    hole = hole_of((64, 64), 8, 8, 40, 40)
    given = np.where(hole[..., None], waves((64, 64)), decoded(content))
    error = np.abs(decoded(patched(content, given, hole, [])).astype(int) - given)
    assert error[16:32, 16:32].mean() < 8


def test_coefficients_stay_within_what_can_be_coded() -> None:
    coefficients = np.zeros((8, 8), np.int32)
    coefficients[0, 1:4] = 1023, -572, -572  # samples of nearly 0 in the first column, and far beyond in others
    component = jpeg._Component(coefficients, np.ones((8, 8)), (1, 1), None, 128)
    hole = hole_of((8, 8), 0, 0, 1, 1)
    jpeg._renew(component, np.full((8, 8), 255, np.uint8), hole)
    assert coefficients[0, 0] == 16  # a white pixel
    assert coefficients[0, 1] == 1023


# ---- how files are coded ----


@needs_jpegio
def test_red_green_and_blue_may_be_stored_as_they_are(tmp_path: Path) -> None:
    content = jpeg_of(waves((40, 56)), keep_rgb=True, quality=90)
    hole = hole_of((40, 56), 8, 16, 24, 40)
    result = patched(content, filled(decoded(content), hole), hole, jpeg_layout(content).spoken)
    expect_others_kept(content, result, hole, "4:4:4", tmp_path)
    assert np.abs(decoded(result)[hole].astype(int) - RED).max() <= 3


def renumbered(content: bytes) -> bytes:
    """The same JPEG with its tables numbered 1 and 3."""
    result = bytearray(content)
    for segment, start, _ in jpeg_layout(content).segments:
        if segment.marker == DQT:
            result[start + 4] = {0: 1, 1: 3}[segment.payload[0]]
        if segment.marker == 0xC0:
            for component in range(3):
                at = start + 4 + 6 + 3 * component + 2
                result[at] = {0: 1, 1: 3}[result[at]]
    return bytes(result)


@needs_jpegio
def test_tables_may_have_any_numbers(tmp_path: Path) -> None:
    content = coded(waves((40, 56)), "4:2:0", quality=30)
    hole = hole_of((40, 56), 16, 16, 30, 30)
    given = filled(decoded(content), hole)
    usual, other = (read(patched(c, given, hole, []), tmp_path) for c in (content, renumbered(content)))
    assert [info.quant_tbl_no for info in other.comp_info] == [1, 3, 3]
    assert not any(changed.any() for changed in changed_blocks(usual, other))


def with_tables_between_scans(content: bytes) -> bytes:
    layout = jpeg_layout(content)
    tables = next(segment for segment, _, _ in layout.segments if segment.marker == DQT)
    second_scan = [start for segment, start, _ in layout.segments if segment.marker == 0xDA][1]
    return content[:second_scan] + tables.bytes() + content[second_scan:]


def with_a_table_of_zeros(content: bytes) -> bytes:
    at = next(start for segment, start, _ in jpeg_layout(content).segments if segment.marker == DQT)
    return content[: at + 5] + bytes(64) + content[at + 69 :]


@needs_jpegio
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            with_tables_between_scans(coded(waves((40, 56)), "4:2:0", progressive=True)),
            "changes its quantisation tables",
        ),
        (b"\xff\xd8\xff\xe0\x10\x00", "its segments are damaged"),
        (b"\xff\xd8\xff\xd9", "its coefficients cannot be read or written"),
        (with_a_table_of_zeros(coded(waves((40, 56)), "4:2:0")), "one of its quantisation tables holds 0"),
    ],
)
def test_what_is_not_understood_is_told(content: bytes, message: str) -> None:
    with pytest.raises(CannotPatchError, match=message):
        patched(content, np.zeros((40, 56, 3), np.uint8), np.zeros((40, 56), bool), [])


@pytest.mark.parametrize(
    ("space", "factors", "message"),
    [
        (4, [(1, 1)] * 4, "it has 4 components in libjpeg's colour space 4"),
        (3, [(3, 1), (2, 1), (1, 1)], "subsampled by a fraction"),
    ],
)
def test_colours_that_are_not_understood_are_told(space: int, factors: list[tuple[int, int]], message: str) -> None:
    infos = [SimpleNamespace(h_samp_factor=h, v_samp_factor=v, quant_tbl_no=0) for h, v in factors]
    arrays = [np.zeros((8, 8), np.int32)] * len(infos)
    stored = SimpleNamespace(jpeg_color_space=space, comp_info=infos, coef_arrays=arrays, quant_tables=arrays)
    with pytest.raises(CannotPatchError, match=message):
        jpeg._components(stored, [0])  # type: ignore[arg-type]


@needs_jpegio
def test_a_change_far_from_the_hole_is_noticed_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    content = coded(waves((64, 96)), "4:2:0")
    renew = jpeg._renew

    def too_much(component: jpeg._Component, picture: Pixels, hole: HoleMap) -> None:
        renew(component, picture, hole)
        component.coefficients[-16, -16] += 9

    monkeypatch.setattr(jpeg, "_renew", too_much)
    hole = hole_of((64, 96), 2, 2, 5, 5)
    with pytest.raises(CannotPatchError, match="pixels far from the hole would have changed"):
        patched(content, filled(decoded(content), hole), hole, [])


def test_without_jpegio_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rethined\[jpeg\]'; or choose jpeg=reencode"):
        patched(b"", np.zeros((8, 8), np.uint8), np.zeros((8, 8), bool), [])


# ---- encoded anew, as it was ----


@pytest.mark.parametrize("sampling", ["grey", "4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("progressive", [False, True])
def test_a_picture_is_encoded_the_way_it_was(sampling: str, progressive: bool) -> None:
    content = coded(waves((40, 56)), sampling, quality=63, progressive=progressive)
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(content))
    again = JpegImagePlugin.JpegImageFile(io.BytesIO(jpeg_of(decoded(content), **coding_of(image).save_options())))
    assert again.quantization == image.quantization
    assert again.layer == image.layer
    assert bool(again.info.get("progressive")) == progressive


@pytest.mark.parametrize("sampling", ["4:4:0", "4:1:1"])
def test_what_pillow_cannot_subsample_keeps_all_its_colour(sampling: str) -> None:
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(coded(waves((40, 56)), sampling)))
    assert coding_of(image).subsampling == 0


@pytest.mark.parametrize("is_rgb", [True, False])
def test_whether_red_green_and_blue_are_stored_is_seen(is_rgb: bool) -> None:
    content = jpeg_of(waves((40, 56)), keep_rgb=is_rgb, quality=95)
    for stripped in (content, jpeg_with(content, [])):  # by Adobe's segment, and by the names of the components
        image = JpegImagePlugin.JpegImageFile(io.BytesIO(stripped))
        assert coding_of(image).is_rgb == is_rgb
    again = jpeg_of(decoded(content), **coding_of(image).save_options())
    assert JpegImagePlugin.JpegImageFile(io.BytesIO(again)).layer == image.layer
    assert any(segment.marker == APP0 for segment in jpeg_layout(again).spoken) != is_rgb


def test_tables_with_gaps_are_put_in_order() -> None:
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(renumbered(coded(waves((40, 56)), "4:2:0"))))
    again = jpeg_of(waves((40, 56)), **coding_of(image).save_options())
    assert list(Image.open(io.BytesIO(again)).quantization.values()) == list(image.quantization.values())  # type: ignore[attr-defined]
