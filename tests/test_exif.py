from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image

from carried import MAKER_NOTE, TAKEN, THUMBNAIL, exif_block
from rethined import exif

JPEG = b"\xff\xd8 a small copy of what is there now \xff\xd9"
EDITS = (
    exif.without_preview,
    lambda block: exif.upright(block, is_turned=True),
    lambda block: exif.with_preview(block, JPEG, orientation=1),
    lambda block: exif.preview_of(block)[0],
)
orders = pytest.mark.parametrize("order", "<>")


def tags_of(block: bytes) -> Image.Exif:
    tags = Image.Exif()
    tags.load(block)
    return tags


def changed_bytes(one: bytes, other: bytes) -> int:
    assert len(one) == len(other)
    return sum(a != b for a, b in zip(one, other, strict=True))


def test_what_is_planted_is_what_others_read() -> None:
    tags = tags_of(exif_block(6))
    inner = tags.get_ifd(ExifTags.IFD.Exif)
    assert (tags[0x010F], tags[0x0112], inner[0x9003], inner[0x927C]) == ("Maker", 6, TAKEN, MAKER_NOTE)
    assert tags.get_ifd(ExifTags.IFD.IFD1)[0x0202] == len(THUMBNAIL)


@orders
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_upright_changes_the_orientation_and_nothing_else(order: str, orientation: int) -> None:
    block = exif_block(orientation, order=order)
    edited = exif.upright(block, is_turned=False)
    assert tags_of(edited)[0x0112] == 1
    assert changed_bytes(block, edited) == (orientation != 1)


@orders
def test_width_and_height_change_places_when_the_picture_is_turned(order: str) -> None:
    tags = tags_of(exif.upright(exif_block(8, order=order, size_wh=(4000, 3000)), is_turned=True))
    inner = tags.get_ifd(ExifTags.IFD.Exif)
    assert (tags[0x0100], tags[0x0101], inner[0xA002], inner[0xA003]) == (3000, 4000, 3000, 4000)
    assert inner[0x927C] == MAKER_NOTE


@orders
@pytest.mark.parametrize("tail", [b"", b"more of the maker"])
def test_the_preview_is_gone_with_its_bytes(order: str, tail: bytes) -> None:
    block = exif_block(6, order=order, tail=tail)
    edited = exif.without_preview(block)
    assert THUMBNAIL[:10] not in edited
    assert tags_of(edited).get_ifd(ExifTags.IFD.IFD1) == {}
    assert tags_of(edited).get_ifd(ExifTags.IFD.Exif) == tags_of(block).get_ifd(ExifTags.IFD.Exif)
    # At the end it takes its room with it; elsewhere nothing may move.
    assert len(edited) == (len(block) if tail else len(block) - len(THUMBNAIL))
    assert edited.endswith(tail)
    assert exif.without_preview(edited) == edited


def test_without_a_preview_nothing_changes() -> None:
    block = exif_block(3, thumbnail=b"")
    assert exif.without_preview(block) == block


@orders
@pytest.mark.parametrize("tail", [b"", b"more of the maker"])
def test_a_new_preview_comes_behind_and_nothing_else_moves(order: str, tail: bytes) -> None:
    block = exif.without_preview(exif_block(6, order=order, tail=tail))
    edited = exif.with_preview(block, JPEG, orientation=6)
    first = tags_of(edited).get_ifd(ExifTags.IFD.IFD1)
    start, size = first.pop(0x0201), first.pop(0x0202)
    assert edited[start : start + size] == JPEG
    assert first == {0x0103: 6, 0x0112: 6, 0x011A: 72, 0x011B: 72, 0x0128: 2}
    assert dict(tags_of(edited)) == dict(tags_of(block))
    assert tags_of(edited).get_ifd(ExifTags.IFD.Exif) == tags_of(block).get_ifd(ExifTags.IFD.Exif)
    assert changed_bytes(block, edited[: len(block)]) <= 4, "where it is told of"
    assert len(edited) - len(block) <= len(JPEG) + exif.PREVIEW_BYTES
    assert exif.preview_of(edited) == (JPEG, (0, 0))
    again = exif.without_preview(edited)
    assert JPEG not in again
    assert exif.preview_of(again) == (b"", (0, 0))


@orders
def test_the_preview_is_found_with_what_is_said_of_its_size(order: str) -> None:
    assert exif.preview_of(exif_block(6, order=order)) == (THUMBNAIL, (0, 0))
    assert exif.preview_of(exif_block(6, order=order, thumbnail=b"")) == (b"", (0, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_block_that_only_says_how_a_picture_is_turned(orientation: int) -> None:
    assert dict(tags_of(exif.only_orientation(orientation))) == {0x0112: orientation}


@pytest.mark.parametrize("name", [b"", b"Exif\0\0", b"Exif\0\0Exif\0\0"])
def test_names_before_a_block_are_taken_away(name: bytes) -> None:
    assert exif.bare(name + exif_block()) == exif_block()


@pytest.mark.parametrize("block", [b"", b"II", b"XX*\0\0\0\0\x08", b"II*\0", b"MM\0*\0\0\0\x7f", exif_block()[:40]])
def test_a_damaged_block_is_refused(block: bytes) -> None:
    for edit in EDITS:
        with pytest.raises(ValueError, match=r"not as a TIFF does|lies beyond its end"):
            edit(block)


@given(st.binary(max_size=12), st.integers(0, 300), st.integers(0, 300), st.sampled_from("<>"))
def test_whatever_is_in_it_is_edited_or_refused(noise: bytes, at: int, length: int, order: str) -> None:
    block = bytearray(exif_block(6, order=order))
    block[at : at + len(noise)] = noise
    for whole in (bytes(block), bytes(block[:length])):
        for edit in EDITS:
            with contextlib.suppress(ValueError):
                assert len(edit(whole)) <= len(whole) + len(JPEG) + exif.PREVIEW_BYTES
