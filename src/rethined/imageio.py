"""Pictures in and out: any file, PIL image or array becomes an array, in its own depth where asked, and goes back.

Colour profiles are not applied: numbers are taken as sRGB, as almost all files mean them.

Pillow reads and writes everything but colour of 16 bits, of which it keeps the high byte
(https://github.com/python-pillow/Pillow/issues/1888, open as of Pillow 13.0). That is OpenCV's part; what it reads is
compared with what Pillow reads.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Literal, overload

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps, JpegImagePlugin, TiffImagePlugin

from rethined import heif
from rethined.containers import png_is_whole, tiff_with
from rethined.depth import checked
from rethined.errors import ImageError, ImageReadError, ImageWriteError, OptionError
from rethined.files import fault_of, whole_or_nothing
from rethined.jpeg import Coding, coding_of
from rethined.metadata import Metadata, embedded, metadata_of, orientation_of, save_options
from rethined.types import Image8, ImageLike, PathLike, Pixels, SizeHW

MAX_PIXELS = 250_000_000
"""Largest picture that is decoded, in pixels; 250 megapixels are 750 MB of RGB."""

# Only formats that photographs come in. Pillow knows many more, and some of them start other programs (EPS).
_READ_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "JPEG2000")

_JPEG: tuple[str, dict[str, Any]] = ("JPEG", {"quality": 95, "subsampling": 0})
_HEIF: tuple[str, dict[str, Any]] = ("HEIF", {"quality": 90, "chroma": 444})
_TIFF: tuple[str, dict[str, Any]] = ("TIFF", {})
_WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    # exact: colours below alpha 0 are kept as well
    ".webp": ("WEBP", {"lossless": True, "exact": True}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": ("BMP", {}),
    ".avif": ("AVIF", {"quality": 90, "subsampling": "4:4:4"}),
    ".heic": _HEIF,
    ".heif": _HEIF,
}
WRITE_SUFFIXES = tuple(_WRITERS)
"""Endings of the files that can be written, in lower case."""
READ_SUFFIXES = (*WRITE_SUFFIXES, ".gif", ".ppm", ".pgm", ".pnm", ".jp2")
"""Endings that pictures usually have of all that can be read. What a file holds decides, not its name."""

_CHANNELS = {
    ("PNG", "uint8"): (1, 2, 3, 4),
    ("PNG", "uint16"): (1, 3, 4),
    ("TIFF", "uint8"): (1, 2, 3, 4),
    ("TIFF", "uint16"): (1, 3, 4),
    ("WEBP", "uint8"): (1, 2, 3, 4),
    ("JPEG", "uint8"): (1, 3),
    ("BMP", "uint8"): (1, 3),
    ("AVIF", "uint8"): (1, 2, 3, 4),
    ("HEIF", "uint8"): (1, 2, 3, 4),
}
"""How many channels each format holds of each depth, as far as Pillow and OpenCV write them."""
_TIFF_COMPRESSIONS = {"raw": 1, "tiff_lzw": 5, "tiff_adobe_deflate": 8, "packbits": 32773}
"""Lossless ones, as Pillow names them, with their numbers."""
_CHANNEL_NAMES = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGBA"}
_DEPTH_NAMES = {"uint8": "8-bit", "uint16": "16-bit", "float32": "float"}

_OWN_MODES = ("L", "LA", "RGB", "RGBA")
"""Pixel modes of Pillow that are arrays of 8 bits as they are."""

_UPRIGHT: dict[int, tuple[int, bool]] = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}
"""EXIF orientation: quarter turns to the left, and whether it is mirrored left to right after them."""

_pillow_limit_lock = threading.Lock()


@dataclass(frozen=True)
class PictureHeader:
    """What a picture file says of itself.

    Attributes:
        format_name: Pillow's name of the format, such as PNG or TIFF; ``JPEG`` for all kinds of it.
        size_hw: Height and width in pixels as stored, not yet upright.
    """

    format_name: str
    size_hw: SizeHW

    @property
    def suffix(self) -> str | None:
        """Ending of a file of this format, ``None`` where it cannot be written."""
        return next((suffix for suffix, (name, _) in _WRITERS.items() if name == self.format_name), None)


@overload
def read_image(path: PathLike, *, as_stored: Literal[False] = False) -> Image8: ...
@overload
def read_image(path: PathLike, *, as_stored: bool) -> Pixels: ...
def read_image(path: PathLike, *, as_stored: bool = False) -> Pixels:
    """The picture in a file, upright, as a new ``(H, W, 3)`` uint8 RGB array, range 0..255; or as it is stored.

    The EXIF orientation is applied. Grey and palette pictures become RGB, alpha is dropped (the colour below it
    stays), CMYK is converted without its profile, but see ``as_stored``. Of 16-bit values the high byte is kept, for
    grey and for colour alike: 0 -> 0, 65535 -> 255, ``257 * v -> v``. Of several frames the first is read.

    Pillow's settings stay as the host process made them. A host that has set ``ImageFile.LOAD_TRUNCATED_IMAGES``
    has asked for half-read pictures and gets them here too. WebP files above Pillow's own limit
    (``2 * Image.MAX_IMAGE_PIXELS``, 179 megapixels unless changed) are refused.

    Args:
        path: The file.
        as_stored: Keep depth and channels where an array can: grey as ``(H, W)``, grey and alpha as ``(H, W, 2)``, RGB
            as ``(H, W, 3)``, RGBA as ``(H, W, 4)``, each uint8 or, in 0..65535, uint16. 16-bit colour is kept of PNG
            and TIFF; 16-bit grey with alpha comes as RGBA, since nothing here can write it, and so does 16-bit
            grey or RGB of which one colour is transparent. Black and white and palette pictures become 8-bit RGB all
            the same, or RGBA where a colour of theirs is transparent.

    Raises:
        ImageReadError: No file there, a folder, an empty file, not a picture of a known format, a damaged or
            truncated picture, one above 250 megapixels, or one of a pixel type without a known range (float).
            ``as_stored`` also refuses CMYK and CIELab, which could not be given back, and 16-bit colour with
            premultiplied alpha.
            HEIC without the extra ``heif``.
    """
    with _file_at(path) as (file, name):
        image, orientation = _decoded(file, name)
        with _naming(name):
            return _as_stored(image, orientation, file) if as_stored else _rgb_array(image)


def decode_image(content: bytes | bytearray, name: str) -> tuple[Pixels, str]:
    """The picture in the content of a file, as it is stored, and Pillow's name of its format.

    Args:
        content: All bytes of the file.
        name: What messages call it.

    Raises:
        ImageReadError: As :func:`read_image` with ``as_stored``.
    """
    file = io.BytesIO(content)
    image, orientation = _decoded(file, name)
    with _naming(name):
        return _as_stored(image, orientation, file), _format_of(image)


@dataclass(frozen=True)
class Stored:
    """A picture with all that is needed to write it as it came.

    Attributes:
        pixels: As :func:`read_image` gives them ``as_stored``, upright.
        format_name: Pillow's name of the format; ``JPEG`` for all kinds of it.
        metadata: What the file says beside the pixels; it belongs to pixels that lie as they are stored.
        coding: How a JPEG is coded.
        options: How another format is, as arguments of its encoder.
    """

    pixels: Pixels
    format_name: str
    metadata: Metadata
    coding: Coding | None
    options: Mapping[str, Any]


def read_stored(path: PathLike) -> Stored:
    """The picture in a file, upright, with all that is needed to write it as it came.

    Raises:
        ImageReadError: As for :func:`read_image` with ``as_stored``.

    Warns:
        FileWarning: Something in the file cannot be kept.
    """
    with _file_at(path) as (file, name):
        with _sound(name):
            image = _small_enough(_identified(file, name), name)
            if image.format == "PNG":  # texts may come after the pixels
                _load(image)
            metadata = metadata_of(image, file)
            coding = coding_of(image) if isinstance(image, JpegImagePlugin.JpegImageFile) else None
            options: dict[str, Any] = {}
            if image.format == "TIFF":
                known = image.info.get("compression") in _TIFF_COMPRESSIONS
                options["compression"] = image.info["compression"] if known else "tiff_adobe_deflate"
            _load(image)
            orientation = _turn_upright(image)
        with _naming(name):
            return Stored(_as_stored(image, orientation, file), _format_of(image), metadata, coding, options)


def read_header(path: PathLike) -> PictureHeader:
    """What a picture file says of itself, before anything is decoded and whatever its size.

    Raises:
        ImageReadError: No file there, a folder, an empty file, or not a picture of a known format.
    """
    with _file_at(path) as (file, name), _sound(name):
        image = _identified(file, name)
        return PictureHeader(_format_of(image), (image.height, image.width))


def open_picture(path: PathLike) -> Image.Image:
    """The picture in a file, decoded and upright, in the pixel mode of the file.

    Raises:
        ImageReadError: As for :func:`read_image`, except for the pixel type, which is not looked at.
    """
    with _file_at(path) as (file, name):
        return _decoded(file, name)[0]


@contextlib.contextmanager
def _file_at(path: PathLike) -> Iterator[tuple[IO[bytes], str]]:
    """A picture file, open, and its name for messages."""
    source = _existing_file(path)
    with contextlib.ExitStack() as stack:
        with _sound(str(source)):
            file = stack.enter_context(source.open("rb"))
        yield file, str(source)


def _decoded(file: IO[bytes], name: str) -> tuple[ImageFile.ImageFile, int]:
    """The picture in a file, decoded and upright, and the EXIF orientation it was stored in."""
    with _sound(name):
        image = _small_enough(_identified(file, name), name)
        _load(image)
        return image, _turn_upright(image)


@contextlib.contextmanager
def _sound(name: str) -> Iterator[None]:
    """Tells of which file it is that reading goes wrong."""
    try:
        yield
    except ImageReadError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly any class when a file is damaged
        raise ImageReadError(
            f"cannot read {name!r}: {_reason(error)}; the file is damaged, cut short "
            "or not readable by this user, so get it again or check its permissions"
        ) from error


def _load(image: ImageFile.ImageFile) -> None:
    with _pillow_limit_raised_for(image):
        image.load()
    if image.mode in ("P", "PA") and image.palette is None:  # Pillow takes it for black, or fails later
        raise ValueError("its palette is missing")
    if isinstance(image.info.get("transparency"), str):  # a text of a PNG may bear any name
        del image.info["transparency"]
    if image.mode.startswith("I;16") and _is_white_zero(image):  # Pillow turns over 8 bits alone
        values = np.asarray(image)
        image.im = Image.fromarray((65535 - values).astype(values.dtype)).im


def _is_white_zero(image: Image.Image) -> bool:
    """Whether 0 is white in it, as in some TIFFs."""
    photometric = TiffImagePlugin.PHOTOMETRIC_INTERPRETATION
    return isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(photometric) == 0


def _turn_upright(image: Image.Image) -> int:
    """Turns the pixels as EXIF asks for; gives the orientation they were stored in."""
    orientation = orientation_of(image)
    if orientation != 1:
        ImageOps.exif_transpose(image, in_place=True)
    return orientation


@contextlib.contextmanager
def _naming(name: str) -> Iterator[None]:
    """Tells of which file it is that the picture cannot be used, or is damaged where only its use shows it."""
    with _sound(name):
        try:
            yield
        except ImageError as error:
            raise ImageReadError(f"cannot use {name!r}: {error}") from error


def _format_of(image: ImageFile.ImageFile) -> str:
    """Pillow's name of the format; ``JPEG`` for all kinds of it."""
    return "JPEG" if isinstance(image, JpegImagePlugin.JpegImageFile) else image.format or ""


