"""Picture files that are damaged or that lie, and what has to come of reading, filling and writing them.

They are made here, from a few pixels each. ``scripts/fuzz`` begins with them, a test goes through them.
"""

from __future__ import annotations

import contextlib
import io
import random
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, TiffImagePlugin

from rethined import Inpainter, InpaintOptions, RethinedError, read_image
from rethined.heif import is_installed
from rethined.imageio import encode_image
from rethined.masks import as_hole
from rethined.photo import Photo, read_photo

SIZE_HW = (16, 24)
OUT_SUFFIXES = (".png", ".jpg", ".tif", ".webp", ".bmp")
LOSSLESS = (".png", ".tif", ".webp", ".bmp")
MOST_FILLED_PX = 128 * 128
"""Larger pictures are read and written, and not filled: what is looked at are their files."""
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_IFD_AT = 8


@dataclass(frozen=True)
class Hostile:
    """One file.

    Attributes:
        name: What it is.
        content: All its bytes.
        is_usable: Whether it has to be read, or to be refused; ``None`` where either will do.
    """

    name: str
    content: bytes
    is_usable: bool | None


# ---- what has to come of them ----


class BrokenPromiseError(Exception):
    """Something came of a file that must not."""


def fill_file(content: bytes, place: Path, inpainter: Inpainter, suffixes: Iterable[str]) -> bool:
    """Reads a file, takes it as a mask, fills a corner of it and writes it in several formats.

    Args:
        content: The file.
        place: An empty folder, which is emptied again.
        inpainter: What fills.
        suffixes: Of the formats.

    Returns:
        Whether it could be read.

    Raises:
        BrokenPromiseError: A file is there that must not be, or one that is not as it has to be.
        Exception: Whatever comes out that is not of the tree of errors.
    """
    path = place / "photo"
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of much that is damaged
            warnings.simplefilter("error", RuntimeWarning)  # NumPy's: numbers that are none
            return _fill_file(path, inpainter, suffixes)
    finally:
        for each in place.iterdir():
            each.unlink()


