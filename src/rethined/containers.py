"""How picture files are put together: segments of a JPEG, chunks of a PNG, the directory of a TIFF.

Encoders write pixels; what a file says beside them is put in here, since OpenCV, which alone writes 16-bit colour,
knows nothing of it, and since Pillow keeps only what it understands.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from PIL import Image

PILLOW_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)
"""What Pillow raises over tags that are damaged."""

# ---- JPEG: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B ----

APP0, APP1, APP2, APP13, APP14, COM = 0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE
DQT, SOS, EOI = 0xDB, 0xDA, 0xD9
SEGMENT_BYTES = 65533
"""Most that one segment holds."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of segments that a picture begins with."""
_SPOKEN = frozenset([*range(APP0, 0xF0), COM])
"""What programs and people write into a JPEG; all else is needed to decode it."""
# In coded pixels 0xFF is followed by 0 or by the number of a restart.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")


@dataclass(frozen=True)
class Segment:
    """One segment of a JPEG.

    Attributes:
        marker: Second byte of its marker.
        payload: What comes after its length.
    """

    marker: int
    payload: bytes

    def bytes(self) -> bytes:
        """As it stands in the file."""
        return struct.pack(">BBH", 0xFF, self.marker, len(self.payload) + 2) + self.payload


@dataclass(frozen=True)
class JpegLayout:
    """Where what is in a JPEG.

    Attributes:
        segments: All segments, in order, with where they begin and end, in bytes.
        end: Where the picture ends; some cameras put others behind it.
    """

    segments: tuple[tuple[Segment, int, int], ...]
    end: int

    @property
    def spoken(self) -> tuple[Segment, ...]:
        """The application and comment segments."""
        return tuple(segment for segment, _, _ in self.segments if segment.marker in _SPOKEN)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels.

        Raises:
            ValueError: No segment says them.
        """
        for segment, _, _ in self.segments:
            if segment.marker in _FRAMES and len(segment.payload) >= 5:
                height, width = struct.unpack_from(">HH", segment.payload, 1)
                return height, width
        raise ValueError("it says nowhere how large it is")

    @property
    def redefines_tables(self) -> bool:
        """Whether quantisation tables follow the first scan."""
        markers = [segment.marker for segment, _, _ in self.segments]
        return SOS in markers and DQT in markers[markers.index(SOS) :]

    @property
    def table_numbers(self) -> list[int]:
        """Numbers of the quantisation tables, in rising order."""
        numbers = set()
        for segment, _, _ in self.segments:
            at = 0
            while segment.marker == DQT and at < len(segment.payload):
                numbers.add(segment.payload[at] & 15)
                at += 1 + 64 * (1 + (segment.payload[at] >> 4))  # values of one byte or of two
        return sorted(numbers)


def jpeg_layout(content: bytes) -> JpegLayout:
    """Takes a JPEG apart that a decoder has read, without decoding it.

    Raises:
        ValueError: It ends within a segment.
    """
    segments: list[tuple[Segment, int, int]] = []
    at = 2
    while (found := _MARKER.search(content, at)) is not None:
        start, marker = found.start(), found[1][0]
        if marker == EOI:
            return JpegLayout(tuple(segments), found.end())
        length = int.from_bytes(content[start + 2 : start + 4], "big")
        at = start + 2 + length
        if length < 2 or at > len(content):
            raise ValueError(f"segment 0xFF{marker:02X} at byte {start} ends beyond the file")
        segments.append((Segment(marker, content[start + 4 : at]), start, at))
    return JpegLayout(tuple(segments), len(content))


def jpeg_with(content: bytes, segments: Iterable[Segment], *, own: frozenset[int] = frozenset()) -> bytes:
    """A JPEG with other application and comment segments; coded pixels and tables stay as they are.

    Args:
        content: The JPEG.
        segments: What it is to say instead.
        own: Markers of which its own segments stay, after ``segments``.

    Raises:
        ValueError: As :func:`jpeg_layout`.
    """
    parts = [content[:2], *(segment.bytes() for segment in segments)]
    layout = jpeg_layout(content)
    at = 2
    for segment, start, stop in layout.segments:
        if segment.marker in _SPOKEN and segment.marker not in own:
            parts.append(content[at:start])
            at = stop
    parts.append(content[at : layout.end])
    return b"".join(parts)


# ---- PNG: https://www.w3.org/TR/png-3/ ----

_PNG_HEADER_BYTES = 8 + 25


def png_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Name and data of each chunk of a PNG that a decoder has read, but of those that hold pixels.

    Args:
        file: The PNG, open, at its begin.
    """
    file.seek(8, os.SEEK_CUR)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name in (b"IDAT", b"fdAT"):
            file.seek(length, os.SEEK_CUR)
        else:
            yield name, file.read(length)
        file.seek(4, os.SEEK_CUR)


