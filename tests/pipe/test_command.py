from __future__ import annotations

import io
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rethined.cli import main
from rethined.engine import Inpainter
from rethined.errors import InputError
from rethined.imageio import encode_image, write_image
from rethined.options import InpaintOptions
from rethined.pipe.run import fill_frames
from rethined.pipe.streams import LENGTH, RawFrames
from rethined.types import HoleMap, Image8

SIZE_HW = (64, 80)
BYTES = 64 * 80 * 3
BOX = ["--box", "30,20,20,20"]
Piped = tuple[int, bytes, str]
Pipe = Callable[..., Piped]


@pytest.fixture
def photo(rng: np.random.Generator) -> Image8:
    return rng.integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)


@pytest.fixture
def hole() -> HoleMap:
    hole = np.zeros(SIZE_HW, bool)
    hole[20:40, 30:50] = True
    return hole


class Stream:
    """What stands in for standard input or output."""

    def __init__(self, content: bytes = b"", *, is_terminal: bool = False) -> None:
        self.buffer = io.BytesIO(content)
        self.buffer.isatty = lambda: is_terminal  # type: ignore[method-assign]

    def flush(self) -> None:
        pass


@pytest.fixture
def pipe(
    tiny_network_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Pipe:
    """Runs ``rethined pipe``: its status, what it wrote, what it said."""
    monkeypatch.chdir(tmp_path)

    def pipe(content: bytes, *arguments: str, is_terminal: bool = False) -> Piped:
        source, sink = Stream(content), Stream(is_terminal=is_terminal)
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdin", source)
            patched.setattr(sys, "stdout", sink)
            status = main(["pipe", "--network", str(tiny_network_path), "--threads", "1", *arguments])
        return status, sink.buffer.getvalue(), capsys.readouterr().err

    return pipe


def test_raw_frames_are_filled_as_the_engine_fills_them(
    pipe: Pipe, photo: Image8, hole: HoleMap, tiny_network_path: Path
) -> None:
    status, out, err = pipe(photo.tobytes() * 3, "--size", "80x64", *BOX)
    assert status == 0
    assert out == Inpainter(tiny_network_path, threads=1)(photo, hole).tobytes() * 3
    assert err == "rethined: 3 frames filled, sources searched for 1 of them\n"
    assert pipe(photo.tobytes(), "--size", "80x64", *BOX, "--quiet")[2] == ""
    assert pipe(photo.tobytes() * 3, "--size", "80x64", *BOX, "--renew", "2")[2].endswith("for 2 of them\n")


def test_pixel_formats_and_masks_are_passed_on(
    pipe: Pipe, photo: Image8, hole: HoleMap, tiny_network_path: Path
) -> None:
    write_image("kept.png", ~hole * np.uint8(255))
    given = ["--size", "80x64", "--mask", "kept.png", "--invert", "--grow", "2", "--pixel-format", "bgr24"]
    status, out, _ = pipe(photo[..., ::-1].tobytes(), *given)
    assert status == 0
    expected = Inpainter(tiny_network_path, options=InpaintOptions(grow_px=2), threads=1)(photo, hole)
    assert out == expected[..., ::-1].tobytes()


def test_pictures_are_filled(pipe: Pipe, photo: Image8, hole: HoleMap, tiny_network_path: Path) -> None:
    content = encode_image(photo, "PNG")
    expected = Inpainter(tiny_network_path, threads=1)(photo, hole)
    for given, format_name in ([], "PNG"), (["--format", "bmp"], "BMP"):
        status, out, _ = pipe((LENGTH.pack(len(content)) + content) * 2, *BOX, *given)
        wanted = encode_image(expected, format_name)
        assert status == 0
        assert out == (LENGTH.pack(len(wanted)) + wanted) * 2


@pytest.mark.parametrize(
    ("content", "arguments", "written", "says"),
    [
        (bytes(2 * BYTES + 5), ["--size", "80x64", *BOX], 2, "frame 3: the stream ends within it, after 5 of 15360"),
        (LENGTH.pack(4) + b"text", BOX, 0, "frame 1: 'the picture' is not a picture"),
        (bytes(BYTES), ["--size", "80x64", "--mask", "small.png"], 0, "frame 1: the mask is 63 high"),
        (b"", ["--size", "80x64"], 0, "no mask is given; expected one of --mask FILE, --mask-alpha"),
        (b"", ["--size", "80x64", "--mask-alpha", *BOX], 0, "--mask-alpha and --box are given"),
        (b"", ["--size", "80*64", *BOX], 0, "the size is '80*64'; expected width and height"),
        (b"", ["--size", "0x64", *BOX], 0, "frames are 0 x 64"),
        (b"", ["--size", "80x64", "--format", "png", *BOX], 0, "--format goes with whole pictures"),
        (b"", ["--pixel-format", "gray", *BOX], 0, "--pixel-format goes with raw frames"),
        (b"", ["--format", "gif", *BOX], 0, "the format is 'gif'; expected one of png"),
        (b"", ["--jpeg", "lossless", *BOX], 0, "--jpeg lossless goes with files"),
        (b"", ["--renew", "often", *BOX], 0, "--renew is 'often'; expected cuts, never or a number"),
        (b"", ["--renew", "0", *BOX], 0, "every 0 frames"),
        (b"", ["--grow", "-1", *BOX], 0, "--grow is -1"),
        (b"", ["--threads", "0", *BOX], 0, "threads is 0"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_ends_with_two_one_line_and_what_was_done(
    pipe: Pipe, photo: Image8, content: bytes, arguments: list[str], written: int, says: str
) -> None:
    write_image("small.png", photo[1:] // 2)
    status, out, err = pipe(content, *arguments)
    assert status == 2
    assert len(out) == written * BYTES
    assert err.startswith("rethined: ")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["stdin", "stdout"])
def test_a_closed_stream_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Stream())
    monkeypatch.setattr(sys, name, None)
    assert main(["pipe", *BOX]) == 2
    assert (
        f"standard {'input' if name == 'stdin' else 'output'} is closed; expected a stream" in capsys.readouterr().err
    )


def test_a_terminal_gets_no_frames(pipe: Pipe) -> None:
    status, out, err = pipe(b"", *BOX, is_terminal=True)
    assert (status, out) == (2, b"")
    assert "standard output is a terminal" in err


def test_frames_are_written_one_by_one_and_a_wish_to_stop_is_heard_between(photo: Image8) -> None:
    sink, begun = io.BytesIO(), []

    def fill(frame: Image8) -> Image8:
        assert len(sink.getvalue()) == len(begun) * BYTES
        begun.append(1)
        return frame

    frames = RawFrames(io.BytesIO(photo.tobytes() * 5), sink, SIZE_HW)
    assert fill_frames(frames, fill, is_stopped=lambda: len(begun) == 3) == 3
    assert sink.getvalue() == photo.tobytes() * 3

    def fail(_frame: Image8) -> Image8:
        raise InputError("unusable")

    with pytest.raises(InputError, match="frame 1: unusable"):
        fill_frames(frames, fail)


# ---- as a program ----


@pytest.fixture
def program(tiny_network_path: Path) -> subprocess.Popen[bytes]:
    given = ["pipe", "--size", "80x64", *BOX, "--network", str(tiny_network_path), "--threads", "1"]
    return subprocess.Popen(
        [sys.executable, "-m", "rethined", *given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_an_interrupt_while_it_waits_ends_it_after_whole_frames(
    program: subprocess.Popen[bytes], photo: Image8
) -> None:
    assert program.stdin
    assert program.stdout
    assert program.stderr
    with program:
        program.stdin.write(photo.tobytes() + b"part of the next")
        program.stdin.flush()
        assert len(program.stdout.read(BYTES)) == BYTES
        time.sleep(0.1)
        program.send_signal(signal.SIGINT)
        assert program.wait(20) == 130
        assert program.stdout.read() == b""
        assert program.stderr.read() == b"rethined: interrupted\n"


def test_when_nobody_reads_any_more_it_ends_quietly(program: subprocess.Popen[bytes], photo: Image8) -> None:
    assert program.stdin
    assert program.stdout
    assert program.stderr
    with program:
        program.stdout.close()
        program.stdin.write(photo.tobytes())
        program.stdin.flush()
        assert program.wait(20) == 141
        assert program.stderr.read() == b""