def _existing_file(path: PathLike) -> Path:
    try:
        name = os.fsdecode(path)
    except TypeError as error:
        raise ImageReadError(
            f"a picture path was expected, got {type(path).__name__}; pass a str or pathlib.Path"
        ) from error
    if not name:
        raise ImageReadError("the picture path is empty; pass the path of a picture file")
    if fault := fault_of(name):
        raise ImageReadError(f"{name!r} cannot be reached: {fault}; check the path and the rights on its folders")
    source = Path(name)
    if source.is_dir():
        raise ImageReadError(f"{name!r} is a folder; pass the path of one picture file in it")
    if not source.is_file():
        raise ImageReadError(f"there is no picture file at {name!r}; check the path")
    return source


def _identified(file: IO[bytes], name: str) -> ImageFile.ImageFile:
    """The picture with its header read, nothing decoded yet.

    Pillow's own ``Image.open`` warns at 89 megapixels and refuses at 179, and moving those limits is a setting of
    the whole process. Calling the registered format readers directly leaves it alone and needs no lock.
    """
    Image.init()
    prefix = file.read(16)
    if not prefix:
        raise ImageReadError(f"{name!r} is empty (0 bytes); pass a picture file")
    if heif.is_heif(prefix):
        if not heif.is_installed():
            raise ImageReadError(f"{name!r} is HEIC, which pillow-heif reads: {heif.INSTALL}")
        file.seek(0)
        return heif.opened(file)
    for format_name in _READ_FORMATS:
        factory, accepts = Image.OPEN.get(format_name, (None, None))
        # An answer that is a str says that this Pillow was built without the library for the format.
        if factory is not None and accepts is not None and accepts(prefix) is True:
            file.seek(0)
            return factory(file, "")
    raise ImageReadError(
        f"{name!r} is not a picture in a known format; convert it to one of {', '.join(_READ_FORMATS)}"
    )


