"""What is done already: a line for each finished file, so that a run that was cut short goes on where it was.

A result counts as done if it is there and its last line in the journal states the same photograph and mask (of files
path, size and time of change), options and network. Contents are not compared: reading them costs as much as many a
fill.

Object stores cannot add a line to a file. There a small file of its own stands for each line, whose name ends with the
checksum of the line, so that a listing says all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from rethined.batch.jobs import Task
from rethined.errors import FileError
from rethined.places import Location, Url, stamp

JOURNAL_NAME = ".rethined-batch.jsonl"
MARKS_NAME = ".rethined-batch"
"""Folder of the files that stand for lines."""

Facts = dict[str, Any]
"""What a result was made from, as JSON can hold it."""


def facts_of(task: Task, options_key: str) -> Facts | None:
    """What the result of a task depends on; ``None`` when a file is missing, which the fill will tell."""
    try:
        return {
            "photo": stamp(task.photo),
            "mask": task.mask.facts(),
            "options": options_key,
        }
    except OSError:
        return None


class Ledger(Protocol):
    """What both journals do."""

    def is_done(self, task: Task, facts: Facts | None) -> bool:
        """Whether the result of a task is there and made from what ``facts`` states."""
        ...

    def add(self, task: Task, facts: Facts | None) -> None:
        """Notes that the result of a task is written."""
        ...


@contextmanager
def open_journal(out: Location) -> Iterator[Ledger]:
    """The journal of a folder of results, which exists.

    Raises:
        FileError: It cannot be read or written.
    """
    if isinstance(out, Url):
        yield StoreJournal(out)
    else:
        with Journal(out) as journal:
            yield journal


class Journal:
    """The journal in a folder of results; a context manager that holds its file open.

    Args:
        folder: Folder of the results; it exists.

    Raises:
        FileError: The journal cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_NAME
        try:
            self._file = self.path.open("a+b")
            self._file.seek(0)
            content = self._file.read()
        except OSError as error:
            raise FileError(f"cannot open the journal {self.path}: {error.strerror}; give another --out") from error
        self._facts = dict(filter(None, map(_parsed, content.splitlines())))
        # A line that was cut short must not swallow the next one.
        self._separator = b"" if not content or content.endswith(b"\n") else b"\n"

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def is_done(self, task: Task, facts: Facts | None) -> bool:
        """Whether the result of a task is there and made from what ``facts`` states."""
        return facts is not None and self.is_noted(task, facts) and task.out.is_file()

    def is_noted(self, task: Task, facts: Facts) -> bool:
        """Whether the result of a task was made from what ``facts`` states, and may have been taken away."""
        return self._facts.get(task.name) == facts

    def add(self, task: Task, facts: Facts | None, *, may_be_gone: bool = False) -> None:
        """Notes that the result of a task is written; both are on the disk when it returns.

        Args:
            task: What was done.
            facts: What its result was made from.
            may_be_gone: Whether who waits for results may have taken this one away already.

        Raises:
            FileError: They are not, for want of space for example.
        """
        if facts is None:
            return
        line = json.dumps({"out": task.name, **facts}, separators=(",", ":"))
        try:
            gone = (FileNotFoundError,) if may_be_gone else ()
            with suppress(*gone), Path(task.out).open("rb+") as result:
                os.fsync(result.fileno())
            # In one piece, so that two runs cannot mix their lines.
            self._file.write(self._separator + line.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except FileNotFoundError as error:
            raise FileError(
                f"{task.out} is filled and not here; give an --out that all machines of the cluster share, or a URL"
            ) from error
        except OSError as error:
            raise FileError(f"cannot write the journal {self.path}: {error.strerror}; check free space") from error
        self._separator = b""
        self._facts[task.name] = facts


class StoreJournal:
    """The journal of results in an object store.

    Args:
        out: Folder of the results.

    Raises:
        ImageReadError: It cannot be listed.
    """

    def __init__(self, out: Url) -> None:
        self._folder = out / MARKS_NAME
        self._marks: dict[str, set[str]] = {}
        self._results: set[str] = set()
        for url in out.files(recursive=True):
            name = url.relative_to(out).as_posix()
            if name.startswith(f"{MARKS_NAME}/"):
                name, _, digest = name.removeprefix(f"{MARKS_NAME}/").rpartition(".")
                self._marks.setdefault(name, set()).add(digest)
            else:
                self._results.add(name)

    def is_done(self, task: Task, facts: Facts | None) -> bool:
        """Whether the result of a task is there and made from what ``facts`` states."""
        if facts is None or task.name not in self._results:
            return False
        # Several: a run that was cut short between writing one and taking the others away. Which is the last is not
        # known.
        return self._marks.get(task.name) == {_digest(facts)}

    def add(self, task: Task, facts: Facts | None) -> None:
        """Notes that the result of a task is written.

        Raises:
            ImageWriteError: It cannot be noted.
        """
        if facts is None:
            return
        digest = _digest(facts)
        self._mark(task.name, digest).write_bytes(json.dumps({"out": task.name, **facts}).encode())
        for other in self._marks.get(task.name, set()) - {digest}:
            self._mark(task.name, other).unlink()
        self._marks[task.name] = {digest}
        self._results.add(task.name)

    def _mark(self, name: str, digest: str) -> Url:
        return self._folder / f"{name}.{digest}"


def _digest(facts: Facts) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]


def _parsed(line: bytes) -> tuple[str, Facts] | None:
    try:
        facts = json.loads(line)
        return str(facts.pop("out")), facts
    except (ValueError, KeyError, AttributeError, TypeError):
        return None  # cut short when the machine stopped: that file is filled again
