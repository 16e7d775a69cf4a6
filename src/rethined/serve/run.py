"""The server process: listens, and ends gracefully."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn

from rethined.engine import Inpainter
from rethined.errors import OptionError
from rethined.files import clear_leftovers
from rethined.serve.app import create_app
from rethined.serve.settings import ServeSettings
from rethined.serve.turns import Turns

Tell = Callable[[str], None]
CONNECTIONS_END_S = 10
"""How long a client may take to fetch the rest of an answer, or to let go of its connection, when all else is done."""


def serve(inpainter: Inpainter, settings: ServeSettings, tell: Tell, *, access_log: bool = False) -> None:
    """Serves until SIGINT or SIGTERM.

    At the first signal new requests get 503 and what is here is finished; at the second all is ended.

    Args:
        inpainter: Fills for all requests.
        settings: Where to listen and what is allowed.
        tell: Told in a line where it listens, and that it stops.
        access_log: Whether each request is a line on standard output.

    Raises:
        OptionError: It cannot listen there.
    """
    clear_leftovers(Path(tempfile.gettempdir()))  # pictures that were sent to a server that was killed
    turns = Turns(workers=settings.workers, queue=settings.queue, timeout_s=settings.timeout_s)
    listener = _listen(settings)
    config = uvicorn.Config(
        create_app(inpainter, settings, turns),
        http="h11",  # the one that every installation has
        ws="none",
        lifespan="on",
        log_level="info" if access_log else "warning",
        access_log=access_log,
        server_header=False,
        timeout_graceful_shutdown=CONNECTIONS_END_S,
    )
    with listener:
        tell(f"serving on {_address(settings.host, listener)} until Ctrl-C")
        if not settings.is_private:
            tell("other machines can reach it: there is no password, and what they send is not encrypted")
        _Server(config, turns, tell).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that first lets be finished what is here, and meanwhile goes on listening, to refuse in words."""

    def __init__(self, config: uvicorn.Config, turns: Turns, tell: Tell) -> None:
        super().__init__(config)
        self._turns = turns
        self._tell = tell

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as uvicorn calls it
        """Stops at the first signal, ends all at the second. Not passed on: a stop that was asked for is no failure."""
        if self._turns.is_stopping:
            self._turns.end_all()
            self.should_exit = True
            return
        self._turns.stop()
        if self._turns.taken:
            self._tell(f"finishing what is going on ({self._turns.taken}); again ends at once")

    async def on_tick(self, counter: int) -> bool:
        """Looks every tenth of a second whether all is finished."""
        self.should_exit |= self._turns.is_stopping and not self._turns.taken
        return await super().on_tick(counter)


def _listen(settings: ServeSettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=128)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise OptionError(
            f"cannot listen on {settings.host} port {settings.port}: {reason}; choose another --host or --port"
        ) from error


def _address(host: str, listener: socket.socket) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
