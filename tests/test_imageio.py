from __future__ import annotations

import os
import struct
import zlib
from functools import partial
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

from hostile_files import png
from rethined import imageio
from rethined.errors import ImageError, ImageReadError, ImageWriteError, OptionError
from rethined.imageio import (
    as_image,
    decode_image,
    encode_image,
    expect_writable,
    format_named,
    like_input,
    read_header,
    read_image,
    read_stored,
    write_image,
)
from rethined.masks import as_hole
from rethined.types import Box, Image8, ImageLike, Pixels

pictures = hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)))

LOSSLESS = [".png", ".webp", ".tif", ".tiff", ".bmp"]


@pytest.fixture
def picture(rng: np.random.Generator) -> Image8:
    return rng.integers(0, 256, (24, 37, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> Image8:
    rows, columns = np.mgrid[:height, :width]
    stack = np.stack([rows * 255 / height, columns * 255 / width, np.full_like(rows, 90)], axis=2)
    return stack.astype(np.uint8)


def stored_for(upright: Pixels, orientation: int) -> Pixels:
    return {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]


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
    stored = stored_for(upright, orientation)
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


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
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
        ("nul\0byte.png", "cannot be reached: embedded null"),
    ],
)
def test_read_errors_of_paths_that_name_nothing(path: str, message: str) -> None:
    with pytest.raises(ImageReadError, match=message):
        read_image(path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (3, "a path to write to was expected, got int"),
        ("nul\0byte.png", "cannot be reached: embedded null"),
        ("a\ud800.png", "cannot be reached"),
        ("a" * 300 + ".png", "cannot be reached: File name too long"),
    ],
)
def test_paths_that_nothing_can_be_written_to(path: str, message: str, picture: Image8) -> None:
    with pytest.raises(ImageWriteError, match=message):
        write_image(path, picture)
    with pytest.raises(ImageReadError, match=message.replace("a path to write to", "a picture path")):
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


@pytest.mark.parametrize(
    ("suffix", "format_name", "written_as"),
    [
        (".png", "PNG", ".png"),
        (".jpeg", "JPEG", ".jpg"),
        (".webp", "WEBP", ".webp"),
        (".tiff", "TIFF", ".tif"),
        (".bmp", "BMP", ".bmp"),
        (".gif", "GIF", None),
    ],
)
def test_a_header_tells_format_and_size_and_nothing_is_decoded(
    tmp_path: Path,
    picture: Image8,
    suffix: str,
    format_name: str,
    written_as: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(picture).save(path)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _image: pytest.fail("decoded"))
    header = read_header(path)
    assert (header.format_name, header.size_hw, header.suffix) == (format_name, (24, 37), written_as)


