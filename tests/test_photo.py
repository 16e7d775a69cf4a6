from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from carried import (
    MAKER_NOTE,
    TAKEN,
    THUMBNAIL,
    XMP,
    XMP_WITHOUT_PREVIEW,
    exif_block,
    jpeg_of,
    profile_for,
    srgb,
    waves,
)
from hostile_files import tiff
from rethined import exif, heif, jpeg
from rethined.containers import jpeg_layout
from rethined.errors import ImageError, ImageReadError, ImageWriteError, MissingExtraError
from rethined.imageio import read_image, turned_back, write_image, write_stored
from rethined.metadata import FileWarning, Metadata
from rethined.options import InpaintOptions, Jpeg
from rethined.photo import Photo, read_photo
from rethined.types import HoleMap, Image8, Pixels

SIZE_HW = (48, 80)
BOTH_WAYS: list[Jpeg] = ["lossless", "reencode"]
needs_jpegio = pytest.mark.skipif(not jpeg.is_installed(), reason=f"jpegio is not installed: {jpeg.INSTALL}")
needs_heif = pytest.mark.skipif(not heif.is_installed(), reason=f"pillow-heif is not installed: {heif.INSTALL}")


def plant_jpeg(path: Path, orientation: int = 1, **options: object) -> None:
    """A JPEG that says all it can; as stored it is 48 high and 80 wide."""
    said = {"icc_profile": srgb(), "xmp": XMP % orientation, "dpi": (300, 300), "comment": b"by the pond"}
    exif = b"Exif\0\0" + exif_block(orientation)
    path.write_bytes(jpeg_of(waves(SIZE_HW), exif=exif, **said, **({"quality": 88} | options)))


def fill(photo: Photo, out: Path, *, value: int = 90, **options: object) -> tuple[Pixels, HoleMap]:
    """Writes the photograph with a hole of one grey; gives the picture that it should be."""
    hole = np.zeros(photo.pixels.shape[:2], bool)
    hole[12:20, 20:31] = True
    filled = photo.pixels.copy()
    filled[hole] = value
    photo.write(out, filled, hole, InpaintOptions(**options))
    return filled, hole


def tags_of(path: Path) -> tuple[dict[int, Any], dict[int, Any]]:
    """EXIF, and what is in its directory."""
    with Image.open(path) as image:
        image.load()
        tags = image.getexif()
        return dict(tags), dict(tags.get_ifd(ExifTags.IFD.Exif))


# ---- JPEG to JPEG ----


