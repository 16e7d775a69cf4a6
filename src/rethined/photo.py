"""A photograph's file: read, and written again with its hole filled so that all else comes back whole.

Whatever fills files, one or many, goes through here. Arrays and PIL images never do.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from warnings import warn

from rethined import jpeg
from rethined.errors import ImageError, MissingExtraError, RethinedError
from rethined.imageio import (
    Stored,
    expect_writable,
    format_of,
    read_stored,
    turned_back,
    write_content,
    write_stored,
)
from rethined.metadata import FileWarning, Metadata, as_segments, bare_segments
from rethined.options import InpaintOptions
from rethined.thumbnails import thumbnail
from rethined.types import HoleMap, PathLike, Pixels

_GREY_AS_RGB = ("WEBP", "AVIF", "HEIF")
"""Formats that store grey as three equal channels."""
_WITH_THUMBNAIL = ("PNG", "JPEG", "WEBP", "HEIF")
"""Formats that take EXIF as a block. In a TIFF a small copy would be a second picture, and for AVIF Pillow lays EXIF
out anew, without it."""


@dataclass(frozen=True)
class Photo:
    """A photograph that has been read from its file.

    Attributes:
        path: The file.
        pixels: As :func:`rethined.read_image` gives them ``as_stored``: upright, in their own depth.
    """

    path: Path
    pixels: Pixels
    _stored: Stored
    _jpeg: bytes

    @property
    def default_out(self) -> Path:
        """Beside it, as ``NAME-filled``: in its own format, or as PNG where that is not written."""
        suffix = self.path.suffix
        kept = suffix if format_of(suffix) == self._stored.format_name else ".png"
        return self.path.with_name(f"{self.path.stem}-filled{kept}")

    def expect_writable(self, out: PathLike, options: InpaintOptions) -> None:
        """Checks what can be checked of a result before the work for it is done.

        Raises:
            ImageWriteError: As :func:`rethined.imageio.expect_writable`.
            MissingExtraError: ``jpeg`` is ``lossless``, which is not installed.
        """
        expect_writable(out, self.pixels)
        if options.jpeg == "lossless" and self._is_jpeg_to(out):
            jpeg.expect_installed()

    def write(self, out: PathLike, filled: Pixels, hole: HoleMap, options: InpaintOptions) -> None:
        """Writes the photograph with its hole filled, whole or not at all; the suffix chooses the format.

        Args:
            out: The place; it may be that of the photograph.
            filled: Of the shape and dtype of ``pixels``, and outside the hole equal to them.
            hole: ``(H, W)`` bool, what was filled, widened as it was.
            options: What to keep, ``strip`` and ``jpeg``.

        Raises:
            ImageError: ``filled`` is of another form.
            ImageWriteError: It cannot be written, or not without loss where that is asked for.
            MissingExtraError: As :meth:`expect_writable`.

        Warns:
            FileWarning: Something is not kept, or a JPEG is encoded anew that nobody asked for.
        """
        if (filled.shape, filled.dtype) != (self.pixels.shape, self.pixels.dtype):
            raise ImageError(
                f"the filled picture has shape {filled.shape} and dtype {filled.dtype}; expected those of the"
                f" photograph, {self.pixels.shape} and {self.pixels.dtype}"
            )
        if self._stored.coding is not None and self._is_jpeg_to(out):
            self._write_jpeg(out, filled, hole, options, self._stored.coding)
            return
        format_name = format_of(Path(out).suffix) or ""
        is_same = format_name == self._stored.format_name
        metadata = Metadata() if options.strip else self._metadata_for(format_name, filled)
        write_stored(out, filled, metadata, self._stored.options if is_same else {})

    def _is_jpeg_to(self, out: PathLike) -> bool:
        """Whether a JPEG becomes a JPEG."""
        return self._stored.coding is not None and format_of(Path(out).suffix) == "JPEG"

    def _metadata_for(self, format_name: str, filled: Pixels) -> Metadata:
        """What goes into a file whose pixels are upright."""
        channels = 1 if self.pixels.ndim == 2 else self.pixels.shape[2]
        metadata = self._stored.metadata.upright()
        metadata.warn_of_loss(format_name)
        metadata = metadata.for_channels(3 if format_name in _GREY_AS_RGB else channels)
        return _with_thumbnail(metadata, filled) if format_name in _WITH_THUMBNAIL else metadata

    def _write_jpeg(
        self, out: PathLike, filled: Pixels, hole: HoleMap, options: InpaintOptions, coding: jpeg.Coding
    ) -> None:
        """Turned as the photograph was: then every block can stay where it is, and all that is said of it holds."""
        metadata = self._stored.metadata
        lying, lying_hole = (turned_back(pixels, metadata.orientation) for pixels in (filled, hole))
        segments = bare_segments(metadata) if options.strip else as_segments(_with_thumbnail(metadata, lying))
        if options.jpeg != "reencode":
            try:
                jpeg.expect_installed()
                write_content(out, jpeg.patched(self._jpeg, lying, lying_hole, segments))
                return
            except (jpeg.CannotPatchError, MissingExtraError) as error:
                if options.jpeg == "lossless":
                    raise
                warn(f"{os.fspath(out)} is encoded anew as a whole: {error}", FileWarning, stacklevel=2)
        write_stored(out, lying, Metadata(segments=tuple(segments)), coding.save_options())


def read_photo(path: PathLike) -> Photo:
    """Reads a photograph with all that is needed to write it again.

    Raises:
        ImageReadError: As for :func:`rethined.read_image` with ``as_stored``.

    Warns:
        FileWarning: Something in the file cannot be kept.
    """
    stored = read_stored(path)
    source = Path(os.fsdecode(path))
    return Photo(source, stored.pixels, stored, source.read_bytes() if stored.coding is not None else b"")


@contextmanager
def naming_files_alone(folder: Path) -> Iterator[None]:
    """Takes a folder out of messages: whoever sent the files in it does not know it."""
    try:
        yield
    except RethinedError as error:
        raise type(error)(without_folder(folder, str(error))) from error


def without_folder(folder: Path, message: str) -> str:
    """A message in which the files of a folder are named without it."""
    return message.replace(f"{folder}{os.sep}", "")


def _with_thumbnail(metadata: Metadata, pixels: Pixels) -> Metadata:
    """What a file says, with a small copy of the picture as it is now where it had one of what it was."""
    if metadata.thumbnail_hw is None or not metadata.exif:
        return metadata
    content = thumbnail(pixels, metadata.thumbnail_hw, most_bytes=metadata.thumbnail_room_bytes)
    if not content:
        warn("its thumbnail is left out: the rest of its EXIF leaves no room for another", FileWarning, stacklevel=3)
        return metadata
    return metadata.with_thumbnail(content)