def _small_enough(image: ImageFile.ImageFile, name: str) -> ImageFile.ImageFile:
    if image.width * image.height > MAX_PIXELS:
        raise ImageReadError(
            f"{name!r} says it is {image.width} x {image.height} pixels; "
            f"at most {MAX_PIXELS / 1e6:g} megapixels are read, so scale it down or cut it into parts first"
        )
    return image


@contextlib.contextmanager
def _pillow_limit_raised_for(image: Image.Image) -> Iterator[None]:
    """Lets a TIFF above Pillow's limit be decoded; every other picture passes without touching anything.

    The TIFF reader repeats the size check while decoding, and only the process-wide setting moves it. The lock keeps
    our own threads apart; another thread of the host that opens a picture meanwhile meets the higher limit.
    """
    limit = Image.MAX_IMAGE_PIXELS
    if image.format != "TIFF" or limit is None or image.width * image.height <= limit:
        yield
        return
    with _pillow_limit_lock:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = MAX_PIXELS
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def decode(image: Image.Image) -> Image.Image:
    """The same PIL image with its pixels in memory.

    Raises:
        ImageReadError: The image was opened lazily and its file turns out damaged, truncated or already closed.
    """
    try:
        image.load()
    except Exception as error:  # as in open_picture
        raise ImageReadError(
            f"cannot decode the PIL image of mode {image.mode} and size {image.size}: {_reason(error)}; "
            "pass it while its file is open and whole"
        ) from error
    return image