@pytest.mark.parametrize("how", [pytest.param("lossless", marks=needs_jpegio), "reencode"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_comes_back_whole_and_turned_as_it_was(tmp_path: Path, orientation: int, how: Jpeg) -> None:
    source, out = tmp_path / "a.jpg", tmp_path / "b.jpg"
    plant_jpeg(source, orientation, progressive=True)
    filled, hole = fill(read_photo(source), out, jpeg=how)
    result = read_image(out)
    assert result.shape == filled.shape
    error = np.abs(result.astype(int) - filled)
    assert error[hole].mean() < 15, "where the hole is seen upright"
    assert error[~hole].mean() < 4
    content = out.read_bytes()
    tags, inner = tags_of(out)
    assert (tags[0x0112], inner[0x9003], inner[0x927C]) == (orientation, TAKEN, MAKER_NOTE)
    assert THUMBNAIL not in content
    with Image.open(source) as before, Image.open(out) as after:
        assert after.size == before.size
        assert after.info["xmp"] == XMP_WITHOUT_PREVIEW % orientation
        for name in ("icc_profile", "dpi", "comment", "progressive"):
            assert after.info[name] == before.info[name]
        assert after.quantization == before.quantization  # type: ignore[attr-defined]
        assert after.layer == before.layer  # type: ignore[attr-defined]


def plant_with_thumbnail(path: Path, orientation: int, **block: object) -> None:
    """A photograph with a thumbnail that shows something red."""
    red = np.full((60, 80, 3), (250, 0, 0), np.uint8)
    said = exif_block(orientation, thumbnail=jpeg_of(red), **block)
    Image.fromarray(waves((240, 320))).save(path, exif=b"Exif\0\0" * (path.suffix == ".jpg") + said)


def thumbnail_in(path: Path) -> Image8:
    """The thumbnail as it lies."""
    image = heif.opened(io.BytesIO(path.read_bytes())) if path.suffix == ".heic" else Image.open(path)
    with image, Image.open(io.BytesIO(exif.preview_of(exif.bare(image.info["exif"]))[0])) as small:
        return np.array(small.convert("RGB"))


@pytest.mark.parametrize("how", [pytest.param("lossless", marks=needs_jpegio), "reencode"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_thumbnail_of_a_jpeg_shows_the_result_and_lies_as_it_does(
    tmp_path: Path, orientation: int, how: Jpeg
) -> None:
    source, out = tmp_path / "a.jpg", tmp_path / "b.jpg"
    plant_with_thumbnail(source, orientation)
    fill(read_photo(source), out, value=255, jpeg=how)
    with Image.open(out) as image:
        expected = np.array(image.resize((80, 60), Image.Resampling.BOX)).astype(int)
        assert image.getexif()[0x0112] == image.getexif().get_ifd(ExifTags.IFD.IFD1)[0x0112] == orientation
    small = thumbnail_in(out)
    assert np.abs(small - expected).mean() < 8
    assert tags_of(out)[1][0x927C] == MAKER_NOTE


@pytest.mark.parametrize(
    ("suffix", "has_one"),
    [
        *((".png", True), (".webp", True), (".avif", False), (".jpg", True), (".tif", False)),
        pytest.param(".heic", True, marks=needs_heif),
    ],
)
@pytest.mark.parametrize("source", ["a.jpg", "a.png", "a.webp"])
def test_in_other_formats_the_thumbnail_is_upright_as_the_pixels_are(
    tmp_path: Path, source: str, suffix: str, has_one: bool
) -> None:
    plant_with_thumbnail(tmp_path / source, 6)
    out = tmp_path / f"b{suffix}"
    filled, _ = fill(read_photo(tmp_path / source), out, value=255, jpeg="reencode")
    is_turned_back = (Path(source).suffix, suffix) == (".jpg", ".jpg")
    if not has_one:
        assert b"\xff\xd8\xff" not in out.read_bytes()
        assert MAKER_NOTE in out.read_bytes()
        return
    shown = turned_back(filled, 6) if is_turned_back else filled
    small = thumbnail_in(out)
    assert small.shape == ((60, 80, 3) if is_turned_back else (80, 60, 3))
    expected = np.array(Image.fromarray(shown).resize(small.shape[1::-1], Image.Resampling.BOX)).astype(int)
    assert np.abs(small - expected).mean() < 8


def test_where_there_is_no_room_for_a_thumbnail_it_is_left_out_and_told(tmp_path: Path) -> None:
    plant_with_thumbnail(tmp_path / "a.png", 1, tail=bytes(64_000))
    with pytest.warns(FileWarning, match="its thumbnail is left out: the rest of its EXIF leaves no room for another"):
        fill(read_photo(tmp_path / "a.png"), tmp_path / "b.png")
    assert read_photo(tmp_path / "b.png")._stored.metadata.thumbnail_hw is None


@needs_jpegio
def test_strip_leaves_the_thumbnail_out_too(tmp_path: Path) -> None:
    for suffix in (".jpg", ".png"):
        plant_with_thumbnail(tmp_path / f"a{suffix}", 6)
        fill(read_photo(tmp_path / f"a{suffix}"), tmp_path / f"b{suffix}", strip=True)
        assert read_photo(tmp_path / f"b{suffix}")._stored.metadata.thumbnail_hw is None


@needs_jpegio
@pytest.mark.parametrize("orientation", range(1, 9))
def test_blocks_that_the_hole_does_not_touch_stay_bit_for_bit(tmp_path: Path, orientation: int) -> None:
    import jpegio

    source, out = tmp_path / "a.jpg", tmp_path / "b.jpg"
    plant_jpeg(source, orientation)
    _, hole = fill(read_photo(source), out)
    lying = turned_back(hole, orientation)
    touched = {(y // 16, x // 16) for y, x in np.argwhere(lying)}
    before, after = jpegio.read(str(source)), jpegio.read(str(out))
    changed: set[tuple[int, int]] = set()
    for info, one, other in zip(before.comp_info, before.coef_arrays, after.coef_arrays, strict=True):
        high, wide = 8 * info.v_samp_factor, 8 * info.h_samp_factor
        changed |= {(y // high, x // wide) for y, x in np.argwhere(one != other)}
    assert changed == touched


@pytest.mark.parametrize("how", [pytest.param("lossless", marks=needs_jpegio), "reencode"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_stripped_jpeg_says_how_it_is_turned_and_nothing_else(tmp_path: Path, orientation: int, how: Jpeg) -> None:
    plant_jpeg(tmp_path / "a.jpg", orientation)
    photo = read_photo(tmp_path / "a.jpg")
    filled, hole = fill(photo, tmp_path / "b.jpg", strip=True, jpeg=how)
    np.testing.assert_allclose(read_image(tmp_path / "b.jpg")[~hole].mean(), filled[~hole].mean(), atol=1)
    tags, inner = tags_of(tmp_path / "b.jpg")
    assert (tags, inner) == ({0x0112: 6} if orientation == 6 else {}, {})
    with Image.open(tmp_path / "b.jpg") as image:
        assert not {"icc_profile", "xmp", "dpi", "comment"} & set(image.info) - ({"dpi"} if orientation == 6 else set())
    assert b"Maker" not in (tmp_path / "b.jpg").read_bytes()


@needs_jpegio
def test_a_jpeg_may_be_written_onto_itself(tmp_path: Path) -> None:
    plant_jpeg(tmp_path / "a.jpg")
    filled, hole = fill(read_photo(tmp_path / "a.jpg"), tmp_path / "a.jpg")
    near = cv2.dilate(hole.astype(np.uint8), np.ones((65, 65))) > 0
    np.testing.assert_array_equal(read_image(tmp_path / "a.jpg")[~near], filled[~near])
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


@pytest.mark.filterwarnings("ignore:.*EXIF:UserWarning", "ignore:Truncated File Read")  # Pillow's
@pytest.mark.parametrize("how", [pytest.param("lossless", marks=needs_jpegio), "reencode"])
def test_a_jpeg_with_damaged_exif_stays_turned_as_it_was(tmp_path: Path, how: Jpeg) -> None:
    turned = tiff({ExifTags.Base.Orientation: (3, 6), ExifTags.IFD.Exif: (4, 2**32 - 1)})
    (tmp_path / "p.jpg").write_bytes(jpeg_of(waves(SIZE_HW), exif=b"Exif\0\0" + turned))
    with pytest.warns(FileWarning, match="its EXIF is damaged"):
        photo = read_photo(tmp_path / "p.jpg")
    filled, _ = fill(photo, tmp_path / "out.jpg", jpeg=how)
    assert read_image(tmp_path / "out.jpg").shape == filled.shape
    assert tags_of(tmp_path / "out.jpg") == ({ExifTags.Base.Orientation: 6}, {})


@needs_jpegio
def test_a_grey_jpeg_stays_grey(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg_of(waves(SIZE_HW)[..., 0]))
    fill(read_photo(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    assert read_image(tmp_path / "b.jpg", as_stored=True).shape == SIZE_HW


def test_without_jpegio_a_jpeg_is_encoded_anew_and_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jpeg, "is_installed", lambda: False)
    plant_jpeg(tmp_path / "a.jpg")
    photo = read_photo(tmp_path / "a.jpg")
    told = r"b\.jpg is encoded anew as a whole: .*needs the package 'pyjpegio': pip install 'rethined\[jpeg\]'"
    with pytest.warns(FileWarning, match=told):
        filled, hole = fill(photo, tmp_path / "b.jpg")
    assert np.abs(read_image(tmp_path / "b.jpg").astype(int) - filled)[~hole].mean() < 4
    fill(photo, tmp_path / "c.jpg", jpeg="reencode")  # asked for, so nothing is told
    assert (tmp_path / "b.jpg").read_bytes() == (tmp_path / "c.jpg").read_bytes()


def test_without_jpegio_what_is_asked_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jpeg, "is_installed", lambda: False)
    plant_jpeg(tmp_path / "a.jpg")
    photo, options = read_photo(tmp_path / "a.jpg"), InpaintOptions(jpeg="lossless")
    with pytest.raises(MissingExtraError, match="jpegio"):
        photo.expect_writable(tmp_path / "b.jpg", options)
    with pytest.raises(MissingExtraError, match="jpegio"):
        fill(photo, tmp_path / "b.jpg", jpeg="lossless")
    assert not (tmp_path / "b.jpg").exists()
    photo.expect_writable(tmp_path / "b.png", options)  # it goes with JPEG to JPEG alone


@needs_jpegio
def test_what_cannot_be_done_block_by_block_is_told_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object) -> bytes:
        raise jpeg.CannotPatchError("it is odd")

    monkeypatch.setattr(jpeg, "patched", refuse)
    plant_jpeg(tmp_path / "a.jpg")
    photo = read_photo(tmp_path / "a.jpg")
    with pytest.raises(ImageWriteError, match="it is odd"):
        fill(photo, tmp_path / "b.jpg", jpeg="lossless")
    assert not (tmp_path / "b.jpg").exists()
    with pytest.warns(FileWarning, match=r"b\.jpg is encoded anew as a whole: it is odd"):
        fill(photo, tmp_path / "b.jpg")


@needs_jpegio
def test_a_folder_for_temporary_files_that_cannot_be_used_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_jpeg(tmp_path / "a.jpg")
    photo = read_photo(tmp_path / "a.jpg")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(ImageWriteError, match=r"the folder for temporary files cannot be used: .*TMPDIR"):
        fill(photo, tmp_path / "b.jpg", jpeg="lossless")
    with pytest.warns(FileWarning, match="encoded anew as a whole: the folder for temporary files"):
        fill(photo, tmp_path / "b.jpg")


def test_what_is_behind_the_picture_is_left_out(tmp_path: Path) -> None:
    plant_jpeg(tmp_path / "a.jpg")
    with (tmp_path / "a.jpg").open("ab") as file:
        file.write(jpeg_of(waves((16, 16))) + b"MotionPhoto")
    with pytest.warns(FileWarning, match="bytes behind the picture are left out"):
        photo = read_photo(tmp_path / "a.jpg")
    fill(photo, tmp_path / "b.jpg", jpeg="reencode")
    content = (tmp_path / "b.jpg").read_bytes()
    assert jpeg_layout(content).end == len(content)


def test_several_pictures_in_one_jpeg(tmp_path: Path) -> None:
    more = [Image.fromarray(waves(SIZE_HW)[::-1])]
    Image.fromarray(waves(SIZE_HW)).save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=more)
    with pytest.warns(FileWarning, match="bytes behind the picture are left out"):
        photo = read_photo(tmp_path / "a.jpg")
    fill(photo, tmp_path / "b.jpg", jpeg="reencode")
    with Image.open(tmp_path / "b.jpg") as image:
        assert (image.format, getattr(image, "n_frames", 1)) == ("JPEG", 1)
    assert b"MPF\0" not in (tmp_path / "b.jpg").read_bytes()


# ---- other formats ----


def plant(path: Path, *, orientation: int = 1, dtype: type = np.uint8, channels: int = 3) -> Pixels:
    """A file of any format but JPEG with all it can hold; gives its pixels as they are stored."""
    pixels = waves(SIZE_HW).astype(dtype) * dtype(1 if dtype is np.uint8 else 257)
    if channels == 4:
        pixels = np.dstack([pixels, np.full(SIZE_HW, np.iinfo(dtype).max // 3, dtype)])
    if channels == 1:
        pixels = pixels[..., 0]
    icc = srgb() if channels > 1 else profile_for(b"GRAY")
    text = {"Title": "pond", "Prompt": "a pond"} if path.suffix == ".png" else {}
    metadata = Metadata(exif=exif_block(orientation), icc=icc, xmp=XMP % orientation, dpi=(300, 150), text=text)
    write_stored(path, pixels, metadata)
    return pixels


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_depth_alpha_and_all_that_is_said_are_kept(
    tmp_path: Path, suffix: str, dtype: type, channels: int, orientation: int
) -> None:
    source, out = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    plant(source, orientation=orientation, dtype=dtype, channels=channels)
    filled, _ = fill(read_photo(source), out)
    np.testing.assert_array_equal(read_image(out, as_stored=True), filled)
    assert filled.dtype == dtype
    assert filled.shape[:2] == (SIZE_HW if orientation == 1 else SIZE_HW[::-1])
    with Image.open(out) as image:
        image.load()
        assert image.info["icc_profile"] == srgb()
        assert image.info["xmp"] == XMP_WITHOUT_PREVIEW % 1
        dpi = [float(value) for value in image.info["dpi"]]
        np.testing.assert_allclose(dpi, (300, 150) if orientation == 1 else (150, 300), atol=0.02)
        if suffix == ".png":
            assert {"Title": "pond", "Prompt": "a pond"}.items() <= image.text.items()  # type: ignore[attr-defined]
        assert image.getexif().get(0x0112, 1) == 1, "its pixels are upright now"
    content = out.read_bytes()
    assert TAKEN.encode() in content
    assert MAKER_NOTE in content
    assert THUMBNAIL not in content


def test_16_bit_grey_keeps_what_is_said(tmp_path: Path) -> None:
    for suffix in (".png", ".tif"):
        source, out = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
        plant(source, dtype=np.uint16, channels=1)
        filled, _ = fill(read_photo(source), out, value=30_000)
        np.testing.assert_array_equal(read_image(out, as_stored=True), filled)
        with Image.open(out) as image:
            assert image.info["icc_profile"] == profile_for(b"GRAY")


@pytest.mark.parametrize("suffix", [".webp", ".avif", pytest.param(".heic", marks=needs_heif)])
def test_other_formats_keep_what_is_said(tmp_path: Path, suffix: str) -> None:
    source, out = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    plant(source, orientation=6)
    photo = read_photo(source)
    assert photo.pixels.shape[:2] == SIZE_HW[::-1]
    filled, hole = fill(photo, out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # of pillow-heif
        again = read_photo(out)
    error = np.abs(again.pixels.astype(int) - filled)[~hole]
    assert error.max() == 0 if suffix == ".webp" else error.mean() < 6
    metadata = again._stored.metadata
    assert (metadata.icc, metadata.orientation) == (srgb(), 1)
    assert b"pond" in metadata.xmp
    assert MAKER_NOTE in metadata.exif


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".avif", pytest.param(".heic", marks=needs_heif), ".bmp"])
@pytest.mark.parametrize("source", ["a.jpg", "a.png"])
def test_strip_leaves_nothing_but_pixels(tmp_path: Path, source: str, suffix: str) -> None:
    if source == "a.jpg":
        plant_jpeg(tmp_path / source, 6)
    else:
        plant(tmp_path / source, orientation=6)
    photo, out = read_photo(tmp_path / source), tmp_path / f"b{suffix}"
    filled, hole = fill(photo, out, strip=True)
    assert np.abs(read_image(out).astype(int) - filled)[~hole].mean() < 6
    metadata = read_photo(out)._stored.metadata
    assert (metadata.icc, metadata.xmp, dict(metadata.text), metadata.orientation) == (b"", b"", {}, 1)
    content = out.read_bytes()
    assert not any(said in content for said in (TAKEN.encode(), MAKER_NOTE, b"Title", b"pond", b"ICC"))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_a_jpeg_in_another_format_says_the_same(tmp_path: Path, suffix: str) -> None:
    plant_jpeg(tmp_path / "a.jpg", 6)
    filled, _ = fill(read_photo(tmp_path / "a.jpg"), tmp_path / f"b{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"b{suffix}"), filled)
    tags, _ = tags_of(tmp_path / f"b{suffix}")
    assert (tags[0x010F], tags.get(0x0112, 1)) == ("Maker", 1)
    with Image.open(tmp_path / f"b{suffix}") as image:
        assert image.info["icc_profile"] == srgb()


def test_what_the_new_format_cannot_hold_is_told(tmp_path: Path) -> None:
    plant(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    with pytest.warns(FileWarning, match="JPEG files hold no text"):
        fill(photo, tmp_path / "b.jpg")
    with Image.open(tmp_path / "b.jpg") as image:
        assert image.info["icc_profile"] == srgb()
    plant(tmp_path / "grey.png", channels=1)
    with pytest.warns(FileWarning) as told:
        fill(read_photo(tmp_path / "grey.png"), tmp_path / "b.webp")
    assert [str(warning.message).split(",")[0] for warning in told] == [
        "WEBP files hold no text; what the photograph has of it is left out",
        "its colour profile is one for GRAY pixels and is left out",
    ]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("number", "expected"), [(1, "raw"), (5, "tiff_lzw"), (8, "tiff_adobe_deflate"), (32773, "packbits")]
)
def test_a_tiff_stays_compressed_as_it_was(tmp_path: Path, number: int, expected: str, dtype: type) -> None:
    picture = waves(SIZE_HW).astype(dtype)
    cv2.imwrite(str(tmp_path / "a.tif"), picture, [cv2.IMWRITE_TIFF_COMPRESSION, number])
    filled, _ = fill(read_photo(tmp_path / "a.tif"), tmp_path / "b.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif", as_stored=True), filled)
    with Image.open(tmp_path / "b.tif") as image:
        assert image.info["compression"] == expected


def test_a_tiff_whose_compression_loses_is_compressed_without_loss(tmp_path: Path) -> None:
    Image.fromarray(waves(SIZE_HW)).save(tmp_path / "a.tif", compression="jpeg")
    filled, _ = fill(read_photo(tmp_path / "a.tif"), tmp_path / "b.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "b.tif"), filled)
    with Image.open(tmp_path / "b.tif") as image:
        assert image.info["compression"] == "tiff_adobe_deflate"


def test_a_palette_with_a_transparent_colour_keeps_it_as_alpha(tmp_path: Path) -> None:
    image = Image.fromarray(waves(SIZE_HW)).quantize(20)
    image.save(tmp_path / "a.png", transparency=3)
    photo = read_photo(tmp_path / "a.png")
    assert photo.pixels.shape == (*SIZE_HW, 4)
    filled, _ = fill(photo, tmp_path / "b.png")
    np.testing.assert_array_equal(read_image(tmp_path / "b.png", as_stored=True), filled)


# ---- names, and what cannot be done ----


@pytest.mark.parametrize(
    ("name", "format_name", "expected"),
    [
        ("a.jpg", "JPEG", "a-filled.jpg"),
        ("a.JPEG", "JPEG", "a-filled.JPEG"),
        ("a.tif", "TIFF", "a-filled.tif"),
        ("a.webp", "WEBP", "a-filled.webp"),
        ("a.gif", "GIF", "a-filled.png"),
        ("a.jpg", "PNG", "a-filled.png"),
        ("a", "JPEG", "a-filled.png"),
    ],
)
def test_a_result_is_called_and_coded_like_its_photograph(
    tmp_path: Path, name: str, format_name: str, expected: str
) -> None:
    Image.fromarray(waves(SIZE_HW)).save(tmp_path / name, format_name)
    assert read_photo(tmp_path / name).default_out == tmp_path / expected


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_is_refused(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(waves(SIZE_HW)).convert("CMYK").save(tmp_path / f"a{suffix}")
    with pytest.raises(ImageReadError, match=r"the picture is CMYK, for print.*convert it to RGB with"):
        read_photo(tmp_path / f"a{suffix}")


@pytest.mark.parametrize("change", [lambda picture: picture[1:], lambda picture: picture.astype(np.uint16)])
def test_a_picture_of_another_form_is_refused(tmp_path: Path, change: Callable[[Pixels], Pixels]) -> None:
    plant(tmp_path / "a.png")
    photo = read_photo(tmp_path / "a.png")
    with pytest.raises(ImageError, match="expected those of the photograph"):
        photo.write(tmp_path / "b.png", change(photo.pixels), np.zeros(SIZE_HW, bool), InpaintOptions())


def test_metadata_that_does_not_fit_leaves_the_old_file_alone(tmp_path: Path) -> None:
    metadata = Metadata(exif=exif_block(tail=b"x" * 70_000))
    write_stored(tmp_path / "a.png", waves(SIZE_HW), metadata)
    (tmp_path / "b.jpg").write_bytes(b"precious")
    photo = read_photo(tmp_path / "a.png")
    with pytest.raises(ImageWriteError, match=r"b\.jpg as JPEG: ValueError: its EXIF has \d+ bytes, more than a JPEG"):
        fill(photo, tmp_path / "b.jpg")
    assert (tmp_path / "b.jpg").read_bytes() == b"precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.jpg"]
    fill(photo, tmp_path / "b.jpg", strip=True)


@needs_jpegio
def test_an_error_while_writing_a_jpeg_leaves_the_old_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant_jpeg(tmp_path / "a.jpg")
    before = (tmp_path / "a.jpg").read_bytes()
    photo = read_photo(tmp_path / "a.jpg")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
    with pytest.raises(ImageWriteError, match="no space left"):
        fill(photo, tmp_path / "a.jpg")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.jpg", before)]


def test_heic_without_its_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heif, "is_installed", lambda: False)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    with pytest.raises(ImageReadError, match=r"is HEIC, which pillow-heif reads: pip install 'rethined\[heif\]'"):
        read_photo(tmp_path / "a.heic")
    with pytest.raises(ImageWriteError, match=r"is to be HEIC, which pillow-heif writes: pip install"):
        write_image(tmp_path / "b.heic", waves(SIZE_HW))


@needs_heif
def test_heic_is_read_and_written_without_being_registered(tmp_path: Path) -> None:
    Image.init()
    before = {*Image.OPEN}, {*Image.SAVE}
    write_image(tmp_path / "a.heic", waves(SIZE_HW))
    assert np.abs(read_image(tmp_path / "a.heic").astype(int) - waves(SIZE_HW)).mean() < 4
    assert ({*Image.OPEN}, {*Image.SAVE}) == before


# ---- what the documentation says to type ----


@needs_jpegio
def test_the_comparison_of_the_documentation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plant_jpeg(Path("photo.jpg"))
    fill(read_photo("photo.jpg"), Path("filled.jpg"))
    text = (Path(__file__).parent.parent / "docs" / "files.md").read_text(encoding="utf-8")
    (block,) = [block for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL) if "jpegio" in block]
    exec(block, {})
    # The hole lies on rows 12 to 20 and columns 20 to 31: 2 x 2 blocks of luma, 2 x 1 of each chroma.
    assert capsys.readouterr().out.splitlines() == [
        "Y: 4 of 60 blocks differ",
        "Cb: 2 of 15 blocks differ",
        "Cr: 2 of 15 blocks differ",
    ]
