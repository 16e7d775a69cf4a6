"""What a variant has come to, and all of them as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from rethined.data.masks import MaskFamily
from rethined.data.photos import Photo
from rethined.eval.table import padded
from rethined.losses.features import FeatureDistance
from rethined.train.device import CPU, fast_dtype
from rethined.train.log import read_log
from rethined.train.state import TrainState
from rethined.train.watch import ValSet

KINDS: tuple[MaskFamily, ...] = ("lama-thin", "lama-medium", "df8k-blobs")
LOSSES = ("coarse_fill", "fine_fill", "coarse_matching")
LAST_SHARE = 0.2
"""Part of a run whose training losses count as final."""


@dataclass(frozen=True)
class Result:
    """One row of the table.

    Attributes:
        name: Of the variant.
        minutes: Spent in steps.
        steps: Steps that it took.
        crops: Crops that it saw, two a sample.
        coarse_loss: Distance of fills from the truth on training samples, coarse view, mean over the last fifth of the
            steps; ``nan`` if the run was too short for a report.
        fine_loss: The same of the fine view.
        matching_loss: Cross-entropy of the soft map with what the truth prefers, coarse view, likewise.
        gains_db: Gain of the averaged weights' fill over its prefill on validation photographs, by kind of hole.
        feature_distance: Of the same fills from the truth in windows round their holes, mean over kinds.
    """

    name: str
    minutes: float
    steps: int
    crops: int
    coarse_loss: float
    fine_loss: float
    matching_loss: float
    gains_db: Mapping[str, float]
    feature_distance: float


class Ruler:
    """Measures every variant on the same photographs under the same holes.

    Args:
        photos: Validation photographs; of each the middle square, under one hole of each kind.
    """

    def __init__(self, photos: Sequence[Photo]) -> None:
        self._sets = {kind: ValSet(photos, (kind,)) for kind in KINDS}
        self._distance = FeatureDistance(dtype=fast_dtype(CPU))

    def measure(self, name: str, state: TrainState, log: Path) -> Result:
        """The row of a variant that has been trained.

        Args:
            name: Of the variant.
            state: What was trained.
            log: Its ``log.jsonl``, which need not exist.
        """
        network = state.averaged_network()
        return Result(
            name,
            state.minutes,
            state.step,
            2 * state.position,
            *_final_losses(log, state.step),
            {kind: watched.gain_db(network) for kind, watched in self._sets.items()},
            fmean(watched.feature_distance(network, self._distance) for watched in self._sets.values()),
        )


def _final_losses(log: Path, steps: int) -> tuple[float, float, float]:
    """Mean losses of the last fifth: coarse fill, fine fill, matching."""
    if not log.exists():
        return math.nan, math.nan, math.nan
    rows = read_log(log)
    last = [row for row in rows if row["step"] >= (1 - LAST_SHARE) * steps] or rows[-1:]
    coarse, fine, matching = (fmean(row[name] for row in last) for name in LOSSES)
    return coarse, fine, matching


def to_markdown(results: Sequence[Result]) -> str:
    """The table, the headings first."""
    headings = [
        "variant",
        "minutes",
        "steps",
        "crops",
        "loss, coarse",
        "loss, fine",
        "matching",
        *(f"{kind}, dB" for kind in KINDS),
        "features",
    ]
    return padded([headings, *map(_cells, results)])


def _cells(result: Result) -> list[str]:
    found = zip((result.coarse_loss, result.fine_loss, result.matching_loss), (4, 4, 3), strict=True)
    losses = (f"{loss:.{digits}f}" if math.isfinite(loss) else "n/a" for loss, digits in found)
    gains = (f"{result.gains_db[kind]:+.2f}" for kind in KINDS)
    spent = (f"{result.minutes:.1f}", f"{result.steps:,}", f"{result.crops:,}")
    return [result.name, *spent, *losses, *gains, f"{result.feature_distance:.4f}"]
