"""Runtime matching: which known tokens each corrupted token is copied from.

Convention: a token is an 8 x 8 patch of the network's picture, counted in reading order on the ``(h, w)`` token grid.
A token is corrupted if any pixel of it is hole; only corrupted tokens are matched, only known tokens are sources. A
token that holds any forbidden pixel is known, but no source.

Reference: RETHINED, section 3.3. Torch twin: :func:`rethined.nn.matching.match_sparse`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.ranking import Ranker, serial_ranker
from rethined.regions import TOKEN_PX
from rethined.types import Float32, HoleMap


@dataclass(frozen=True)
class Matches:
    """The k best sources of each corrupted token, best first.

    Attributes:
        rows: ``(R,)`` int, indices of the corrupted tokens in reading order.
        sources: ``(R, k)`` int, indices of known tokens.
        weights: ``(R, k)`` float32, softmax over the k; each row sums to one.
    """

    rows: NDArray[np.intp]
    sources: NDArray[np.int64]
    weights: Float32


def corrupted_tokens(hole: HoleMap) -> HoleMap:
    """``(H, W)`` hole map, sides multiples of 8, to the ``(H / 8, W / 8)`` map of tokens that hold any hole."""
    # The eight pixels of a row of a token as one number: what lies side by side, NumPy reduces slowly.
    rows = np.ascontiguousarray(hole).view(np.uint64)
    return np.asarray(np.bitwise_or.reduce(rows.reshape(-1, TOKEN_PX, rows.shape[1]), axis=1) != 0)


def match_tokens(
    query: Float32,
    key: Float32,
    corrupted: HoleMap,
    *,
    temperature: float,
    k: int,
    forbidden: HoleMap | None = None,
    ranker: Ranker | None = None,
) -> Matches:
    """The ``k`` known tokens of largest product with every corrupted token.

    Args:
        query: ``(d, h, w)``.
        key: ``(d, h, w)``.
        corrupted: ``(h, w)`` bool.
        temperature: Softmax temperature of the products, above 0.
        k: How many sources; fewer where there are fewer known tokens, none where there is none.
        forbidden: ``(h, w)`` bool, known tokens that may not be sources either; all may when ``None``.
        ranker: Does the work; one of a single thread when ``None``.
    """
    rows = np.flatnonzero(corrupted)
    allowed = ~(corrupted if forbidden is None else corrupted | forbidden).ravel()
    k = min(k, int(np.count_nonzero(allowed)))
    if not len(rows) or not k:
        return Matches(rows, np.empty((len(rows), 0), np.int64), np.empty((len(rows), 0), np.float32))
    ranker = ranker or serial_ranker()
    sources, products = ranker.best(query.reshape(len(query), -1)[:, rows].T, key.reshape(len(key), -1), allowed, k)
    logits = products / np.float32(temperature)
    weights = np.exp(logits - logits[:, :1])
    return Matches(rows, sources, weights / weights.sum(1, keepdims=True))


def free_positions(hole: HoleMap) -> HoleMap:
    """``(H - 7, W - 7)`` bool: whether the 8 x 8 patch whose top left is there holds no hole at all."""
    spread_hole = cv2.dilate(hole.view(np.uint8), np.ones((TOKEN_PX, TOKEN_PX), np.uint8), anchor=(0, 0))
    return np.asarray(spread_hole[: -TOKEN_PX + 1 or None, : -TOKEN_PX + 1 or None] == 0)
