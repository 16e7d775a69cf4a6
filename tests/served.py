"""What tests of the server share: pictures as bytes, work that waits to be let go, a server in a thread."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from rethined.engine import Inpainter
from rethined.imageio import read_image
from rethined.serve.work import Done, FillJob, Step
from rethined.types import Pixels

if TYPE_CHECKING:
    from fastapi import FastAPI

SIZE_HW = (64, 80)
ADDRESS = "http://127.0.0.1:8766"


class SlowWork:
    """Stands in for the filling: goes on until it is let go or ended.

    Attributes:
        begun: How often it was begun.
        ended: How often it was ended.
        go_on: Lets go of all.
    """

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.go_on = threading.Event()

    def __call__(self, _inpainter: Inpainter, job: FillJob, step: Step) -> Done:
        self.begun += 1
        while not self.go_on.wait(0.005):
            try:
                step()
            except Exception:
                self.ended += 1
                raise
        job.out.write_bytes(b"filled")
        return Done({}, (), 0, 0)


def until(is_so: Callable[[], object], seconds: float = 20) -> None:
    """Waits for something that happens in another thread."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def encoded(pixels: Pixels, format_name: str = "PNG", **options: object) -> bytes:
    """The content of a picture file; bool maps are white where True."""
    stream = io.BytesIO()
    Image.fromarray(pixels * np.uint8(255) if pixels.dtype == bool else pixels).save(stream, format_name, **options)
    return stream.getvalue()


def decoded(content: bytes, folder: Path) -> Pixels:
    """The pixels of a picture file, as it is stored."""
    (folder / "decoded").write_bytes(content)
    return read_image(folder / "decoded", as_stored=True)


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """A server in a thread of this process; gives its address."""
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http="h11", ws="none", log_level="critical"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
