"""Fills holes with OpenCV's ``xphoto`` in a Python of its own, frame by frame; the other end of ``worker.py``.

``xphoto`` comes with ``opencv-contrib-python-headless``, which puts its files where ``opencv-python-headless`` has its
own. So this script runs under another interpreter: one that has cv2 and numpy, and no rethined.

``python xphoto_worker.py ALGORITHM THREADS``, 0 threads for OpenCV's default. All numbers are little-endian.

=========  ==========================================================================================================
direction  message
=========  ==========================================================================================================
in         uint32 height, uint32 width, picture as H x W x 3 bytes RGB, hole as H x W bytes, 1 = fill
out        one byte, ``R`` for a result or ``E`` for an error; uint64 length; that many bytes: the filled picture as
           H x W x 3 bytes RGB, or the text of the error in UTF-8
=========  ==========================================================================================================

The first message out comes unasked: OpenCV's version as a result, or why nothing can be filled here. A closed stdin
ends the worker.
"""

from __future__ import annotations

import os
import struct
import sys
from typing import Any, BinaryIO

import cv2
import numpy as np

SIZE, REPLY = struct.Struct("<II"), struct.Struct("<cQ")

# Typed by hand: OpenCV's own types know xphoto only where contrib is installed.
xphoto: Any = getattr(cv2, "xphoto", None)


def shiftmap(image: Any, hole: Any) -> Any:  # noqa: ANN401
    """Shift-map, in Lab as its documentation asks: the first channel is intensity."""
    lab = _xphoto(cv2.cvtColor(image, cv2.COLOR_RGB2Lab), hole, "INPAINT_SHIFTMAP")
    return cv2.cvtColor(lab, cv2.COLOR_Lab2RGB)


def fsr_fast(image: Any, hole: Any) -> Any:  # noqa: ANN401
    """Frequency selective reconstruction, its fast profile, on 8-bit BGR."""
    return _xphoto(image[..., ::-1].copy(), hole, "INPAINT_FSR_FAST")[..., ::-1]


def fsr_best(image: Any, hole: Any) -> Any:  # noqa: ANN401
    """Frequency selective reconstruction, its best profile, on 8-bit BGR."""
    return _xphoto(image[..., ::-1].copy(), hole, "INPAINT_FSR_BEST")[..., ::-1]


def telea(image: Any, hole: Any) -> Any:  # noqa: ANN401
    """What every OpenCV has, to try the pipe with."""
    return cv2.inpaint(image, hole.astype(np.uint8), 3, cv2.INPAINT_TELEA)


ALGORITHMS = {"shiftmap": shiftmap, "fsr-fast": fsr_fast, "fsr-best": fsr_best, "telea": telea}


def main(algorithm: str, threads: str) -> None:
    """Answers frames until stdin is closed."""
    # What a library prints must not end up among the frames.
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    if int(threads):
        cv2.setNumThreads(int(threads))
    if algorithm != "telea" and xphoto is None:
        _send(replies, b"E", f"OpenCV {cv2.__version__} without xphoto".encode())
        return
    _send(replies, b"R", f"OpenCV {cv2.__version__}".encode())
    while frame := _receive(sys.stdin.buffer):
        image, hole = frame
        try:
            filled = ALGORITHMS[algorithm](image, hole)
        except (cv2.error, MemoryError) as error:
            _send(replies, b"E", f"{type(error).__name__}: {error}".encode())
        else:
            # Shift-map changes known pixels, and the way through Lab does.
            _send(replies, b"R", np.where(hole[..., None], filled, image).tobytes())


def _xphoto(colours: Any, hole: Any, kind: str) -> Any:  # noqa: ANN401
    # The other way round than cv2.inpaint; OpenCV 4.1.0 took nothing but 255 for known (opencv_contrib issue 2098).
    known = np.where(hole, 0, 255).astype(np.uint8)
    filled = np.empty_like(colours)
    xphoto.inpaint(colours, known, filled, getattr(xphoto, kind))
    return filled


def _receive(stream: BinaryIO) -> tuple[Any, Any] | None:
    head = stream.read(SIZE.size)
    if len(head) < SIZE.size:
        return None
    height, width = SIZE.unpack(head)
    pixels, marks = stream.read(height * width * 3), stream.read(height * width)
    if len(marks) < height * width:
        return None
    image = np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
    return image, np.frombuffer(marks, np.uint8).reshape(height, width).astype(bool)


def _send(stream: BinaryIO, kind: bytes, payload: bytes) -> None:
    stream.write(REPLY.pack(kind, len(payload)) + payload)
    stream.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