def test_a_header_tells_any_size(tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_header(200_000, 100_000))
    assert read_header(tmp_path / "bomb.png").size_hw == (100_000, 200_000)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.png", None, "no picture file"),
        ("empty.png", b"", "is empty"),
        ("note.png", b"dear diary, today", "not a picture in a known format"),
        ("damaged.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "damaged, cut short"),
    ],
)
def test_what_has_no_header(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageReadError, match=message):
        read_header(tmp_path / name)


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
        ("a", r"no suffix, which names the format; expected one of \.png"),
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
        (np.zeros((4, 5, 3)), "dtype float64; expected uint8, uint16 or float32"),
        (np.zeros((0, 5, 3), np.uint8), r"shape \(0, 5, 3\), no pixels at all"),
        (Image.new("L", (5, 0)), "5 x 0 pixels; expected at least 1 x 1"),
        (Image.new("I", (2, 2), 70000), r"values from 70000 to 70000; expected 0\.\.65535"),
        (Image.new("RGB", (0, 5)), "0 x 5 pixels; expected at least 1 x 1"),
        (Image.new("F", (2, 2)), "pixel mode F"),
        (Image.new("CMYK", (2, 2)), "the picture is CMYK, for print.*convert it to RGB with its profile first"),
        ([[1, 2, 3]], "got list; pass a NumPy array"),
        (None, "got NoneType"),
        (b"a.png", "got bytes"),
    ],
)
def test_as_image_errors(value: ImageLike, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        as_image(value)


def test_as_image_takes_paths_and_leaves_arrays_alone(tmp_path: Path, picture: Image8) -> None:
    write_image(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(as_image(tmp_path / "a.png"), picture)
    np.testing.assert_array_equal(as_image(str(tmp_path / "a.png")), picture)
    view = picture[::-1, ::2]
    assert as_image(view) is view


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


@given(pictures, st.sampled_from(["L", "LA", "RGB", "RGBA"]), st.integers(0, 255))
def test_pil_images_come_back_exact_in_their_mode(picture: Image8, mode: str, alpha: int) -> None:
    original = Image.fromarray(picture).convert(mode)
    if mode in ("LA", "RGBA"):
        original.putalpha(Image.fromarray(picture[..., 0] ^ np.uint8(alpha)))
    before = original.copy()
    result = like_input(as_image(original), original)
    assert isinstance(result, Image.Image)
    assert (result.mode, result.size) == (mode, original.size)
    assert result.tobytes() == original.tobytes() == before.tobytes()


@pytest.mark.parametrize("mode", ["1", "P", "YCbCr", "RGBa", "PA"])
def test_like_input_gives_rgb_for_other_modes(mode: str) -> None:
    original = Image.new(mode, (4, 3))
    assert like_input(as_image(original), original).mode == "RGB"


@pytest.mark.parametrize(("mode", "dtype"), [("I;16", "<u2"), ("I;16L", "<u2"), ("I;16B", ">u2"), ("I", "=i4")])
def test_deep_grey_comes_back_in_its_mode(mode: str, dtype: str) -> None:
    values = np.array([[0, 1, 255, 256], [4660, 32768, 65534, 65535]])
    original = Image.frombytes(mode, (4, 2), values.astype(dtype).tobytes())
    pixels = as_image(original)
    assert pixels.dtype == np.uint16
    np.testing.assert_array_equal(pixels, values)
    result = like_input(pixels[::-1], original)
    assert (result.mode, result.size) == (mode, (4, 2))
    assert [[result.getpixel((x, y)) for x in range(4)] for y in range(2)] == values[::-1].tolist()


def test_like_input_keeps_exif_and_a_profile_that_still_fits(picture: Image8) -> None:
    grey = Image.new("L", (37, 24))
    palette = Image.new("P", (37, 24))
    for original in (grey, palette):
        original.info.update(exif=b"Exif\0\0", icc_profile=b"profile", transparency=3)
    assert like_input(picture[..., 0], grey).info == {"exif": b"Exif\0\0", "icc_profile": b"profile"}
    assert like_input(picture, palette).info == {"exif": b"Exif\0\0"}


def test_like_input_leaves_paths_to_the_caller_and_refuses_another_size(picture: Image8) -> None:
    assert like_input(picture, "a.png") is picture
    with pytest.raises(ImageError, match=r"size \(37, 24\), its original \(24, 37\)"):
        like_input(picture, Image.new("RGB", (24, 37)))


def test_transparent_palette_png_reads_as_rgb(tmp_path: Path) -> None:
    image = Image.new("P", (2, 2), 1)
    image.putpalette([0, 0, 0, 9, 8, 7])
    image.save(tmp_path / "a.png", transparency=1, pnginfo=PngImagePlugin.PngInfo())
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.full((2, 2, 3), (9, 8, 7), np.uint8))


# ---- files in their own depth ----

FORMS = {
    "8-bit grey": ((24, 37), np.uint8),
    "8-bit grey and alpha": ((24, 37, 2), np.uint8),
    "8-bit RGB": ((24, 37, 3), np.uint8),
    "8-bit RGBA": ((24, 37, 4), np.uint8),
    "16-bit grey": ((24, 37), np.uint16),
    "16-bit RGB": ((24, 37, 3), np.uint16),
    "16-bit RGBA": ((24, 37, 4), np.uint16),
}


MODES = dict(zip(FORMS, ("L", "LA", "RGB", "RGBA", "I;16", "RGB", "RGBA"), strict=True))
"""What Pillow calls them: it knows no 16-bit colour."""


def of_form(form: str, rng: np.random.Generator) -> Pixels:
    shape, dtype = FORMS[form]
    picture: Pixels = rng.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)
    if picture.ndim == 3:
        picture[3:9, 4:20, -1] = 0  # colours below alpha 0 count as well
    return picture


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
def test_write_then_read_as_stored_is_exact(tmp_path: Path, form: str, suffix: str, rng: np.random.Generator) -> None:
    picture = of_form(form, rng)
    picture.flags.writeable = False
    path = tmp_path / f"a{suffix}"
    write_image(path, picture)
    stored = read_image(path, as_stored=True)
    assert stored.dtype == picture.dtype
    assert stored.flags.writeable
    np.testing.assert_array_equal(stored, picture)
    # And what others see in the file: 8 bits of it, in RGB order.
    high = picture >> 8 if picture.dtype == np.uint16 else picture
    channels = high.reshape(24, 37, -1)
    with Image.open(path) as file:
        assert file.size == (37, 24)
        assert file.mode == MODES[form]
    colours = channels[..., :1] if channels.shape[2] < 3 else channels[..., :3]
    np.testing.assert_array_equal(read_image(path), np.broadcast_to(colours, (24, 37, 3)))


