"""What is done already: a line for each finished file, so that a run that was cut short goes on where it was.

A result counts as done if it is there and its last line in the journal states the same photograph and mask (of files
path, size and time of change), options and network. Contents are not compared: reading them costs as much as many a
fill.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from rethined.batch.jobs import Task
from rethined.errors import FileError
from rethined.files import stamp

JOURNAL_NAME = ".rethined-batch.jsonl"

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

    def add(self, task: Task, facts: Facts | None) -> None:
        """Notes that the result of a task is written; both are on the disk when it returns.

        Raises:
            FileError: They are not, for want of space for example.
        """
        if facts is None:
            return
        line = json.dumps({"out": task.name, **facts}, separators=(",", ":"))
        try:
            # Whoever waits for results may have taken this one away already.
            with suppress(FileNotFoundError), task.out.open("rb+") as result:
                os.fsync(result.fileno())
            # In one piece, so that two runs cannot mix their lines.
            self._file.write(self._separator + line.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise FileError(f"cannot write the journal {self.path}: {error.strerror}; check free space") from error
        self._separator = b""
        self._facts[task.name] = facts


def _parsed(line: bytes) -> tuple[str, Facts] | None:
    try:
        facts = json.loads(line)
        return str(facts.pop("out")), facts
    except (ValueError, KeyError, AttributeError, TypeError):
        return None  # cut short when the machine stopped: that file is filled again
