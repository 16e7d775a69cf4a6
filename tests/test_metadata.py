from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

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
from rethined import exif
from rethined.containers import APP0, APP1, APP2, APP14, COM, Segment, png_international_text
from rethined.metadata import (
    FileWarning,
    Metadata,
    as_segments,
    bare_segments,
    embedded,
    jfif,
    metadata_of,
    save_options,
)

PICTURE = waves((48, 80))
BLOCK = exif.without_preview(exif_block(6))


def read(content: bytes) -> Metadata:
    file = io.BytesIO(content)
    image = Image.open(file)
    if image.format == "PNG":
        image.load()
    return metadata_of(image, file)  # type: ignore[arg-type]


def saved(format_name: str, **options: object) -> bytes:
    content = io.BytesIO()
    Image.fromarray(PICTURE).save(content, format_name, **options)
    return content.getvalue()


def planted(format_name: str) -> bytes:
    """A file of a format with all that it can hold."""
    options: dict[str, Any] = {"exif": exif_block(6), "icc_profile": srgb(), "xmp": XMP % 6}
    if format_name == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", (XMP % 6).decode())
        info.add_text("Title", "pond")
        info.add_text("Prompt", "a pond " * 9, zip=True)
        options |= {"pnginfo": info, "dpi": (300, 150)}
    if format_name == "JPEG":
        options |= {"comment": b"by the pond", "dpi": (300, 150), "exif": b"Exif\0\0" + exif_block(6)}
    if format_name == "TIFF":
        content = saved("TIFF")
        metadata = Metadata(exif=exif_block(6), icc=srgb(), xmp=XMP % 6, dpi=(300, 150))
        return b"".join(embedded(memoryview(content), "TIFF", metadata))
    return saved(format_name, **options)


FORMATS = ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"]


@pytest.mark.parametrize("format_name", FORMATS)
def test_all_that_a_file_says_is_read_without_previews(format_name: str) -> None:
    metadata = read(planted(format_name))
    assert (metadata.icc, metadata.xmp, metadata.orientation) == (srgb(), XMP_WITHOUT_PREVIEW % 6, 6)
    tags = Image.Exif()
    tags.load(metadata.exif)
    inner = tags.get_ifd(ExifTags.IFD.Exif)
    assert (tags[0x010F], tags[0x0112], inner[0x9003], inner[0x927C]) == ("Maker", 6, TAKEN, MAKER_NOTE)
    assert THUMBNAIL not in metadata.exif
    if format_name in ("PNG", "JPEG", "TIFF"):
        np.testing.assert_allclose(metadata.dpi or (), (300, 150), atol=0.02)
    if format_name in ("PNG", "JPEG", "WEBP"):
        assert metadata.exif == BLOCK, "bit for bit, where nothing has to be laid out anew"
    text = {"PNG": {"Title": "pond", "Prompt": "a pond " * 9}, "JPEG": {"Comment": "by the pond"}}
    assert metadata.text == text.get(format_name, {})


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_file_that_says_nothing_is_read_as_that(format_name: str) -> None:
    metadata = read(saved(format_name))
    assert (metadata.exif, metadata.icc, metadata.xmp, metadata.orientation) == (b"", b"", b"", 1)
    assert dict(metadata.text) == {}


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_it_is_the_same_after_every_change_of_format(source: str, target: str) -> None:
    given = read(planted(source)).upright()
    if target in ("PNG", "JPEG", "TIFF"):
        content = b"".join(embedded(memoryview(saved(target)), target, given))
    else:
        content = saved(target, **save_options(target, given))
    result = read(content)
    Image.open(io.BytesIO(content)).verify()
    assert (result.icc, result.xmp, result.orientation) == (srgb(), XMP_WITHOUT_PREVIEW % 1, 1)
    tags = Image.Exif()
    tags.load(result.exif)
    inner = tags.get_ifd(ExifTags.IFD.Exif)
    assert (tags[0x010F], inner[0x9003], inner[0x927C]) == ("Maker", TAKEN, MAKER_NOTE)
    assert (inner[0xA002], inner[0xA003]) == (48, 80), "it was turned"
    if given.dpi is not None and target in ("PNG", "JPEG", "TIFF"):
        np.testing.assert_allclose(result.dpi or (), (150, 300), atol=0.02)
    if source == target == "PNG":
        assert result.text == given.text
        assert result.chunks == given.chunks
    if {source, target} <= {"JPEG", "PNG"}:
        assert result.text.get("Comment") == given.text.get("Comment")


def test_upright_leaves_what_is_upright_alone() -> None:
    metadata = Metadata(exif=exif_block(1), xmp=XMP % 1, dpi=(300, 150), chunks=((b"pHYs", bytes(9)),))
    assert metadata.upright() == metadata


