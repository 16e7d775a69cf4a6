"""What a file says about a picture beside its pixels: EXIF, colour profile, XMP, resolution, text.

It is read once, without the small copies of the picture that it may hold: they would still show what is removed.
Written in the format that it came in, pieces go over as they are; in another one they are put the way that format has
it.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import IO, Any
from warnings import warn

from PIL import ExifTags, Image, ImageFile, TiffImagePlugin

from rethined import exif
from rethined.containers import (
    APP0,
    APP1,
    APP2,
    APP14,
    COM,
    PILLOW_ERRORS,
    SEGMENT_BYTES,
    Segment,
    jpeg_layout,
    jpeg_with,
    png_chunks,
    png_international_text,
    png_with,
    tiff_with,
)
from rethined.previews import segments_without_previews, xmp_without_previews
from rethined.types import SizeHW

JPEG_FORMATS = ("JPEG", "MPO")
"""What Pillow calls a JPEG; the second has others behind it."""

MOST_THUMBNAIL_PX = 1024
"""Longest side of a small copy that is believed; cameras have 160."""

_EXIF_NAME, _XMP_NAME, _ICC_NAME = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_XMP_KEY = "XML:com.adobe.xmp"
_JFIF = struct.Struct(">5sHBHHBB")
_COMMENT = "Comment"

_PNG_CHUNKS = (
    b"cICP",
    b"mDCV",
    b"cLLI",
    b"iCCP",
    b"sRGB",
    b"gAMA",
    b"cHRM",
    b"pHYs",
    b"tEXt",
    b"zTXt",
    b"iTXt",
    b"caBX",
)
"""What of a PNG goes over as it is: colour, resolution, texts, credentials of its origin. Left out are what belongs to
a palette, the time of the last change, and EXIF and XMP, which are written anew."""
_PNG_TEXTS_OF_OTHERS = re.compile(rb"\A(?:XML:com\.adobe\.xmp|Raw profile type (?:exif|APP1))\0", re.IGNORECASE)

_TIFF_LAYOUT = frozenset(
    [
        # how pixels are stored, from NewSubfileType to MaxSampleValue
        *(254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281),
        # planes, free space, grey response, fax options, prediction, palette, halftones, tiles, other pictures
        *(284, 288, 289, 290, 291, 292, 293, 317, 320, 321, 322, 323, 324, 325, 326, 327, 328, 330),
        # inks, extra samples, ranges, JPEG within TIFF, YCbCr, opacity
        *(332, 333, 334, 336, 337, 338, 339, 340, 341, 342, 343, 347, *range(512, 522), 529, 530, 531, 532, 559),
        # XMP and profile, which are kept apart; layers and small copies of Photoshop
        *(700, 34675, 34377, 37724),
    ]
)
"""Tags of a TIFF that say how this file is stored, not what is in the picture."""

_HELD = {
    "PNG": ("EXIF", "colour profile", "XMP", "text"),
    "JPEG": ("EXIF", "colour profile", "XMP"),
    "TIFF": ("EXIF", "colour profile", "XMP"),
    "WEBP": ("EXIF", "colour profile", "XMP"),
    "AVIF": ("EXIF", "colour profile", "XMP"),
    "HEIF": ("EXIF", "colour profile", "XMP"),
    "BMP": (),
}
"""What each format that is written can hold."""


class FileWarning(UserWarning):
    """A file that does not come back whole, or a JPEG that is encoded anew: the message says what and why."""


@dataclass(frozen=True)
class Metadata:
    """What a file says about a picture.

    Attributes:
        exif: The EXIF block, without a name before it.
        icc: The colour profile.
        xmp: The XMP packet.
        dpi: Pixels an inch, along a row and along a column.
        text: Texts by their keys.
        orientation: How the pixels that it belongs to are turned, 1..8 as in EXIF; 1 is upright.
        chunks: Of a PNG, those of its chunks that go over as they are.
        segments: Of a JPEG, its application and comment segments.
        thumbnail_hw: Height and width of the small copy that its EXIF had, which shows what has been removed; ``None``
            where it had none.
    """

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    orientation: int = 1
    chunks: tuple[tuple[bytes, bytes], ...] = ()
    segments: tuple[Segment, ...] = ()
    thumbnail_hw: SizeHW | None = None

    def upright(self) -> Metadata:
        """That of the same picture with its pixels turned upright."""
        is_turned = self.orientation >= 5
        return replace(
            self,
            exif=exif.upright(self.exif, is_turned=is_turned) if self.exif else b"",
            xmp=re.sub(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)[0-9]""", rb"\g<1>1", self.xmp),
            dpi=self.dpi[::-1] if self.dpi and is_turned else self.dpi,
            orientation=1,
            chunks=tuple(map(_turned_chunk, self.chunks)) if is_turned else self.chunks,
            segments=(),
            thumbnail_hw=self.thumbnail_hw[::-1] if self.thumbnail_hw and is_turned else self.thumbnail_hw,
        )

    @property
    def thumbnail_room_bytes(self) -> int:
        """How long a small copy in its EXIF may be; in any format: other programs make JPEGs of them."""
        return SEGMENT_BYTES - len(_EXIF_NAME) - len(self.exif) - exif.PREVIEW_BYTES

    def with_thumbnail(self, content: bytes) -> Metadata:
        """The same with a small copy in its EXIF.

        Args:
            content: A JPEG of at most :attr:`thumbnail_room_bytes`, turned as the picture is.
        """
        block = exif.with_preview(self.exif, content, orientation=self.orientation)
        return replace(self, exif=block, segments=tuple(_with_exif(list(self.segments), block)))

    def for_channels(self, channels: int) -> Metadata:
        """The same without a colour profile that is meant for pixels of another kind, with a warning.

        Args:
            channels: 1 or 2 for grey, 3 or 4 for RGB.
        """
        space = self.icc[16:20]
        if space not in (b"GRAY", b"RGB ", b"CMYK") or space == (b"GRAY" if channels < 3 else b"RGB "):
            return self
        kind = "grey" if channels < 3 else "RGB"
        _warn(f"its colour profile is one for {space.decode().strip()} pixels and is left out, since these are {kind}")
        return replace(self, icc=b"", chunks=tuple(chunk for chunk in self.chunks if chunk[0] != b"iCCP"))

    def warn_of_loss(self, format_name: str) -> None:
        """Tells what files of a format cannot hold of it."""
        has = {"EXIF": self.exif, "colour profile": self.icc, "XMP": self.xmp, "text": set(self.text) - {_COMMENT}}
        lost = [name for name, value in has.items() if value and name not in _HELD[format_name]]
        if lost:
            _warn(f"{format_name} files hold no {', '.join(lost)}; what the photograph has of it is left out")