@pytest.mark.parametrize(
    ("suffix", "form"),
    [(".webp", "8-bit RGBA"), (".webp", "8-bit RGB"), (".bmp", "8-bit RGB"), (".bmp", "8-bit grey")],
)
def test_other_lossless_formats_keep_what_they_hold(
    tmp_path: Path, suffix: str, form: str, rng: np.random.Generator
) -> None:
    picture = of_form(form, rng)
    write_image(tmp_path / f"a{suffix}", picture)
    np.testing.assert_array_equal(read_image(tmp_path / f"a{suffix}", as_stored=True), picture)


def test_webp_holds_grey_as_equal_channels_and_jpeg_holds_grey(tmp_path: Path) -> None:
    grey = smooth(24, 36)[..., 0]
    write_image(tmp_path / "a.webp", np.dstack([grey, grey[::-1]]))
    np.testing.assert_array_equal(
        read_image(tmp_path / "a.webp", as_stored=True), np.dstack([grey, grey, grey, grey[::-1]])
    )
    write_image(tmp_path / "a.jpg", grey[..., None])
    stored = read_image(tmp_path / "a.jpg", as_stored=True)
    assert stored.shape == grey.shape
    assert np.abs(stored.astype(int) - grey).max() <= 6


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "message"),
    [
        (
            "a.jpg",
            (4, 5, 3),
            np.uint16,
            r"is 16-bit RGB; JPEG files hold 8-bit grey, RGB here, so choose \.png or \.tif$",
        ),
        (
            "a.jpg",
            (4, 5, 4),
            np.uint8,
            r"is 8-bit RGBA; JPEG files hold.*choose \.png or \.webp or \.tif or \.avif or \.heic$",
        ),
        ("a.webp", (4, 5), np.uint16, r"is 16-bit grey; WEBP files hold 8-bit grey, grey and alpha, RGB, RGBA"),
        ("a.bmp", (4, 5, 4), np.uint8, "is 8-bit RGBA; BMP files hold 8-bit grey, RGB"),
        ("a.png", (4, 5, 2), np.uint16, "is 16-bit grey and alpha; PNG files hold.*16-bit grey, RGB, RGBA.*convert it"),
        (
            "a.tif",
            (4, 5, 3),
            np.float32,
            r"is float RGB; TIFF files hold.*convert it with NumPy, or keep it in an \.npy",
        ),
    ],
)
def test_a_format_that_cannot_hold_a_picture_says_what_it_holds(
    tmp_path: Path, name: str, shape: tuple[int, ...], dtype: type, message: str
) -> None:
    for check in (write_image, expect_writable):
        with pytest.raises(ImageWriteError, match=message):
            check(tmp_path / name, np.zeros(shape, dtype))
    assert list(tmp_path.iterdir()) == []


