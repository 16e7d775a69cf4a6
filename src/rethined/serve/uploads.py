"""Requests become files and options: the body of a fill is a form, or the bytes of a picture."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import IO, Any, TypeVar

from fastapi import Request, UploadFile
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile as AnyUploadFile

from rethined.errors import OptionError
from rethined.serve import refusals
from rethined.serve.models import MOST_BOXES, FillForm, FillOptions

Options = TypeVar("Options", bound=FillOptions)
FORM_TYPE = "multipart/form-data"
FILES = ("image", "mask", "forbid")
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


async def receive_fill(request: Request, query: FillOptions, folder: Path, timeout_s: float) -> tuple[FillOptions, str]:
    """Writes what was sent to ``folder``, as ``image``, and of a form ``mask`` and ``forbid`` where they were sent.

    Returns:
        The options, and what to call the result, without an ending.

    Raises:
        HTTPException: 408 where it takes too long, 413 where it is too large, 400 for a form that is none.
        ValidationError, OptionError: Fields of a form that cannot be used.
    """
    if content_type_of(request) != FORM_TYPE:
        await receive_bytes(request, folder / "image", timeout_s)
        return query, "filled"
    try:
        async with (
            asyncio.timeout(timeout_s),
            request.form(max_files=len(FILES), max_fields=MOST_BOXES + len(FillOptions.model_fields)) as sent,
        ):
            form = FillForm.model_validate(_merged(query, sent.multi_items()))
            for name in FILES:
                upload: UploadFile | None = getattr(form, name)
                if upload is not None:
                    await run_in_threadpool(_save, upload.file, folder / name)
            return form, f"{_stem(form.image.filename)}-filled"
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
        if name != "box" and len(values) > 1:
            raise OptionError(f"{name} is given {len(values)} times; expected once")
    return {**given, **{name: values if name == "box" else values[0] for name, values in fields.items()}}


def _is_left_out(value: object) -> bool:
    """Whether it is what browsers send for a field that nobody filled in, or a file that nobody chose."""
    if isinstance(value, AnyUploadFile):
        return not value.filename and not value.size
    return value == ""


def _save(source: IO[bytes], path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _stem(name: str | None) -> str:
    """The name of a file that was sent, without folders of either kind and without its ending."""
    return PurePath((name or "").replace("\\", "/")).stem[:100] or "image"
