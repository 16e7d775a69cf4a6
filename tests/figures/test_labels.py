from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from rethined.figures.labels import Label, place_ends, place_labels, spread


@pytest.fixture
def figure() -> Figure:
    return Figure(figsize=(6, 4))


@pytest.fixture
def axes(figure: Figure) -> Axes:
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    axes.set(xlim=(0, 10), ylim=(0, 10))
    return axes


def boxes(figure: Figure, axes: Axes) -> dict[str, Bbox]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    for text in axes.texts:
        text.update_positions(renderer)
    # Not the method of annotations, which counts the leading line as well.
    return {text.get_text(): Text.get_window_extent(text, renderer) for text in axes.texts}


def test_spread_moves_as_little_as_can_be() -> None:
    assert spread([0, 10, 20], 5) == [0, 10, 20]
    assert spread([10, 10], 4) == pytest.approx([8, 12])
    assert spread([0, 1, 2, 50], 3) == pytest.approx([-2, 1, 4, 50])
    assert np.diff(spread([0, 0, 5, 5, 6], 4)).min() == pytest.approx(4)


def test_labels_of_crowded_points_hide_neither_each_other_nor_points(figure: Figure, axes: Axes) -> None:
    rng = np.random.default_rng(0)
    points = [(float(x), float(y)) for x, y in rng.uniform((0.2, 0.2), (9.8, 9.8), (9, 2))]
    points += [(5, 5), (5.1, 5.1), (9.9, 0.1)]
    labels = [Label(f"method-{i}\n{i} MiB", at, i == 0, 4.0) for i, at in enumerate(points)]
    place_labels(figure, axes, labels)
    placed = boxes(figure, axes)
    assert set(placed) == {label.text for label in labels}
    frame = axes.bbox
    for box in placed.values():
        assert box.x0 >= frame.x0
        assert box.y0 >= frame.y0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
        for at in points:
            assert not box.contains(*axes.transData.transform(at))
    for first, second in combinations(placed.values(), 2):
        assert not first.padded(-1).overlaps(second.padded(-1))


def test_a_lone_label_stands_right_of_its_point(figure: Figure, axes: Axes) -> None:
    place_labels(figure, axes, [Label("alone", (5, 5), radius_pt=3)])
    box, (x, y) = boxes(figure, axes)["alone"], axes.transData.transform((5, 5))
    assert 0 < box.x0 - x < 15
    assert box.y0 < y < box.y1


def test_names_of_lines_stand_at_their_ends_in_order_and_inside_the_figure(figure: Figure, axes: Axes) -> None:
    ends = {"a quite long name of a method": 2.0, "b": 2.05, "c": 2.1, "d": 9.0}
    for y in ends.values():
        axes.plot([0, 10], [1, y])
    axes.plot([0, 4], [8, 8.0])
    place_ends(figure, axes, [*(Label(name, (10, y)) for name, y in ends.items()), Label("short", (4, 8.0))])
    placed = boxes(figure, axes)
    centres = [(placed[name].y0 + placed[name].y1) / 2 for name in ends]
    assert np.diff(centres).min() > 10
    assert len({round(placed[name].x0) for name in ends}) == 1
    assert all(box.x1 <= figure.bbox.x1 for box in placed.values())
    assert placed["d"].y0 < axes.transData.transform((10, 9))[1] < placed["d"].y1
    end = axes.transData.transform((4, 8.0))
    nearest = np.clip(end, placed["short"].p0, placed["short"].p1)
    assert np.hypot(*(nearest - end)) < 40
