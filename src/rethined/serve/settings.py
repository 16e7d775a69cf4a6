"""What a server allows, checked once."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rethined.doors import option
from rethined.errors import OptionError
from rethined.imageio import MAX_PIXELS
from rethined.options import InpaintOptions

MB = 1_000_000
"""Bytes."""


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Where a server listens and what it allows; the defaults suit one person's machine.

    Attributes:
        host: Address or name to listen on. Other machines reach it only if it is none of this machine alone.
        port: Port to listen on; 0 takes a free one.
        options: How to fill where a request does not say. Its limit of memory holds for every fill.
        max_pixels: Most pixels of a picture or a mask.
        max_mb: Most megabytes (10^6 bytes) of the body of a request.
        queue: Requests that may wait while others are filled; what comes then is refused.
        workers: Fills at the same time. Each takes memory of its own.
        timeout_s: Seconds for receiving a request, again for waiting and filling, and again for sending the result.
        allow_origins: Web pages of other servers that may use this one, as ``https://host[:port]``, or ``*`` for all.

    Raises:
        OptionError: A value outside its range.
    """

    host: str = "127.0.0.1"
    port: int = 8766
    options: InpaintOptions = field(default_factory=lambda: InpaintOptions(max_memory_mb=4000))
    max_pixels: int = 100_000_000
    max_mb: int = 100
    queue: int = 16
    workers: int = 2
    timeout_s: float = 120
    allow_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.host:
            raise OptionError(
                f"{option('host')} is empty; expected an address or a name, 127.0.0.1 for this machine alone"
            )
        _expect_range("port", self.port, 0, 65535)
        _expect_range("max-pixels", self.max_pixels, 1, MAX_PIXELS)
        _expect_range("max-mb", self.max_mb, 1, 100_000)
        _expect_range("queue", self.queue, 0, 10_000)
        _expect_range("workers", self.workers, 1, 256)
        if not (math.isfinite(self.timeout_s) and self.timeout_s > 0):
            raise OptionError(f"{option('timeout')} is {self.timeout_s}; expected seconds above 0")
        for origin in self.allow_origins:
            _expect_origin(origin)

    @property
    def is_private(self) -> bool:
        """Whether only this machine reaches the server."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def max_bytes(self) -> int:
        """Most bytes of the body of a request."""
        return self.max_mb * MB


def _expect_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise OptionError(f"{option(name)} is {value}; expected a whole number from {low} to {high}")


def _expect_origin(origin: str) -> None:
    try:
        parts = urlsplit(origin)
        is_origin = (
            parts.scheme in ("http", "https") and origin == f"{parts.scheme}://{parts.netloc}" and parts.hostname
        )
    except ValueError:
        is_origin = False
    if origin != "*" and not is_origin:
        raise OptionError(f"the allowed origin is {origin!r}; expected for example https://photos.example, or *")
