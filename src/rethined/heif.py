"""HEIC pictures, by pillow-heif of the extra `heif`.

Its plug-in is used directly and not registered with Pillow: what a host process opens is the host's to say.
"""

from __future__ import annotations

import importlib.util
import io
from typing import IO, Any

from PIL import Image, ImageFile

from rethined.errors import FileError

INSTALL = "pip install 'rethined[heif]'"
_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")


def is_heif(prefix: bytes) -> bool:
    """Whether a file that begins with these bytes, 12 or more, is HEIC."""
    return prefix[4:8] == b"ftyp" and prefix[8:12] in _BRANDS


def is_installed() -> bool:
    """Whether HEIC can be read and written."""
    return importlib.util.find_spec("pillow_heif") is not None


def opened(file: IO[bytes]) -> ImageFile.ImageFile:
    """The picture with its header read; of HDR pictures 8 bits are kept.

    Raises:
        FileError: pillow-heif is not installed.
    """
    if not is_installed():
        raise FileError(f"HEIC is read with the package 'pillow-heif': {INSTALL}")
    import pillow_heif

    image: ImageFile.ImageFile = pillow_heif.HeifImageFile(file, "")
    return image


def encoded(image: Image.Image, options: dict[str, Any]) -> bytes:
    """A picture as the content of a HEIC file."""
    import pillow_heif

    content = io.BytesIO()
    if "icc_profile" in options:
        image.info["icc_profile"] = options.pop("icc_profile")
    pillow_heif.from_pillow(image).save(content, **options)
    return content.getvalue()
