"""What the server counts, in the form that Prometheus reads."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from rethined.serve.turns import Turns

SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """Counters of one server, in a registry of its own.

    Args:
        turns: Whose queue is told.
    """

    media_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, turns: Turns) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "rethined_requests", "Requests that were answered.", ("path", "status"), registry=self._registry
        )
        self._stage_seconds = Histogram(
            "rethined_stage_seconds",
            "Seconds of each stage of a fill: receive, wait, read, those of the engine, write, send.",
            ("stage",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._filled = Counter("rethined_pixels_filled", "Pixels of holes that were filled.", registry=self._registry)
        for name, text, value in (
            ("rethined_requests_in_flight", "Requests received, waiting, filled or sent now.", lambda: turns.taken),
            ("rethined_queue_length", "Requests that wait for a worker now.", lambda: turns.waiting),
            ("rethined_fills_in_flight", "Requests that are worked on now.", lambda: turns.running),
        ):
            Gauge(name, text, registry=self._registry).set_function(value)
        ProcessCollector(registry=self._registry)

    def count_request(self, path: str, status: int) -> None:
        """One more answer."""
        self._requests.labels(path, str(status)).inc()

    def add_stage(self, stage: str, milliseconds: float) -> None:
        """How long a stage took once."""
        self._stage_seconds.labels(stage).observe(milliseconds / 1e3)

    def add_filled(self, pixels: int) -> None:
        """So many pixels more were filled."""
        self._filled.inc(pixels)

    def text(self) -> bytes:
        """All of it, as ``text/plain; version=0.0.4``."""
        text: bytes = generate_latest(self._registry)
        return text
