"""Files that appear whole or not at all, and their checksums."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; on leaving it takes the place of ``path``, after an error it is removed.

    What stood at ``path`` before stays until then, and after an error for good; its permissions are kept.
    """
    # Not tempfile: it creates files that only their owner may read, and that would stick to the file.
    partial = path.parent / f".rethined-{secrets.token_hex(8)}.part"
    try:
        yield partial
        if path.exists():
            shutil.copymode(path, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes a UTF-8 file, whole or not at all."""
    with whole_or_nothing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def stamp(path: Path) -> list[Any]:
    """Path, bytes and time of change in nanoseconds of a file: equal as long as nobody touches it.

    Raises:
        OSError: It is not there.
    """
    status = path.stat()
    return [os.path.realpath(path), status.st_size, status.st_mtime_ns]