def _fill_file(path: Path, inpainter: Inpainter, suffixes: Iterable[str]) -> bool:
    try:
        photo = read_photo(path)
    except RethinedError:
        _expect_only(path)
        return False
    height, width = photo.pixels.shape[:2]
    with contextlib.suppress(RethinedError):
        as_hole(path, (height, width))
    hole = np.zeros((height, width), bool)
    hole[: (height + 2) // 3, : (width + 1) // 2] = True
    filled = photo.pixels
    if hole.size <= MOST_FILLED_PX and not hole.all():
        try:
            filled = inpainter.fill(photo.pixels, hole).image
        except RethinedError:  # nothing is known where all is transparent
            hole[:] = False
    for suffix in suffixes:
        for strip in (False, True):
            _expect_written(photo, path.with_name(f"out{suffix}"), filled, hole, InpaintOptions(strip=strip))
    return True


def _expect_written(photo: Photo, out: Path, filled: Any, hole: Any, options: InpaintOptions) -> None:  # noqa: ANN401
    try:
        photo.expect_writable(out, options)
        photo.write(out, filled, hole, options)
    except RethinedError:
        _expect_only(photo.path)
        return
    _expect_only(photo.path, out)
    again = read_image(out, as_stored=True)
    if again.shape[:2] != filled.shape[:2]:
        raise BrokenPromiseError(f"{filled.shape} became {again.shape} as {out.suffix}")
    if out.suffix in LOSSLESS and again.shape == filled.shape and not np.array_equal(again, filled):
        raise BrokenPromiseError(f"{out.suffix} holds other pixels")
    out.unlink()


def _expect_only(*paths: Path) -> None:
    there = set(paths[0].parent.iterdir())
    if there != set(paths):
        raise BrokenPromiseError(f"these files are there: {sorted(path.name for path in there)}")


# ---- changing them ----


def png_mended(content: bytes) -> bytes:
    """The same with right checksums where it is a PNG: with wrong ones nothing but the first would be looked at."""
    if not content.startswith(PNG):
        return content
    edited, at = bytearray(content), len(PNG)
    while at + 12 <= len(edited):
        stop = at + 8 + int.from_bytes(edited[at : at + 4], "big")
        if stop + 4 > len(edited):
            break
        edited[stop : stop + 4] = struct.pack(">I", zlib.crc32(edited[at + 4 : stop]))
        at = stop + 4
    return bytes(edited)


def mutated(content: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """A file changed in some places, for where no fuzzer is that knows better."""
    edited = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at = chance.randrange(len(edited) + 1)
        size = chance.choice((1, 2, 4, 8, 40))
        kind = chance.randrange(6)
        if kind == 0 and at < len(edited):
            edited[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            edited[at : at + size] = chance.randbytes(size)
        elif kind == 2:
            number = chance.choice((0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31, 2**32 - 1)) % 256 ** min(size, 4)
            edited[at : at + size] = number.to_bytes(min(size, 4), chance.choice(("big", "little")))
        elif kind == 3:
            del edited[at : at + size]
        elif kind == 4:
            edited[at:at] = edited[at : at + size]
        else:
            other = chance.choice(others)
            start = chance.randrange(len(other) + 1)
            edited[at : at + size] = other[start : start + size]
    return png_mended(bytes(edited)) if chance.random() < 0.9 else bytes(edited)


# ---- the files ----


def hostile_files() -> list[Hostile]:
    """All of them; the same ones every time."""
    sound = dict(_sound())
    files = [Hostile(name, content, True) for name, content in sound.items()]
    for name, content in sound.items():
        files += [Hostile(f"{name}, {s}% of it", content[: len(content) * s // 100], None) for s in (10, 60, 90)]
    files += [Hostile(f"{name}, cut short", sound[name][: len(sound[name]) // 2], False) for name in _WHOLE_OR_REFUSED]
    files += [Hostile(name, content, False) for name, content in (*_no_pictures(), *_absurd_sizes(sound))]
    files += [Hostile(name, content, None) for name, content in (*_pngs(sound), *_jpegs(sound), *_tiffs(sound))]
    files += [Hostile(name, content, None) for name, content in _riffs(sound)]
    return files


_WHOLE_OR_REFUSED = ("PNG", "16-bit PNG", "JPEG", "TIFF", "WebP", "BMP", "GIF", "PPM")


def _sound() -> Iterator[tuple[str, bytes]]:
    y, x = np.mgrid[: SIZE_HW[0], : SIZE_HW[1]]
    rgb = np.stack([x * 9, y * 14, (x ^ y) * 7], -1).astype(np.uint8)
    rgba = np.dstack([rgb, (x * 10).astype(np.uint8)])
    image, exif = Image.fromarray(rgb), _exif_block()

    def saved(image: Image.Image, format_name: str, **options: Any) -> bytes:  # noqa: ANN401
        content = io.BytesIO()
        image.save(content, format_name, **options)
        return content.getvalue()

    profile = b"\0\0\0\x80" + bytes(12) + b"RGB XYZ " + bytes(12) + b"acsp" + bytes(88)
    said: dict[str, Any] = {"exif": exif, "icc_profile": profile}
    yield "PNG", saved(image, "PNG", **said, dpi=(300, 300))
    yield "16-bit PNG", encode_image(rgb * np.uint16(257), "PNG")
    yield "PNG with alpha", saved(Image.fromarray(rgba), "PNG")
    yield "PNG with a palette", saved(image.quantize(8), "PNG", transparency=1)
    yield "black and white PNG", saved(image.convert("1"), "PNG")
    yield "JPEG", saved(image, "JPEG", **said, comment=b"a comment", xmp=b"<x:xmpmeta/>")
    yield "progressive JPEG", saved(image, "JPEG", progressive=True, subsampling=0)
    yield "grey JPEG", saved(image.convert("L"), "JPEG")
    yield "WebP", saved(image, "WEBP", lossless=True, **said)
    yield "lossy WebP", saved(Image.fromarray(rgba), "WEBP")
    yield "TIFF", saved(image, "TIFF", compression="tiff_lzw", **said)
    yield "16-bit TIFF", encode_image(rgb * np.uint16(257), "TIFF")
    yield "raw TIFF", saved(Image.fromarray(rgba), "TIFF")
    yield "BMP", saved(image, "BMP")
    yield "GIF", saved(image, "GIF", save_all=True, append_images=[image.transpose(Image.Transpose.ROTATE_180)])
    yield "PPM", saved(image, "PPM")
    yield "JPEG 2000", saved(image, "JPEG2000")
    yield "AVIF", saved(image, "AVIF")
    if is_installed():
        yield "HEIC", encode_image(rgb, "HEIF")


def _no_pictures() -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    yield "one byte", b"\x89"
    yield "a text", b"no picture\n" * 9
    yield "zeros", bytes(99)
    yield "EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nquit\n"
    yield "SVG", b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    yield "PDF", b"%PDF-1.7\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF"
    boxes = b"\0\0\0\x0cjP  \r\n\x87\n", b"\0\0\0\x1cftypavif", b"\0\0\0\x18ftypheic"
    tiffs = b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0"
    for start in (PNG, JPEG, b"BM", b"GIF89a", b"P6", b"RIFF\xff\xff\xff\xffWEBP", *boxes, *tiffs):
        yield f"the beginning {start!r}", start.ljust(20, b"\0")


def _absurd_sizes(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """More pixels than are decoded, or none; the largest by their header alone."""
    for height, width in ((100_000, 100_000), (2**31 - 1, 2**31 - 1), (0, 0), (0, 9), (1, 2**31 - 1)):
        yield f"PNG of {height} x {width}", png(png_header(height, width), (b"IDAT", zlib.compress(bytes(99))))
        tags = {256: (4, width), 257: (4, height)}
        yield f"TIFF of {height} x {width}", tiff({**_TIFF_TAGS, **tags})
        yield f"BMP of {height} x {width}", _with(sound["BMP"], 18, struct.pack("<ii", width, height))
        yield f"PPM of {height} x {width}", b"P6 %d %d 255\n" % (width, height) + bytes(99)
    for size in ((65_500, 65_500), (65_535, 65_535)):
        yield f"JPEG of {size}", _with_jpeg_size(sound["JPEG"], size)
        yield f"GIF of {size}", _with(sound["GIF"], 6, struct.pack("<HH", *size))
    yield (
        "WebP of 16384 x 16384",
        b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff\x3f\0" * 2,
    )
    yield "JPEG of 0 x 9", _with_jpeg_size(sound["JPEG"], (0, 9))
    # Less than is decoded, but without the pixels.
    yield "PNG of 4000 x 4000 and no pixels", png(png_header(4000, 4000), (b"IDAT", zlib.compress(bytes(99))))
    yield "TIFF of 4000 x 4000 and no pixels", tiff({**_TIFF_TAGS, 256: (4, 4000), 257: (4, 4000)})


def png(*chunks: tuple[bytes, bytes], end: bool = True) -> bytes:
    """A PNG of these chunks."""
    made = [struct.pack(">I", len(data)) + name + data + bytes(4) for name, data in chunks]
    return png_mended(PNG + b"".join(made) + (b"\0\0\0\0IEND\xaeB`\x82" if end else b""))


def png_header(height: int, width: int, *, bits: int = 8, colour: int = 2, interlace: int = 0) -> tuple[bytes, bytes]:
    """The first chunk of a PNG."""
    return b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)


def _pngs(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    header, rows = png_header(4, 4), (b"IDAT", zlib.compress(bytes(4 * 13)))
    texts = {
        "a text that inflates to 20 MB": (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20_000_000), 9)),
        "a profile that inflates to 20 MB": (b"iCCP", b"icc\0\0" + zlib.compress(bytes(20_000_000), 9)),
        "a profile of an unknown compression": (b"iCCP", b"icc\0\x07abc"),
        "a profile without a name": (b"iCCP", b""),
        "a text without a key": (b"tEXt", b"\0"),
        "a text that is not UTF-8": (b"iTXt", b"k\0\0\0\0\0\xff\xfe"),
        "a text called exif": (b"tEXt", b"exif\0no EXIF"),
        "a text called icc_profile": (b"tEXt", b"icc_profile\0no profile"),
        "a text called dpi": (b"tEXt", b"dpi\0x"),
        "a text called transparency": (b"tEXt", b"transparency\0x"),
        "XMP that is no XML": (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<<<&&&"),
        "EXIF as hexadecimal digits of nothing": (b"tEXt", b"Raw profile type exif\0\nexif\n  99\nzz"),
        "EXIF that is none": (b"eXIf", b"no EXIF at all"),
        "EXIF of no byte": (b"eXIf", b""),
        "a resolution of 0": (b"pHYs", bytes(9)),
        "a resolution cut short": (b"pHYs", b"\0"),
        "colours cut short": (b"cHRM", b"\0\0\0"),
        "transparency cut short": (b"tRNS", b"\0"),
        "a palette that ends within a colour": (b"PLTE", b"\1\2\3\4"),
        "frames without end": (b"acTL", struct.pack(">II", 2**31 - 1, 0)),
        "a frame control cut short": (b"fcTL", b"\0\0"),
    }
    for name, chunk in texts.items():
        yield f"PNG with {name}", png(header, chunk, rows)
    for name, block in _exif_blocks().items():
        yield f"PNG with {name}", png(header, (b"eXIf", block), rows)
    for name, changed in {
        "7 bits": png_header(4, 4, bits=7),
        "unknown colours": png_header(4, 4, colour=5),
        "a palette that is missing": png_header(4, 4, colour=3),
        "unknown interlacing": png_header(4, 4, interlace=9),
        "16 bits of grey and alpha": png_header(4, 4, bits=16, colour=4),
        "16 bits, interlaced": png_header(4, 4, bits=16, interlace=1),
    }.items():
        yield f"PNG with {name}", png(changed, (b"IDAT", zlib.compress(bytes(999))))
    yield "PNG with two headers", png(header, png_header(900, 900), rows)
    yield "PNG with pixels that inflate to 20 MB", png(header, (b"IDAT", zlib.compress(bytes(20_000_000), 9)))
    yield "PNG without an end", png(header, rows, end=False)
    yield "PNG with a chunk of 2 GB", PNG + sound["PNG"][8:33] + struct.pack(">I4s", 2**31 - 1, b"tEXt") + b"k\0v"
    yield "PNG with a chunk of 4 GB", PNG + sound["PNG"][8:33] + struct.pack(">I4s", 2**32 - 1, b"IDAT") + b"abc"
    deep = sound["16-bit PNG"]
    yield "16-bit PNG with pixels of 4 GB", _with(deep, deep.index(b"IDAT") - 4, struct.pack(">I", 2**32 - 239))
    deep_header = png_header(4, 4, bits=16, interlace=1)
    long = png(deep_header, (b"IDAT", zlib.compress(bytes(99)))).replace(b"\0\0\0\x0cIDAT", b"\xff\0\0\x0cIDAT")
    yield "interlaced 16-bit PNG with pixels of 4 GB", long
    yield "16-bit PNG that ends with a text of 4 GB", deep[:-12] + b"\xff\0\0\0tEXt"
    yield "PNG with a wrong checksum", _with(sound["PNG"], 29, b"\0\0\0\0")


def _jpegs(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    whole = sound["grey JPEG"]

    def segment(marker: int, payload: bytes, length: int | None = None) -> bytes:
        return struct.pack(">BBH", 255, marker, len(payload) + 2 if length is None else length) + payload

    thumbnails = b"<xmp:Thumbnails></xmp:Thumbnails>" * 100 + b"<xmp:Thumbnails>" * 100
    said = {
        "a segment of length 0": segment(0xE5, b"abc", 0),
        "a segment of length 1": segment(0xE5, b"abc", 1),
        "a segment beyond its end": segment(0xE5, b"abc", 65535),
        "a comment of no byte": segment(0xFE, b""),
        "a comment that is no text": segment(0xFE, bytes(range(256))),
        "JFIF cut short": segment(0xE0, b"JFIF\0"),
        "JFIF with a copy of 255 x 255": segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\xff\xff"),
        "Adobe's segment cut short": segment(0xEE, b"Adobe"),
        "unknown colours": segment(0xEE, b"Adobe\0d\0\0\0\0\x09"),
        "part 0 of 0 of a profile": segment(0xE2, b"ICC_PROFILE\0\0\0abc"),
        "part 9 of 3 of a profile": segment(0xE2, b"ICC_PROFILE\0\x09\x03abc") * 3,
        "a list of pictures that is none": segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
        "a list of itself": segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + _ifd({0xB001: (4, 9), 0xB002: (7, 144, 0)}, "<")),
        "Photoshop's resource of 4 GB": segment(0xED, b"Photoshop 3.0\x008BIM\x04\x09\0\0\xff\xff\xff\xffabc"),
        "Photoshop's resource without a name": segment(0xED, b"Photoshop 3.0\x008BIM\x04\x09\xff"),
        "XMP of many copies": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + thumbnails),
        "more XMP than it says": segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + b"\xff" * 8),
        "IPTC that is none": segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x04\x1c\x02\xff\xff"),
        "another header": segment(0xC0, b"\x08\xff\xff\xff\xff\x03" + bytes(9)),
        "a header of 255 components": segment(0xC0, b"\x08\0\1\0\1\xff" + bytes(765)),
        "another table": segment(0xDB, b"\0"),
        "a table of 16 bits cut short": segment(0xDB, b"\x1f" + bytes(9)),
        "codes that are none": segment(0xC4, b"\0" + b"\xff" * 16),
    }
    for name, added in said.items():
        yield f"JPEG with {name}", JPEG + added + whole[2:]
    for name, block in _exif_blocks().items():
        yield f"JPEG with {name}", JPEG + segment(0xE1, b"Exif\0\0" + block) + whole[2:]
    yield "JPEG that ends after its header", whole[: whole.index(b"\xff\xda")]
    yield "JPEG without an end", whole[:-2]
    yield "JPEG with another one behind it", whole + whole
    yield "JPEG with a table of zeros", _with(whole, whole.index(b"\xff\xdb") + 5, bytes(64))
    yield "JPEG without tables", JPEG + whole[whole.index(b"\xff\xc0") :]
    yield "CMYK JPEG", _cmyk_jpeg()
    yield "JPEG of 12 bits", _with(whole, whole.index(b"\xff\xc0") + 4, b"\x0c")
    yield "JPEG without loss", _with(whole, whole.index(b"\xff\xc0"), b"\xff\xc3")


def _cmyk_jpeg() -> bytes:
    content = io.BytesIO()
    Image.new("CMYK", SIZE_HW[::-1], (9, 99, 200, 3)).save(content, "JPEG")
    return content.getvalue()


def _with_jpeg_size(content: bytes, size: tuple[int, int]) -> bytes:
    return _with(content, content.index(b"\xff\xc0") + 5, struct.pack(">HH", *size))


_TIFF_TAGS: dict[int, tuple[int, ...]] = {
    256: (3, 4), 257: (3, 4), 258: (3, 8), 259: (3, 1), 262: (3, 1), 273: (4, 400), 277: (3, 1), 278: (3, 4),
    279: (4, 16),
}  # fmt: skip
"""Tags of a grey picture of 4 x 4 pixels at byte 400: type, value, and the count where it is not 1."""


def _ifd(tags: dict[int, tuple[int, ...]], order: str, next_at: int = 0, count: int | None = None) -> bytes:
    """A directory."""
    entries = b""
    for tag, (kind, value, *number) in sorted(tags.items()):
        entries += struct.pack(f"{order}HHI", tag, kind, number[0] if number else 1)
        entries += struct.pack(f"{order}Hxx" if kind == 3 and not number else f"{order}I", value)
    count = len(tags) if count is None else count
    return struct.pack(f"{order}H", count) + entries + struct.pack(f"{order}I", next_at)


def tiff(
    tags: dict[int, tuple[int, ...]], order: str = "<", *, next_at: int = 0, count: int | None = None, at: int = _IFD_AT
) -> bytes:
    """A TIFF of one directory and some bytes for pixels."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at)
    return (head + _ifd(tags, order, next_at, count)).ljust(400, b"\0") + bytes(range(200))


def _exif_block() -> bytes:
    exif = Image.Exif()
    exif[TiffImagePlugin.Image.ExifTags.Base.Orientation] = 6
    exif[TiffImagePlugin.Image.ExifTags.Base.Make] = "a camera"
    return exif.tobytes()


def _exif_blocks() -> dict[str, bytes]:
    """EXIF that lies."""
    turned = {0x0112: (3, 6)}
    return {
        "EXIF of orientation 9": tiff({0x0112: (3, 9)}),
        "EXIF of orientation 0": tiff({0x0112: (3, 0)}, ">"),
        "an orientation of text": tiff({0x0112: (2, 0x41414141, 4)}),
        "an orientation of 2 billion numbers": tiff({0x0112: (3, 400, 2**31)}),
        "an orientation of an unknown type": tiff({0x0112: (99, 6)}),
        "a directory beyond its end": tiff(turned, at=2**31),
        "a directory in its header": tiff(turned, at=0),
        "a directory of 65535 tags": tiff(turned, count=65535),
        "a directory that comes after itself": tiff(turned, next_at=_IFD_AT),
        "a directory of EXIF that is itself": tiff({**turned, 0x8769: (4, _IFD_AT)}),
        "a directory of EXIF beyond its end": tiff({**turned, 0x8769: (4, 2**32 - 1)}),
        "a place of GPS that is a text": tiff({**turned, 0x8825: (2, 0x41414141, 4)}),
        "a copy that is the whole": tiff({0x0201: (4, 0), 0x0202: (4, 2**32 - 1)}, next_at=_IFD_AT),
        "a resolution by 0": tiff({**turned, 0x011A: (5, 390), 0x011B: (5, 390), 0x0128: (3, 2)}),
        "EXIF of another order": b"MM*\0" + tiff(turned)[4:],
    }


def _tiffs(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    changes: dict[str, dict[int, tuple[int, ...]]] = {
        "60000 samples a pixel": {277: (3, 60000)},
        "no samples": {277: (3, 0)},
        "1 bit": {258: (3, 1)},
        "64 bits": {258: (3, 64)},
        "0 bits": {258: (3, 0)},
        "float samples": {258: (3, 32), 339: (3, 3), 278: (3, 1)},
        "an unknown compression": {259: (3, 12345)},
        "JPEG within": {259: (3, 7), 262: (3, 6)},
        "LZW of nothing": {259: (3, 5)},
        "deflate of nothing": {259: (3, 8)},
        "fax of nothing": {258: (3, 1), 259: (3, 4)},
        "colours of a palette that is missing": {262: (3, 3)},
        "an unknown colour space": {262: (3, 999)},
        "strips beyond its end": {273: (4, 2**31)},
        "strips of 4 GB": {279: (4, 2**32 - 1)},
        "2 billion strips": {273: (4, 400, 2**31), 279: (4, 400, 2**31)},
        "strips of 0 rows": {278: (3, 0)},
        "tiles of 0 pixels": {322: (3, 0), 323: (3, 0), 324: (4, 400), 325: (4, 16)},
        "tiles of 4 billion pixels": {322: (4, 65520), 323: (4, 65520), 324: (4, 400), 325: (4, 16)},
        "orientation 200": {274: (3, 200)},
        "orientation 5": {274: (3, 5)},
        "a profile of 2 GB": {34675: (7, 400, 2**31 - 1)},
        "XMP of 4 GB": {700: (1, 400, 2**32 - 1)},
        "a directory of EXIF that is the first": {34665: (4, _IFD_AT)},
        "directories within that are the first": {330: (4, _IFD_AT)},
        "a text of 4 GB": {270: (2, 400, 2**32 - 1)},
        "a resolution by 0": {282: (5, 390), 283: (5, 390), 296: (3, 2)},
        "an unknown tag of an unknown type": {60000: (77, 5)},
        "extra samples that are none": {338: (3, 9), 277: (3, 2), 258: (3, 400, 2)},
    }
    for order, name in (("<", "little"), (">", "big")):
        yield f"TIFF, {name} end first", tiff(_TIFF_TAGS, order)
        for what, change in changes.items():
            yield f"TIFF, {name} end first, with {what}", tiff({**_TIFF_TAGS, **change}, order)
    yield "TIFF of a page after itself", tiff(_TIFF_TAGS, next_at=_IFD_AT)
    yield "TIFF of a page beyond its end", tiff(_TIFF_TAGS, next_at=2**32 - 2)
    yield "TIFF of 65535 tags", tiff(_TIFF_TAGS, count=65535)
    yield "TIFF of no tag", tiff({})
    yield "TIFF whose size is missing", tiff({tag: value for tag, value in _TIFF_TAGS.items() if tag > 257})
    yield "BigTIFF with a directory beyond its end", b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(40)
    yield "TIFF with its directory at 0", _with(sound["TIFF"], 4, bytes(4))


def _riffs(sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """WebP, and the families of boxes: HEIC, AVIF, JPEG 2000."""
    webp = sound["WebP"]
    yield "WebP that says it is short", _with(webp, 4, struct.pack("<I", 12))
    yield "WebP that says it is long", _with(webp, 4, struct.pack("<I", 2**32 - 2))
    yield "WebP with EXIF of 4 GB", _with(webp, webp.index(b"EXIF") + 4, b"\xff\xff\xff\xff")
    yield "WebP with a profile of 4 GB", _with(webp, webp.index(b"ICCP") + 4, b"\xff\xff\xff\xff")
    yield "WebP without flags", _with(webp, 20, bytes(4))
    for name in ("AVIF", "HEIC", "JPEG 2000"):
        content = sound.get(name, b"")
        for box in (b"meta", b"iloc", b"ispe", b"mdat", b"jp2h", b"ihdr"):
            if (at := content.find(box)) >= 4:
                yield f"{name} whose {box.decode()} has 4 GB", _with(content, at - 4, b"\xff\xff\xff\xff")
                yield f"{name} whose {box.decode()} has no byte", _with(content, at - 4, bytes(4))
                yield f"{name} whose {box.decode()} lies", _with(content, at + 4, b"\xff" * 12)


def _with(content: bytes, at: int, other: bytes) -> bytes:
    return content[:at] + other + content[at + len(other) :]
