"""OpenAPI beyond what FastAPI reads off the code: bodies of two kinds, pictures and problems as answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from rethined.serve.models import FillForm, Problem

_DESCRIPTION = """Fills holes in photographs. Nothing is fetched from anywhere: pictures are sent in requests.

Errors are problem details (RFC 9457); `detail` says what was given, what was expected and what to do.
"""
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_STATUSES: dict[int, str] = {
    400: "A form that is none.",
    403: "A web page of another server that was not let in.",
    406: "No format that is asked for can be written.",
    408: "The request took too long to come.",
    413: "Too many bytes, too many pixels, or more memory than a fill may take.",
    415: "Neither a form nor a picture.",
    421: "A name that this server does not go by.",
    422: "A picture, a mask or an option that cannot be used.",
    429: "Too many requests already; Retry-After says how long to wait.",
    500: "The server failed.",
    503: "Out of time, or stopping; Retry-After says how long to wait.",
    507: "No room on the server's disk.",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": _STATUSES[status], "content": _PROBLEM} for status in (421, 500, 503)
}
"""Answers of every address that are not results."""

FILL_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {"$ref": "#/components/schemas/FillForm"},
                "encoding": {
                    "image": {"contentType": "image/*"},
                    "mask": {"contentType": "image/*, application/json"},
                    "forbid": {"contentType": "image/*"},
                },
            },
            "image/*": _BYTES,
            "application/octet-stream": _BYTES,
        },
    }
}
VIEW_BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"image/*": _BYTES, "application/octet-stream": _BYTES}}
}


def picture_answer(description: str, media_types: Iterable[str]) -> dict[str, Any]:
    """Arguments of a route that answers with a picture, or with one of many problems."""
    problems = {status: {"description": text, "content": _PROBLEM} for status, text in _STATUSES.items()}
    pictures = {"description": description, "content": dict.fromkeys(media_types, _BYTES)}
    return {"response_model": None, "status_code": 200, "responses": {200: pictures, **problems}}


def describe(app: FastAPI) -> None:
    """Adds what FastAPI does not know to the description of an app."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title,
                version=app.version,
                description=_DESCRIPTION,
                routes=app.routes,
                separate_input_output_schemas=False,
            )
            schemas = schema.setdefault("components", {}).setdefault("schemas", {})
            for model in (FillForm, Problem):
                schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
            for answers in _answers_of_pictures(schema):
                # FastAPI takes every answer of a route for JSON as well.
                answers["200"]["content"].pop("application/json", None)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _answers_of_pictures(schema: dict[str, Any]) -> Iterable[dict[str, Any]]:
    return (operation["responses"] for path in schema["paths"].values() for operation in path.values())
