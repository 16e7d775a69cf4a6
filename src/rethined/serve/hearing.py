"""What is odd about a mask or a file, heard in the thread that reads it.

``warnings.catch_warnings`` changes settings of the whole process and so mixes up threads; here it is done once for as
long as the server runs, and each thread has an ear of its own.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from rethined.masks import MaskWarning
from rethined.metadata import FileWarning

HEARD = (MaskWarning, FileWarning)
_ears = threading.local()


@contextmanager
def hearing() -> Iterator[None]:
    """Lets :func:`heard` hear, in all threads; entered once a process."""
    with warnings.catch_warnings():
        for heard_of in HEARD:
            warnings.simplefilter("always", heard_of)
        show = warnings.showwarning

        def tell(message: Warning | str, category: type[Warning], *where: object, **more: object) -> None:
            said: list[str] | None = getattr(_ears, "said", None)
            if said is not None and issubclass(category, HEARD):
                if str(message) not in said:  # the engine looks at the same mask again
                    said.append(str(message))
            else:
                show(message, category, *where, **more)  # type: ignore[arg-type]

        warnings.showwarning = tell
        yield


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collects what is said about masks and files in this thread, each once."""
    _ears.said = []
    try:
        yield _ears.said
    finally:
        _ears.said = None
