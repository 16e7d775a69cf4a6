"""The largest products of many vectors with many others."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rethined.runtime import open_graph
from rethined.types import Float32, HoleMap
from rethined.weights import RANKING_GRAPH

FORBIDDEN = np.float32(-1e30)
"""Added to the products with columns that may not be chosen."""


class Ranker:
    """A matrix product and a top-k as one small ONNX graph; safe to share between threads.

    NumPy would do, but its BLAS (OpenBLAS) leaves threads spinning for a tenth of a second after a large product, which
    costs the steps that follow a core: a quarter of the time of a fill at 2048 x 2048 on two cores.

    Args:
        threads: Threads of one run.
    """

    def __init__(self, threads: int) -> None:
        self._session = open_graph(RANKING_GRAPH, threads=threads)

    def best(self, rows: Float32, columns: Float32, allowed: HoleMap, k: int) -> tuple[NDArray[np.int64], Float32]:
        """The ``k`` allowed columns of largest product with each row, largest first; of equals the first.

        Args:
            rows: ``(R, d)`` float32.
            columns: ``(d, T)`` float32.
            allowed: ``(T,)`` bool, at least ``k`` of them ``True``.
            k: At least 1.

        Returns:
            ``(R, k)`` int64 indices of columns, and their products.
        """
        feed = {
            "rows": np.ascontiguousarray(rows),
            "columns": np.ascontiguousarray(columns),
            "penalty": np.where(allowed, np.float32(0), FORBIDDEN),
            "k": np.array([k], np.int64),
        }
        products, indices = self._session.run(("products", "indices"), feed)
        return indices, products


@lru_cache(maxsize=1)
def serial_ranker() -> Ranker:
    """A ranker that runs in the caller's thread, loaded once."""
    return Ranker(1)
