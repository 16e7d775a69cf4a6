from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image, ImageFile, PngImagePlugin

from rethined import imageio
from rethined.errors import ImageError, ImageReadError, ImageWriteError
from rethined.imageio import as_image, like_input, read_image, write_image
from rethined.types import Box, Image8, ImageLike

pictures = hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)))

LOSSLESS = [".png", ".webp", ".tif", ".tiff", ".bmp"]


@pytest.fixture
def picture(rng: np.random.Generator) -> Image8:
    return rng.integers(0, 256, (24, 37, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> Image8:
    rows, columns = np.mgrid[:height, :width]
    stack = np.stack([rows * 255 / height, columns * 255 / width, np.full_like(rows, 90)], axis=2)
    return stack.astype(np.uint8)


# ---- reading ----


def test_read_gives_rgb_order_and_a_writable_contiguous_array(tmp_path: Path, picture: Image8) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), picture[..., ::-1])
    image = read_image(tmp_path / "a.png")
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable
    np.testing.assert_array_equal(image, picture)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("1", (255, 255, 255)),
        ("L", (200, 200, 200)),
        ("LA", (200, 200, 200)),
        ("P", (10, 20, 30)),
        ("RGB", (10, 20, 30)),
        ("RGBA", (10, 20, 30)),
        ("CMYK", (245, 235, 225)),
    ],
)
def test_read_turns_every_mode_into_rgb(tmp_path: Path, mode: str, expected: tuple[int, int, int]) -> None:
    colours: dict[str, Any] = {"1": 1, "L": 200, "LA": (200, 0), "P": 7, "RGBA": (10, 20, 30, 0)}
    image = Image.new(mode, (4, 3), colours.get(mode, (10, 20, 30, 0)[: len(mode)]))
    if mode == "P":
        image.putpalette([0] * 21 + [10, 20, 30])
    path = tmp_path / "a.tif"
    image.save(path)
    np.testing.assert_array_equal(read_image(path), np.full((3, 4, 3), expected, np.uint8))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_read_applies_the_exif_orientation_once(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = smooth(16, 32)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a{suffix}"
    options: dict[str, Any] = {"quality": 95, "lossless": True} if suffix != ".tif" else {}
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, **options)
    image = read_image(path)
    assert image.shape == upright.shape
    assert np.abs(image.astype(int) - upright).max() <= (12 if suffix == ".jpg" else 0)


@pytest.mark.parametrize("value", [0, 255, 256, 257 * 3, 32767, 32768, 65279, 65280, 65535])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_read_keeps_the_high_byte_of_16_bit(tmp_path: Path, value: int, channels: int, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), np.full((2, 3, channels), value, np.uint16))
    np.testing.assert_array_equal(read_image(path), np.full((2, 3, 3), value >> 8, np.uint8))


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 9))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.png", None, r"no picture file at '.*missing\.png'; check the path"),
        (".", None, "is a folder; pass the path of one picture file"),
        ("empty.png", b"", r"empty\.png' is empty \(0 bytes\)"),
        ("note.png", b"dear diary, today", "not a picture in a known format; convert it to one of JPEG, PNG"),
        ("drawing.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a picture in a known format"),
        ("damaged.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "cannot read '.*damaged.png'.*damaged, cut short"),
        ("bomb.png", png_header(20000, 12501), "says it is 20000 x 12501 pixels; at most 250 megapixels"),
        ("largest.png", png_header(20000, 12500), "cannot read .* cut short"),
    ],
)
def test_read_errors(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    for form in (path, str(path)):
        with pytest.raises(ImageReadError, match=message):
            read_image(form)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "path is empty"),
        (None, "got NoneType; pass a str or pathlib.Path"),
        (0, "got int"),
        ("nul\0byte.png", "no picture file|cannot read"),
    ],
)
def test_read_errors_of_paths_that_name_nothing(path: str, message: str) -> None:
    with pytest.raises(ImageReadError, match=message):
        read_image(path)


def test_read_refuses_float_and_wild_integer_files(tmp_path: Path) -> None:
    Image.fromarray(np.full((2, 3), 0.5, np.float32)).save(tmp_path / "f.tif")
    with pytest.raises(ImageReadError, match=r"f\.tif'.*pixel mode F.*convert it to 8-bit RGB"):
        read_image(tmp_path / "f.tif")
    Image.fromarray(np.full((2, 3), 70000, np.int32)).save(tmp_path / "i.tif")
    with pytest.raises(ImageReadError, match=r"values from 70000 to 70000; expected 0\.\.65535"):
        read_image(tmp_path / "i.tif")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".bmp", ".gif", ".ppm"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_read_never_gives_half_a_picture(tmp_path: Path, picture: Image8, suffix: str, kept: float) -> None:
    whole = tmp_path / f"whole{suffix}"
    Image.fromarray(picture).save(whole)
    content = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ImageReadError, match=r"cut short"):
        read_image(cut)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".bmp"])