def orientation_of(image: Image.Image) -> int:
    """How the pixels of a picture are turned, 1..8 as in EXIF; 1, upright, where nothing that can be read says so."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except PILLOW_ERRORS:  # damaged, or a text of a PNG that bears the name of EXIF or XMP
        return 1
    return orientation if isinstance(orientation, int) and orientation in range(1, 9) else 1


def metadata_of(image: ImageFile.ImageFile, file: IO[bytes]) -> Metadata:
    """What a file says about its picture, without the small copies of it.

    Args:
        image: The picture, as Pillow has opened it; not turned upright yet. Of a PNG, decoded.
        file: Its file, open.
    """
    info, block = image.info, _exif_block(image)
    found = Metadata(
        exif=_sound_exif(block),
        thumbnail_hw=_thumbnail_hw(block),
        icc=_as_bytes(info.get("icc_profile")),
        xmp=xmp_without_previews(_as_bytes(info.get("xmp"))),
        dpi=_dpi(info.get("dpi")),
        text=_texts(image),
        orientation=orientation_of(image),
    )
    if image.format in JPEG_FORMATS:
        file.seek(0)
        segments = segments_without_previews(_spoken(file.read()))
        # Where EXIF is damaged, how the picture is turned may be all that can be read of it: its pixels lie that way.
        turn = exif.only_orientation(found.orientation) if found.orientation != 1 else b""
        return replace(found, segments=tuple(_with_exif(segments, found.exif or turn)))
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        more = image.tag_v2.get(TiffImagePlugin.SAMPLESPERPIXEL, 1) - len(image.getbands())
        if more > 0 and image.mode not in ("1", "P"):
            _warn(f"{more} of its channels {'have' if more > 1 else 'has'} no meaning that is known here: left out")
    others = getattr(image, "n_frames", 1) - 1
    if others:
        _warn(f"it holds {others} more picture{'s' if others > 1 else ''}, left out: the first one is filled")
    if image.format == "PNG":
        file.seek(0)
        chunks = [(name, data) for name, data in png_chunks(file) if name in _PNG_CHUNKS]
        return replace(found, chunks=tuple(chunk for chunk in chunks if not _PNG_TEXTS_OF_OTHERS.match(chunk[1])))
    return found


def embedded(content: memoryview, format_name: str, metadata: Metadata) -> list[bytes | memoryview]:
    """A file as an encoder has made it, PNG, JPEG or TIFF, with what is known about the picture put in, in pieces.

    Raises:
        ValueError: It does not fit.
    """
    if format_name == "PNG":
        return png_with(content, _as_chunks(metadata))
    if format_name == "TIFF":
        return tiff_with(content, _as_tags(metadata))
    # The encoder alone knows in which colours it has written: Adobe's segment stays its own.
    segments = [segment for segment in as_segments(metadata) if segment.marker != APP14]
    return [jpeg_with(bytes(content), segments, own=frozenset({APP14}))]


def save_options(format_name: str, metadata: Metadata) -> dict[str, Any]:
    """The same as arguments of Pillow's ``save``, for formats that it is left to."""
    if format_name == "BMP":
        return {} if metadata.dpi is None else {"dpi": metadata.dpi}
    given = {"exif": metadata.exif, "icc_profile": metadata.icc, "xmp": metadata.xmp}
    return {name: value for name, value in given.items() if value}


