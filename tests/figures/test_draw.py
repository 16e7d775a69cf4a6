from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from rethined.figures.draw import (
    BUBBLE_PT2,
    OUR_COLOURS,
    PEER_COLOURS,
    Point,
    looks_of,
    quality_against_latency,
    time_against_holes,
    time_against_size,
)
from rethined.figures.reports import Latency, read_bench, usual_share

POINTS = [
    Point("rethined", 100, 0.4, 80),
    Point("telea", 50, 0.6, 20),
    Point("lama", 2000, 0.38, float("nan")),
]


@pytest.fixture
def rows(bench_file: Path) -> list[Latency]:
    return list(read_bench(bench_file).most_threads)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in (*figure.texts, *figure.axes[0].texts)]


def test_methods_look_the_same_whatever_else_there_is() -> None:
    few, many = looks_of(["rethined", "telea"]), looks_of(["ns", "telea", "biharmonic", "rethined-fast", "rethined"])
    assert few == {name: many[name] for name in few}
    assert (few["rethined"].colour, few["telea"].colour) == (OUR_COLOURS[0], PEER_COLOURS[0])
    assert many["rethined-fast"].colour in OUR_COLOURS
    crowd = looks_of(f"peer-{i}" for i in range(20))
    assert len({(look.colour, look.marker) for look in crowd.values()}) == 20


def test_bubbles_stand_at_time_and_score_with_memory_as_area() -> None:
    looks = looks_of(point.method for point in POINTS)
    figure = quality_against_latency(POINTS, looks, score="perc", title="title", subtitle="conditions")
    (axes,) = figure.axes
    found = {collection.get_gid(): collection for collection in axes.collections}
    for point in POINTS:
        for kind in ("bubble", "dot"):
            np.testing.assert_allclose(found[f"{kind} {point.method}"].get_offsets(), [(point.median_ms, point.score)])
    areas = {point.method: float(found[f"bubble {point.method}"].get_sizes()[0]) for point in POINTS}
    assert areas == pytest.approx({"rethined": BUBBLE_PT2, "telea": BUBBLE_PT2 / 4, "lama": 0})
    assert axes.get_xscale() == "log"
    low, high = axes.get_xlim()
    assert low < 50
    assert high > 2000
    assert axes.get_ylabel() == "perc"
    assert {"title", "conditions", "rethined\n80 MiB", "telea\n20 MiB", "lama"} <= set(texts(figure))


def test_lines_of_size_go_through_the_medians_between_the_quartiles(rows: list[Latency]) -> None:
    figure = time_against_size(usual_share(rows), looks_of(r.method for r in rows), title="t", subtitle="s")
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert set(lines) == {"rethined", "telea", "ns"}
    np.testing.assert_allclose(lines["rethined"].get_xdata(), np.array([512, 1024, 2048]) ** 2 / 1e6)
    np.testing.assert_allclose(lines["rethined"].get_ydata(), [25, 100, 400])
    assert lines["rethined"].get_linewidth() > lines["telea"].get_linewidth()
    band = axes.collections[0].get_paths()[0].vertices
    at_middle = band[np.isclose(band[:, 0], 1.048576), 1]
    assert (at_middle.min(), at_middle.max()) == pytest.approx((90, 120))
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert "1.05\n1024 px" in [tick.get_text() for tick in axes.get_xticklabels()]
    assert set(lines) <= set(texts(figure))


def test_lines_of_holes_go_over_their_share(rows: list[Latency]) -> None:
    chosen = [row for row in rows if row.side_px == 1024]
    figure = time_against_holes(chosen, looks_of(r.method for r in rows), title="t", subtitle="s")
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_allclose(lines["telea"].get_xdata(), [1.1, 7.1, 20.1])
    np.testing.assert_allclose(lines["telea"].get_ydata(), [50 / 7, 50, 1000 / 7])
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    assert set(lines) <= set(texts(figure))
