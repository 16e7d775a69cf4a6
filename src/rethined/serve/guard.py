"""What every request passes: who may ask, how large it may be, what is counted, and headers that keep pages apart."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rethined.serve import refusals
from rethined.serve.metrics import Metrics
from rethined.serve.problems import CLIENT_GONE, refusal
from rethined.serve.settings import ServeSettings

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
COUNTED_PATHS = frozenset(
    {"/", "/v1/fill", "/v1/view", "/v1/info", "/health", "/ready", "/metrics", "/openapi.json", "/page"}
)
"""Paths that are counted by name; all others are one, so that strangers cannot make metrics grow."""
READING = ("GET", "HEAD", "OPTIONS")


class Guard:
    """Wraps an app.

    A server for this machine alone answers only to its own names. Else a page elsewhere, whose name its owner lets
    point at 127.0.0.1 for a moment, could read what is here (DNS rebinding). Pages of other servers may send nothing
    unless they are allowed.

    Args:
        app: What is wrapped.
        settings: What is allowed.
        metrics: Where answers are counted.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._names = {"localhost", "127.0.0.1", "::1", settings.host.lower()}
        self._names |= {urlsplit(origin).hostname or "" for origin in settings.allow_origins}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = CLIENT_GONE
        is_page = scope["path"] == "/" or scope["path"].startswith("/page/")

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["Cache-Control"] = "no-cache" if is_page else "no-store"
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        try:
            refused = self._refusal(scope["method"], Headers(scope=scope))
            if refused is not None:
                await refusal(refused)(scope, receive, answer)
            else:
                await self._app(scope, self._counted(receive), answer)
        finally:
            path = "/page" if is_page and scope["path"] != "/" else scope["path"]
            self._metrics.count_request(path if path in COUNTED_PATHS else "other", status)

    def _refusal(self, method: str, headers: Headers) -> HTTPException | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._settings.is_private and _hostname(host) not in self._names and "*" not in self._settings.allow_origins:
            return refusals.wrong_host(host)
        if method not in READING and origin is not None and not self._is_allowed(origin, host):
            return refusals.wrong_origin(origin)
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._settings.max_bytes:
            return refusals.too_many_bytes(self._settings.max_mb)
        return None

    def _is_allowed(self, origin: str, host: str) -> bool:
        allowed = self._settings.allow_origins
        return "*" in allowed or origin in allowed or _netloc(origin).lower() == host.lower() != ""

    def _counted(self, receive: Receive) -> Receive:
        """Refuses a body that turns out too large while it comes: its length need not be stated, or be true."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._settings.max_bytes:
                raise refusals.too_many_bytes(self._settings.max_mb)
            return message

        return counted


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _hostname(host: str) -> str:
    """``[::1]:8766`` without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