def test_size_limit_is_ours_and_pillow_settings_stay(
    tmp_path: Path, picture: Image8, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(picture).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_image(path).shape == picture.shape  # neither Pillow's warning, an error under pytest, nor its refusal
    assert Image.MAX_IMAGE_PIXELS == 10
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    monkeypatch.setattr(imageio, "MAX_PIXELS", picture.shape[0] * picture.shape[1] - 1)
    with pytest.raises(ImageReadError, match="says it is 37 x 24 pixels"):
        read_image(path)


def test_pillow_limit_comes_back_after_a_damaged_tiff(
    tmp_path: Path, picture: Image8, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(picture).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ImageReadError, match="cut short"):
        read_image(path)
    assert Image.MAX_IMAGE_PIXELS == 10


# ---- writing ----


@pytest.mark.parametrize("suffix", [*LOSSLESS, ".PNG"])
def test_write_then_read_is_exact(tmp_path: Path, picture: Image8, suffix: str) -> None:
    before = picture.copy()
    write_image(tmp_path / f"a{suffix}", picture)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}"), before)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg"])
def test_jpeg_is_close_and_keeps_full_colour_resolution(tmp_path: Path, suffix: str) -> None:
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = (200, 40, 40)
    stripes[:, 1::2] = (40, 40, 200)
    path = tmp_path / f"a{suffix}"
    write_image(path, stripes)
    assert np.abs(read_image(path).astype(int) - stripes).max() <= 12  # above 70 with subsampled colour
    with Image.open(path) as file:
        assert file.format == "JPEG"


def test_write_takes_views_and_read_only_arrays(tmp_path: Path, picture: Image8) -> None:
    view = picture[::2, ::-1]
    view.flags.writeable = False
    write_image(tmp_path / "a.png", view)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), view)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.xyz", r"suffix '\.xyz'; expected one of \.png, \.jpg, \.jpeg, \.webp, \.tif, \.tiff, \.bmp"),
        ("a", r"suffix ''; expected one of \.png"),
        ("nowhere/a.png", "there is no folder '.*nowhere' to write into; create it first"),
        ("folder.png", "is a folder; pass the path of a file in it"),
    ],
)
def test_write_errors(tmp_path: Path, picture: Image8, name: str, message: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ImageWriteError, match=message):
        write_image(tmp_path / name, picture)
    assert [path.name for path in tmp_path.rglob("*")] == ["folder.png"]


