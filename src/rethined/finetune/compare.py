"""Before and after, on photographs that neither network was fine-tuned on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rethined.data.presets import open_preset
from rethined.eval.cases import CaseList
from rethined.eval.methods import make_method
from rethined.eval.metrics import psnr_db
from rethined.eval.run import composited
from rethined.eval.table import Interval, bootstrap, padded

MAX_LONG_PX = 1024
FEW = 8
"""Resampling fewer photographs gives intervals that are too narrow to go by."""
PRESETS = ("df8k-blobs", "lama-medium")
FILLS = {"coarse": "rethined-coarse", "whole": "rethined"}
"""What is measured, and the method of the evaluation that gives it."""


@dataclass(frozen=True)
class Row:
    """One fill under one kind of hole.

    Attributes:
        preset: Hole preset.
        fill: ``coarse`` (the network's first look) or ``whole`` (the engine's result).
        before_db: Hole PSNR of each photograph, filled by the network begun with.
        after_db: The same with the fine-tuned network, in the same order.
    """

    preset: str
    fill: str
    before_db: tuple[float, ...]
    after_db: tuple[float, ...]

    @property
    def gain_db(self) -> Interval:
        """Mean difference, after less before, with its 95 % interval."""
        return bootstrap([after - before for before, after in zip(self.before_db, self.after_db, strict=True)])


def compare(
    folder: Path,
    long_sides_px: Mapping[Path, int],
    before: Path,
    after: Path,
    *,
    threads: int | None = None,
    on_photo: Callable[[], object] = lambda: None,
) -> list[Row]:
    """Fills the same holes with both networks.

    Args:
        folder: Where the photographs lie; a hole depends on a photograph's path below it.
        long_sides_px: The photographs and how large they are; shrunk to 1024 px, never enlarged.
        before: ONNX file of the network begun with.
        after: ONNX file of the fine-tuned one.
        threads: Threads of each fill; all cores when ``None``.
        on_photo: Called after each photograph.

    Returns:
        A row for each kind of hole and fill.
    """
    fillers = {
        (fill, network): make_method(method, network=str(network), threads=threads)
        for fill, method in FILLS.items()
        for network in (before, after)
    }
    found: dict[tuple[str, str, Path], list[float]] = {
        (preset, fill, network): [] for preset in PRESETS for fill, network in fillers
    }
    presets = tuple(map(open_preset, PRESETS))
    for file, long_px in long_sides_px.items():
        name = file.relative_to(folder).as_posix()
        for case in CaseList(folder, (name,), (min(MAX_LONG_PX, long_px),), presets).of_photo(name):
            for (fill, network), filler in fillers.items():
                result = composited(case, filler(case.damaged, case.hole))
                found[case.preset, fill, network].append(psnr_db(result, case.original, case.hole))
        on_photo()
    return [
        Row(preset, fill, tuple(found[preset, fill, before]), tuple(found[preset, fill, after]))
        for preset in PRESETS
        for fill in FILLS
    ]


def to_markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table; one photograph has no interval."""
    headings = ["holes", "fill", "photographs", "before, dB", "after, dB", "difference [95 %]"]
    return padded([headings, *map(_cells, rows)])


def _cells(row: Row) -> list[str]:
    gain, count = row.gain_db, len(row.after_db)
    difference = f"{gain:+.2f}" if count > 1 else f"{gain.mean:+.2f} [n/a]"
    return [row.preset, row.fill, str(count), *(f"{np.mean(x):.2f}" for x in (row.before_db, row.after_db)), difference]


def verdict(rows: Sequence[Row]) -> str:
    """What the table comes to, in one or two lines."""
    worse = [f"{row.fill} fill, {row.preset}" for row in rows if row.gain_db.mean < 0]
    if worse:
        return (
            f"Worse than before on the held-out photographs: {'; '.join(worse)}.\n"
            "Recommended: the shipped weights. Leave the new file out, or try again with more photographs."
        )
    if any(row.gain_db.low <= 0 or len(row.after_db) < FEW for row in rows):
        return "Nowhere worse than before on the held-out photographs, but so few cannot tell it from chance."
    return "Better than before on the held-out photographs, under all holes, by more than chance explains."
