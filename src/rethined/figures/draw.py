"""The figures themselves, as matplotlib objects; nothing here touches pyplot or a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from rethined.figures.labels import FAINT, TEXT, Label, place_ends, place_labels
from rethined.figures.reports import Latency

SIZE_IN = (8.0, 5.0)
OURS = "rethined"
OUR_COLOURS = ("#d55e00", "#e69f00", "#a65628")
PEER_COLOURS = ("#0072b2", "#009e73", "#cc79a7", "#56b4e9", "#777777", "#882255", "#999933", "#000000")
"""Okabe and Ito's and two of Tol's, which the colour-blind can tell apart; the warm ones are rethined's."""
FIRST = (OURS, "telea")
"""What has the same colour in every set of methods."""
MARKERS = "os^D"
GRID = "#e6e6e6"
BUBBLE_PT2 = 1500
"""Area of the largest bubble."""
DOT_PT = 5.0


@dataclass(frozen=True)
class Look:
    """Colour and marker of one method, the same in all figures."""

    colour: str
    marker: str


@dataclass(frozen=True)
class Point:
    """One method in the figure of quality against latency; ``extra_mib`` may be not a number."""

    method: str
    median_ms: float
    score: float
    extra_mib: float


def looks_of(methods: Iterable[str]) -> dict[str, Look]:
    """A look for every method: warm colours for rethined, others for its peers, in the order of their names."""
    names = sorted(set(methods), key=lambda name: (name not in FIRST, name))
    looks = {}
    for palette, group in (
        (OUR_COLOURS, [name for name in names if is_ours(name)]),
        (PEER_COLOURS, [name for name in names if not is_ours(name)]),
    ):
        for i, name in enumerate(group):
            looks[name] = Look(palette[i % len(palette)], MARKERS[i // len(palette) % len(MARKERS)])
    return looks


def is_ours(method: str) -> bool:
    """Whether a method is one of rethined's own."""
    return method == OURS or method.startswith(f"{OURS}-")


def quality_against_latency(
    points: Sequence[Point], looks: Mapping[str, Look], *, score: str, title: str, subtitle: str
) -> Figure:
    """Bubbles: milliseconds to the right on a logarithmic axis, the score upwards, memory as the area.

    Args:
        points: One a method.
        looks: By method.
        score: What the axis of the score says.
        title: Of the figure.
        subtitle: The conditions.
    """
    figure, axes = _figure(title, subtitle)
    known = [point.extra_mib for point in points if point.extra_mib > 0]
    labels = []
    for point in points:
        look, is_first = looks[point.method], point.method == OURS
        area = BUBBLE_PT2 * point.extra_mib / max(known) if point.extra_mib > 0 else 0.0
        place = ([point.median_ms], [point.score])
        bubble = axes.scatter(*place, s=area, color=look.colour, alpha=0.45 if is_first else 0.28, linewidths=0)
        bubble.set_gid(f"bubble {point.method}")
        dot = axes.scatter(*place, s=DOT_PT**2, color=look.colour, marker=look.marker, linewidths=0, zorder=3)
        dot.set_gid(f"dot {point.method}")
        memory = "" if np.isnan(point.extra_mib) else f"\n{point.extra_mib:,.0f} MiB"
        radius_pt = max(np.sqrt(area / np.pi), DOT_PT / 2)
        at = (point.median_ms, point.score)
        labels.append(Label(f"{point.method}{memory}", at, is_first, radius_pt, look.colour))
    _logarithmic(axes.xaxis, [point.median_ms for point in points], pad=1.6)
    axes.margins(y=0.22)
    axes.set_xlabel("median time of a fill, ms (logarithmic)")
    axes.set_ylabel(score)
    if known:
        _remark(figure, "area of a bubble: peak memory beyond what was there before the fill")
    place_labels(figure, axes, labels)
    return figure


def time_against_size(rows: Sequence[Latency], looks: Mapping[str, Look], *, title: str, subtitle: str) -> Figure:
    """Lines, both axes logarithmic: megapixels to the right, milliseconds upwards, quartiles as a band."""
    figure, axes = _figure(title, subtitle)
    megapixels = {row.side_px: row.side_px**2 / 1e6 for row in rows}
    ends = _lines(axes, rows, looks, lambda row: megapixels[row.side_px])
    _logarithmic(axes.xaxis, list(megapixels.values()), pad=1.25)
    sides = sorted(megapixels)
    axes.xaxis.set_major_locator(NullLocator())
    axes.set_xticks([megapixels[side] for side in sides], [f"{megapixels[side]:.3g}\n{side} px" for side in sides])
    axes.set_xlabel("megapixels, and side of the square picture (logarithmic)")
    place_ends(figure, axes, ends)
    return figure


def time_against_holes(rows: Sequence[Latency], looks: Mapping[str, Look], *, title: str, subtitle: str) -> Figure:
    """Lines: share of the picture that is hole to the right, milliseconds upwards on a logarithmic axis."""
    figure, axes = _figure(title, subtitle)
    ends = _lines(axes, rows, looks, lambda row: 100 * row.hole_share)
    axes.set_xlim(0, 103 * max(row.hole_share for row in rows))
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.set_xlabel("share of the picture that is hole, %")
    place_ends(figure, axes, ends)
    return figure


def new_figure(title: str, subtitle: str, *, height_in: float = SIZE_IN[1]) -> Figure:
    """An empty figure with its title and, below, the conditions."""
    figure = Figure(figsize=(SIZE_IN[0], height_in), facecolor="white")
    figure.text(0.02, 1 - 0.275 / height_in, title, fontsize=13, fontweight="bold", color=TEXT)
    figure.text(0.02, 1 - 0.4 / height_in, subtitle, fontsize=9, color=FAINT, va="top", linespacing=1.4)
    return figure


def add_axes(figure: Figure, place: tuple[float, float, float, float]) -> Axes:
    """Axes that look like those of all figures, at left, bottom, width and height in shares of the figure."""
    axes = figure.add_axes(place)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#b0b0b0")
    axes.tick_params(colors=FAINT, labelsize=9, length=3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(color=TEXT, fontsize=9.5)
    return axes


def _figure(title: str, subtitle: str) -> tuple[Figure, Axes]:
    figure = new_figure(title, subtitle)
    return figure, add_axes(figure, (0.1, 0.15, 0.76, 0.66))


def _remark(figure: Figure, text: str) -> None:
    figure.text(0.98, 0.025, text, fontsize=8, color=FAINT, ha="right")


def _logarithmic(axis: Axis, values: Sequence[float], *, pad: float) -> None:
    """A logarithmic axis that reaches ``pad`` times beyond the values, with plain numbers."""
    low, high = min(values) / pad, max(values) * pad
    if isinstance(axis, XAxis):
        axis.axes.set(xscale="log", xlim=(low, high))
    else:
        axis.axes.set(yscale="log", ylim=(low, high))
    steps = (1, 1.5, 2, 3, 5, 7) if high / low < 10 else (1, 2, 5) if high / low < 2000 else (1,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=15))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 10 else f"{value:g}"))


def _lines(
    axes: Axes, rows: Sequence[Latency], looks: Mapping[str, Look], across: Callable[[Latency], float]
) -> list[Label]:
    """A line with its band for each method, and the label of its end."""
    ends = []
    for method in dict.fromkeys(row.method for row in rows):
        look, is_first = looks[method], method == OURS
        x, y, low, high = np.array(
            sorted((across(r), r.median_ms, r.low_ms, r.high_ms) for r in rows if r.method == method)
        ).T
        width = 2.6 if is_ours(method) else 1.6
        order = 4 if is_first else 3
        axes.fill_between(x, low, high, color=look.colour, alpha=0.22, linewidth=0, zorder=2)
        axes.plot(
            x, y, color=look.colour, marker=look.marker, markersize=DOT_PT, linewidth=width, zorder=order, label=method
        )
        ends.append(Label(method, (float(x[-1]), float(y[-1])), is_first, DOT_PT / 2, look.colour))
    _logarithmic(axes.yaxis, [ms for row in rows for ms in (row.low_ms, row.high_ms)], pad=1.25)
    axes.set_ylabel("median time of a fill, ms (logarithmic)")
    return ends
