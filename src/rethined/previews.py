"""Small copies of a picture that its file carries, and how to leave them out: they would still show what is removed."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator

from rethined.containers import APP0, APP1, APP2, APP13, SEGMENT_BYTES, Segment

_JFIF, _JFXX, _PHOTOSHOP = b"JFIF\0", b"JFXX\0", b"Photoshop 3.0\0"
_XMP, _MORE_XMP = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
_OTHER_PICTURES = (b"MPF\0", b"FPXR\0", b"urn:iso:std:iso:ts:21496:-1\0")
"""Lists of pictures behind the first one, FlashPix, and gain maps: what they speak of is not there any more."""
_PICTURES_IN_XMP = (b"GImg:image", b"GImage:Data", b"GDepth:Data", b"GDepth:Confidence")
_RESOURCE_PREVIEWS = (0x0409, 0x040C)


def segments_without_previews(segments: Iterable[Segment]) -> list[Segment]:
    """The application and comment segments of a JPEG without any other picture in them."""
    segments = list(segments)
    more_xmp = b"".join(segment.payload for segment in segments if _is(segment, APP1, _MORE_XMP))
    has_pictures = any(name in more_xmp for name in _PICTURES_IN_XMP)
    resources = b"".join(s.payload.removeprefix(_PHOTOSHOP) for s in segments if _is(s, APP13, _PHOTOSHOP))
    kept: list[Segment] = []
    are_resources_there = False
    for segment in segments:
        payload = segment.payload
        if _is(segment, APP0, _JFIF):
            kept.append(Segment(APP0, payload[:12].ljust(12, b"\0") + b"\0\0"))
        elif _is(segment, APP0, _JFXX) or any(_is(segment, APP2, name) for name in _OTHER_PICTURES):
            continue
        elif _is(segment, APP1, _XMP):
            kept.append(Segment(APP1, _XMP + xmp_without_previews(payload.removeprefix(_XMP))))
        elif _is(segment, APP1, _MORE_XMP) and has_pictures:
            continue
        elif not _is(segment, APP13, _PHOTOSHOP):
            kept.append(segment)
        elif not are_resources_there:
            kept += _photoshop(b"".join(_resources_without_previews(resources)))
            are_resources_there = True
    return kept


def xmp_without_previews(packet: bytes) -> bytes:
    """An XMP packet without the small copies that some programs put there."""
    for name in (b"xmp:Thumbnails", b"xap:Thumbnails"):
        kept, at = [], 0
        # In one go: a packet of some MB may hold a hundred thousand of them, to keep whoever cuts one by one busy.
        while (start := packet.find(b"<" + name, at)) >= 0:
            end = packet.find(b"</" + name + b">", start)
            if end < 0:
                break
            kept.append(packet[at:start])
            at = end + len(name) + 3
        packet = b"".join([*kept, packet[at:]])
    return packet


def _is(segment: Segment, marker: int, name: bytes) -> bool:
    return segment.marker == marker and segment.payload.startswith(name)


def _photoshop(resources: bytes) -> list[Segment]:
    size = SEGMENT_BYTES - len(_PHOTOSHOP)
    return [Segment(APP13, _PHOTOSHOP + resources[at : at + size]) for at in range(0, len(resources), size)]


def _resources_without_previews(resources: bytes) -> Iterator[bytes]:
    """Photoshop's resources one by one, up to the first that is damaged (its File Formats Specification)."""
    at = 0
    while resources[at : at + 4] == b"8BIM" and at + 12 <= len(resources):
        (number,) = struct.unpack_from(">H", resources, at + 4)
        data_at = at + 6 + (resources[at + 6] + 2) // 2 * 2  # a name, its length before it, of an even number of bytes
        if data_at + 4 > len(resources):
            return
        (size,) = struct.unpack_from(">I", resources, data_at)
        stop = data_at + 4 + (size + 1) // 2 * 2
        if number not in _RESOURCE_PREVIEWS:
            yield resources[at:stop]
        at = stop