def test_xmp_may_say_how_it_is_turned_in_an_element() -> None:
    xmp = b"<tiff:Orientation>8</tiff:Orientation><tiff:Orientation>"
    assert Metadata(xmp=xmp, orientation=8).upright().xmp == xmp.replace(b"8", b"1")


@pytest.mark.parametrize(
    "xmp", [b"<a tiff:Orientation='8' b=\"8\"/>", b'<a tiff:Orientation = "8" b="8"/>', b"<tiff:Orientation> 8 </a>"]
)
def test_xmp_may_be_written_in_other_ways(xmp: bytes) -> None:
    assert Metadata(xmp=xmp, orientation=8).upright().xmp == xmp.replace(b"8", b"1", 1)


# ---- PNG ----


def png_with_chunks(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"".join(embedded(memoryview(saved("PNG")), "PNG", Metadata(chunks=chunks)))


def test_pieces_of_a_png_go_over_as_they_are() -> None:
    kept = (
        (b"gAMA", struct.pack(">I", 45455)),
        (b"iCCP", b"a name of its own\0\0" + zlib.compress(srgb(), 1)),
        (b"cICP", b"\x0c\x0d\0\1"),
        (b"tEXt", b"Title\0pond"),
        (b"caBX", b"credentials"),
    )
    left_out = ((b"tIME", bytes(7)), (b"bKGD", bytes(6)), (b"sBIT", b"\5\6\5"))
    assert read(png_with_chunks(*kept, *left_out)).chunks == kept


@pytest.mark.parametrize("key", ["Raw profile type exif", "Raw profile type APP1"])
def test_exif_in_a_text_becomes_exif_and_the_text_goes(key: str) -> None:
    block = b"Exif\0\0" + exif_block(3)
    profile = f"\nexif\n{len(block):8}\n{block.hex()}\n"
    metadata = read(png_with_chunks((b"zTXt", key.encode() + b"\0\0" + zlib.compress(profile.encode()))))
    assert metadata.exif == exif.without_preview(exif_block(3))
    assert metadata.chunks == ()
    assert dict(metadata.text) == {}
    if key.endswith("exif"):
        assert metadata.orientation == 3


@pytest.mark.parametrize("profile", ["no lines", "\nexif\n 4\nno digits\n", "\nxmp\n 5\n687474703a\n"])
def test_a_text_that_only_bears_the_name_of_exif_is_none(profile: str) -> None:
    assert read(png_with_chunks((b"tEXt", b"Raw profile type APP1\0" + profile.encode()))).exif == b""


@pytest.mark.parametrize("key", ["icc_profile", "exif", "dpi", "xmp", "comment"])
def test_texts_with_the_names_of_other_things_are_texts(key: str) -> None:
    metadata = read(png_with_chunks(png_international_text(key, "pond")))
    assert metadata.text == {key: "pond"}
    assert (metadata.exif, metadata.icc, metadata.xmp, metadata.dpi) == (b"", b"", b"", None)


# ---- JPEG ----


def test_segments_of_a_jpeg_go_over_as_they_are() -> None:
    others = [Segment(0xED, b"Adobe_CM\0"), Segment(0xE4, b"of the maker"), Segment(COM, b"one"), Segment(COM, b"two")]
    content = b"".join(embedded(memoryview(saved("JPEG")), "JPEG", Metadata(segments=(jfif((72, 72)), *others))))
    assert list(read(content).segments) == [jfif((72, 72)), *others]
    assert as_segments(read(content)) == [jfif((72, 72)), *others]


def test_exif_beyond_one_segment_stays_in_its_place() -> None:
    block = exif_block(1, thumbnail=b"", tail=b"x" * 70_000)
    halves = [Segment(APP1, b"Exif\0\0" + part) for part in (block[:65_527], block[65_527:])]
    segments = (jfif(None), *halves, Segment(COM, b"end"))
    content = b"".join(embedded(memoryview(saved("JPEG")), "JPEG", Metadata(segments=segments)))
    assert read(content).segments == segments


def test_what_is_behind_a_jpeg_is_left_out_and_told() -> None:
    content = jpeg_of(PICTURE)
    with pytest.warns(FileWarning, match="20 bytes behind the picture are left out: other pictures, a video"):
        read(content + b"\0\0" + b"x" * 20)
    read(content + b"\0\r\n")


@pytest.mark.parametrize("has_jfif", [True, False])
@pytest.mark.parametrize("orientation", [1, 6])
def test_stripped_segments_say_how_to_show_it_and_nothing_else(has_jfif: bool, orientation: int) -> None:
    adobe = Segment(APP14, b"Adobe\0\x64\0\0\0\0\0")
    given = [Segment(APP1, b"Exif\0\0" + exif_block(orientation)), Segment(COM, b"hello"), adobe]
    metadata = Metadata(orientation=orientation, segments=tuple([jfif((300, 300))] * has_jfif + given))
    turned = [Segment(APP1, b"Exif\0\0" + exif.only_orientation(6))] * (orientation == 6)
    assert bare_segments(metadata) == [jfif(None)] * has_jfif + turned + [adobe]


@pytest.mark.parametrize("what", ["EXIF", "XMP"])
def test_what_does_not_fit_into_a_jpeg_is_told(what: str) -> None:
    with pytest.raises(ValueError, match=f"its {what} has 70000 bytes, more than a JPEG holds"):
        as_segments(Metadata(**{what.lower(): bytes(70_000)}))


def test_a_long_profile_is_spread_over_segments() -> None:
    icc = np.random.default_rng(3).bytes(150_000)
    segments = [segment for segment in as_segments(Metadata(icc=icc)) if segment.marker == APP2]
    assert [segment.payload[12:14] for segment in segments] == [b"\1\3", b"\2\3", b"\3\3"]
    assert read(b"".join(embedded(memoryview(saved("JPEG")), "JPEG", Metadata(icc=icc)))).icc == icc


@pytest.mark.parametrize(
    ("dpi", "expected"), [(None, (0, 1, 1)), ((300, 150.4), (1, 300, 150)), ((0.1, 1e5), (1, 1, 65535))]
)
def test_the_first_segment_holds_the_resolution(
    dpi: tuple[float, float] | None, expected: tuple[int, int, int]
) -> None:
    assert jfif(dpi) == Segment(APP0, b"JFIF\0\1\1" + struct.pack(">BHH", *expected) + b"\0\0")


# ---- the thumbnail of EXIF ----


@pytest.mark.parametrize(
    ("thumbnail", "expected"),
    [
        (jpeg_of(waves((120, 160))), (120, 160)),
        (jpeg_of(waves((120, 160)), progressive=True), (120, 160)),
        (jpeg_of(waves((8, 1025))), None),
        (jpeg_of(waves((120, 160)))[:90], None),
        (THUMBNAIL, None),
        (b"\xff\xd8\xff\xc0\0\x08\x08\xff\xff\xff\xff\0\xff\xd9", None),
        (b"pixels", None),
        (b"", None),
    ],
)
def test_the_size_of_the_thumbnail_is_known_where_it_is_one(thumbnail: bytes, expected: object) -> None:
    content = saved("PNG", exif=exif_block(6, thumbnail=thumbnail))
    metadata = read(content)
    assert metadata.thumbnail_hw == expected
    assert metadata.upright().thumbnail_hw == (expected and expected[::-1])  # type: ignore[index]
    assert len(thumbnail) < 9 or thumbnail not in metadata.exif


def test_a_new_thumbnail_is_put_in_with_the_orientation_of_the_picture() -> None:
    small = jpeg_of(waves((12, 16)))
    metadata = read(saved("JPEG", exif=b"Exif\0\0" + exif_block(8, thumbnail=jpeg_of(waves((120, 160))))))
    assert metadata.thumbnail_room_bytes == 65_533 - 6 - len(metadata.exif) - exif.PREVIEW_BYTES
    renewed = metadata.with_thumbnail(small)
    tags = Image.Exif()
    tags.load(renewed.exif)
    assert tags.get_ifd(ExifTags.IFD.IFD1)[0x0112] == 8
    assert [s.payload for s in renewed.segments if s.marker == APP1] == [b"Exif\0\0" + renewed.exif]
    assert len(renewed.segments) == len(metadata.segments)


# ---- what cannot be kept ----


@pytest.mark.parametrize(
    ("space", "channels", "is_kept"),
    [
        *((b"RGB ", 3, True), (b"RGB ", 4, True), (b"GRAY", 1, True), (b"GRAY", 2, True), (b"Lab ", 3, True)),
        *((b"GRAY", 3, False), (b"RGB ", 1, False), (b"RGB ", 2, False), (b"CMYK", 3, False)),
    ],
)
def test_a_profile_for_other_pixels_is_left_out_and_told(space: bytes, channels: int, is_kept: bool) -> None:
    chunks = ((b"iCCP", b"x"), (b"gAMA", bytes(4)))
    metadata = Metadata(icc=profile_for(space), chunks=chunks)
    if is_kept:
        assert metadata.for_channels(channels) is metadata
        return
    with pytest.warns(FileWarning, match=f"one for {space.decode().strip()} pixels and is left out, since these are"):
        kept = metadata.for_channels(channels)
    assert (kept.icc, kept.chunks) == (b"", chunks[1:])


@pytest.mark.parametrize(
    ("format_name", "told"),
    [("PNG", ""), ("JPEG", "text"), ("WEBP", "text"), ("BMP", "EXIF, colour profile, XMP, text")],
)
def test_what_a_format_cannot_hold_is_told(format_name: str, told: str) -> None:
    metadata = Metadata(exif=BLOCK, icc=srgb(), xmp=XMP, text={"Title": "pond"})
    Metadata(dpi=(72, 72), text={"Comment": "hello"}).warn_of_loss("JPEG")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metadata.warn_of_loss(format_name)
    expected = f"{format_name} files hold no {told}; what the photograph has of it is left out"
    assert [str(warning.message) for warning in caught] == [expected] * bool(told)


@pytest.mark.parametrize("block", [b"no TIFF at all", b"II*\0"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_exif_that_is_none_says_nothing(block: bytes) -> None:
    content = jpeg_of(PICTURE, exif=b"Exif\0\0" + block)
    with pytest.warns(FileWarning, match="its EXIF is damaged"):
        metadata = read(content)
    assert (metadata.exif, metadata.orientation) == (b"", 1)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_is_left_out_and_told() -> None:
    content = jpeg_of(PICTURE, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05", comment=b"hello")
    with pytest.warns(FileWarning, match=r"its EXIF is damaged .* and is left out"):
        metadata = read(content)
    assert metadata.exif == b""
    assert [segment.marker for segment in metadata.segments] == [APP0, COM]


@pytest.mark.parametrize("format_name", ["GIF", "TIFF", "WEBP", "PNG", "AVIF"])
def test_more_pictures_in_a_file_are_left_out_and_told(format_name: str) -> None:
    more = [Image.fromarray(255 - PICTURE), Image.fromarray(PICTURE[::-1])]
    content = saved(format_name, save_all=True, append_images=more)
    with pytest.warns(FileWarning, match="it holds 2 more pictures, left out: the first one is filled"):
        read(content)


@pytest.mark.parametrize("dpi", [(0, 0), (float("nan"), 1), (float("inf"), 1), (-1, 1), (1e9, 1), "ab", None, (1,)])
def test_a_resolution_without_sense_is_none(dpi: object) -> None:
    file = io.BytesIO(saved("BMP"))
    image = Image.open(file)
    image.info["dpi"] = dpi
    assert metadata_of(image, file).dpi is None  # type: ignore[arg-type]


def test_a_tiff_brings_its_own_tags_along_but_not_its_layout() -> None:
    tags = Image.Exif()
    tags.load(exif_block(1))
    for tag, value in {270: "by the pond", 305: "editor", 33723: b"iptc", 34377: b"8BIM small copy", 330: 8}.items():
        tags[tag] = value
    content = io.BytesIO()
    Image.fromarray(PICTURE).save(content, "TIFF")
    from rethined.containers import tiff_with

    block = read(b"".join(tiff_with(memoryview(content.getvalue()), tags))).exif
    kept = Image.Exif()
    kept.load(block)
    assert {tag: kept[tag] for tag in (270, 305, 33723)} == {270: "by the pond", 305: "editor", 33723: b"iptc"}
    assert not {256, 257, 258, 259, 262, 273, 277, 279, 330, 34377} & set(kept)


def test_text_of_a_tiff_that_is_not_ascii_stays_as_it_was() -> None:
    tags = Image.Exif()
    tags[315], tags[65000], tags[65001] = "José".encode(), "plain", "für".encode()
    tags.get_ifd(ExifTags.IFD.Exif)[42032] = "Zoë".encode()
    block = exif.bare(tags.tobytes())
    for _ in range(2):
        content = b"".join(embedded(memoryview(saved("TIFF")), "TIFF", Metadata(exif=block)))
        block = read(content).exif
        for text in ("José", "plain", "für", "Zoë"):
            assert text.encode() in content
            assert text.encode() in block


def test_a_channel_of_a_tiff_without_a_meaning_is_named(tmp_path: Path) -> None:
    Image.new("RGBX", (8, 6)).save(tmp_path / "infrared.tif")
    with pytest.warns(FileWarning, match=r"1 of its channels has no meaning that is known here: left out"):
        read((tmp_path / "infrared.tif").read_bytes())


def test_bmp_holds_the_resolution_alone(tmp_path: Path) -> None:
    metadata = Metadata(exif=BLOCK, icc=srgb(), dpi=(300, 150))
    Image.fromarray(PICTURE).save(tmp_path / "a.bmp", **save_options("BMP", metadata))
    with Image.open(tmp_path / "a.bmp") as image:
        np.testing.assert_allclose(image.info["dpi"], (300, 150), atol=0.02)
    assert save_options("BMP", Metadata()) == {}
