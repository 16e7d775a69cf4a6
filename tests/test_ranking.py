from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rethined.export.ranking import write_ranking_graph
from rethined.ranking import Ranker, serial_ranker
from rethined.weights import RANKING_GRAPH


@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 60),
    k=st.integers(1, 10),
    levels=st.sampled_from([0, 1, 2, 5]),
    seed=st.integers(0, 2**32 - 1),
)
def test_best_equals_a_full_sort(rows: int, columns: int, k: int, levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return (rng.integers(0, levels, shape) if levels else rng.standard_normal(shape)).astype(np.float32)

    left, right, allowed = draw(rows, 7), draw(7, columns), rng.random(columns) < 0.8
    assume(k <= np.count_nonzero(allowed))
    indices, products = serial_ranker().best(left, right, allowed, k)
    assert indices.shape == products.shape == (rows, k)
    assert products.dtype == np.float32
    assert allowed[indices].all()
    expected = left @ right
    expected[:, ~allowed] = -np.inf
    order = np.argsort(-expected, axis=1, kind="stable")[:, :k]
    np.testing.assert_allclose(products, np.take_along_axis(expected, order, 1), atol=1e-5)
    if levels:  # whole numbers have no rounding: ties are resolved by place
        np.testing.assert_array_equal(indices, order)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_change_the_result(threads: int, rng: np.random.Generator) -> None:
    left, right = rng.standard_normal((300, 64), np.float32), rng.standard_normal((64, 4096), np.float32)
    allowed = rng.random(4096) < 0.9
    indices, products = Ranker(threads).best(left, right, allowed, 8)
    expected_indices, expected = serial_ranker().best(left, right, allowed, 8)
    np.testing.assert_array_equal(indices, expected_indices)
    np.testing.assert_array_equal(products, expected)


def test_the_shipped_graph_is_what_the_exporter_writes(tmp_path: Path) -> None:
    write_ranking_graph(tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == RANKING_GRAPH.read_bytes()
