from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from rethined.errors import ImageReadError, ImageWriteError, InputError, OptionError
from rethined.imageio import encode_image
from rethined.pipe.streams import MOST_BYTES, EncodedFrames, RawFrames
from rethined.types import Image8

SIZE_HW = (3, 5)


@pytest.fixture
def frame(rng: np.random.Generator) -> Image8:
    return rng.integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, as pipes do."""

    def __init__(self, content: bytes) -> None:
        self._inner = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._inner.readinto(buffer[:7])


class Passed(io.RawIOBase):
    """What has reached the other end."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        self.content += bytes(content)
        return len(content)


def encoded_of(frame: Image8, sink: io.BufferedWriter) -> EncodedFrames:
    """A stream of which a picture was read."""
    frames = EncodedFrames(stream(encode_image(frame, "PNG")), sink)
    frames.read()
    return frames


# ---- raw ----


@pytest.mark.parametrize(
    ("name", "channels", "first_pixel", "expected"),
    [
        ("rgb24", 3, [1, 2, 3], [1, 2, 3]),
        ("bgr24", 3, [1, 2, 3], [3, 2, 1]),
        ("rgba", 4, [1, 2, 3, 4], [1, 2, 3, 4]),
        ("gray", 1, [7], [7]),
        ("gray16le", 1, [1, 2], [0x0201]),
        ("rgb48le", 3, [1, 2, 3, 4, 5, 6], [0x0201, 0x0403, 0x0605]),
        ("rgba64le", 4, [1, 0, 2, 0, 3, 0, 0, 4], [1, 2, 3, 0x0400]),
    ],
)
def test_raw_frames_come_in_and_go_out_as_they_lie(
    name: str, channels: int, first_pixel: list[int], expected: list[int]
) -> None:
    content = bytes(first_pixel) + bytes(range(20, 20 + 14 * len(first_pixel)))
    sink = io.BytesIO()
    frames = RawFrames(Trickle(content + content[::-1]), sink, SIZE_HW, name)
    read = frames.read()
    assert read is not None
    assert read.shape == (*SIZE_HW, channels)
    assert read[0, 0].tolist() == expected
    assert read.dtype in (np.uint8, np.uint16)
    assert read.flags.c_contiguous
    read[:] = read  # may be written to
    frames.write(read)
    second = frames.read()
    assert second is not None
    frames.write(second)
    assert frames.read() is None
    assert sink.getvalue() == content + content[::-1]


def test_each_frame_is_passed_on_at_once(frame: Image8) -> None:
    raw = Passed()
    for frames in (RawFrames(Trickle(b""), io.BufferedWriter(raw), SIZE_HW), encoded_of(frame, io.BufferedWriter(raw))):
        before = len(raw.content)
        frames.write(frame)
        assert len(raw.content) > before


def test_raw_frames_that_are_cut_short_are_refused(frame: Image8) -> None:
    frames = RawFrames(io.BytesIO(frame.tobytes() + b"123"), io.BytesIO(), SIZE_HW)
    np.testing.assert_array_equal(frames.read(), frame)
    with pytest.raises(InputError, match=r"the stream ends within it, after 3 of 45 bytes"):
        frames.read()


def test_an_empty_stream_has_no_frames() -> None:
    assert RawFrames(io.BytesIO(), io.BytesIO(), SIZE_HW).read() is None
    assert EncodedFrames(io.BytesIO(), io.BytesIO()).read() is None


@pytest.mark.parametrize("size_hw", [(0, 5), (5, 0), (5, 65_537)])
def test_frames_without_a_size_are_refused(size_hw: tuple[int, int]) -> None:
    with pytest.raises(OptionError, match="expected 1 to 65536 pixels a side"):
        RawFrames(io.BytesIO(), io.BytesIO(), size_hw)
    with pytest.raises(OptionError, match="the pixel format is 'yuv420p'; expected one of rgb24, bgr24"):
        RawFrames(io.BytesIO(), io.BytesIO(), SIZE_HW, "yuv420p")


# ---- pictures ----


def stream(*contents: bytes) -> Trickle:
    return Trickle(b"".join(struct.pack(">I", len(content)) + content for content in contents))


def test_pictures_come_back_with_their_length_in_their_format(frame: Image8) -> None:
    deep = frame * np.uint16(257) ^ np.uint16(3)
    contents = [encode_image(frame, "PNG"), encode_image(frame[..., 0], "BMP"), encode_image(deep, "TIFF")]
    sink = io.BytesIO()
    frames = EncodedFrames(stream(*contents), sink)
    for expected in (frame, frame[..., 0], deep):
        read = frames.read()
        np.testing.assert_array_equal(read, expected)
        frames.write(expected)
    assert frames.read() is None
    assert sink.getvalue() == b"".join(struct.pack(">I", len(content)) + content for content in contents)


def test_results_may_have_another_format(frame: Image8) -> None:
    sink = io.BytesIO()
    frames = EncodedFrames(stream(encode_image(frame, "PNG")), sink, "WEBP")
    frames.read()
    frames.write(frame)
    (length,) = struct.unpack(">I", sink.getvalue()[:4])
    assert length == len(sink.getvalue()) - 4
    with Image.open(io.BytesIO(sink.getvalue()[4:])) as picture:
        assert picture.format == "WEBP"
        np.testing.assert_array_equal(np.asarray(picture), frame)


def test_the_orientation_is_applied(frame: Image8) -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(frame).save(file, "PNG", exif=exif)
    np.testing.assert_array_equal(EncodedFrames(stream(file.getvalue()), io.BytesIO()).read(), np.rot90(frame, 3))


def test_what_is_no_stream_of_pictures_is_refused(frame: Image8) -> None:
    whole = encode_image(frame, "PNG")
    framed = struct.pack(">I", len(whole)) + whole
    for content, error, says in [
        (whole, InputError, rf"it says that it is 2303741511 bytes long, of at most {MOST_BYTES}; .*--size"),
        (struct.pack(">I", 0), InputError, "it says that it is 0 bytes long"),
        (framed[:3], InputError, "the stream ends within it, after 3 of 4 bytes"),
        (framed[:4], InputError, r"the stream ends before it; its length of \d+ bytes is there"),
        (framed[:-1], InputError, "the stream ends within it"),
        (struct.pack(">I", 4) + b"text", ImageReadError, "'the picture' is not a picture in a known format"),
        (struct.pack(">I", 60) + whole[:60], ImageReadError, "cannot read 'the picture'"),
    ]:
        with pytest.raises(error, match=says):
            EncodedFrames(Trickle(content), io.BytesIO()).read()


def test_a_format_that_cannot_hold_the_result_is_told(frame: Image8) -> None:
    frames = EncodedFrames(stream(encode_image(np.dstack([frame, frame[..., 0]]), "PNG")), io.BytesIO(), "JPEG")
    read = frames.read()
    assert read is not None
    with pytest.raises(ImageWriteError, match="the picture is 8-bit RGBA; JPEG files hold 8-bit grey, RGB"):
        frames.write(read)
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "GIF")
    frames = EncodedFrames(stream(file.getvalue()), io.BytesIO())
    assert frames.read() is not None
    with pytest.raises(ImageWriteError, match="GIF is read but not written; expected one of PNG"):
        frames.write(frame)