@pytest.mark.parametrize("protected", ["folder", "file"])
def test_write_respects_missing_permission(
    tmp_path: Path, picture: Image8, protected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")
    denied = {"folder": tmp_path, "file": path}[protected]
    # Not chmod: the tests may run as root, whom no mode stops.
    monkeypatch.setattr(os, "access", lambda asked, _mode: Path(asked) != denied)
    with pytest.raises(ImageWriteError, match=r"no permission to write .*a\.png"):
        write_image(path, picture)
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("failure", [OSError("no space left"), RuntimeError("encoder"), KeyboardInterrupt()])
@pytest.mark.parametrize("existed", [False, True])
def test_failing_encoder_leaves_nothing_and_keeps_the_old_file(
    tmp_path: Path, picture: Image8, failure: BaseException, existed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    if existed:
        path.write_bytes(b"precious")

    def fail_halfway(_self: Image.Image, file: IO[bytes], *_args: object, **_options: object) -> None:
        file.write(b"half")
        raise failure

    monkeypatch.setattr(Image.Image, "save", fail_halfway)
    expected = KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else ImageWriteError
    with pytest.raises(expected):
        write_image(path, picture)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.png", b"precious")] * existed


def test_write_reports_the_limits_of_a_format(tmp_path: Path) -> None:
    with pytest.raises(ImageWriteError, match=r"a\.webp as WEBP: .*16383"):
        write_image(tmp_path / "a.webp", np.zeros((1, 16384, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions and links")
def test_write_keeps_permissions_and_goes_through_links(tmp_path: Path, picture: Image8) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    target, link = tmp_path / "a.png", tmp_path / "link.png"
    write_image(target, picture)
    assert target.stat().st_mode == plain.stat().st_mode  # what any new file gets, not what a temporary one gets
    target.chmod(0o640)
    link.symlink_to(target)
    write_image(link, picture[::-1])
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(read_image(target), picture[::-1])


# ---- what users hand in ----


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((4, 5, 3), np.float32), r"dtype float32; expected uint8.*np\.rint\(image \* 255\)"),
        (np.full((4, 5, 3), np.inf), "dtype float64; expected uint8"),
        (np.where(np.arange(60).reshape(4, 5, 3) < 37, 0.0, np.nan), r"NaN, the first at index \(2, 2, 1\)"),
        (np.zeros((4, 5, 3), np.uint16), r"dtype uint16; expected uint8.*image >> 8.*not taken yet"),
        (np.zeros((4, 5, 3), bool), r"dtype bool.*\* 255"),
        (np.zeros((4, 5, 3), np.int64), r"dtype int64.*astype\(np\.uint8\)"),
        (np.zeros((4, 5), np.uint8), r"shape \(4, 5\); expected RGB of shape \(H, W, 3\).*stack grey three times"),
        (np.zeros((4, 5, 1), np.uint8), r"shape \(4, 5, 1\); expected RGB"),
        (np.zeros((4, 5, 4), np.uint8), r"shape \(4, 5, 4\).*drop alpha with image\[\.\.\., :3\]"),
        (np.zeros((3, 4, 5), np.uint8), r"shape \(3, 4, 5\)"),
        (np.zeros((1, 4, 5, 3), np.uint8), r"shape \(1, 4, 5, 3\)"),
        (np.zeros((0, 5, 3), np.uint8), r"shape \(0, 5, 3\), no pixels at all"),
        (Image.new("RGB", (0, 5)), "0 x 5 pixels; expected at least 1 x 1"),
        (Image.new("F", (2, 2)), "pixel mode F"),
        ([[1, 2, 3]], "got list; pass a NumPy array"),
        (None, "got NoneType"),
        (b"a.png", "got bytes"),
    ],
)
def test_as_image_errors(value: ImageLike, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        as_image(value)


def test_as_image_takes_paths_and_makes_views_contiguous(tmp_path: Path, picture: Image8) -> None:
    write_image(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(as_image(tmp_path / "a.png"), picture)
    np.testing.assert_array_equal(as_image(str(tmp_path / "a.png")), picture)
    view = picture[::-1, ::2]
    assert as_image(view).flags.c_contiguous
    np.testing.assert_array_equal(as_image(view), view)


def test_as_image_takes_pil_pixels_as_they_lie(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(smooth(16, 32)).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        np.testing.assert_array_equal(as_image(image), smooth(16, 32))


def test_as_image_reports_a_pil_image_that_cannot_be_decoded(tmp_path: Path, picture: Image8) -> None:
    path = tmp_path / "a.jpg"
    write_image(path, picture)
    path.write_bytes(path.read_bytes()[:-100])
    with Image.open(path) as image, pytest.raises(ImageReadError, match=r"cannot decode the PIL image.*truncated"):
        as_image(image)


@given(pictures)
def test_arrays_come_back_exact_and_unchanged(picture: Image8) -> None:
    before = picture.copy()
    result = like_input(as_image(picture), picture)
    assert isinstance(result, np.ndarray)
    np.testing.assert_array_equal(result, before)
    np.testing.assert_array_equal(picture, before)


@given(pictures, st.sampled_from(["L", "RGB", "RGBA"]), st.integers(0, 255))
def test_pil_images_come_back_exact_in_their_mode(picture: Image8, mode: str, alpha: int) -> None:
    original = Image.fromarray(picture).convert(mode)
    if mode == "RGBA":
        original.putalpha(Image.fromarray(picture[..., 0] ^ np.uint8(alpha)))
    before = original.copy()
    result = like_input(as_image(original), original)
    assert isinstance(result, Image.Image)
    assert (result.mode, result.size) == (mode, original.size)
    assert result.tobytes() == original.tobytes() == before.tobytes()


@pytest.mark.parametrize(
    ("mode", "expected"), [("1", "RGB"), ("P", "RGB"), ("LA", "RGB"), ("CMYK", "RGB"), ("I;16", "RGB")]
)
def test_like_input_gives_rgb_for_other_modes(mode: str, expected: str) -> None:
    original = Image.new(mode, (4, 3))
    assert like_input(as_image(original), original).mode == expected


def test_like_input_keeps_exif_and_a_profile_that_still_fits(picture: Image8) -> None:
    grey = Image.new("L", (37, 24))
    cmyk = Image.new("CMYK", (37, 24))
    for original in (grey, cmyk):
        original.info.update(exif=b"Exif\0\0", icc_profile=b"profile", transparency=3)
    assert like_input(picture, grey).info == {"exif": b"Exif\0\0", "icc_profile": b"profile"}
    assert like_input(picture, cmyk).info == {"exif": b"Exif\0\0"}


def test_like_input_leaves_paths_to_the_caller_and_refuses_another_size(picture: Image8) -> None:
    assert like_input(picture, "a.png") is picture
    with pytest.raises(ImageError, match=r"size \(37, 24\), its original \(24, 37\)"):
        like_input(picture, Image.new("RGB", (24, 37)))


def test_transparent_palette_png_reads_as_rgb(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    image.save(tmp_path / "a.png", transparency=1, pnginfo=PngImagePlugin.PngInfo())
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.full((2, 2, 3), (9, 8, 7), np.uint8))


# ---- boxes ----


@pytest.mark.parametrize(
    ("margin_px", "expected"),
    [(0, Box(2, 3, 5, 9)), (1, Box(1, 2, 6, 10)), (4, Box(0, 0, 9, 11)), (-1, Box(3, 4, 4, 8))],
)
def test_box_grows_inside_the_picture(margin_px: int, expected: Box) -> None:
    box = Box(top=2, left=3, bottom=5, right=9)
    values: NDArray[np.int64] = np.zeros((9, 11), np.int64)
    assert (box.height, box.width) == values[box.slices].shape == (3, 6)
    assert box.grown(margin_px, values.shape) == expected
