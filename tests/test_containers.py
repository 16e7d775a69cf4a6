from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFile

from carried import MAKER_NOTE, TAKEN, exif_block, jpeg_of, srgb, waves
from hostile_files import png, png_header
from rethined.containers import (
    APP0,
    APP1,
    APP14,
    COM,
    DQT,
    SOS,
    Segment,
    jpeg_layout,
    jpeg_with,
    png_chunks,
    png_international_text,
    png_is_whole,
    png_with,
    tiff_with,
)
from rethined.types import Pixels

PICTURE = waves((40, 56))


def opened(content: bytes) -> ImageFile.ImageFile:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def joined(parts: list[bytes | memoryview]) -> bytes:
    return b"".join(parts)


# ---- JPEG ----


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 2}, {"quality": 100}], ids=lambda given: str(given)
)
def test_a_jpeg_ends_where_its_picture_ends(options: dict[str, Any]) -> None:
    content = jpeg_of(PICTURE, **options)
    assert jpeg_layout(content).end == len(content)
    behind = jpeg_layout(content + content + b"SEFT")
    assert behind.end == len(content)
    assert behind.segments == jpeg_layout(content).segments


def test_segments_are_found_where_they_are() -> None:
    content = jpeg_of(PICTURE, comment=b"hello", exif=b"Exif\0\0" + exif_block())
    layout = jpeg_layout(content)
    assert layout.spoken == (
        Segment(APP0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
        Segment(APP1, b"Exif\0\0" + exif_block()),
        Segment(COM, b"hello"),
    )
    for segment, start, stop in layout.segments:
        assert content[start:stop] == segment.bytes()
    assert layout.table_numbers == [0, 1]
    assert not layout.redefines_tables


def test_bytes_that_fill_up_and_those_between_segments_are_passed_over() -> None:
    content = jpeg_of(PICTURE)
    padded = content[:2] + b"\xff\xff\xff" + content[2:20] + b"\0\0junk" + content[20:]
    assert jpeg_layout(padded).spoken == jpeg_layout(content).spoken
    assert jpeg_layout(padded).end == len(padded)


def test_a_segment_beyond_the_end_is_damage() -> None:
    with pytest.raises(ValueError, match="segment 0xFFE0 at byte 2 ends beyond the file"):
        jpeg_layout(b"\xff\xd8\xff\xe0\x10\x00JFIF")


def test_tables_of_two_bytes_and_tables_after_a_scan_are_noticed() -> None:
    wide = Segment(DQT, b"\x12" + bytes(128) + b"\x03" + bytes(64)).bytes()
    scan = Segment(SOS, b"\1\1\0\0\x3f\0").bytes()
    assert jpeg_layout(b"\xff\xd8" + wide + scan + b"\xff\xd9").table_numbers == [2, 3]
    assert jpeg_layout(b"\xff\xd8" + wide + scan + b"\x12\xff\0" + wide + scan + b"\xff\xd9").redefines_tables


def test_other_segments_leave_the_pixels_alone() -> None:
    content = jpeg_of(PICTURE, comment=b"old", progressive=True)
    segments = [Segment(APP0, b"JFIF\0\1\1\1\0\x48\0\x48\0\0"), Segment(COM, b"new")]
    changed = jpeg_with(content + b"behind", segments)
    assert opened(changed).info["comment"] == b"new"
    assert opened(changed).info["dpi"] == (72, 72)
    assert opened(changed).tobytes() == opened(content).tobytes()
    assert jpeg_with(changed, jpeg_layout(content).spoken) == content


def test_some_segments_may_stay_its_own() -> None:
    content = jpeg_of(PICTURE, keep_rgb=True, comment=b"old")
    adobe = [segment for segment in jpeg_layout(content).spoken if segment.marker == APP14]
    assert len(adobe) == 1
    changed = jpeg_with(content, [Segment(COM, b"new")], own=frozenset({APP14}))
    assert jpeg_layout(changed).spoken == (Segment(COM, b"new"), *adobe)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_says_how_large_it_is(options: dict[str, Any]) -> None:
    assert jpeg_layout(jpeg_of(PICTURE[:, :33], **options)).size_hw == (len(PICTURE), 33)
    with pytest.raises(ValueError, match="it says nowhere how large it is"):
        _ = jpeg_layout(b"\xff\xd8\xff\xc0\0\x04\x08\0\xff\xd9").size_hw


# ---- PNG ----


def png_of(picture: Pixels) -> memoryview:
    return memoryview(cv2.imencode(".png", picture)[1].tobytes())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_chunks_are_put_into_a_png(dtype: type) -> None:
    content = png_of(PICTURE.astype(dtype))
    chunks = [(b"pHYs", struct.pack(">IIB", 1000, 2000, 1)), png_international_text("Title", "Teich, früh")]
    whole = joined(png_with(content, chunks))
    with Image.open(io.BytesIO(whole)) as image:
        image.verify()  # all checksums
    image = opened(whole)
    assert (image.info["dpi"], image.text["Title"]) == ((25.4, 50.8), "Teich, früh")
    assert cv2.imdecode(np.frombuffer(whole, np.uint8), -1).tobytes() == PICTURE.astype(dtype).tobytes()
    assert list(png_chunks(io.BytesIO(whole)))[1:-1] == chunks


# ---- TIFF ----


def tiff_of(picture: Pixels, order: str) -> memoryview:
    """A TIFF with its directory after the pixels."""
    if order == "II":
        return memoryview(cv2.imencode(".tif", picture)[1].tobytes())
    content = io.BytesIO()
    Image.frombytes("I;16B", (56, 40), picture[..., 0].astype(">u2").tobytes()).save(content, "TIFF")
    return memoryview(content.getvalue())


@pytest.mark.parametrize("order", ["II", "MM"])
def test_tags_are_put_into_a_tiff_and_no_pixel_moves(order: str) -> None:
    picture = PICTURE.astype(np.uint16) * 257
    content = tiff_of(picture, order)
    assert bytes(content[:2]).decode() == order
    tags = Image.Exif()
    tags.load(exif_block(1))
    tags[ExifTags.Base.ImageWidth] = 9999  # its own stays
    tags[34675] = srgb()
    tags[700] = b"<x/>"
    whole = joined(tiff_with(content, tags))
    assert whole[8 : len(content)] == content[8:]
    with Image.open(io.BytesIO(whole)) as image:
        read = image.getexif()
        inner = read.get_ifd(ExifTags.IFD.Exif)
        assert (image.size, read[0x010F], read[700], image.info["icc_profile"]) == ((56, 40), "Maker", b"<x/>", srgb())
        assert (inner[0x9003], inner[0x927C]) == (TAKEN, MAKER_NOTE)
    decoded = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded, picture if order == "II" else picture[..., 0])