def test_write_refuses_what_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="dtype float64"):
        write_image(tmp_path / "a.png", np.zeros((4, 5, 3)))
    assert list(tmp_path.iterdir()) == []


def test_a_failing_16_bit_encoder_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imencode", lambda *_: (False, None))
    with pytest.raises(ImageWriteError, match="the encoder gave up"):
        write_image(tmp_path / "a.png", np.zeros((4, 5, 3), np.uint16))
    assert list(tmp_path.iterdir()) == []


def deep_png(values: Pixels, *, colour_type: int, orientation: int = 1, clear: tuple[int, ...] | None = None) -> bytes:
    """A 16-bit PNG made by hand."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    exif = Image.Exif()
    exif[274] = orientation
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)),
            chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")),
            b"" if clear is None else chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)),
            chunk(b"IDAT", zlib.compress(rows)),
            chunk(b"IEND", b""),
        ]
    )


def deep_tiff(
    values: Pixels,
    *,
    orientation: int = 1,
    extra_sample: int | None = None,
    order: str = "<",
    photometric: int = 2,
) -> bytes:
    """A 16-bit TIFF made by hand: uncompressed, in one strip."""
    height, width, channels = values.shape
    data = values.astype(f"{order}u2").tobytes()
    shorts = {256: width, 257: height, 259: 1, 262: photometric, 274: orientation, 277: channels, 278: height, 284: 1}
    if extra_sample is not None:
        shorts[338] = extra_sample
    end = 8 + 2 + 12 * (len(shorts) + 3) + 4  # bits per sample and the data come after the directory
    entries = [(tag, struct.pack(f"{order}HIHH", 3, 1, value, 0)) for tag, value in shorts.items()]
    entries.append((258, struct.pack(f"{order}HII", 3, channels, end)))
    entries.append((273, struct.pack(f"{order}HII", 4, 1, end + 2 * channels)))
    entries.append((279, struct.pack(f"{order}HII", 4, 1, len(data))))
    directory = b"".join(struct.pack(f"{order}H", tag) + rest for tag, rest in sorted(entries))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    bits = struct.pack(f"{order}{channels}H", *[16] * channels)
    if channels == 1:  # what fits into an entry stands in it
        directory = directory.replace(
            struct.pack(f"{order}HHII", 258, 3, 1, end), struct.pack(f"{order}HHIHH", 258, 3, 1, 16, 0)
        )
    return head + directory + struct.pack(f"{order}I", 0) + bits + data


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", ["png", "tif", "big-endian tif"])
def test_16_bit_colour_is_read_upright(
    tmp_path: Path, orientation: int, channels: int, suffix: str, rng: np.random.Generator
) -> None:
    upright = rng.integers(0, 65536, (6, 9, channels), dtype=np.uint16)
    stored = stored_for(upright, orientation)
    path = tmp_path / f"a.{suffix[-3:]}"
    if suffix == "png":
        path.write_bytes(deep_png(stored, colour_type=2 if channels == 3 else 6, orientation=orientation))
    else:
        extra, order = (None if channels == 3 else 2), (">" if suffix.startswith("big") else "<")
        path.write_bytes(deep_tiff(stored, orientation=orientation, extra_sample=extra, order=order))
    np.testing.assert_array_equal(read_image(path, as_stored=True), upright)
    np.testing.assert_array_equal(read_image(path), upright[..., :3] >> 8)


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_16_bit_colour_that_is_said_to_be_transparent_becomes_alpha(
    tmp_path: Path, channels: int, orientation: int, rng: np.random.Generator
) -> None:
    upright = rng.integers(0, 65536, (6, 9, channels), dtype=np.uint16)
    upright[1, 2] = clear = (65535, 255, 65535)[:channels]
    upright[1, 3] = (65535, 254, 65535)[:channels] if channels == 3 else 65534  # the same in 8 bits, and opaque
    stored = stored_for(upright if channels == 3 else upright[..., 0], orientation)
    content = deep_png(stored, colour_type=channels // 2 * 2, orientation=orientation, clear=clear)
    (tmp_path / "a.png").write_bytes(content)
    read = read_image(tmp_path / "a.png", as_stored=True)
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read[..., :3], np.broadcast_to(upright, (6, 9, 3)))
    assert np.argwhere(read[..., 3] == 0).tolist() == [[1, 2]]
    assert read[..., 3].max() == 65535


def test_black_and_white_of_which_one_is_transparent_become_rgba(tmp_path: Path) -> None:
    Image.fromarray(np.eye(3, dtype=bool)).save(tmp_path / "a.png", transparency=0)
    read = read_image(tmp_path / "a.png", as_stored=True)
    np.testing.assert_array_equal(read, np.repeat(np.eye(3, dtype=np.uint8)[..., np.newaxis] * 255, 4, axis=2))


def test_a_tiff_whose_0_is_white_is_turned_over(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.integers(0, 65536, (6, 9, 1), dtype=np.uint16)
    (tmp_path / "a.tif").write_bytes(deep_tiff(values, photometric=0))
    read = read_image(tmp_path / "a.tif", as_stored=True)
    np.testing.assert_array_equal(read, 65535 - values[..., 0])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif")[..., 0], (65535 - values[..., 0]) >> 8)


def test_lab_is_refused_as_stored_alone(tmp_path: Path) -> None:
    Image.new("LAB", (9, 6)).save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").shape == (6, 9, 3)
    with pytest.raises(ImageReadError, match=r"a\.tif.*CIELab.*convert it to RGB"):
        read_image(tmp_path / "a.tif", as_stored=True)


@pytest.mark.parametrize("orientation", [1, 6])
def test_16_bit_grey_png_is_read_upright(tmp_path: Path, orientation: int, rng: np.random.Generator) -> None:
    upright = rng.integers(0, 65536, (6, 9), dtype=np.uint16)
    path = tmp_path / "a.png"
    path.write_bytes(deep_png(stored_for(upright, orientation), colour_type=0, orientation=orientation))
    np.testing.assert_array_equal(read_image(path, as_stored=True), upright)


def test_16_bit_grey_and_alpha_is_read_as_rgba(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.integers(0, 65536, (6, 9, 2), dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(deep_png(values, colour_type=4))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", as_stored=True), values[..., [0, 0, 0, 1]])


def test_a_fourth_channel_without_meaning_is_dropped(tmp_path: Path, rng: np.random.Generator) -> None:
    values = rng.integers(0, 65536, (6, 9, 4), dtype=np.uint16)
    (tmp_path / "a.tif").write_bytes(deep_tiff(values, extra_sample=0))
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", as_stored=True), values[..., :3])


def test_premultiplied_16_bit_colour_is_refused(tmp_path: Path) -> None:
    values = np.full((6, 9, 4), 20000, np.uint16)
    (tmp_path / "a.tif").write_bytes(deep_tiff(values, extra_sample=1))
    with pytest.raises(
        ImageReadError, match=r"a\.tif'.*Pillow and OpenCV read differently, premultiplied alpha.*straight"
    ):
        read_image(tmp_path / "a.tif", as_stored=True)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_read_never_gives_half_a_deep_picture(
    tmp_path: Path, suffix: str, kept: float, rng: np.random.Generator
) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, of_form("16-bit RGB", rng))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(ImageReadError, match=r"cut short"):
        read_image(path, as_stored=True)


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_is_refused_where_it_would_have_to_come_back(tmp_path: Path, suffix: str, picture: Image8) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(picture).convert("CMYK").save(path)
    for read in (lambda place: read_image(place, as_stored=True), read_stored):
        with pytest.raises(ImageReadError, match=rf"a\{suffix}': the picture is CMYK, for print"):
            read(path)
    assert read_image(path).shape == picture.shape


@pytest.mark.parametrize(("mode", "expected"), [("P", "RGBA"), ("RGB", "RGBA"), ("L", "LA")])
def test_a_colour_that_is_said_to_be_transparent_becomes_alpha(tmp_path: Path, mode: str, expected: str) -> None:
    image = Image.new(mode, (4, 3), 0)
    if mode == "P":
        image.putpalette([20 * number for number in range(10) for _ in "RGB"])
    image.putpixel((1, 2), 9 if mode != "RGB" else (9, 9, 9))
    image.save(tmp_path / "a.png", transparency=9 if mode != "RGB" else (9, 9, 9))
    stored = read_image(tmp_path / "a.png", as_stored=True)
    assert stored.shape == (3, 4, len(expected))
    assert np.argwhere(stored[..., -1] == 0).tolist() == [[2, 1]]
    assert stored[..., -1].max() == 255


@pytest.mark.parametrize("key", ["exif", "xmp"])
def test_a_text_named_as_something_else_is_no_damage(tmp_path: Path, key: str, picture: Image8) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt(key, "a text")
    Image.fromarray(picture).save(tmp_path / "a.png", pnginfo=info)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), picture)


@pytest.mark.parametrize("mode", ["1", "P"])
def test_other_modes_are_rgb_as_stored_too(tmp_path: Path, mode: str, picture: Image8) -> None:
    Image.fromarray(picture).convert(mode).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", as_stored=True), read_image(tmp_path / "a.tif"))


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


# ---- in memory ----


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".bmp", ".jpg"])
def test_content_is_that_of_the_file(tmp_path: Path, picture: Image8, suffix: str, dtype: type) -> None:
    image = picture.astype(dtype) * dtype(1 if dtype == np.uint8 else 257) ^ dtype(dtype == np.uint16)
    path = tmp_path / f"a{suffix}"
    if dtype == np.uint16 and suffix not in (".png", ".tif"):
        with pytest.raises(ImageWriteError, match="'the result': the picture is 16-bit RGB"):
            encode_image(image, format_named(suffix))
        return
    write_image(path, image)
    content = encode_image(image, format_named(suffix))
    assert content == path.read_bytes()
    decoded, format_name = decode_image(content, "it")
    assert format_name == format_named(suffix)
    np.testing.assert_array_equal(decoded, read_image(path, as_stored=True))
    assert decoded.flags.writeable


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"'it' is empty \(0 bytes\)"),
        (b"dear diary", "'it' is not a picture in a known format"),
        (png_header(20000, 12501), "'it' says it is 20000 x 12501 pixels"),
        (png_header(30, 30), "cannot read 'it': .*cut short"),
    ],
)
def test_content_that_is_no_picture_is_named(content: bytes, says: str) -> None:
    with pytest.raises(ImageReadError, match=says):
        decode_image(content, "it")


def test_formats_by_their_ending() -> None:
    assert [format_named(ending) for ending in ("png", ".JPG", "jpeg", "tif", "webp")] == [
        "PNG",
        "JPEG",
        "JPEG",
        "TIFF",
        "WEBP",
    ]
    for wrong in ("gif", "", "png.exe"):
        with pytest.raises(OptionError, match=f"the format is '{wrong}'; expected one of png, jpg"):
            format_named(wrong)
    with pytest.raises(ImageWriteError, match="GIF is read but not written"):
        encode_image(np.zeros((2, 2), np.uint8), "GIF")
    with pytest.raises(ImageWriteError, match="cannot write a picture as WEBP"):
        encode_image(np.zeros((1, 16384), np.uint8), "WEBP")


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_text_called_transparency_is_a_text(tmp_path: Path, picture: Image8, mode: str) -> None:
    image = Image.fromarray(picture).convert(mode)
    text = PngImagePlugin.PngInfo()
    text.add_text("transparency", "none")
    image.save(tmp_path / "p.png", pnginfo=text)
    np.testing.assert_array_equal(read_image(tmp_path / "p.png", as_stored=True), np.asarray(image))
    np.testing.assert_array_equal(read_image(tmp_path / "p.png"), np.asarray(image.convert("RGB")))


def test_a_palette_that_is_missing_is_named(tmp_path: Path) -> None:
    content = png((b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 3, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(6))))
    (tmp_path / "p.png").write_bytes(content)
    for read in (read_image, partial(read_image, as_stored=True), partial(as_hole, size_hw=(2, 2))):
        with pytest.raises(ImageReadError, match=r"cannot read .*p\.png.*its palette is missing"):
            read(tmp_path / "p.png")