def _rgb_array(image: Image.Image) -> Image8:
    if image.width == 0 or image.height == 0:
        raise ImageError(f"the picture has {image.width} x {image.height} pixels; expected at least 1 x 1")
    if image.mode.startswith("I"):
        return _rgb_from_deep_grey(np.asarray(image))
    if image.mode in ("La", "RGBa"):  # premultiplied: Pillow only converts them to their plain twins
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    try:
        if image.mode == "F":  # Pillow would convert, but by clipping to 0..255 whatever the range means
            raise ValueError("no known range")
        return np.array(image if image.mode == "RGB" else image.convert("RGB"))
    except Exception as error:  # ValueError for a mode, nearly any class for a palette or transparency that is damaged
        raise ImageError(
            f"the picture has pixel mode {image.mode}, which has no single RGB meaning; convert it to 8-bit RGB first"
        ) from error


def _rgb_from_deep_grey(values: NDArray[Any]) -> Image8:
    # The high byte, not the nearest 8-bit value: Pillow reads 16-bit colour this way and grey must agree with it.
    return np.repeat((_deep_grey(values) >> 8).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def _deep_grey(values: NDArray[Any]) -> NDArray[np.uint16]:
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(
            f"the picture has 32-bit integer values from {values.min()} to {values.max()}; "
            "expected 0..65535 at most, so scale it to 8 or 16 bit first"
        )
    return values.astype(np.uint16)


def _as_stored(image: Image.Image, orientation: int, file: IO[bytes]) -> Pixels:
    """The pixels of a file that Pillow has read, in their own depth."""
    file.seek(0)
    is_deep = image.mode in _OWN_MODES and _stored_bits(image, file.read(25)) == 16
    if is_deep or image.mode.startswith("I;16"):
        file.seek(0)
        deep = _deep_colour(image, file.read(), orientation) if is_deep else _own_array(image)
        clear = image.info.get("transparency")
        return deep if clear is None else _with_alpha(deep, clear)
    if image.mode in ("1", "P", "PA", "L", "RGB") and image.has_transparency_data:  # some colour is transparent
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    return _own_array(image)


def _with_alpha(pixels: Pixels, clear: int | tuple[int, ...]) -> Pixels:
    """16-bit grey or RGB, of which one colour is transparent, as RGBA."""
    colours = pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
    alpha = np.where((colours == np.array(clear)).all(axis=2), 0, 65535).astype(np.uint16)
    return np.dstack([np.broadcast_to(colours, (*alpha.shape, 3)), alpha])


def _own_array(image: Image.Image) -> Pixels:
    """The pixels of a PIL image in its own depth; modes that no array here can carry as 8-bit RGB."""
    if image.mode == "CMYK":
        raise ImageError(
            "the picture is CMYK, for print, and its colours are those of one printer; convert it to RGB with its"
            " profile first, in a photo editor for example"
        )
    if image.mode == "LAB":
        raise ImageError("the picture is CIELab, which nothing here writes; convert it to RGB first")
    if image.width and image.height:
        if image.mode in _OWN_MODES:
            return np.array(image)
        if image.mode.startswith("I"):
            return _deep_grey(np.asarray(image))
    return _rgb_array(image)


def _stored_bits(image: Image.Image, head: bytes) -> int:
    """Bits per channel in the file that begins with ``head``; 8 for formats of which no more is read."""
    if image.format == "PNG":
        return head[24]  # the IHDR chunk comes first and is of fixed length
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        return int(max(image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))))
    return 8


