"""What tests plant in picture files beside their pixels."""

from __future__ import annotations

import io
import struct
from functools import cache

import numpy as np
from PIL import Image, ImageCms

from rethined.types import Image8, SizeHW

TAKEN = "2024:01:02 03:04:05"
MAKER_NOTE = b"NOTE\0\0*\0offsets that only the maker knows"
THUMBNAIL = b"\xff\xd8 a small copy that shows what is removed \xff\xd9"
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="%d" dc:title="pond">'
    b"<xmp:Thumbnails><rdf:li>abcd</rdf:li></xmp:Thumbnails></rdf:Description></rdf:RDF></x:xmpmeta>"
)
XMP_WITHOUT_PREVIEW = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="%d" dc:title="pond">'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)


@cache
def srgb() -> bytes:
    """A colour profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_for(space: bytes) -> bytes:
    """The begin of a profile that says for which colours it is."""
    return bytes(16) + space + bytes(16) + b"acsp" + bytes(88)


def exif_block(
    orientation: int = 1,
    *,
    order: str = ">",
    thumbnail: bytes = THUMBNAIL,
    size_wh: tuple[int, int] = (80, 48),
    tail: bytes = b"",
) -> bytes:
    """EXIF laid out by hand: maker, orientation, time, maker note, size, and a thumbnail before ``tail``."""
    maker, taken = b"Maker\0", TAKEN.encode() + b"\0"
    first, exif, second = (8, 5), (8 + 2 + 5 * 12 + 4, 4), (8 + 2 * 2 + 9 * 12 + 8, 2)
    data_at = second[0] + 2 + 2 * 12 + 4
    maker_at, taken_at = data_at, data_at + len(maker)
    note_at = taken_at + len(taken)
    thumbnail_at = note_at + len(MAKER_NOTE)

    def directory(entries: list[tuple[int, int, int, int]], following: int) -> bytes:
        packed = b""
        for tag, kind, count, value in entries:
            packed += struct.pack(f"{order}HHI", tag, kind, count)
            packed += struct.pack(f"{order}Hxx" if kind == 3 else f"{order}I", value)
        return struct.pack(f"{order}H", len(entries)) + packed + struct.pack(f"{order}I", following)

    width, height = size_wh
    whole = (b"MM\0*" if order == ">" else b"II*\0") + struct.pack(f"{order}I", first[0])
    whole += directory(
        [
            (0x0100, 4, 1, width),
            (0x0101, 3, 1, height),
            (0x010F, 2, len(maker), maker_at),
            (0x0112, 3, 1, orientation),
            (0x8769, 4, 1, exif[0]),
        ],
        second[0] if thumbnail else 0,
    )
    whole += directory(
        [
            (0x9003, 2, len(taken), taken_at),
            (0x927C, 7, len(MAKER_NOTE), note_at),
            (0xA002, 4, 1, width),
            (0xA003, 3, 1, height),
        ],
        0,
    )
    whole += directory([(0x0201, 4, 1, thumbnail_at), (0x0202, 4, 1, len(thumbnail))], 0)
    return whole + maker + taken + MAKER_NOTE + thumbnail + tail


def waves(size_hw: SizeHW) -> Image8:
    """Soft colours with a grain, as photographs have."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    soft = np.stack([128 + 90 * np.sin(y / 9), 128 + 90 * np.cos(x / 7), 128 + 60 * np.sin((x + y) / 11)], -1)
    grain = np.random.default_rng(5).normal(0, 4, soft.shape)
    return np.clip(np.rint(soft + grain), 0, 255).astype(np.uint8)


def jpeg_of(image: Image8, **options: object) -> bytes:
    """A JPEG as Pillow makes it."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", **options)
    return content.getvalue()
