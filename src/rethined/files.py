"""Files that appear whole or not at all."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
