"""A task that a network learns in seconds."""

from __future__ import annotations

import numpy as np

from rethined.data.samples import Sample, Sampler


class Brighter(Sampler):
    """Planted task: one colour, a square hole, and in it the same colour 50 grey levels brighter."""

    def __init__(self) -> None:
        pass

    def draw(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        hole = np.zeros((64, 64), bool)
        y, x = 8 * rng.integers(4, size=2)
        hole[y : y + 24, x : x + 24] = True
        colour = rng.integers(20, 180, 3).astype(np.uint8)
        target = np.where(hole[..., None], colour + np.uint8(50), colour)
        return Sample(np.where(hole[..., None], np.uint8(0), target), hole, hole, target, target, hole, (0, 0))
