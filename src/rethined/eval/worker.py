"""Peers whose packages clash with this environment's: they run under a Python of their own, kept waiting on a pipe."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import weakref
from pathlib import Path
from typing import IO

import numpy as np

from rethined.errors import MissingExtraError, OptionError, PeerError
from rethined.eval.xphoto_worker import REPLY, SIZE
from rethined.types import HoleMap, Image8

WORKER = Path(__file__).with_name("xphoto_worker.py")
HOW_TO = (
    "make an environment for it with `python3 -m venv peers` and `peers/bin/pip install opencv-contrib-python-headless"
    " numpy`, then pass --peers-python peers/bin/python"
)
"""What to do where there is no such Python yet."""


class WorkerPeer:
    """A method that hands its frames to a worker and waits; one worker serves all calls.

    A worker that ends in the middle of a picture fails that picture alone: the next call starts another.
    """

    def __init__(self, python: Path, algorithm: str, *, threads: int | None = None, script: Path = WORKER) -> None:
        """Starts the worker.

        Args:
            python: The other interpreter.
            algorithm: What it is to run, see :mod:`rethined.eval.xphoto_worker`.
            threads: Threads of its OpenCV; OpenCV's default when ``None``.
            script: What it runs.

        Raises:
            OptionError: ``python`` is not a file.
            MissingExtraError: It cannot run the algorithm; the message says why and how to make one that can.
        """
        if not python.is_file():
            raise OptionError(f"there is no Python at {python}; {HOW_TO}")
        # Isolated: PYTHONPATH and the script's folder are of this environment. The path is not resolved, because an
        # environment is known by its link.
        self._command = (str(python), "-I", str(script), algorithm, str(threads or 0))
        try:
            self._start()
        except (PeerError, OSError) as error:
            raise MissingExtraError(f"{python} cannot run xphoto's {algorithm}: {error}; {HOW_TO}") from error

    def __call__(self, image: Image8, hole: HoleMap) -> Image8:
        """The filled picture.

        Raises:
            PeerError: The worker could not fill it, or ended.
        """
        if self._process.poll() is not None:
            self._start()
        try:
            kind, payload = self._ask(SIZE.pack(*hole.shape), image.tobytes(), hole.tobytes())
        except BaseException:
            self._stop()  # an interrupted call leaves half a message in the pipe
            raise
        if kind == b"E":
            raise PeerError(payload.decode())
        return np.frombuffer(payload, np.uint8).reshape(image.shape).copy()

    def _start(self) -> None:
        log = tempfile.TemporaryFile()  # noqa: SIM115 - read when the worker has ended
        try:
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        except OSError:
            log.close()
            raise
        self._log = log
        self._stop = weakref.finalize(self, _end, self._process, log)
        try:
            kind, payload = self._ask()
            if kind == b"E":
                raise PeerError(f"it has {payload.decode()}")
        except BaseException:
            self._stop()
            raise

    def _ask(self, *parts: bytes) -> tuple[bytes, bytes]:
        """Sends a message and waits for the next one from the worker."""
        to_worker, from_worker = self._process.stdin, self._process.stdout
        if to_worker is None or from_worker is None:
            raise PeerError("the worker has no pipes")
        try:
            for part in parts:
                to_worker.write(part)
            to_worker.flush()
        except BrokenPipeError as error:
            raise self._ended() from error
        head = from_worker.read(REPLY.size)
        if len(head) < REPLY.size:
            raise self._ended()
        kind, length = REPLY.unpack(head)
        if kind not in (b"R", b"E"):
            raise PeerError(f"the worker began a message with {head!r}; expected R or E")
        payload = from_worker.read(length)
        if len(payload) < length:
            raise self._ended()
        return kind, payload

    def _ended(self) -> PeerError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip().splitlines()
        return PeerError(
            f"the worker ended with status {self._process.poll()}: {said[-1] if said else 'it said nothing'}"
        )


def _end(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, log):
        if stream is not None:
            with contextlib.suppress(OSError):  # closing flushes what the worker did not take any more
                stream.close()