def png_is_whole(content: bytes) -> bool:
    """Whether no chunk of a PNG, up to the last one, ends beyond the file."""
    at = 8
    while at + 8 <= len(content):
        length, name = struct.unpack_from(">I4s", content, at)
        at += 12 + length
        if name == b"IEND":
            break
    return at <= len(content)


def png_with(content: memoryview, chunks: Iterable[tuple[bytes, bytes]]) -> list[bytes | memoryview]:
    """A PNG with more chunks, right after its header, in pieces."""
    added = [struct.pack(">I", len(data)) + name + data + _crc(name + data) for name, data in chunks]
    return [content[:_PNG_HEADER_BYTES], *added, content[_PNG_HEADER_BYTES:]]


def png_international_text(key: str, text: str) -> tuple[bytes, bytes]:
    """A text as a chunk, in UTF-8, not compressed."""
    return b"iTXt", key.encode("latin-1", "replace") + b"\0\0\0\0\0" + text.encode()


def _crc(data: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(data))


# ---- TIFF: revision 6.0, section 2 ----

_ENTRY_BYTES = 12
_EXIF_NAME = b"Exif\0\0"


def tiff_with(content: memoryview, tags: Image.Exif) -> list[bytes | memoryview]:
    """A TIFF of one picture with more tags, in pieces; those it has by itself stay.

    The directory is written anew at the end, where it has room, and the first bytes are told; no other byte moves.

    Args:
        content: The TIFF, not a BigTIFF.
        tags: More tags, with the directories they name; those that are not needed are taken away.

    Raises:
        ValueError: It has become larger than a TIFF may be, or a tag holds what it cannot.
    """
    order = "<" if bytes(content[:2]) == b"II" else ">"
    own = _entries(content, order, *struct.unpack_from(f"{order}I", content, 4))
    for tag in own:
        if tag in tags:
            del tags[tag]
    if not len(tags):
        return [content]
    end = len(content) + len(content) % 2  # directories begin at even bytes
    tags.endian = order
    try:
        # As if it stood after the entries that it is going to be merged with: its offsets are then right.
        directory = tags.tobytes(end + len(own) * _ENTRY_BYTES)[len(_EXIF_NAME) + 8 :]
        merged = {**own, **_entries(directory, order, 0)}
        entries = b"".join(merged[tag] for tag in sorted(merged))
        data = directory[2 + (len(merged) - len(own)) * _ENTRY_BYTES + 4 :]
        head = bytes(content[:4]) + struct.pack(f"{order}I", end)
        count = struct.pack(f"{order}H", len(merged))
    except PILLOW_ERRORS as error:
        raise ValueError(f"its tags do not fit into a TIFF ({error}): strip leaves them out") from error
    return [head, content[8:], bytes(end - len(content)), count, entries, bytes(4), data]


def _entries(content: bytes | memoryview, order: str, at: int) -> dict[int, bytes]:
    """The entries of a directory by their tags."""
    (count,) = struct.unpack_from(f"{order}H", content, at)
    starts = range(at + 2, at + 2 + count * _ENTRY_BYTES, _ENTRY_BYTES)
    return {
        int(struct.unpack_from(f"{order}H", content, start)[0]): bytes(content[start : start + _ENTRY_BYTES])
        for start in starts
    }
