"""Which format a result has: what is asked for by name, by Accept, or that of the image."""

from __future__ import annotations

from typing import get_args

from rethined import heif
from rethined.imageio import PictureHeader
from rethined.serve import refusals
from rethined.serve.models import Format

MEDIA_TYPES: dict[Format, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "tif": "image/tiff",
    "bmp": "image/bmp",
    "avif": "image/avif",
    "heic": "image/heic",
}
FORMATS: tuple[Format, ...] = tuple(name for name in get_args(Format) if name != "heic" or heif.is_installed())
"""Those that can be written here."""
ANY = ("*/*", "image/*")


def format_of_result(header: PictureHeader, *, named: Format | None, accept: str | None) -> Format:
    """The format to write.

    Args:
        header: Of the image.
        named: By an option; wins.
        accept: The header of the request: of what can be written, what it likes best, the first where it likes several
            alike.

    Raises:
        HTTPException: 406 where nothing that is asked for can be written.
    """
    if named is not None:
        return named
    for wanted in _by_liking(accept or "*/*"):
        if wanted in ANY:
            return _own_format(header)
        for name in FORMATS:
            if wanted == MEDIA_TYPES[name]:
                return name
    raise refusals.unknown_accept(accept or "", ", ".join(MEDIA_TYPES[name] for name in FORMATS))


def _own_format(header: PictureHeader) -> Format:
    """That of the image, or PNG where that is not written, as for files."""
    return next((name for name in FORMATS if header.suffix == f".{name}"), "png")


def _by_liking(accept: str) -> list[str]:
    """The media types of an Accept header, best first; those of quality 0 are left out."""
    weighed = []
    for entry in accept.split(","):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        if quality > 0:
            weighed.append((quality, name))
    return [name for _, name in sorted(weighed, key=lambda pair: -pair[0])]
