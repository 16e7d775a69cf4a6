"""Pictures in and out: any file, PIL image or array becomes one form, ``(H, W, 3)`` uint8 RGB, and goes back.

Colour profiles are not applied: numbers are taken as sRGB, as almost all files mean them.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, ImageOps

from rethined.errors import ImageError, ImageReadError, ImageWriteError
from rethined.files import whole_or_nothing
from rethined.types import Image8, ImageLike, PathLike

MAX_PIXELS = 250_000_000
"""Largest picture that is decoded, in pixels; 250 megapixels are 750 MB of RGB."""

# Only formats that photographs come in. Pillow knows many more, and some of them start other programs (EPS).
_READ_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF", "JPEG2000")

_JPEG: tuple[str, dict[str, Any]] = ("JPEG", {"quality": 95, "subsampling": 0})
_TIFF: tuple[str, dict[str, Any]] = ("TIFF", {})
_WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": ("WEBP", {"lossless": True}),
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".bmp": ("BMP", {}),
}

_CONVERSIONS = {
    "bool": "image.astype(np.uint8) * 255",
    "uint16": "(image >> 8).astype(np.uint8) for values 0..65535",
    "float": "np.clip(np.rint(image * 255), 0, 255).astype(np.uint8) for values 0..1",
}

_pillow_limit_lock = threading.Lock()


def read_image(path: PathLike) -> Image8:
    """The picture in a file, upright, as a new ``(H, W, 3)`` uint8 RGB array, range 0..255.

    The EXIF orientation is applied. Grey and palette pictures become RGB, alpha is dropped (the colour below it
    stays), CMYK is converted without its profile. Of 16-bit values the high byte is kept, for grey and for colour
    alike: 0 -> 0, 65535 -> 255, ``257 * v -> v``. Of several frames the first is read.

    Pillow's settings stay as the host process made them. A host that has set ``ImageFile.LOAD_TRUNCATED_IMAGES``
    has asked for half-read pictures and gets them here too. WebP files above Pillow's own limit
    (``2 * Image.MAX_IMAGE_PIXELS``, 179 megapixels unless changed) are refused.

    Raises:
        ImageReadError: No file there, a folder, an empty file, not a picture of a known format, a damaged or
            truncated picture, one above 250 megapixels, or one of a pixel type without a known range (float).
    """
    try:
        return _rgb_array(open_picture(path))
    except ImageError as error:
        raise ImageReadError(f"cannot use {os.fsdecode(path)!r}: {error}") from error


def open_picture(path: PathLike) -> Image.Image:
    """The picture in a file, decoded and upright, in the pixel mode of the file.

    Raises:
        ImageReadError: As for :func:`read_image`, except for the pixel type, which is not looked at.
    """
    source = _existing_file(path)
    try:
        with source.open("rb") as file:
            image = _identified(file, source)
            with _pillow_limit_raised_for(image):
                image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return image
    except ImageReadError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly any class when a file is damaged
        raise ImageReadError(
            f"cannot read {str(source)!r}: {_reason(error)}; the file is damaged, cut short "
            "or not readable by this user, so get it again or check its permissions"
        ) from error


def _existing_file(path: PathLike) -> Path:
    try:
        name = os.fsdecode(path)
    except TypeError as error:
        raise ImageReadError(
            f"a picture path was expected, got {type(path).__name__}; pass a str or pathlib.Path"
        ) from error
    if not name:
        raise ImageReadError("the picture path is empty; pass the path of a picture file")
    source = Path(name)
    if source.is_dir():
        raise ImageReadError(f"{name!r} is a folder; pass the path of one picture file in it")
    if not source.is_file():
        raise ImageReadError(f"there is no picture file at {name!r}; check the path")
    return source


def _identified(file: IO[bytes], source: Path) -> ImageFile.ImageFile:
    """The picture with its header read and its size checked, nothing decoded yet.

    Pillow's own ``Image.open`` warns at 89 megapixels and refuses at 179, and moving those limits is a setting of
    the whole process. Calling the registered format readers directly leaves it alone and needs no lock.
    """
    Image.init()
    prefix = file.read(16)
    if not prefix:
        raise ImageReadError(f"{str(source)!r} is empty (0 bytes); pass a picture file")
    for format_name in _READ_FORMATS:
        factory, accepts = Image.OPEN.get(format_name, (None, None))
        # An answer that is a str says that this Pillow was built without the library for the format.
        if factory is not None and accepts is not None and accepts(prefix) is True:
            file.seek(0)
            return _small_enough(factory(file, ""), source)
    raise ImageReadError(
        f"{str(source)!r} is not a picture in a known format; convert it to one of {', '.join(_READ_FORMATS)}"
    )


def _small_enough(image: ImageFile.ImageFile, source: Path) -> ImageFile.ImageFile:
    if image.width * image.height > MAX_PIXELS:
        raise ImageReadError(
            f"{str(source)!r} says it is {image.width} x {image.height} pixels; "
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
    except ValueError as error:
        raise ImageError(
            f"the picture has pixel mode {image.mode}, which has no single RGB meaning; convert it to 8-bit RGB first"
        ) from error


def _rgb_from_deep_grey(values: NDArray[Any]) -> Image8:
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(
            f"the picture has 32-bit integer values from {values.min()} to {values.max()}; "
            "expected 0..65535 at most, so scale it to 8 or 16 bit first"
        )
    # The high byte, not the nearest 8-bit value: Pillow reads 16-bit colour this way and grey must agree with it.
    return np.repeat((values >> 8).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def write_image(path: PathLike, image: Image8) -> None:
    """Writes a picture; the suffix chooses the format, and the file appears whole or not at all.

    Args:
        path: ``.png``, ``.webp`` (lossless), ``.tif``, ``.tiff``, ``.bmp`` keep every value; ``.jpg`` and ``.jpeg``
            are lossy (quality 95, colour not subsampled). An existing file is replaced and keeps its permissions;
            a link is written through.
        image: ``(H, W, 3)`` uint8 RGB, range 0..255.

    Raises:
        ImageError: ``image`` is not of that form.
        ImageWriteError: Unknown suffix, missing folder, a folder as target, no permission, or the encoder failed
            (WebP ends at 16383 pixels a side, JPEG at 65500). A file that was there before is still there, unchanged.
    """
    target, format_name, options = _writable_target(path)
    picture = Image.fromarray(_checked_array(image))
    try:
        with whole_or_nothing(target) as partial, partial.open("xb") as file:
            picture.save(file, format_name, **options)
    except Exception as error:  # encoders, like decoders, raise nearly any class
        raise ImageWriteError(
            f"cannot write {target!s} as {format_name}: {_reason(error)}; nothing was left behind, "
            "check free space, permissions and the limits of the format"
        ) from error


def expect_writable(path: PathLike) -> None:
    """Checks what can be checked of a place to write before the work for it is done.

    Raises:
        ImageWriteError: As :func:`write_image`, for the path alone.
    """
    _writable_target(path)


def _writable_target(path: PathLike) -> tuple[Path, str, dict[str, Any]]:
    target = Path(os.path.realpath(path))  # through links, so that the file they point at is replaced and not they
    suffix = Path(path).suffix.lower()
    if target.is_dir():
        raise ImageWriteError(f"{os.fspath(path)!r} is a folder; pass the path of a file in it")
    if suffix not in _WRITERS:
        raise ImageWriteError(
            f"{os.fspath(path)!r} has the suffix {suffix!r}; expected one of {', '.join(_WRITERS)}, so rename it"
        )
    if not target.parent.is_dir():
        raise ImageWriteError(f"there is no folder {str(target.parent)!r} to write into; create it first")
    # Replacing a file asks only for rights on its folder, so a write-protected picture has to be respected here.
    if not os.access(target.parent, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise ImageWriteError(f"no permission to write {str(target)!r}; choose another place or change its rights")
    return (target, *_WRITERS[suffix])


def as_image(value: ImageLike) -> Image8:
    """Any picture a user may hand in, as ``(H, W, 3)`` uint8 RGB, C-contiguous, range 0..255.

    A path is read by :func:`read_image`. A PIL image is converted as there, except that its pixels are taken as they
    lie: an EXIF orientation is not applied, so the size is the one the PIL image reports. A NumPy array has to be
    ``(H, W, 3)`` uint8 RGB already; one that is contiguous comes back without a copy, so treat the result as
    read-only.

    Raises:
        ImageError: Another type, dtype, shape or channel count, no pixels, or a PIL mode without a known range.
        ImageReadError: A path that cannot be read, or a lazily opened PIL image whose file is damaged.
    """
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(_checked_array(value))
    if isinstance(value, Image.Image):
        return _rgb_array(decode(value))
    if isinstance(value, (str, os.PathLike)):
        return read_image(value)
    raise ImageError(
        f"a picture was expected, got {type(value).__name__}; "
        "pass a NumPy array (H, W, 3) of dtype uint8, a PIL image or a path"
    )


def _checked_array(array: NDArray[Any]) -> Image8:
    if not isinstance(array, np.ndarray):
        raise ImageError(f"a NumPy array was expected, got {type(array).__name__}; convert it with as_image first")
    if array.dtype != np.uint8:
        raise ImageError(_dtype_message(array))
    if array.ndim != 3 or array.shape[2] != 3:
        raise ImageError(
            f"the picture has shape {array.shape}; expected RGB of shape (H, W, 3). "
            "Grey and alpha arrays are not taken yet: stack grey three times, drop alpha with image[..., :3]"
        )
    if array.size == 0:
        raise ImageError(f"the picture has shape {array.shape}, no pixels at all; expected at least 1 x 1")
    return array


def _dtype_message(array: NDArray[Any]) -> str:
    kind = "float" if array.dtype.kind == "f" else array.dtype.name
    how = _CONVERSIONS.get(kind, "image.astype(np.uint8) once its values are 0..255")
    message = f"the picture has dtype {array.dtype}; expected uint8. Convert it: {how}"
    if kind == "float" and np.isnan(array).any():
        first = tuple(int(i) for i in np.unravel_index(np.isnan(array).argmax(), array.shape))
        message += f". It also contains NaN, the first at index {first}: replace those before"
    return f"{message}. 16-bit and float pictures are not taken yet."


@overload
def like_input(result: Image8, original: Image.Image) -> Image.Image: ...
@overload
def like_input(result: Image8, original: NDArray[Any] | PathLike) -> Image8: ...
def like_input(result: Image8, original: ImageLike) -> Image8 | Image.Image:
    """A finished picture in the kind that the user handed in.

    Args:
        result: ``(H, W, 3)`` uint8 RGB, range 0..255, of the size of ``original``.
        original: What :func:`as_image` was given; only looked at.

    Returns:
        For a PIL image a PIL image: mode L for L, RGBA for RGBA with the alpha of ``original`` put back, and RGB for
        every other mode. EXIF data goes along, the colour profile too where the mode stayed. For anything else
        ``result`` itself.

    Raises:
        ImageError: The sizes differ.
    """
    if not isinstance(original, Image.Image):
        return result
    picture = Image.fromarray(result)
    if picture.size != original.size:
        raise ImageError(f"the result has size {picture.size}, its original {original.size}; they have to be the same")
    if original.mode == "RGBA":
        picture.putalpha(original.getchannel("A"))
    elif original.mode == "L":
        picture = picture.convert("L")
    kept = ("exif", "icc_profile") if picture.mode == original.mode else ("exif",)
    picture.info.update({key: original.info[key] for key in kept if key in original.info})
    return picture
