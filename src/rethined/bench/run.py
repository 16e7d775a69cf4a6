"""``rethined bench``: latency per stage and whole, memory, start-up, with peers in the same run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rethined.bench.cases import HOLE_SHARE, PRESET, bench_case
from rethined.bench.machine import describe_machine
from rethined.bench.timing import Timing, time_together
from rethined.engine import Inpainter
from rethined.errors import OptionError
from rethined.eval.methods import label_of, make_method
from rethined.eval.worker import WorkerPeer
from rethined.files import sha256_of, write_text
from rethined.weights import SHIPPED_NETWORK

SCHEMA = "rethined-bench-1"
CHILD_RUNS = 3


@dataclass(frozen=True)
class Row:
    """One method at one size.

    Attributes:
        method: Name of the method.
        side_px: Height and width of the square picture.
        hole_share: Share of it that is hole, 0..1.
        timing: Times of the whole fill, array to array; ``None`` where it failed.
        ratio: Median over that of the reference method; ``None`` without one.
        stages_ms: Medians of rethined's stages; empty for others.
        extra_mib: Peak memory of a fill beyond what was there before; ``None`` where it cannot be measured.
        error: What went wrong, or nothing.
    """

    method: str
    side_px: int
    hole_share: float
    timing: Timing | None
    ratio: float | None
    stages_ms: dict[str, float]
    extra_mib: float | None
    error: str = ""


def run_bench(
    out: Path,
    *,
    sides_px: Sequence[int],
    methods: Sequence[str],
    reference: str = "telea",
    network: str | None = None,
    threads: int | None = None,
    peers_python: Path | None = None,
    on_row: Callable[[str], None] = lambda _: None,
) -> str:
    """Measures and writes ``bench.json`` and ``bench.md``.

    Args:
        out: Folder; made when missing.
        sides_px: Sides of the square pictures.
        methods: Names of methods, or paths of learned peers' files.
        reference: The method that ratios are taken from, if it is among ``methods``.
        network: A rethined ONNX file; the shipped one when ``None``.
        threads: Threads of every method; all cores when ``None``.
        peers_python: Interpreter for the peers whose packages clash with this environment's.
        on_row: Called with what is being measured.

    Returns:
        The table, as Markdown.

    Raises:
        OptionError: An unknown method, one given twice, or a side below 64 px.
        MissingExtraError, ModelError: As :func:`rethined.eval.methods.make_method`.
    """
    for side_px in sides_px:
        if side_px < 64:
            raise OptionError(f"the size is {side_px}; expected 64 px or more")
    names = {label_of(name): name for name in methods}
    if len(names) != len(methods):
        raise OptionError(f"the methods are {', '.join(methods)}; expected each once")
    if threads is not None:
        cv2.setNumThreads(threads)
    ready: dict[str, Any] = {
        label: make_method(name, network=network, threads=threads, peers_python=peers_python)
        for label, name in names.items()
    }
    rows: list[Row] = []
    for side_px in sides_px:
        on_row(f"{side_px} x {side_px}")
        rows += _measure(ready, names, side_px, label_of(reference), network, threads)
    network_file = SHIPPED_NETWORK if network is None else Path(network)
    report = {
        "schema": SCHEMA,
        "machine": describe_machine(),
        "threads": threads,
        "network_sha256": sha256_of(network_file),
        "holes": {"preset": PRESET, "share": HOLE_SHARE},
        "start": _measure_start(network, threads),
        "rows": [asdict(row) for row in rows],
    }
    table = to_markdown(rows)
    out.mkdir(parents=True, exist_ok=True)
    for name, text in (("bench.json", json.dumps(report, indent=1, allow_nan=False) + "\n"), ("bench.md", table)):
        write_text(out / name, text)
    return table


def to_markdown(rows: Sequence[Row]) -> str:
    """The table for people."""
    lines = [
        "| size | method | ms | IQR | p95 | of ref. | extra MiB | stages, ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        stages = ", ".join(f"{name} {ms:.0f}" for name, ms in row.stages_ms.items() if ms >= 0.5)
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        extra = "" if row.extra_mib is None else f"{row.extra_mib:.0f}"
        if row.timing is None:
            times = f"{row.error} | |"
        else:
            times = f"{row.timing.median_ms:.1f} | {row.timing.iqr_ms:.1f} | {row.timing.p95_ms:.1f}"
        lines.append(f"| {row.side_px} | {row.method} | {times} | {ratio} | {extra} | {stages} |")
    return "\n".join(lines) + "\n"


def _measure(
    methods: dict[str, Any],
    names: dict[str, str],
    side_px: int,
    reference: str,
    network: str | None,
    threads: int | None,
) -> list[Row]:
    image, hole = bench_case(side_px)
    share = round(float(np.count_nonzero(hole) / hole.size), 5)
    errors: dict[str, str] = {}
    for name, method in methods.items():
        try:
            method(image, hole)
        except Exception as error:  # noqa: BLE001 - a peer may fail in its own way; that is a row
            errors[name] = f"{type(error).__name__}: {error}"
    stages: dict[str, list[dict[str, float]]] = {name: [] for name in methods}

    def call(name: str, method: Any) -> Callable[[], object]:  # noqa: ANN401
        if not isinstance(method, Inpainter):
            return lambda: method(image, hole)
        return lambda: stages[name].append(method.fill(image, hole).stages_ms)

    timings = time_together({name: call(name, method) for name, method in methods.items() if name not in errors})
    base = timings.get(reference)
    return [
        Row(
            method=name,
            side_px=side_px,
            hole_share=share,
            timing=timings.get(name),
            ratio=round(timings[name].median_ms / base.median_ms, 4) if base and name in timings else None,
            stages_ms=_median_stages(stages[name][-timings[name].rounds :]) if name in timings else {},
            # The memory of a worker is not that of the process measured.
            extra_mib=None
            if name in errors or isinstance(method, WorkerPeer)
            else _extra_mib(names[name], side_px, network, threads),
            error=errors.get(name, ""),
        )
        for name, method in methods.items()
    ]


def _median_stages(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.median([r[name] for r in rounds])), 3) for name in rounds[0]} if rounds else {}


def _extra_mib(method: str, side_px: int, network: str | None, threads: int | None) -> float | None:
    arguments = ("-m", "rethined.bench.child", method, str(side_px), network or "", str(threads or 0))
    measured = _ask_python(*arguments)
    return None if measured is None else measured["extra_mib"]


def _measure_start(network: str | None, threads: int | None) -> dict[str, float | None]:
    """Seconds: importing what rethined stands on, importing rethined too, and a whole cold start.

    A cold start goes from the first import to the end of a first fill at 512 x 512.
    """
    dependencies = "import numpy, cv2, onnxruntime, PIL.Image"
    first_fill = (
        "import numpy as np; from rethined import Inpainter; hole = np.zeros((512, 512), bool);"
        f" hole[200:240, 200:240] = True; fill = Inpainter({network!r}, threads={threads!r});"
        " fill(np.zeros((512, 512, 3), np.uint8), hole)"
    )
    return {
        "import_dependencies_s": _median_seconds(dependencies),
        "import_all_s": _median_seconds(f"{dependencies}, rethined"),
        "cold_start_s": _median_seconds(first_fill),
    }


def _median_seconds(code: str) -> float | None:
    """Seconds that code takes in a new interpreter, its own start not counted."""
    timed = f"import time; began = time.perf_counter(); {code}; print(time.perf_counter() - began)"
    seconds = [taken for _ in range(CHILD_RUNS) if (taken := _ask_python("-c", timed)) is not None]
    return round(float(np.median(seconds)), 3) if seconds else None


def _ask_python(*arguments: str) -> Any:  # noqa: ANN401
    """What a process of its own printed as JSON; ``None`` where it failed, for want of ``/proc`` for example."""
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    return None if done.returncode else json.loads(done.stdout.splitlines()[-1])
