from __future__ import annotations

import struct

import pytest

from rethined.containers import APP0, APP1, APP2, APP13, COM, Segment
from rethined.previews import segments_without_previews, xmp_without_previews

XMP = b"http://ns.adobe.com/xap/1.0/\0"
MORE_XMP = b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", 99, 0)
JFIF = b"JFIF\0\1\2\1\0\x48\0\x48"


def resource(number: int, data: bytes, name: bytes = b"") -> bytes:
    padded_name = bytes([len(name)]) + name + bytes((len(name) + 1) % 2)
    return (
        b"8BIM" + struct.pack(">H", number) + padded_name + struct.pack(">I", len(data)) + data + bytes(len(data) % 2)
    )


@pytest.mark.parametrize(
    "segment",
    [
        Segment(APP0, JFIF + b"\0\0"),
        Segment(APP1, b"Exif\0\0MM\0*"),
        Segment(APP1, XMP + b"<x/>"),
        Segment(APP2, b"ICC_PROFILE\0\1\1profile"),
        Segment(APP2, b"something else"),
        Segment(APP13, b"Adobe_CM\0"),
        Segment(0xEB, b"JP\0\1 credentials"),
        Segment(COM, b"MPF\0 in a comment"),
    ],
)
def test_what_holds_no_picture_stays_as_it_is(segment: Segment) -> None:
    assert segments_without_previews([segment]) == [segment]


@pytest.mark.parametrize(
    "segment",
    [
        Segment(APP0, b"JFXX\0\x10 small copy"),
        Segment(APP2, b"MPF\0MM\0*"),
        Segment(APP2, b"FPXR\0\0\1"),
        Segment(APP2, b"urn:iso:std:iso:ts:21496:-1\0gains"),
    ],
)
def test_other_pictures_and_lists_of_them_go(segment: Segment) -> None:
    stays = Segment(COM, b"hello")
    assert segments_without_previews([segment, stays]) == [stays]


def test_the_first_segment_loses_its_small_copy_alone() -> None:
    assert segments_without_previews([Segment(APP0, JFIF + b"\1\1rgb")]) == [Segment(APP0, JFIF + b"\0\0")]


@pytest.mark.parametrize(("text", "stays"), [(b"<history/>", True), (b'GImage:Data="abc"', False)])
def test_the_rest_of_a_long_xmp_stays_unless_it_holds_pictures(text: bytes, stays: bool) -> None:
    halves = [Segment(APP1, MORE_XMP + text), Segment(APP1, MORE_XMP + b"<more/>")]
    assert segments_without_previews(halves) == halves * stays


@pytest.mark.parametrize("number", [0x0409, 0x040C])
def test_photoshop_loses_its_small_copy_alone(number: int) -> None:
    iptc, path = resource(0x0404, b"caption"), resource(0x07D0, b"path", b"odd")
    whole = b"Photoshop 3.0\0" + iptc + resource(number, b"small copy!") + path
    assert segments_without_previews([Segment(APP13, whole)]) == [Segment(APP13, b"Photoshop 3.0\0" + iptc + path)]


def test_photoshop_goes_over_several_segments_and_ends_where_it_is_damaged() -> None:
    long, short = resource(0x0404, b"x" * 70_000), resource(0x0425, b"digest")
    parts = [b"Photoshop 3.0\0" + part for part in (long[:60_000], long[60_000:] + short, b"8BIM\4\4\0\0\0\0\0")]
    kept = segments_without_previews([Segment(APP13, part) for part in parts])
    assert all(len(segment.payload) <= 65_533 for segment in kept)
    assert b"".join(segment.payload[14:] for segment in kept) == long + short


def test_photoshop_with_nothing_else_goes() -> None:
    assert segments_without_previews([Segment(APP13, b"Photoshop 3.0\0" + resource(0x040C, b"small copy"))]) == []


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (b"<a><xmp:Thumbnails><li>x</li></xmp:Thumbnails><b/></a>", b"<a><b/></a>"),
        (b"<xap:Thumbnails>1</xap:Thumbnails>-<xap:Thumbnails>2</xap:Thumbnails>", b"-"),
        (b"<xmp:Thumbnails>never closed", b"<xmp:Thumbnails>never closed"),
        (b"<dc:title>pond</dc:title>", b"<dc:title>pond</dc:title>"),
    ],
)
def test_xmp_loses_its_small_copies_alone(packet: bytes, expected: bytes) -> None:
    assert xmp_without_previews(packet) == expected


def test_a_hundred_thousand_copies_are_taken_out_in_a_moment() -> None:
    copies = b"<a/><xmp:Thumbnails>copy</xmp:Thumbnails>" * 100_000
    assert xmp_without_previews(copies + b"<xmp:Thumbnails>") == b"<a/>" * 100_000 + b"<xmp:Thumbnails>"
