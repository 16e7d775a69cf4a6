"""What figures show, taken from the reports of ``rethined eval`` and ``rethined bench``."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from rethined.bench.run import SCHEMA as BENCH_SCHEMA
from rethined.errors import OptionError, ReportError
from rethined.eval.table import SCHEMA as EVAL_SCHEMA

Report = TypeVar("Report", "EvalReport", "BenchReport")

USUAL_SHARE = 0.07
"""Share of the hole that is shown where a report has several."""


@dataclass(frozen=True)
class Quality:
    """What one method scored at one size under one preset; figures are not a number where they are not known.

    Attributes:
        size_px: Long side.
        preset: Hole preset.
        method: Name of the method.
        count: Pictures.
        figures: ``perc``, ``lpips``, ``hole_psnr_db`` and ``milliseconds``.
    """

    size_px: int
    preset: str
    method: str
    count: int
    figures: dict[str, float]


@dataclass(frozen=True)
class Latency:
    """How long one method took under one set of conditions.

    Attributes:
        method: Name of the method.
        side_px: Side of the square picture.
        hole_share: Share of it that is hole, 0..1.
        threads: Threads.
        median_ms, low_ms, high_ms: Median and quartiles; not a number where the method failed.
        extra_mib: Peak memory beyond what was there before, or not a number.
        error: What went wrong, or nothing.
    """

    method: str
    side_px: int
    hole_share: float
    threads: int
    median_ms: float
    low_ms: float
    high_ms: float
    extra_mib: float
    error: str


@dataclass(frozen=True)
class EvalReport:
    """One evaluation.

    Attributes:
        qualities: In the order of the report.
        hole_shares: Mean share of the hole by size and preset.
    """

    qualities: tuple[Quality, ...]
    hole_shares: dict[tuple[int, str], float]


@dataclass(frozen=True)
class BenchReport:
    """One benchmark.

    Attributes:
        latencies: In the order of the report.
        processor: What it was measured on.
    """

    latencies: tuple[Latency, ...]
    processor: str

    @property
    def most_threads(self) -> tuple[Latency, ...]:
        """What was measured with the most threads."""
        most = max((row.threads for row in self.latencies), default=0)
        return tuple(row for row in self.latencies if row.threads == most)


def read_eval(file: Path) -> EvalReport:
    """The evaluation in a ``report.json``.

    Raises:
        ReportError: No such file, or none that ``rethined eval`` wrote.
    """

    def parse(content: dict[str, Any]) -> EvalReport:
        names = ("perc", "lpips", "hole_psnr_db", "milliseconds")
        # Reports of before LPIPS have no such figure.
        qualities = tuple(
            Quality(s["size_px"], s["preset"], s["method"], s["count"], {name: _defined(s.get(name)) for name in names})
            for s in content["summaries"]
            if s["shares"] is None
        )
        shares: dict[tuple[int, str], list[float]] = {}
        for score in content["scores"]:
            shares.setdefault((score["size_px"], score["preset"]), []).append(score["hole_share"])
        return EvalReport(qualities, {group: sum(values) / len(values) for group, values in shares.items()})

    return _read(file, EVAL_SCHEMA, "rethined eval", parse)


def read_bench(file: Path) -> BenchReport:
    """The benchmark in a ``bench.json``.

    Raises:
        ReportError: No such file, or none that ``rethined bench`` wrote.
    """

    def parse(content: dict[str, Any]) -> BenchReport:
        return BenchReport(tuple(map(_latency, content["rows"])), content["machine"]["processor"])

    return _read(file, BENCH_SCHEMA, "rethined bench", parse)


def nearest(wanted: float, offered: Iterable[float]) -> float:
    """What lies nearest on a logarithmic scale."""
    return min(offered, key=lambda value: abs(math.log(value / wanted)))


def usual_share(rows: Sequence[Latency], wanted: float = USUAL_SHARE) -> tuple[Latency, ...]:
    """The rows of one share of the hole at each size: that nearest to ``wanted``, holes being a little off each."""
    shares: dict[int, set[float]] = {}
    for row in rows:
        shares.setdefault(row.side_px, set()).add(row.hole_share)
    chosen = {side_px: nearest(wanted, of_side) for side_px, of_side in shares.items()}
    return tuple(row for row in rows if row.hole_share == chosen[row.side_px])


def choose_groups(report: EvalReport, size_px: int | None, preset: str | None) -> list[tuple[int, str]]:
    """Size and preset of each figure of an evaluation.

    Raises:
        OptionError: The evaluation has none of that size or preset; the message lists what it has.
    """
    groups = list(dict.fromkeys((quality.size_px, quality.preset) for quality in report.qualities))
    chosen = [g for g in groups if size_px in (None, g[0]) and preset in (None, g[1])]
    if not chosen:
        wanted = " ".join([*([] if size_px is None else [f"{size_px} px"]), *([] if preset is None else [preset])])
        offered = ", ".join(f"{size} px {name}" for size, name in groups) or "nothing"
        raise OptionError(f"the evaluation has no {wanted or 'summaries'}; it has {offered}")
    return chosen


def _latency(row: dict[str, Any]) -> Latency:
    timing = row["timing"] or {}
    return Latency(
        method=row["method"],
        side_px=row["side_px"],
        hole_share=row["hole_share"],
        threads=row["threads"],
        median_ms=_defined(timing.get("median_ms")),
        low_ms=_defined(timing.get("p25_ms")),
        high_ms=_defined(timing.get("p75_ms")),
        extra_mib=_defined(row["extra_mib"]),
        error=row["error"],
    )


def _defined(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _read(file: Path, schema: str, command: str, parse: Callable[[dict[str, Any]], Report]) -> Report:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReportError(f"cannot read {file}: {error.strerror}; give a report that {command} wrote") from error
    except ValueError as error:
        raise ReportError(f"{file} is not JSON; give a report that {command} wrote") from error
    found = content.get("schema") if isinstance(content, dict) else None
    if found != schema:
        raise ReportError(f"{file} has the schema {found!r}; expected {schema!r}: a report that {command} wrote")
    try:
        return parse(content)
    except (KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{file} lacks or garbles {error}, which {schema} has; run {command} again") from error