def as_segments(metadata: Metadata) -> list[Segment]:
    """The same as segments of a JPEG.

    Raises:
        ValueError: EXIF or XMP is longer than a segment.
    """
    if metadata.segments:
        return list(metadata.segments)
    segments = [jfif(metadata.dpi)]
    for what, name, data in (("EXIF", _EXIF_NAME, metadata.exif), ("XMP", _XMP_NAME, metadata.xmp)):
        if len(name) + len(data) > SEGMENT_BYTES:
            raise ValueError(f"its {what} has {len(data)} bytes, more than a JPEG holds: strip leaves it out")
        if data:
            segments.append(Segment(APP1, name + data))
    piece_bytes = SEGMENT_BYTES - len(_ICC_NAME) - 2
    pieces = [metadata.icc[at : at + piece_bytes] for at in range(0, len(metadata.icc), piece_bytes)]
    for number, piece in enumerate(pieces, 1):
        segments.append(Segment(APP2, _ICC_NAME + bytes([number, len(pieces)]) + piece))
    if _COMMENT in metadata.text:
        segments.append(Segment(COM, metadata.text[_COMMENT].encode()[:SEGMENT_BYTES]))
    return segments


def bare_segments(metadata: Metadata) -> list[Segment]:
    """Of the segments of a JPEG those without which it would look different: colours, and how it is turned."""
    segments = [jfif(None)] if any(s.marker == APP0 for s in metadata.segments) else []
    if metadata.orientation != 1:
        segments.append(Segment(APP1, _EXIF_NAME + exif.only_orientation(metadata.orientation)))
    return segments + [segment for segment in metadata.segments if segment.marker == APP14]


def jfif(dpi: tuple[float, float] | None) -> Segment:
    """The segment that most JPEGs begin with; without a resolution it says that pixels are square."""
    unit, x, y = (0, 1, 1) if dpi is None else (1, *(min(max(round(value), 1), 65535) for value in dpi))
    return Segment(APP0, _JFIF.pack(b"JFIF\0", 0x0101, unit, x, y, 0, 0))


def _spoken(content: bytes) -> tuple[Segment, ...]:
    """The application and comment segments of a JPEG; with a warning where there is more behind it."""
    layout = jpeg_layout(content)
    behind = content[layout.end :].strip(b"\0\xff\r\n ")
    if behind:
        _warn(f"{len(behind)} bytes behind the picture are left out: other pictures, a video, notes of the camera")
    return layout.spoken


def _exif_block(image: ImageFile.ImageFile) -> bytes:
    info = image.info
    if image.format == "TIFF":
        return _block_of_tiff(image.getexif())
    if isinstance(info.get("exif"), bytes):
        return exif.bare(info["exif"])
    # As ImageMagick puts it into a PNG: name, length and hexadecimal digits, on lines of their own.
    profile = info.get("Raw profile type exif") or info.get("Raw profile type APP1")
    if not isinstance(profile, str):
        return b""
    try:
        block = bytes.fromhex("".join(profile.split("\n")[3:]))
    except ValueError:
        return b""
    return exif.bare(block) if block[:4] != b"http" else b""


def _block_of_tiff(tags: Image.Exif) -> bytes:
    """The tags of a TIFF that say something about the picture, as a block of their own."""
    kept = Image.Exif()
    kept.endian = tags.endian
    try:
        for tag, value in tags.items():
            if tag not in _TIFF_LAYOUT and tag not in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
                kept[tag] = _bytes_of(value)
        for directory in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            if directory in tags:
                inner = {tag: _bytes_of(value) for tag, value in tags.get_ifd(directory).items()}
                if ExifTags.IFD.Interop in inner:
                    inner[ExifTags.IFD.Interop] = tags.get_ifd(ExifTags.IFD.Interop)
                kept[directory] = inner
        return exif.bare(kept.tobytes()) if len(kept) else b""
    except PILLOW_ERRORS as error:
        _warn(f"its EXIF is damaged ({error}) and is left out")
        return b""


