"""Files that appear whole or not at all, and their checksums."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

LEFT_S = 86_400
"""Nobody writes a file for longer than a day."""
_PARTIAL = re.compile(r"\.rethined-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{16}\.part")


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; on leaving it takes the place of ``path``, after an error it is removed.

    What stood at ``path`` before stays until then, and after an error for good; its permissions are kept.
    """
    # Not tempfile: it creates files that only their owner may read, and that would stick to the file.
    partial = path.parent / _partial_name()
    try:
        yield partial
        if path.exists():
            shutil.copymode(path, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def make_private_folder() -> Path:
    """A new folder for copies of somebody's pictures, which only this user may read; to be removed by the caller.

    It lies where temporary files do. :func:`clear_leftovers` removes those of processes that were killed.

    Raises:
        OSError: None can be made.
    """
    folder = Path(tempfile.gettempdir(), _partial_name())
    folder.mkdir(mode=0o700)
    return folder


@contextmanager
def private_folder() -> Iterator[Path]:
    """The same, removed on leaving."""
    folder = make_private_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clear_leftovers(folder: Path) -> int:
    """Removes what processes that were killed have left half-written in a folder; says how many files and folders.

    What a process of this machine that is still there is writing stays, and what another machine may be: theirs goes
    when a day has passed. What cannot be removed stays as well.
    """
    removed = 0
    with suppress(OSError):
        for path in folder.iterdir():
            if (name := _PARTIAL.fullmatch(path.name)) and _is_left(path, name[1], int(name[2])):
                with suppress(OSError):
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
                    removed += 1
    return removed


def _partial_name() -> str:
    return f".rethined-{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.part"


def _is_left(partial: Path, machine: str, process: int) -> bool:
    try:
        if time.time() - partial.stat().st_mtime > LEFT_S:
            return True
        if machine != _machine() or os.name != "posix":  # elsewhere signal 0 is no question
            return False
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:  # gone, or a process of somebody else
        return False
    return False


@cache
def _machine() -> str:
    """Tells apart machines, their starts and their containers: wherever a number of a process means another one."""
    facts = [platform.node()]
    with suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        facts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


def files_below(folder: Path, suffixes: Collection[str], *, without: Path | None = None) -> Iterator[Path]:
    """What below a folder, at any depth, ends in one of the suffixes, in small letters, and not what is ``without``."""
    real, left_out = folder.resolve(), without and without.resolve()
    for path in folder.rglob("*"):
        if path.suffix.lower() not in suffixes:
            continue
        # No folder is entered by way of a link, so the way from here tells where a file lies.
        if left_out is None or not (real / path.relative_to(folder)).is_relative_to(left_out):
            yield path


def fault_of(path: str | os.PathLike[str]) -> str:
    """Why nothing can be told of a path: no rights in its folders, a name too long; nothing where something can.

    :class:`pathlib.Path` raises then, where it is asked whether there is a file.
    """
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return error.strerror or type(error).__name__
    except ValueError as error:  # a zero in it, or what this system cannot write as a name
        return str(error)
    return ""


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
