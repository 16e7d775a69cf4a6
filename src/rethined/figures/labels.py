"""Labels beside what they name, where they hide neither each other nor anything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

TEXT, FAINT = "#222222", "#6a6a6a"
FONT_PT = 9.5
GAP_PT = 3.0
FAR_PT = 9.0
"""From here on a thin line leads from a label to its point."""
RINGS_PT = (0, 8, 18, 30, 44, 60)
DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (0.7, -0.7), (-0.7, 0.7), (-0.7, -0.7))
STEP_PX = 6.0
EDGE_PX = 6.0


@dataclass(frozen=True)
class Label:
    """One label.

    Attributes:
        text: What it says.
        at: The point it names, in data coordinates.
        is_strong: Whether it is set in bold.
        radius_pt: How far what it names reaches from the point.
        colour: Of the thin line that leads to the point where the label has to stand further away.
    """

    text: str
    at: tuple[float, float]
    is_strong: bool = False
    radius_pt: float = 0.0
    colour: str = FAINT


def place_labels(figure: Figure, axes: Axes, labels: Sequence[Label]) -> None:
    """Writes labels round what they name, the strong ones first, each where it hides least, the nearer of equals.

    What is hidden is counted in square pixels: beyond the axes most (to their right all is free), then other labels,
    then bubbles and lines.
    """
    figure.draw_without_rendering()  # limits and sizes are final from here on
    frame = Bbox.from_extents(*axes.bbox.p0 + EDGE_PX, figure.bbox.x1 - EDGE_PX, axes.bbox.y1 + EDGE_PX)
    pixels_a_point = figure.dpi / 72
    obstacles = [*_circles(axes, labels, pixels_a_point), *_along_lines(axes)]
    taken = _written(figure, axes)
    for label in sorted(labels, key=lambda label: (not label.is_strong, label.at[1])):
        size_px = _size_px(figure, axes, label)
        point_px = axes.transData.transform(label.at)
        best, best_cost = None, np.inf
        for step, (offset_pt, shift) in enumerate(_places(label)):
            centre = point_px + np.array(offset_pt) * pixels_a_point + np.array(shift) * size_px / 2
            box = Bbox([centre - size_px / 2, centre + size_px / 2])
            cost = 0.5 * step + 100 * (size_px.prod() - _shared(box, frame))
            cost += 10 * sum(_shared(box.padded(2), other) for other in taken)
            cost += sum(_shared(box, other) for other in obstacles)
            if cost < best_cost:
                best, best_cost = (offset_pt, shift, box), cost
        if best is None:
            continue
        offset_pt, shift, box = best
        _write(axes, label, offset_pt, shift)
        taken.append(box)


def place_ends(figure: Figure, axes: Axes, labels: Sequence[Label]) -> None:
    """Writes the names of lines to the right of their ends, in the order of the ends, no nearer than they are high.

    The axes are made narrow enough for the longest. Lines that end before the others get their names where
    :func:`place_labels` finds room.
    """
    widest_px = max(_size_px(figure, axes, label)[0] for label in labels)
    right_px = figure.bbox.x1 - EDGE_PX - widest_px - 3 * GAP_PT * figure.dpi / 72
    place = axes.get_position()
    axes.set_position(Bbox.from_extents(place.x0, place.y0, right_px / figure.bbox.width, place.y1))
    last = max(label.at[0] for label in labels)
    column = sorted((label for label in labels if label.at[0] == last), key=lambda label: label.at[1])
    figure.draw_without_rendering()
    ends_px = axes.transData.transform([label.at for label in column])[:, 1]
    heights_px = [_size_px(figure, axes, label)[1] for label in column]
    for label, end_px, y_px in zip(column, ends_px, spread(list(ends_px), max(heights_px)), strict=True):
        _write(axes, label, (3 * GAP_PT, float(y_px - end_px) * 72 / figure.dpi), (1, 0))
    place_labels(figure, axes, [label for label in labels if label.at[0] != last])


def spread(wanted: Sequence[float], gap: float) -> list[float]:
    """Ascending places, moved as little as can be (least squares) until neighbours are ``gap`` apart."""
    groups: list[list[float]] = []  # of places less the gaps before them, which may not fall
    for i, place in enumerate(wanted):
        groups.append([place - i * gap])
        while len(groups) > 1 and np.mean(groups[-2]) > np.mean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    level = [float(np.mean(group)) for group in groups for _ in group]
    return [place + i * gap for i, place in enumerate(level)]


def _style(label: Label) -> dict[str, Any]:
    return {
        "fontsize": FONT_PT,
        "fontweight": "bold" if label.is_strong else "normal",
        "color": TEXT,
        "linespacing": 1.15,
        "annotation_clip": False,
        "textcoords": "offset points",
        "zorder": 5,
    }


def _write(axes: Axes, label: Label, offset_pt: tuple[float, float], shift: tuple[int, int]) -> None:
    style = _style(label)
    # From beside the end of a line half a line's height is no distance.
    if abs(offset_pt[1]) > FONT_PT / 2 and np.hypot(*offset_pt) > label.radius_pt + FAR_PT:
        style["arrowprops"] = {
            "arrowstyle": "-",
            "color": label.colour,
            "linewidth": 0.8,
            "shrinkA": 0,
            "shrinkB": 2,
            "relpos": (0.5 - 0.5 * shift[0], 0.5 - 0.5 * shift[1]),
        }
    style["ha"] = ("right", "center", "left")[shift[0] + 1]
    style["va"] = ("top", "center", "bottom")[shift[1] + 1]
    axes.annotate(label.text, label.at, offset_pt, **style)


def _size_px(figure: Figure, axes: Axes, label: Label) -> NDArray[np.float64]:
    trial = axes.annotate(label.text, label.at, (0, 0), **_style(label))
    size_px = trial.get_window_extent(_renderer(figure)).size
    trial.remove()
    return np.asarray(size_px)


def _written(figure: Figure, axes: Axes) -> list[Bbox]:
    """Boxes of the labels that stand already."""
    return [text.get_window_extent(_renderer(figure)) for text in axes.texts]


def _renderer(figure: Figure) -> RendererAgg:
    renderer: RendererAgg = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    return renderer


def _places(label: Label) -> Iterator[tuple[tuple[float, float], tuple[int, int]]]:
    """Offsets from the point in points, and on which side of them the text lies."""
    for ring_pt in RINGS_PT:
        reach_pt = label.radius_pt + GAP_PT + ring_pt
        for x, y in DIRECTIONS:
            yield (x * reach_pt, y * reach_pt), (int(np.sign(x)), int(np.sign(y)))


def _circles(axes: Axes, labels: Sequence[Label], pixels_a_point: float) -> list[Bbox]:
    """The squares inside bubbles: labels may touch a bubble's rim."""
    boxes = []
    for label in labels:
        if label.radius_pt:
            centre = axes.transData.transform(label.at)
            half = max(3.0, 0.75 * label.radius_pt * pixels_a_point)
            boxes.append(Bbox([centre - half, centre + half]))
    return boxes


def _along_lines(axes: Axes) -> list[Bbox]:
    """Small squares along all lines."""
    boxes = []
    for line in axes.get_lines():
        points = axes.transData.transform(np.column_stack([line.get_xdata(), line.get_ydata()]))
        for first, last in pairwise(points):
            count = max(2, int(np.hypot(*(last - first)) / STEP_PX))
            for share in np.linspace(0, 1, count):
                centre = first + share * (last - first)
                boxes.append(Bbox([centre - STEP_PX / 2, centre + STEP_PX / 2]))
    return boxes


def _shared(first: Bbox, second: Bbox) -> float:
    """Square pixels that two boxes share."""
    width = min(first.x1, second.x1) - max(first.x0, second.x0)
    height = min(first.y1, second.y1) - max(first.y0, second.y0)
    return float(width * height) if width > 0 and height > 0 else 0.0