def test_directories_within_directories_are_put_into_a_tiff() -> None:
    tags = Image.Exif()
    tags[ExifTags.IFD.Exif] = {0x9003: TAKEN, ExifTags.IFD.Interop: {1: "R98"}}
    tags[ExifTags.IFD.GPSInfo] = {1: "N", 2: (48.0, 8.0, 30.5)}
    with Image.open(io.BytesIO(joined(tiff_with(tiff_of(PICTURE, "II"), tags)))) as image:
        read = image.getexif()
        assert read.get_ifd(ExifTags.IFD.GPSInfo) == {1: "N", 2: (48.0, 8.0, 30.5)}
        assert read.get_ifd(ExifTags.IFD.Exif)[0x9003] == TAKEN
        assert read.get_ifd(ExifTags.IFD.Interop) == {1: "R98"}


def test_a_tiff_of_an_odd_number_of_bytes_gets_its_directory_at_an_even_place() -> None:
    content = memoryview(bytes(tiff_of(PICTURE, "II")) + b"\0" * (1 - len(tiff_of(PICTURE, "II")) % 2))
    assert len(content) % 2
    tags = Image.Exif()
    tags[0x010F] = "Maker"
    whole = joined(tiff_with(content, tags))
    assert struct.unpack_from("<I", whole, 4)[0] % 2 == 0
    assert opened(whole).tobytes() == opened(bytes(content)).tobytes()


def test_without_more_tags_a_tiff_stays_as_it_is() -> None:
    content = tiff_of(PICTURE, "II")
    assert tiff_with(content, Image.Exif()) == [content]


def test_a_tag_that_does_not_fit_is_told() -> None:
    tags = Image.Exif()
    tags[0x0103] = 1  # taken away, as the file has one
    tags[ExifTags.Base.XResolution] = "no number"
    with pytest.raises(ValueError, match="its tags do not fit into a TIFF"):
        tiff_with(tiff_of(PICTURE, "II"), tags)


def test_a_png_is_whole_where_no_chunk_ends_beyond_it() -> None:
    content = png(png_header(4, 4), (b"IDAT", zlib.compress(bytes(52))))
    assert png_is_whole(content)
    assert png_is_whole(content + b"notes")
    assert not any(png_is_whole(content[:size]) for size in range(len(content) - 4, len(content)))
    assert not png_is_whole(content[:33] + b"\xff" + content[34:])
    assert not png_is_whole(content[:-12] + b"\xff\0\0\0tEXt")
