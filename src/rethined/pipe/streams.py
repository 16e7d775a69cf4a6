"""Frames on a stream: raw pixels of one size, or whole picture files with their length before each."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from rethined.errors import InputError, OptionError
from rethined.imageio import decode_image, encode_image
from rethined.types import Pixels, SizeHW

LENGTH = struct.Struct(">I")
"""What stands before each picture file: its length in bytes, big-endian."""
MOST_BYTES = 1 << 28
"""Longest picture file that is believed in: a stream without lengths would ask for gigabytes at once."""
MOST_PX = 65_536
"""Longest side of raw frames."""

Turn = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True)
class PixelFormat:
    """How pixels lie in a raw frame; names are those of ffmpeg.

    Attributes:
        channels: Values a pixel.
        dtype: Of each value, little-endian.
        is_bgr: Whether blue comes first.
    """

    channels: int
    dtype: str = "<u1"
    is_bgr: bool = False


PIXEL_FORMATS = {
    "rgb24": PixelFormat(3),
    "bgr24": PixelFormat(3, is_bgr=True),
    "rgba": PixelFormat(4),
    "gray": PixelFormat(1),
    "gray16le": PixelFormat(1, "<u2"),
    "rgb48le": PixelFormat(3, "<u2"),
    "rgba64le": PixelFormat(4, "<u2"),
}


class Frames(Protocol):
    """Frames one after another, and where they go.

    Attributes:
        is_waiting: Whether it waits for more input, and nothing would be lost by ending.
    """

    is_waiting: bool

    def read(self) -> Pixels | None:
        """The next frame, a new array; ``None`` at the end of the stream.

        Raises:
            InputError: The stream ends within a frame.
            ImageReadError: The frame is no picture, or damaged.
        """

    def write(self, frame: Pixels) -> None:
        """Passes a frame on, whole, in the form that the last one was read in.

        Raises:
            ImageWriteError: The format cannot hold it.
            BrokenPipeError: Nobody reads any more.
        """


class RawFrames:
    """Raw pixels, row by row, nothing between frames.

    Args:
        source: Where they come from.
        sink: Where they go.
        size_hw: Height and width of all of them.
        pixel_format: A name of :data:`PIXEL_FORMATS`.

    Raises:
        OptionError: An unknown format, or no such size.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO, size_hw: SizeHW, pixel_format: str = "rgb24") -> None:
        if pixel_format not in PIXEL_FORMATS:
            raise OptionError(f"the pixel format is {pixel_format!r}; expected one of {', '.join(PIXEL_FORMATS)}")
        if not all(1 <= side <= MOST_PX for side in size_hw):
            raise OptionError(f"frames are {size_hw[1]} x {size_hw[0]}; expected 1 to {MOST_PX} pixels a side")
        self.is_waiting = False
        self._source, self._sink = source, sink
        self._format = PIXEL_FORMATS[pixel_format]
        self._dtype = np.dtype(self._format.dtype)
        self._shape = (*size_hw, self._format.channels)

    def read(self) -> Pixels | None:
        """See :class:`Frames`."""
        content = _read(self, self._source, int(np.prod(self._shape)) * self._dtype.itemsize)
        if content is None:
            return None
        # In this machine's order of bytes, which is nearly always that of the stream.
        frame = (
            np.frombuffer(content, self._dtype).reshape(self._shape).astype(self._dtype.newbyteorder("="), copy=False)
        )
        return np.ascontiguousarray(frame[..., ::-1]) if self._format.is_bgr else frame

    def write(self, frame: Pixels) -> None:
        """See :class:`Frames`."""
        frame = frame[..., ::-1] if self._format.is_bgr else frame
        _write(self._sink, np.ascontiguousarray(frame, self._dtype).data.cast("B"))


class EncodedFrames:
    """Whole picture files, each after its length in bytes: 4 bytes, big-endian. Results come in the same form.

    Args:
        source: Where they come from.
        sink: Where they go.
        format_name: PNG, JPEG, WEBP, TIFF, BMP, AVIF or HEIF, for all results; ``None`` for that of each frame.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO, format_name: str | None = None) -> None:
        self.is_waiting = False
        self._source, self._sink = source, sink
        self._format_name = format_name
        self._read_as = ""

    def read(self) -> Pixels | None:
        """See :class:`Frames`."""
        prefix = _read(self, self._source, LENGTH.size)
        if prefix is None:
            return None
        (length,) = LENGTH.unpack(prefix)
        if not 0 < length <= MOST_BYTES:
            raise InputError(
                f"it says that it is {length} bytes long, of at most {MOST_BYTES}; expected before each picture its"
                " length in 4 bytes, big-endian. For raw pixels pass --size"
            )
        content = _read(self, self._source, length)
        if content is None:
            raise InputError(f"the stream ends before it; its length of {length} bytes is there")
        frame, self._read_as = decode_image(content, "the picture")
        return frame

    def write(self, frame: Pixels) -> None:
        """See :class:`Frames`."""
        content = encode_image(frame, self._format_name or self._read_as)
        _write(self._sink, LENGTH.pack(len(content)) + content)


def _read(frames: Frames, source: BinaryIO, count: int) -> bytearray | None:
    """So many bytes; ``None`` where the stream ends before them."""
    content = bytearray(count)
    view, got = memoryview(content), 0
    frames.is_waiting = True
    try:
        while got < count:
            more = source.readinto(view[got:])  # type: ignore[attr-defined]
            if not more:
                break
            got += more
    finally:
        frames.is_waiting = False
    if not got:
        return None
    if got < count:
        raise InputError(f"the stream ends within it, after {got} of {count} bytes; the frames before it are written")
    return content


def _write(sink: BinaryIO, content: bytes | memoryview) -> None:
    sink.write(content)
    sink.flush()  # whoever reads gets each frame as soon as it is done
