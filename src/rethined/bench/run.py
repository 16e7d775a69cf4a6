"""``rethined bench``: latency per stage and whole, memory, start-up, with peers in the same run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
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
from rethined.runtime import available_cores
from rethined.types import HoleMap, Image8
from rethined.weights import SHIPPED_NETWORK

SCHEMA = "rethined-bench-2"
CHILD_RUNS = 3
MAX_SHARE = 0.9
"""Ellipses that fall at random need ever longer for the rest."""


@dataclass(frozen=True)
class Row:
    """One method at one size, under one share of holes, with one number of threads.

    Attributes:
        method: Name of the method.
        side_px: Height and width of the square picture.
        hole_share: Share of it that is hole, 0..1.
        threads: Threads of the method.
        timing: Times of the whole fill, array to array; ``None`` where it failed.
        ratio: Median over that of the reference method in the same row of conditions; ``None`` without one.
        stages_ms: Medians of rethined's stages; empty for others.
        extra_mib: Peak memory of a fill beyond what was there before; ``None`` where it cannot be measured.
        error: What went wrong, or nothing.
    """

    method: str
    side_px: int
    hole_share: float
    threads: int
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
    threads: Sequence[int | None] = (None,),
    shares: Sequence[float] = (HOLE_SHARE,),
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
        threads: Numbers of threads of every method, one after the other; ``None`` stands for all cores.
        shares: About how much of the picture is hole, 0..1, one after the other.
        peers_python: Interpreter for the peers whose packages clash with this environment's.
        on_row: Called with what is being measured.

    Returns:
        The table, as Markdown.

    Raises:
        OptionError: An unknown method, one given twice, a side below 64 px, no thread, or a share that is none.
        MissingExtraError, ModelError: As :func:`rethined.eval.methods.make_method`.
    """
    counts = list(dict.fromkeys(available_cores() if count is None else count for count in threads))
    _expect_sensible(sides_px, counts, shares)
    names = {label_of(name): name for name in methods}
    if len(names) != len(methods):
        raise OptionError(f"the methods are {', '.join(methods)}; expected each once")
    ready: dict[int, dict[str, Any]] = {
        count: {
            label: make_method(name, network=network, threads=count, peers_python=peers_python)
            for label, name in names.items()
        }
        for count in counts
    }
    rows: list[Row] = []
    for side_px, share in product(sides_px, shares):
        image, hole = bench_case(side_px, share=share)
        for count in counts:
            on_row(f"{side_px} x {side_px}, {share:.3g} hole, {count} thread{'s' * (count > 1)}")
            with _threads(count):
                timings, stages, errors = _time(ready[count], image, hole)
            base = timings.get(label_of(reference))
            rows += [
                Row(
                    method=label,
                    side_px=side_px,
                    hole_share=round(float(np.count_nonzero(hole) / hole.size), 5),
                    threads=count,
                    timing=timings.get(label),
                    ratio=round(timings[label].median_ms / base.median_ms, 4) if base and label in timings else None,
                    stages_ms=stages.get(label, {}),
                    # The memory of a worker is not that of the process measured.
                    extra_mib=None
                    if label in errors or isinstance(method, WorkerPeer)
                    else _extra_mib(names[label], side_px, share, network, count),
                    error=errors.get(label, ""),
                )
                for label, method in ready[count].items()
            ]
    network_file = SHIPPED_NETWORK if network is None else Path(network)
    report = {
        "schema": SCHEMA,
        "machine": describe_machine(),
        "threads": counts,
        "network_sha256": sha256_of(network_file),
        "holes": {"preset": PRESET, "shares": list(shares)},
        "start": _measure_start(network, max(counts)),
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
        "| size | hole | threads | method | ms | IQR | p95 | of ref. | extra MiB | stages, ms |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        stages = ", ".join(f"{name} {ms:.0f}" for name, ms in row.stages_ms.items() if ms >= 0.5)
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        extra = "" if row.extra_mib is None else f"{row.extra_mib:.0f}"
        times = f"{row.error} | |" if row.timing is None else row.timing.cells()
        conditions = f"{row.side_px} | {row.hole_share:.1%} | {row.threads}"
        lines.append(f"| {conditions} | {row.method} | {times} | {ratio} | {extra} | {stages} |")
    return "\n".join(lines) + "\n"


def _expect_sensible(sides_px: Sequence[int], threads: Sequence[int], shares: Sequence[float]) -> None:
    for side_px in sides_px:
        if side_px < 64:
            raise OptionError(f"the size is {side_px}; expected 64 px or more")
    for count in threads:
        if count < 1:
            raise OptionError(f"the number of threads is {count}; expected 1 or more, or all")
    for share in shares:
        if not 0 < share <= MAX_SHARE:
            raise OptionError(f"the share of the hole is {share:g}; expected more than 0 and at most {MAX_SHARE:g}")


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """The libraries that methods run on take ``count`` threads, and afterwards what they took before."""
    torch = sys.modules.get("torch")  # only a peer brings it
    before = cv2.getNumThreads(), torch.get_num_threads() if torch else 0
    cv2.setNumThreads(count)
    if torch:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before[0])
        if torch:
            torch.set_num_threads(before[1])


def _time(
    methods: dict[str, Any], image: Image8, hole: HoleMap
) -> tuple[dict[str, Timing], dict[str, dict[str, float]], dict[str, str]]:
    """Times of all methods that do not fail, medians of rethined's stages, and what went wrong with the others."""
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
    medians = {name: _median_stages(stages[name][-timing.rounds :]) for name, timing in timings.items()}
    return timings, medians, errors


def _median_stages(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: round(float(np.median([r[name] for r in rounds])), 3) for name in rounds[0]} if rounds else {}


def _extra_mib(method: str, side_px: int, share: float, network: str | None, threads: int) -> float | None:
    arguments = ("-m", "rethined.bench.child", method, str(side_px), str(share), network or "", str(threads))
    measured = _ask_python(*arguments)
    return None if measured is None else measured["extra_mib"]


def _measure_start(network: str | None, threads: int) -> dict[str, float | None]:
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
