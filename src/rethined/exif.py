"""EXIF, as files carry it: a small TIFF directory, changed in place.

It is not taken apart and laid out anew: maker notes point into the whole by offsets that nobody but the maker knows,
and what is not understood here is to stay as it is. The form is that of CIPA DC-008 (EXIF 2.32), section 4.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from rethined.types import SizeHW

_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_ORIENTATION = 0x0112
_EXIF_DIRECTORY = 0x8769
_ALONG_AXES = ((0x0100, 0x0101), (0x011A, 0x011B), (0xA002, 0xA003))
"""Width and height, resolution along both axes, width and height once more, in the directory of EXIF."""
_PREVIEWS = ((0x0201, 0x0202), (0x0111, 0x0117))
"""Where a preview begins and how many bytes it has: a JPEG, and a strip of pixels."""
_SHORTS = (3, 8)
_ENTRY_BYTES = 12
PREVIEW_BYTES = 2 + 7 * _ENTRY_BYTES + 4 + 2 * 8 + 1
"""What a preview takes at most besides itself: its directory, with two ratios, at an even place."""


@dataclass(frozen=True)
class _Entry:
    """One tag.

    Attributes:
        at: Where it begins, in bytes.
        kind: Number of its type.
        value: First number it holds; of longer ones the place.
    """

    at: int
    kind: int
    value: int


def bare(block: bytes) -> bytes:
    """A block without the name that some formats put before it."""
    return re.sub(rb"\A(?:Exif\0\0){1,2}", b"", block)


def upright(block: bytes, *, is_turned: bool) -> bytes:
    """The same of a picture whose pixels have been turned upright: orientation 1.

    Args:
        block: As it is stored, without a name before it.
        is_turned: Whether width and height have changed places.

    Raises:
        ValueError: It is damaged.
    """
    edited = bytearray(block)
    for directory in _directories(block):
        if _ORIENTATION in directory:
            _put(edited, directory[_ORIENTATION], 1)
        for pair in _ALONG_AXES:
            if is_turned and all(tag in directory for tag in pair):
                _swap(edited, *(directory[tag].at for tag in pair))
    return bytes(edited)


def without_preview(block: bytes) -> bytes:
    """The same without the small copy of the picture that cameras add; its bytes are gone, not only its mention.

    Raises:
        ValueError: It is damaged.
    """
    order, second_at = _link_to_preview(block)
    preview_directory = _offset(block, order, second_at)
    if not preview_directory:
        return block
    edited = bytearray(block)
    struct.pack_into(f"{order}I", edited, second_at, 0)
    entries, _ = _directory(block, order, preview_directory)
    for begins, counts in _PREVIEWS:
        if begins in entries and counts in entries:
            start, size = entries[begins].value, entries[counts].value
            stop = min(start + size, len(block))
            edited[start:stop] = bytes(max(stop - start, 0))
            if start < stop == len(block):
                del edited[start:]
    return bytes(edited)


def preview_of(block: bytes) -> tuple[bytes, SizeHW]:
    """The small copy of the picture that cameras add, and the height and width that its directory states, or 0.

    Returns:
        The bytes of the copy, a JPEG or bare pixels; none where there is no copy.

    Raises:
        ValueError: It is damaged.
    """
    order, second_at = _link_to_preview(block)
    preview_directory = _offset(block, order, second_at)
    if not preview_directory:
        return b"", (0, 0)
    entries, _ = _directory(block, order, preview_directory)
    width, height = (entries[tag].value if tag in entries else 0 for tag in _ALONG_AXES[0])
    for begins, counts in _PREVIEWS:
        if begins in entries and counts in entries:
            start = entries[begins].value
            return block[start : start + entries[counts].value], (height, width)
    return b"", (0, 0)


def with_preview(block: bytes, content: bytes, *, orientation: int) -> bytes:
    """The same with a small copy of the picture, behind all that is there: nothing else moves.

    Args:
        block: As :func:`without_preview` gives it.
        content: The copy, a JPEG.
        orientation: How its pixels are turned, 1..8; those of the picture have to be turned alike.

    Raises:
        ValueError: It is damaged.
    """
    order, second_at = _link_to_preview(block)
    if second_at + 4 > len(block):
        raise ValueError("its first directory ends beyond its end")
    edited = bytearray(block)
    edited += bytes(len(edited) % 2)
    at = len(edited)
    struct.pack_into(f"{order}I", edited, second_at, at)
    ratio_at = at + 2 + 7 * _ENTRY_BYTES + 4
    # Of the standard's table of tags for compressed thumbnails: all that it asks for, and which way is up.
    entries = [
        (0x0103, 3, 6),  # JPEG
        (_ORIENTATION, 3, orientation),
        (0x011A, 5, ratio_at),
        (0x011B, 5, ratio_at + 8),
        (0x0128, 3, 2),  # pixels an inch
        (0x0201, 4, ratio_at + 16),
        (0x0202, 4, len(content)),
    ]
    edited += struct.pack(f"{order}H", len(entries))
    for tag, kind, value in entries:
        edited += struct.pack(f"{order}HHI{'Hxx' if kind in _SHORTS else 'I'}", tag, kind, 1, value)
    edited += bytes(4) + struct.pack(f"{order}4I", 72, 1, 72, 1) + content
    return bytes(edited)


def only_orientation(orientation: int) -> bytes:
    """A block that says how a picture is turned, and nothing else."""
    entry = struct.pack(">HHIHxx", _ORIENTATION, 3, 1, orientation)
    return b"MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)


def _link_to_preview(block: bytes) -> tuple[str, int]:
    """The byte order, and where it says where the directory of the small copy begins."""
    order = _order(block)
    _, second_at = _directory(block, order, _offset(block, order, 4))
    return order, second_at


def _directories(block: bytes) -> Iterator[dict[int, _Entry]]:
    """The first directory and the one of EXIF."""
    order = _order(block)
    first, _ = _directory(block, order, _offset(block, order, 4))
    yield first
    if _EXIF_DIRECTORY in first:
        yield _directory(block, order, first[_EXIF_DIRECTORY].value)[0]


def _order(block: bytes) -> str:
    try:
        return _ORDERS[block[:4]]
    except KeyError as error:
        raise ValueError(f"it begins with {block[:4]!r}, not as a TIFF does") from error


def _directory(block: bytes, order: str, at: int) -> tuple[dict[int, _Entry], int]:
    """The tags of a directory, and where the offset of the next one is."""
    try:
        (count,) = struct.unpack_from(f"{order}H", block, at)
        entries: dict[int, _Entry] = {}
        for place in range(at + 2, at + 2 + count * _ENTRY_BYTES, _ENTRY_BYTES):
            tag, kind, _, held = struct.unpack_from(f"{order}HHI4s", block, place)
            (value,) = struct.unpack_from(f"{order}{_form(kind)}", held)
            entries.setdefault(tag, _Entry(place, kind, value))
    except struct.error as error:
        raise ValueError("one of its directories lies beyond its end") from error
    return entries, at + 2 + count * _ENTRY_BYTES


def _offset(block: bytes, order: str, at: int) -> int:
    """An offset that is stored at ``at``; 0 where a careless writer has left out the last one."""
    return int(struct.unpack_from(f"{order}I", block, at)[0]) if at + 4 <= len(block) else 0


def _put(block: bytearray, entry: _Entry, value: int) -> None:
    """Sets the one number of an entry."""
    struct.pack_into(f"{_order(bytes(block[:4]))}{_form(entry.kind)}", block, entry.at + 8, value)


def _form(kind: int) -> str:
    """How :mod:`struct` calls a number of this type; what is neither short nor long is at most a place."""
    return "H" if kind in _SHORTS else "I"


def _swap(block: bytearray, one_at: int, other_at: int) -> None:
    """Exchanges what two entries hold, but not their tags."""
    one, other = slice(one_at + 2, one_at + _ENTRY_BYTES), slice(other_at + 2, other_at + _ENTRY_BYTES)
    block[one], block[other] = block[other], block[one]
