"""Pictures as answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from rethined.serve.turns import Turn

CUSTOM_HEADERS = ("Rethined-Hole-Pixels", "Rethined-Size", "Rethined-Warning", "Rethined-Working-Px", "Server-Timing")
"""Headers of answers that scripts of other pages have to be let see."""


class TurnResponse(FileResponse):
    """A file of a turn; the turn is over when it has been sent.

    Args:
        turn: Whose file it is.
        path: The file.
        media_type: What it is.
        name: What to save it as.
        timeout_s: How long it may take to send; then the connection is cut.
        on_sent: Told the milliseconds that sending took.
        headers: More headers.
    """

    def __init__(
        self,
        turn: Turn,
        path: Path,
        *,
        media_type: str,
        name: str,
        timeout_s: float,
        on_sent: Callable[[float], None],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(
            path,
            media_type=media_type,
            filename=name,
            content_disposition_type="inline",
            headers={"Accept-Ranges": "none", **headers},
        )
        self._turn = turn
        self._timeout_s = timeout_s
        self._on_sent = on_sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout_s):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            return  # what was begun and not ended tells the server to cut the connection
        finally:
            self._turn.close()
        self._on_sent((time.perf_counter() - began) * 1e3)
