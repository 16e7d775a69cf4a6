"""``rethined figures`` from its arguments to its files."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from rethined.errors import ImageWriteError, OptionError
from rethined.figures.curves import learning_curves, read_curve
from rethined.figures.draw import Point, looks_of, quality_against_latency, time_against_holes, time_against_size
from rethined.figures.reports import (
    BenchReport,
    EvalReport,
    Latency,
    choose_groups,
    nearest,
    read_bench,
    read_eval,
    usual_share,
)
from rethined.files import whole_or_nothing

DPI = 150
USUAL_SIZE_PX = 2048
SCORES = {
    "perc": ("perc", "perceptual distance perc (lower is better)"),
    "lpips": ("lpips", "LPIPS (lower is better)"),
    "psnr": ("hole_psnr_db", "PSNR over the hole, dB (higher is better)"),
}
"""Figure of the report and label of the axis, by the name that ``--score`` takes."""


@dataclass(frozen=True)
class Drawn:
    """What was drawn and what was not.

    Attributes:
        files: In order.
        left_out: Figures and methods that are missing, each with its reason.
    """

    files: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def run_figures(
    out: Path,
    *,
    eval_file: Path | None,
    bench_file: Path | None,
    runs: Sequence[Path] = (),
    score: str = "perc",
    size_px: int | None = None,
    preset: str | None = None,
) -> Drawn:
    """Draws what two reports show, each figure as SVG and PNG.

    Args:
        out: Folder; made when missing.
        eval_file: A ``report.json`` of ``rethined eval``, or ``None``.
        bench_file: A ``bench.json`` of ``rethined bench``, or ``None``.
        runs: Folders of ``rethined train`` whose learning curves are drawn, all in one figure.
        score: One of :data:`SCORES`.
        size_px: The only size of the evaluation to show, and what to show the cost of larger holes at.
        preset: The only hole preset of the evaluation to show.

    Raises:
        OptionError: Neither a report nor a run, an unknown score, or a size or preset that the evaluation lacks.
        ReportError: A file is missing or no such report.
        ImageWriteError: ``out`` cannot be made.
    """
    if eval_file is None and bench_file is None and not runs:
        raise OptionError("nothing to draw is given; give --eval, --bench or --run")
    if score not in SCORES:
        raise OptionError(f"the score is {score!r}; expected one of {', '.join(SCORES)}")
    scored = None if eval_file is None else read_eval(eval_file)
    timed = None if bench_file is None else read_bench(bench_file)
    groups = [] if scored is None else choose_groups(scored, size_px, preset)
    curves = [read_curve(run) for run in runs]
    drawn = Drawn()
    with _plain_style():
        figures: list[tuple[str, Figure]] = []
        if scored is not None:
            figures += _quality_figures(scored, timed, groups, score, drawn.left_out)
        elif timed is not None:
            drawn.left_out.append("quality against latency: no --eval is given")
        if timed is not None:
            figures += _latency_figures(timed, size_px or USUAL_SIZE_PX, drawn.left_out)
        elif scored is not None:
            drawn.left_out.append("latency against size, latency against holes: no --bench is given")
        if any(curve.values for curve in curves):
            figures.append(("learning-curves", learning_curves(curves)))
        elif curves:
            drawn.left_out.append("learning curves: the runs have logged nothing yet")
        for name, figure in figures:
            drawn.files.extend(_save(figure, out, name))
    return drawn


def quality_points(
    scored: EvalReport, timed: BenchReport | None, group: tuple[int, str], score: str
) -> tuple[list[Point], str, list[str]]:
    """The bubbles of one size and preset.

    Latency is the benchmark's at the size and share of the hole that are nearest to the evaluation's, with the most
    threads it has; without a benchmark, the evaluation's own median, which knows no memory.

    Args:
        scored: The evaluation.
        timed: The benchmark, or ``None``.
        group: Size and preset.
        score: Name of the figure of the score.

    Returns:
        One point a method, the conditions in words, and what is left out and why.
    """
    size_px, preset = group
    qualities = [q for q in scored.qualities if (q.size_px, q.preset) == group]
    if timed is None or not timed.latencies:
        times = {q.method: (q.figures["milliseconds"], math.nan) for q in qualities}
        words = "time: single fills, as the evaluation ran them"
        missing = "no time in the evaluation"
    else:
        rows = timed.most_threads
        side_px = nearest(size_px, {row.side_px for row in rows})
        rows = usual_share([row for row in rows if row.side_px == side_px], scored.hole_shares[group])
        times = {row.method: (row.median_ms, row.extra_mib) for row in rows}
        words = f"time: {side_px:.0f} x {side_px:.0f} px, {_conditions(rows, timed)}"
        missing = f"no time at {side_px:.0f} px in the benchmark"
    points, left_out = [], []
    for quality in qualities:
        milliseconds, extra_mib = times.get(quality.method, (math.nan, math.nan))
        value = quality.figures[score]
        if math.isnan(value):
            left_out.append(f"{quality.method} (no {score} in the evaluation)")
        elif math.isnan(milliseconds):
            left_out.append(f"{quality.method} ({missing})")
        else:
            points.append(Point(quality.method, milliseconds, value, extra_mib))
    pictures = max((quality.count for quality in qualities), default=0)
    return points, f"{size_px} px, {preset}, {pictures} pictures\n{words}", left_out


def _quality_figures(
    scored: EvalReport,
    timed: BenchReport | None,
    groups: Iterable[tuple[int, str]],
    score: str,
    left_out: list[str],
) -> Iterator[tuple[str, Figure]]:
    name, label = SCORES[score]
    looks = looks_of(_methods(scored, timed))
    for size_px, preset in groups:
        points, conditions, missing = quality_points(scored, timed, (size_px, preset), name)
        figure_name = f"quality-{score}-{size_px}-{preset}"
        left_out += [f"{figure_name}: {reason}" for reason in missing]
        if not points:
            left_out.append(f"{figure_name}: no method has both {score} and a time")
            continue
        yield (
            figure_name,
            quality_against_latency(points, looks, score=label, title="Quality against latency", subtitle=conditions),
        )


def _latency_figures(timed: BenchReport, size_px: int, left_out: list[str]) -> Iterator[tuple[str, Figure]]:
    looks = looks_of(_methods(None, timed))
    good = [row for row in timed.most_threads if not math.isnan(row.median_ms)]
    failed = [row for row in timed.most_threads if math.isnan(row.median_ms)]
    left_out += dict.fromkeys(f"latency: {row.method} at {row.side_px} px ({row.error})" for row in failed)
    over_sizes = usual_share(good)
    if len({row.side_px for row in over_sizes}) > 1:
        yield (
            "latency",
            time_against_size(
                over_sizes,
                looks,
                title="Latency against size",
                subtitle=f"{_conditions(over_sizes, timed)}; band: quartiles",
            ),
        )
    else:
        left_out.append("latency against size: the benchmark has one size; rethined bench --sizes 512,1024,2048")
    shares: dict[int, set[float]] = {}
    for row in good:
        shares.setdefault(row.side_px, set()).add(row.hole_share)
    if several := [side_px for side_px, of_side in shares.items() if len(of_side) > 1]:
        side_px = nearest(size_px, several)
        yield (
            f"holes-{side_px:.0f}",
            time_against_holes(
                [row for row in good if row.side_px == side_px],
                looks,
                title="Latency against the share of the hole",
                subtitle=f"{side_px:.0f} x {side_px:.0f} px, {_on(good, timed)}; band: quartiles",
            ),
        )
    else:
        left_out.append("latency against holes: the benchmark has one share; rethined bench --shares 0.01,0.07,0.2")


def _conditions(rows: Sequence[Latency], timed: BenchReport) -> str:
    share = sum(row.hole_share for row in rows) / len(rows)
    return f"{share:.0%} hole, {_on(rows, timed)}"


def _on(rows: Sequence[Latency], timed: BenchReport) -> str:
    threads = rows[0].threads
    return f"{threads} thread{'s' * (threads > 1)}, {timed.processor}"


def _methods(scored: EvalReport | None, timed: BenchReport | None) -> set[str]:
    """All methods of both reports, so that one looks the same in all figures of a call."""
    return {
        *(quality.method for quality in (scored.qualities if scored else ())),
        *(row.method for row in (timed.latencies if timed else ())),
    }


@contextmanager
def _plain_style() -> Iterator[None]:
    """Matplotlib's own defaults, whatever the user has set, and what makes files the same on every call."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "rethined", "savefig.dpi": DPI})
        yield


def _save(figure: Figure, out: Path, name: str) -> Iterator[Path]:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageWriteError(f"cannot make the folder {out}: {error.strerror}; give another --out") from error
    for form, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
        file = out / f"{name}.{form}"
        with whole_or_nothing(file) as partial:
            figure.savefig(partial, format=form, metadata=metadata)
        yield file
