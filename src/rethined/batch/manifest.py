"""Lists of photographs and masks that a user has written down: CSV or JSON lines."""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any

from rethined.batch.jobs import below
from rethined.errors import FileError, InputError, RethinedError
from rethined.places import Location, located

REQUIRED = ("image", "mask")
COLUMNS = (*REQUIRED, "out")


def read_manifest(path: Location, out: Location) -> list[tuple[Location, Location, PurePath | None]]:
    """Photograph, mask and name of the result of each line, in order.

    Args:
        path: A CSV file with the columns ``image``, ``mask`` and perhaps ``out``, or a file of JSON objects with these
            keys, one a line; UTF-8. ``image`` and ``mask`` may be relative to the folder of the file, or URLs; ``out``
            is relative to the folder of the results; without it the photograph's own name is kept.
        out: Folder of the results.

    Raises:
        FileError: It cannot be read.
        InputError: It is something else; the message names the line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")  # spreadsheets begin their UTF-8 with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"cannot read the manifest {path}: {error}; give a CSV or JSON lines file in UTF-8") from error
    rows = _json_rows if text.lstrip().startswith("{") else _csv_rows
    pairs = []
    for line, row in rows(path, text):
        image, mask, name = _checked(f"{path}, line {line}", row)
        try:
            here = path.parent
            pairs.append((located(image, here), located(mask, here), below(out, name) if name else None))
        except RethinedError as error:
            raise InputError(f"{path}, line {line}: {error}") from error
    return pairs


def _csv_rows(path: Location, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(re.split(r"\r\n|\r|\n", text), strict=True, skipinitialspace=True)
    try:
        _expect_columns(f"{path}, line 1", reader.fieldnames or [])
        for row in reader:
            if None in row or None in row.values():
                raise InputError(
                    f"{path}, line {reader.line_num} has not as many values as the first line has columns; put values"
                    ' that hold a comma in "quotes"'
                )
            yield reader.line_num, dict(row)
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num} is no CSV: {error}; expected image,mask[,out]") from error


def _json_rows(path: Location, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number} is no JSON: {error}; expected one object a line") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number} is {line.strip()[:40]!r}; expected an object with image and mask")
        _expect_columns(f"{path}, line {number}", list(row))
        yield number, row


def _expect_columns(place: str, names: Iterable[Any]) -> None:
    names = list(names)
    if not set(REQUIRED) <= set(names) <= set(COLUMNS):
        given = ", ".join(map(str, names)) or "nothing"
        raise InputError(f"{place} names {given}; expected image, mask and perhaps out")


def _checked(place: str, row: dict[str, Any]) -> tuple[str, str, str]:
    """Image, mask and out of a row; an ``out`` that is not given is empty."""
    given = {"out": "", **{name: value for name, value in row.items() if name != "out" or value is not None}}
    for name, value in given.items():
        if not isinstance(value, str) or (name in REQUIRED and not value) or not _may_be_name(value):
            raise InputError(f"{place} gives {value!r} as {name}; expected the path of a file")
    return given["image"], given["mask"], given["out"]


def _may_be_name(text: str) -> bool:
    """Whether any file can be called so: JSON can hold what no name can."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False
