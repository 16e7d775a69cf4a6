"""Requests become files and options: the body of a fill is a form, or the bytes of a picture."""

from __future__ import annotations

import asyncio
import codecs
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, Any

from fastapi import Request, UploadFile
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile as AnyUploadFile

from rethined.errors import OptionError
from rethined.masking.annotations import ANNOTATION_SUFFIX
from rethined.serve import refusals
from rethined.serve.models import MOST_BOXES, MOST_LABELS, FillForm, FillOptions
from rethined.serve.settings import MB

FORM_TYPE = "multipart/form-data"
FILES = ("image", "mask", "forbid")
LISTS = ("box", "mask_label")
"""Options that may be given many times."""
MOST_ANNOTATION_MB, MOST_ANNOTATION_VALUES = 20, 500_000
"""Largest file of annotations, in MB (10^6 bytes), and how much may be in it: a value of three bytes takes a hundred
when it is taken apart."""
OPAQUE_TYPES = ("application/octet-stream",)
"""What programs send that do not know what they send."""


def content_type_of(request: Request) -> str:
    """The media type of the body, without parameters.

    Raises:
        HTTPException: 415 where it is neither a form nor a picture. What a picture really is its content says later.
    """
    stated = request.headers.get("content-type", "")
    media_type = stated.partition(";")[0].strip().lower()
    if media_type != FORM_TYPE and not media_type.startswith("image/") and media_type not in OPAQUE_TYPES:
        raise refusals.unknown_content(stated)
    return media_type


@dataclass(frozen=True)
class Received:
    """What a request to fill has brought.

    Attributes:
        options: How to fill.
        files: Those that were sent, by what they are: ``image``, ``mask``, ``forbid``.
        name: What the sender calls the image, with forward slashes; ``None`` where it says nothing.
    """

    options: FillOptions
    files: Mapping[str, Path]
    name: PurePath | None = None

    @property
    def pictures(self) -> list[Path]:
        """The files that have to be pictures, the image first."""
        return [path for path in self.files.values() if path.suffix != ANNOTATION_SUFFIX]

    @property
    def stem_of_result(self) -> str:
        """What to call the result, without an ending."""
        return "filled" if self.name is None else f"{self.name.stem[:100] or 'image'}-filled"


async def receive_fill(request: Request, query: FillOptions, folder: Path, timeout_s: float) -> Received:
    """Writes what was sent to ``folder``.

    Raises:
        HTTPException: 408 where it takes too long, 413 where it is too large, 400 for a form that is none.
        ValidationError, OptionError: Fields of a form that cannot be used.
    """
    if content_type_of(request) != FORM_TYPE:
        await receive_bytes(request, folder / "image", timeout_s)
        return Received(query, {"image": folder / "image"})
    most_fields = MOST_BOXES + MOST_LABELS + len(FillOptions.model_fields)
    try:
        async with asyncio.timeout(timeout_s), request.form(max_files=len(FILES), max_fields=most_fields) as sent:
            form = FillForm.model_validate(_merged(query, sent.multi_items()))
            files: dict[str, Path] = {}
            for name in FILES:
                upload: UploadFile | None = getattr(form, name)
                if upload is not None:
                    files[name] = folder / name
                    if name == "mask" and await run_in_threadpool(_is_annotation, upload.file):
                        files[name] = files[name].with_suffix(ANNOTATION_SUFFIX)
                        await run_in_threadpool(_expect_small, upload.file)
                    await run_in_threadpool(_save, upload.file, files[name])
            return Received(form, files, PurePath((form.image.filename or "").replace("\\", "/")))
    except TimeoutError as error:
        raise refusals.too_slow() from error


async def receive_bytes(request: Request, path: Path, timeout_s: float) -> None:
    """Writes the body to a file.

    Raises:
        HTTPException: 408 where it takes too long, 413 where it is too large.
    """
    try:
        with path.open("wb") as file:
            async with asyncio.timeout(timeout_s):
                async for piece in request.stream():
                    await run_in_threadpool(file.write, piece)
    except TimeoutError as error:
        raise refusals.too_slow() from error


def _merged(query: FillOptions, sent: list[tuple[str, Any]]) -> dict[str, Any]:
    """Options of the query and fields of the form, each given once."""
    fields: dict[str, list[Any]] = {}
    for name, value in sent:
        if not _is_left_out(value):
            fields.setdefault(name, []).append(value)
    given: Mapping[str, Any] = query.model_dump(exclude_unset=True)
    for name, values in fields.items():
        if name in given:
            raise OptionError(f"{name} is given in the query and in the form; expected once")
        if name not in LISTS and len(values) > 1:
            raise OptionError(f"{name} is given {len(values)} times; expected once")
    return {**given, **{name: values if name in LISTS else values[0] for name, values in fields.items()}}


def _is_left_out(value: object) -> bool:
    """Whether it is what browsers send for a field that nobody filled in, or a file that nobody chose."""
    if isinstance(value, AnyUploadFile):
        return not value.filename and not value.size
    return value == ""


def _is_annotation(source: IO[bytes]) -> bool:
    """Whether a file is JSON and not a picture, by how it begins; what it is called does not matter."""
    begins = source.read(64).removeprefix(codecs.BOM_UTF8).lstrip()
    source.seek(0)
    return begins[:1] in (b"{", b"[")


def _expect_small(annotations: IO[bytes]) -> None:
    content = annotations.read(MOST_ANNOTATION_MB * MB + 1)
    annotations.seek(0)
    values = sum(map(content.count, b"[{,"))
    if len(content) > MOST_ANNOTATION_MB * MB or values > MOST_ANNOTATION_VALUES:
        raise refusals.too_long_annotations(MOST_ANNOTATION_MB, MOST_ANNOTATION_VALUES)


def _save(source: IO[bytes], path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