def turned_back(upright: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Pixels as they lay in a file of this EXIF orientation, from upright ones; C-contiguous.

    Args:
        upright: ``(H, W)`` or ``(H, W, C)``.
        orientation: 1..8.
    """
    turns, is_mirrored = _UPRIGHT.get(orientation, (0, False))
    return np.ascontiguousarray(np.rot90(upright[:, :: -1 if is_mirrored else 1], -turns))


def _deep_colour(image: Image.Image, content: bytes, orientation: int) -> NDArray[np.uint16]:
    """The 16-bit colour of a file that Pillow has read, whole but with its high bytes alone, as ``image``."""
    if image.mode == "LA":
        image = image.convert("RGBA")
    if image.format == "PNG" and not png_is_whole(content):  # OpenCV takes as much memory as a chunk says it is long
        raise ImageError("one of its chunks ends beyond the file, which is damaged or cut short; get it again")
    try:
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError(f"its 16-bit colour cannot be decoded: {error}; save it as 16-bit RGB PNG or TIFF") from error
    high = np.asarray(image)
    channels = high.shape[2]
    if decoded is not None and decoded.dtype == np.uint16 and decoded.ndim == 3 and decoded.shape[2] >= channels:
        # OpenCV turns TIFFs upright by itself, and PNGs not.
        turns, is_mirrored = _UPRIGHT.get(orientation, (0, False)) if image.format == "PNG" else (0, False)
        upright = np.rot90(decoded, turns)[:, :: -1 if is_mirrored else 1]
        to_rgb = cv2.COLOR_BGRA2RGBA if channels == 4 else cv2.COLOR_BGR2RGB
        deep = np.asarray(cv2.cvtColor(np.ascontiguousarray(upright[..., :channels]), to_rgb), np.uint16)
        # Row by row, so that no third copy is made.
        if deep.shape == high.shape and all(
            np.array_equal(row >> 8, seen) for row, seen in zip(deep, high, strict=True)
        ):
            return deep
    raise ImageError(
        "its 16-bit colour is stored in a way that Pillow and OpenCV read differently, premultiplied alpha for example;"
        " save it as 16-bit RGB or RGBA with straight alpha"
    )


def write_image(path: PathLike, image: Pixels) -> None:
    """Writes a picture in its own depth; the suffix chooses the format, and the file appears whole or not at all.

    Args:
        path: ``.png``, ``.webp`` (lossless), ``.tif``, ``.tiff``, ``.bmp`` keep every value; ``.jpg``, ``.jpeg``
            (quality 95), ``.avif``, ``.heic`` and ``.heif`` (90; the last two need the extra ``heif``) are lossy, their
            colour not subsampled. An existing file is replaced and keeps its permissions;
            a link is written through.
        image: ``(H, W)`` or ``(H, W, 1)`` grey, ``(H, W, 3)`` RGB, uint8 in 0..255. All but JPEG and BMP also
            hold ``(H, W, 2)`` grey and alpha and ``(H, W, 4)`` RGBA; PNG and TIFF also uint16 in 0..65535, except grey
            and alpha. WebP, AVIF and HEIC store grey as three equal channels.

    Raises:
        ImageError: ``image`` is not a picture.
        ImageWriteError: Unknown suffix, a format that cannot hold the depth or the channels, missing folder, a folder
            as target, no permission, or the encoder failed (WebP ends at 16383 pixels a side, JPEG at 65500). A file
            that was there before is still there, unchanged.
    """
    write_stored(path, image, Metadata())


def write_stored(
    path: PathLike, image: Pixels, metadata: Metadata, options: Mapping[str, Any] = MappingProxyType({})
) -> None:
    """Writes a picture as :func:`write_image`, with what is known about it.

    Args:
        path: As for :func:`write_image`.
        image: As for :func:`write_image`.
        metadata: What the file is to say beside the pixels.
        options: Arguments of the encoder that differ from the usual ones.

    Raises:
        ImageError, ImageWriteError: As :func:`write_image`; or the metadata does not fit into the format.
    """
    target, format_name, usual = _writable_target(path)
    image = checked(image)
    _expect_held(path, format_name, image)
    with _whole(target, format_name) as file:
        file.writelines(_encoded(file, image, format_name, {**usual, **options}, metadata))


def encode_image(image: Pixels, format_name: str) -> bytes:
    """The content of a file with a picture, as :func:`write_image` would write it.

    Args:
        image: As for :func:`write_image`.
        format_name: PNG, JPEG, WEBP, TIFF, BMP, AVIF or HEIF.

    Raises:
        ImageError: ``image`` is not a picture.
        ImageWriteError: Another format, one that cannot hold the depth or the channels, or the encoder failed.
    """
    formats = dict(_WRITERS.values())
    if format_name not in formats:
        raise ImageWriteError(f"{format_name} is read but not written; expected one of {', '.join(formats)}")
    if format_name == "HEIF" and not heif.is_installed():
        raise ImageWriteError(f"the result is to be HEIC, which pillow-heif writes: {heif.INSTALL}")
    image = checked(image)
    _expect_held("the result", format_name, image)
    file = io.BytesIO()
    try:
        file.writelines(_encoded(file, image, format_name, formats[format_name], Metadata()))
    except Exception as error:  # encoders, like decoders, raise nearly any class
        raise ImageWriteError(
            f"cannot write a picture as {format_name}: {_reason(error)}; check the limits of the format"
        ) from error
    return file.getvalue()


def write_content(path: PathLike, content: bytes) -> None:
    """Writes what is encoded already, whole or not at all.

    Raises:
        ImageWriteError: As :func:`write_image`.
    """
    target, format_name, _ = _writable_target(path)
    with _whole(target, format_name) as file:
        file.write(content)


@contextlib.contextmanager
def _whole(target: Path, format_name: str) -> Iterator[IO[bytes]]:
    """A file that takes the place of ``target`` when all is written."""
    try:
        with whole_or_nothing(target) as partial, partial.open("xb") as file:
            yield file
    except Exception as error:  # encoders, like decoders, raise nearly any class
        raise ImageWriteError(
            f"cannot write {target!s} as {format_name}: {_reason(error)}; nothing was left behind, "
            "check free space, permissions and the limits of the format"
        ) from error


def _encoded(
    file: IO[bytes], image: Pixels, format_name: str, options: dict[str, Any], metadata: Metadata
) -> Iterable[bytes | memoryview]:
    """What is to be written; all that needs no more work is written to ``file`` at once."""
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if format_name == "HEIF":
        return [heif.encoded(Image.fromarray(image), {**options, **save_options(format_name, metadata)})]
    is_put_in = format_name in ("PNG", "JPEG", "TIFF") and metadata != Metadata()
    if image.dtype == np.uint16 and image.ndim == 3:
        content = _encoded_deep(image, format_name, options)
        if format_name == "TIFF" and image.shape[2] == 4:
            content = memoryview(b"".join(tiff_with(content, _straight_alpha())))
    elif is_put_in:
        bare = io.BytesIO()
        Image.fromarray(image).save(bare, format_name, **options)
        content = bare.getbuffer()
    else:
        Image.fromarray(image).save(file, format_name, **options, **save_options(format_name, metadata))
        return []
    return embedded(content, format_name, metadata) if is_put_in else [content]


def _straight_alpha() -> Image.Exif:
    """What OpenCV does not say of a TIFF's fourth channel."""
    tags = Image.Exif()
    tags[TiffImagePlugin.EXTRASAMPLES] = 2
    return tags


def _encoded_deep(image: Pixels, format_name: str, options: Mapping[str, Any]) -> memoryview:
    """16-bit RGB or RGBA as the content of a PNG or TIFF file."""
    to_bgr = cv2.COLOR_RGBA2BGRA if image.shape[2] == 4 else cv2.COLOR_RGB2BGR
    how = []
    if "compression" in options:
        how = [cv2.IMWRITE_TIFF_COMPRESSION, _TIFF_COMPRESSIONS[options["compression"]]]
    done, content = cv2.imencode({"PNG": ".png", "TIFF": ".tif"}[format_name], cv2.cvtColor(image, to_bgr), how)
    if not done:
        raise ValueError("the encoder gave up")
    return content.data


def format_of(suffix: str) -> str | None:
    """Pillow's name of the format that files of this ending are written in; ``None`` for one that is not written."""
    return _WRITERS[suffix.lower()][0] if suffix.lower() in _WRITERS else None


def format_named(ending: str) -> str:
    """Pillow's name of the format that somebody calls by an ending, such as PNG for ``png`` or ``.png``.

    Raises:
        OptionError: One that is not written.
    """
    name = format_of(f".{ending.removeprefix('.')}")
    if name is None:
        known = ", ".join(known.removeprefix(".") for known in _WRITERS)
        raise OptionError(f"the format is {ending!r}; expected one of {known}")
    return name


def expect_writable(path: PathLike, image: Pixels | None = None) -> None:
    """Checks what can be checked of a place to write before the work for it is done.

    Args:
        path: The place.
        image: A picture of the form that is to be written.

    Raises:
        ImageWriteError: As :func:`write_image`, for the path alone, and for the form of ``image``.
    """
    _, format_name, _ = _writable_target(path)
    if image is not None:
        _expect_held(path, format_name, image)


def _expect_held(path: PathLike, format_name: str, image: Pixels) -> None:
    depth, channels = image.dtype.name, 1 if image.ndim == 2 else image.shape[2]
    if channels in _CHANNELS.get((format_name, depth), ()):
        return
    held = [
        f"{_DEPTH_NAMES[dtype]} {', '.join(_CHANNEL_NAMES[count] for count in counts)}"
        for (name, dtype), counts in _CHANNELS.items()
        if name == format_name
    ]
    fitting = {name: s for s, (name, _) in reversed(_WRITERS.items()) if channels in _CHANNELS.get((name, depth), ())}
    todo = (
        f"choose {' or '.join(reversed(fitting.values()))}"
        if fitting
        else "convert it with NumPy, or keep it in an .npy file"
    )
    raise ImageWriteError(
        f"{os.fspath(path)!r}: the picture is {_DEPTH_NAMES[depth]} {_CHANNEL_NAMES[channels]}; "
        f"{format_name} files hold {'; '.join(held)} here, so {todo}"
    )


def _writable_target(path: PathLike) -> tuple[Path, str, dict[str, Any]]:
    try:
        name = os.fsdecode(path)
    except TypeError as error:
        raise ImageWriteError(
            f"a path to write to was expected, got {type(path).__name__}; pass a str or pathlib.Path"
        ) from error
    if fault := fault_of(name):
        raise ImageWriteError(f"{name!r} cannot be reached: {fault}; check the path and the rights on its folders")
    target = Path(os.path.realpath(name))  # through links, so that the file they point at is replaced and not they
    suffix = Path(name).suffix.lower()
    if target.is_dir():
        raise ImageWriteError(f"{name!r} is a folder; pass the path of a file in it")
    if suffix not in _WRITERS:
        has = f"has the suffix {suffix!r}" if suffix else "has no suffix, which names the format"
        raise ImageWriteError(f"{name!r} {has}; expected one of {', '.join(_WRITERS)}, so rename it")
    if _WRITERS[suffix] is _HEIF and not heif.is_installed():
        raise ImageWriteError(f"{name!r} is to be HEIC, which pillow-heif writes: {heif.INSTALL}")
    if not target.parent.is_dir():
        raise ImageWriteError(f"there is no folder {str(target.parent)!r} to write into; create it first")
    # Replacing a file asks only for rights on its folder, so a write-protected picture has to be respected here.
    if not os.access(target.parent, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise ImageWriteError(f"no permission to write {str(target)!r}; choose another place or change its rights")
    return (target, *_WRITERS[suffix])


def as_image(value: ImageLike) -> Pixels:
    """Any picture a user may hand in, as an array in its own depth, see :func:`rethined.depth.checked`.

    A path is read by :func:`read_image`, as it is stored. Of a PIL image the modes L, LA, RGB and RGBA become uint8,
    I;16 and I uint16, others as in a file; its pixels are taken as they lie: an EXIF orientation is not applied, so the
    size is the one the PIL image reports. A NumPy array comes back itself, so treat the result as read-only.

    Raises:
        ImageError: Another type, dtype, shape or channel count, no pixels, values without a meaning (NaN for example),
            or a PIL image that is CMYK or of a mode without a known range.
        ImageReadError: A path that cannot be read, or a lazily opened PIL image whose file is damaged.
    """
    if isinstance(value, np.ndarray):
        return checked(value)
    if isinstance(value, Image.Image):
        return _own_array(decode(value))
    if isinstance(value, (str, os.PathLike)):
        return read_image(value, as_stored=True)
    raise ImageError(
        f"a picture was expected, got {type(value).__name__}; "
        "pass a NumPy array such as (H, W, 3) of dtype uint8, a PIL image or a path"
    )


@overload
def like_input(result: Pixels, original: Image.Image) -> Image.Image: ...
@overload
def like_input(result: Pixels, original: NDArray[Any] | PathLike) -> Pixels: ...
def like_input(result: Pixels, original: ImageLike) -> Pixels | Image.Image:
    """A finished picture in the kind that the user handed in.

    Args:
        result: What became of the array that :func:`as_image` made of ``original``: of its dtype and shape.
        original: What :func:`as_image` was given; only looked at.

    Returns:
        For a PIL image a PIL image: of the same mode for L, LA, RGB, RGBA, I;16 (in all byte orders) and I, and RGB for
        every other mode. EXIF data goes along, the colour profile too where the mode stayed. For anything else
        ``result`` itself.

    Raises:
        ImageError: The sizes differ.
    """
    if not isinstance(original, Image.Image):
        return result
    if result.shape[1::-1] != original.size:
        raise ImageError(
            f"the result has size {result.shape[1::-1]}, its original {original.size}; they have to be the same"
        )
    if result.dtype == np.uint16:
        stored = result.astype(np.asarray(original).dtype)
        picture = Image.frombytes(original.mode, original.size, stored.tobytes())
    else:
        picture = Image.fromarray(result)
    kept = ("exif", "icc_profile") if picture.mode == original.mode else ("exif",)
    picture.info.update({key: original.info[key] for key in kept if key in original.info})
    return picture
