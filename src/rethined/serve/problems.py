"""Errors as problem details (RFC 9457): every answer that is not a result has this one form."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from rethined.errors import (
    ImageReadError,
    ImageWriteError,
    InputError,
    MemoryBudgetError,
    MissingExtraError,
    RethinedError,
)
from rethined.serve import refusals
from rethined.serve.models import FillForm, Problem
from rethined.serve.turns import EndedError
from rethined.serve.uploads import FILES

CLIENT_GONE = 499
"""What web servers write into their logs for a client that went away; nobody reads it."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system says where files find no room."""
SHOWN_CHARACTERS = 80
"""How much of an input is repeated in a message."""


class ProblemResponse(JSONResponse):
    """JSON under its own media type."""

    media_type = "application/problem+json"


def problem(
    status: int, detail: str, *, error: str | None = None, headers: Mapping[str, str] | None = None
) -> ProblemResponse:
    """A problem as an answer."""
    title = "Client Closed Request" if status == CLIENT_GONE else HTTPStatus(status).phrase
    content = Problem(title=title, status=status, detail=detail, error=error).model_dump(exclude_none=True)
    return ProblemResponse(content, status, headers=headers)


def refusal(error: HTTPException) -> ProblemResponse:
    """The answer to a refused request."""
    return problem(error.status_code, error.detail, headers=error.headers)


def add_handlers(app: FastAPI) -> None:
    """Every error of an app becomes a problem."""

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: HTTPException) -> ProblemResponse:
        return refusal(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> ProblemResponse:
        return problem(422, _in_words(error.errors()), error="OptionError")

    @app.exception_handler(ValidationError)
    async def invalid_form(_request: Request, error: ValidationError) -> ProblemResponse:
        return problem(422, _in_words(error.errors()), error="OptionError")

    @app.exception_handler(RethinedError)
    async def failed(_request: Request, error: RethinedError) -> ProblemResponse:
        if isinstance(error, EndedError):
            return refusal(refusals.stopping())
        return problem(status_of(error), str(error), error=type(error).__name__)

    @app.exception_handler(OSError)
    async def without_room(_request: Request, error: OSError) -> ProblemResponse:
        if error.errno not in NO_ROOM:
            raise error
        return problem(507, f"the server cannot keep what was sent: {error.strerror}; try again later")

    @app.exception_handler(Exception)
    async def broken(_request: Request, _error: Exception) -> ProblemResponse:
        return problem(500, "the server failed; its log says more")


def status_of(error: RethinedError) -> int:
    """The status that says whose fault it is."""
    if isinstance(error, MemoryBudgetError):
        return 413
    if isinstance(error, (InputError, ImageReadError, MissingExtraError)):  # of the last kind: jpeg=lossless
        return 422
    if isinstance(error, ImageWriteError):
        cause = error.__cause__
        while cause is not None and cause.__cause__ is not None:
            cause = cause.__cause__
        # Encoders raise OSError too, but only the system gives it a number: no space, no permission.
        return 507 if isinstance(cause, OSError) and cause.errno is not None else 422
    return 500


def _in_words(errors: Sequence[Any]) -> str:
    """Each error as ``name is what was given: what was expected``."""
    said = []
    for error in errors:
        place = [str(part) for part in error["loc"] if part not in ("query", "body")]
        name = ".".join(place) or "the request"
        if error["type"] == "missing":
            said.append(f"{name} is missing")
        elif error["type"] == "extra_forbidden":
            near = get_close_matches(name, FillForm.model_fields, 1)
            said.append(f"{name} is no option here; {f'is it {near[0]}?' if near else 'check its spelling'}")
        elif name in FILES and isinstance(error["input"], str):
            said.append(f"{name} is text; expected a file, so send it with a file name")
        else:
            given = repr(error["input"])
            shown = given if len(given) <= SHOWN_CHARACTERS else f"{given[:SHOWN_CHARACTERS]}..."
            said.append(f"{name} is {shown}: {error['msg'][:1].lower()}{error['msg'][1:]}")
    return "; ".join(said)
