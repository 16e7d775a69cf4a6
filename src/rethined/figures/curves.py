"""How a training went: its losses and its gain on validation photographs over the minutes, from ``log.jsonl``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rethined.errors import ReportError
from rethined.figures.draw import OUR_COLOURS, PEER_COLOURS, add_axes, new_figure
from rethined.train.log import LOG_FILE, read_log

PANELS = {
    "val_gain_db": "gain on validation\nphotographs, dB",
    "coarse_fill": "distance of the fill,\ncoarse view",
    "coarse_feature": "distance of features,\ncoarse view",
}
"""Figures of the log that are drawn, if it has them, and what their axes say."""
SMOOTHED = 15
"""Reports whose median is drawn as a line, over a faint one of each alone."""


@dataclass(frozen=True)
class Curve:
    """One run.

    Attributes:
        name: Of its folder.
        values: For each figure of :data:`PANELS` that the log has, ``(N, 2)``: minutes of training, value.
    """

    name: str
    values: dict[str, NDArray[np.float64]]


def read_curve(run: Path) -> Curve:
    """The figures of one run.

    Args:
        run: Its folder.

    Raises:
        ReportError: It has no log, or none that ``rethined train`` wrote.
    """
    file = run / LOG_FILE
    try:
        rows = read_log(file)
        values = {
            name: np.array([(row["minutes"], row[name]) for row in rows if name in row], float) for name in PANELS
        }
    except OSError as error:
        raise ReportError(f"cannot read {file}: {error.strerror}; give a folder that rethined train wrote") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{file} is no log of rethined train ({error!r}); give a folder that it wrote") from error
    return Curve(run.resolve().name, {name: points for name, points in values.items() if len(points)})


def learning_curves(curves: Sequence[Curve]) -> Figure:
    """One panel above the other, minutes of training to the right; every run in a colour of its own.

    Args:
        curves: At least one, with at least one figure among them.
    """
    panels = [name for name in PANELS if any(name in curve.values for curve in curves)]
    height_in = 1 + 1.7 * len(panels)
    figure = new_figure(
        "Learning curves", f"lines: medians over {SMOOTHED} reports; validation: as logged", height_in=height_in
    )
    colours = [*OUR_COLOURS[:1], *PEER_COLOURS]
    bottom, top = 0.55 / height_in, 1 - 0.75 / height_in
    share = (top - bottom) / len(panels)
    last = max(points[-1, 0] for curve in curves for points in curve.values.values())
    for number, name in enumerate(panels):
        axes = add_axes(figure, (0.12, top - share * (number + 1) + 0.03, 0.84, share - 0.05))
        for index, curve in enumerate(curves):
            if name not in curve.values:
                continue
            minutes, value = curve.values[name].T
            colour = colours[index % len(colours)]
            if name == "val_gain_db":
                axes.plot(minutes, value, color=colour, linewidth=1.8, label=curve.name)
            else:
                axes.plot(minutes, value, color=colour, linewidth=0.6, alpha=0.3)
                axes.plot(minutes, _running_median(value), color=colour, linewidth=1.8, label=curve.name)
        axes.set_ylabel(PANELS[name])
        axes.set_xlim(0, last)
        axes.tick_params(labelbottom=number == len(panels) - 1)
    figure.axes[-1].set_xlabel("minutes of training")
    if len(curves) > 1:
        figure.axes[0].legend(frameon=False, fontsize=8.5, ncols=len(curves))
    return figure


def _running_median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The median of the values around each, fewer at both ends."""
    half = SMOOTHED // 2
    return np.array([np.median(values[max(0, i - half) : i + half + 1]) for i in range(len(values))])