def _bytes_of(value: object) -> object:
    """A value of a tag; text that is not ASCII as the bytes it was, since Pillow would write a ``?`` for each.

    Pillow reads text as Latin-1, whatever it is; so this is the way back.
    """
    return value.encode("latin-1") if isinstance(value, str) and not value.isascii() else value


def _sound_exif(block: bytes) -> bytes:
    """A block without its preview; nothing, with a warning, where it is damaged."""
    try:
        block = exif.without_preview(block) if block else b""
        if block:
            exif.upright(block, is_turned=True)  # what may be asked of it later
    except (ValueError, struct.error) as error:
        _warn(f"its EXIF is damaged ({error}) and is left out")
        return b""
    return block


def _thumbnail_hw(block: bytes) -> SizeHW | None:
    """Height and width of the small copy in a block of EXIF."""
    try:
        content, size_hw = exif.preview_of(block)
        if content[:2] == b"\xff\xd8":
            size_hw = jpeg_layout(content).size_hw
    except (ValueError, struct.error):  # damaged
        return None
    return size_hw if all(0 < side <= MOST_THUMBNAIL_PX for side in size_hw) else None


def _with_exif(segments: list[Segment], block: bytes) -> Iterator[Segment]:
    """The segments with another block of EXIF, in the place of the first one."""
    is_there = False
    for segment in segments:
        if segment.marker != APP1 or not segment.payload.startswith(_EXIF_NAME):
            yield segment
        elif not is_there:
            # A block beyond one segment, which is not of the standard, is spread over several.
            size = SEGMENT_BYTES - len(_EXIF_NAME)
            for at in range(0, len(block), size):
                yield Segment(APP1, _EXIF_NAME + block[at : at + size])
            is_there = True


def _as_chunks(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    chunks = list(metadata.chunks)
    if not chunks:
        if metadata.icc:
            chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
        if metadata.dpi is not None:
            x, y = (min(max(round(value / 0.0254), 1), 2**31 - 1) for value in metadata.dpi)
            chunks.append((b"pHYs", struct.pack(">IIB", x, y, 1)))
        chunks += [png_international_text(key, text) for key, text in metadata.text.items()]
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append(png_international_text(_XMP_KEY, metadata.xmp.decode("utf-8", "replace")))
    return chunks


def _as_tags(metadata: Metadata) -> Image.Exif:
    tags = Image.Exif()
    if metadata.exif:
        tags.load(metadata.exif)
        for directory in (tags, *(tags.get_ifd(each) for each in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo))):
            for tag, value in tuple(directory.items()):
                directory[tag] = _bytes_of(value)
    for tag in _TIFF_LAYOUT & set(tags):
        del tags[tag]
    if metadata.xmp:
        tags[700] = metadata.xmp
    if metadata.icc:
        tags[34675] = metadata.icc
    if metadata.dpi is not None and not {ExifTags.Base.XResolution, ExifTags.Base.YResolution} <= set(tags):
        tags[ExifTags.Base.XResolution], tags[ExifTags.Base.YResolution] = metadata.dpi
        tags[ExifTags.Base.ResolutionUnit] = 2
    return tags


def _turned_chunk(chunk: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, data = chunk
    return (name, data[4:8] + data[:4] + data[8:]) if name == b"pHYs" else chunk


def _texts(image: ImageFile.ImageFile) -> dict[str, str]:
    texts = getattr(image, "text", {}) if image.format == "PNG" else {}
    kept = {key: str(text) for key, text in texts.items() if not _PNG_TEXTS_OF_OTHERS.match(key.encode() + b"\0")}
    comment = image.info.get("comment")
    if isinstance(comment, bytes) and comment:
        kept[_COMMENT] = comment.decode("utf-8", "replace")
    return kept


def _dpi(value: object) -> tuple[float, float] | None:
    try:
        x, y = (float(number) for number in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if all(math.isfinite(number) and 0 < number < 1e6 for number in (x, y)) else None


def _as_bytes(value: object) -> bytes:
    """The bytes that Pillow found; nothing where it found a text: one of a PNG may bear any name."""
    return value if isinstance(value, bytes) else b""


def _warn(message: str) -> None:
    warn(message, FileWarning, stacklevel=3)
