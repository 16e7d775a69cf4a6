"""From scores to a table: means, medians, and differences from a reference method with their uncertainty."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from rethined.eval.run import Score, is_undefined, score_names

SCHEMA = "rethined-eval-1"
RESAMPLES = 2000
FID_UNBIASED_FROM = 2049
"""Pictures from which on a covariance of the 2,048 features can have full rank."""
SHARE_EDGES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
"""Bins of the hole share."""


@dataclass(frozen=True)
class Interval:
    """A mean difference and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def __format__(self, form: str) -> str:
        return f"{self.mean:{form}} [{self.low:{form}}, {self.high:{form}}]"


@dataclass(frozen=True)
class Summary:
    """One method at one size under one preset, or in one bin of the hole share.

    Attributes:
        size_px: Long side.
        preset: Hole preset.
        shares: Bin of the hole share, lowest to highest, or ``None`` for all.
        method: Name of the method.
        count: Cases scored.
        failed: Cases where the method failed.
        hole_psnr_db, perc, texture, lpips, l1_hole, ssim_hole: Means.
        fid: Of all cases scored together; not given for bins of the hole share.
        sharpness_ratio, seam_ratio: Medians.
        seam_ratio_p90: 90th percentile.
        known_error_max: Largest of all.
        milliseconds: Median.
        psnr_gain_db: Mean difference of the hole PSNR from the reference, on the same cases.
        perc_ratio: Mean ``perc`` over the reference's.
        perc_gain: Mean difference of ``perc`` from the reference.
        texture_ratio: Mean ``texture`` over the reference's.
    """

    size_px: int
    preset: str
    shares: tuple[float, float] | None
    method: str
    count: int
    failed: int
    hole_psnr_db: float
    perc: float
    texture: float
    lpips: float
    fid: float
    l1_hole: float
    ssim_hole: float
    sharpness_ratio: float
    seam_ratio: float
    seam_ratio_p90: float
    known_error_max: float
    milliseconds: float
    psnr_gain_db: Interval | None
    perc_ratio: float | None
    perc_gain: Interval | None
    texture_ratio: float | None


def summarise(
    scores: Sequence[Score], *, reference: str, fid: Mapping[tuple[int, str, str], float] | None = None
) -> list[Summary]:
    """Summaries per size, preset and method, followed by those per bin of the hole share.

    Args:
        scores: Rows of an evaluation.
        reference: Method that the others are compared with, case by case.
        fid: By size, preset and method, as far as there is any.
    """
    summaries = []
    known = fid or {}
    for size_px, preset in dict.fromkeys((score.size_px, score.preset) for score in scores):
        chosen = [score for score in scores if (score.size_px, score.preset) == (size_px, preset)]
        summaries += [
            replace(summary, fid=known.get((size_px, preset, summary.method), float("nan")))
            for summary in _by_method(chosen, None, reference)
        ]
        bins = list(pairwise(SHARE_EDGES))
        filled = [b for b in bins if any(b[0] < score.hole_share <= b[1] for score in chosen)]
        if len(filled) > 1:
            for low, high in filled:
                summaries += _by_method([s for s in chosen if low < s.hole_share <= high], (low, high), reference)
    return summaries


def bootstrap(differences: Sequence[float]) -> Interval:
    """Mean and 95 % interval by resampling the cases 2,000 times, with a fixed seed."""
    values = np.asarray(differences, float)
    picks = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(1), (2.5, 97.5))
    return Interval(float(values.mean()), float(low), float(high))


def _by_method(scores: Sequence[Score], shares: tuple[float, float] | None, reference: str) -> list[Summary]:
    base = {score.photo: score for score in scores if score.method == reference and not score.error}
    summaries = []
    for method in dict.fromkeys(score.method for score in scores):
        rows = [score for score in scores if score.method == method]
        good = [score for score in rows if not score.error]
        paired = [(score, base[score.photo]) for score in good if score.photo in base and method != reference]
        textures = [(a.texture, b.texture) for a, b in paired if not is_undefined(a.texture + b.texture)]
        first = rows[0]
        summaries.append(
            Summary(
                size_px=first.size_px,
                preset=first.preset,
                shares=shares,
                method=method,
                count=len(good),
                failed=len(rows) - len(good),
                hole_psnr_db=_over(np.nanmean, (s.hole_psnr_db for s in good)),
                perc=_over(np.nanmean, (s.perc for s in good)),
                texture=_over(np.nanmean, (s.texture for s in good)),
                lpips=_over(np.nanmean, (s.lpips for s in good)),
                fid=float("nan"),
                l1_hole=_over(np.nanmean, (s.l1_hole for s in good)),
                ssim_hole=_over(np.nanmean, (s.ssim_hole for s in good)),
                sharpness_ratio=_over(np.nanmedian, (s.sharpness_ratio for s in good)),
                seam_ratio=_over(np.nanmedian, (s.seam_ratio for s in good)),
                seam_ratio_p90=_over(lambda x: np.nanpercentile(x, 90), (s.seam_ratio for s in good)),
                known_error_max=_over(np.nanmax, (s.known_error_max for s in good)),
                milliseconds=_over(np.nanmedian, (s.milliseconds for s in good)),
                psnr_gain_db=_paired([ours.hole_psnr_db - theirs.hole_psnr_db for ours, theirs in paired]),
                perc_ratio=_ratio([ours.perc for ours, _ in paired], [theirs.perc for _, theirs in paired]),
                perc_gain=_paired([ours.perc - theirs.perc for ours, theirs in paired]),
                texture_ratio=_ratio([ours for ours, _ in textures], [theirs for _, theirs in textures]),
            )
        )
    return summaries


def _over(statistic: Callable[[Any], Any], values: Iterable[float]) -> float:
    defined = [value for value in values if not np.isnan(value)]
    return float(statistic(defined)) if defined else float("nan")


def _paired(differences: list[float]) -> Interval | None:
    defined = [value for value in differences if not np.isnan(value)]
    return bootstrap(defined) if defined else None


def _ratio(ours: list[float], theirs: list[float]) -> float | None:
    above, below = sum(ours), sum(theirs)
    return float(above / below) if ours and below > 0 else None


COLUMNS: tuple[tuple[str, Callable[[Summary], str]], ...] = (
    ("size", lambda s: str(s.size_px)),
    ("holes", lambda s: s.preset),
    ("share", lambda s: "all" if s.shares is None else f"{s.shares[0]:.0%} to {s.shares[1]:.0%}"),
    ("method", lambda s: s.method),
    ("n", lambda s: f"{s.count}" + (f" ({s.failed} failed)" if s.failed else "")),
    ("hole PSNR", lambda s: f"{s.hole_psnr_db:.2f}"),
    ("against ref.", lambda s: _interval(s.psnr_gain_db, "+.2f")),
    ("perc", lambda s: _figure(s.perc, ".3f")),
    ("of ref.'s", lambda s: "" if s.perc_ratio is None else f"{s.perc_ratio:.3f}"),
    ("texture", lambda s: _figure(s.texture, ".3f")),
    ("of ref.'s", lambda s: "" if s.texture_ratio is None else f"{s.texture_ratio:.3f}"),
    ("LPIPS", lambda s: _figure(s.lpips, ".4f")),
    ("FID", lambda s: _figure(s.fid, ".2f") if s.shares is None else ""),
    ("sharpness", lambda s: f"{s.sharpness_ratio:.2f}"),
    ("seam (p90)", lambda s: f"{s.seam_ratio:.2f} ({s.seam_ratio_p90:.2f})"),
    ("known error", lambda s: f"{s.known_error_max:.0f}"),
    ("ms", lambda s: f"{s.milliseconds:.0f}"),
)
"""Heading and cell of each column of the printed table."""


def _figure(value: float, form: str) -> str:
    return "n/a" if is_undefined(value) else f"{value:{form}}"


def _interval(interval: Interval | None, form: str) -> str:
    return "" if interval is None else f"{interval:{form}}"


def to_markdown(summaries: Sequence[Summary]) -> str:
    """Summaries as a Markdown table."""
    return padded([[heading for heading, _ in COLUMNS], *([cell(s) for _, cell in COLUMNS] for s in summaries)])


def padded(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the headings first, padded so that it reads well as plain text too."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def notes(summaries: Sequence[Summary]) -> list[str]:
    """What one has to know to read the table, a line each."""
    counts = [s.count for s in summaries if not is_undefined(s.fid) and s.count < FID_UNBIASED_FROM]
    if not counts:
        return []
    few = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    return [
        f"FID of {few} pictures: below {FID_UNBIASED_FROM:,} it comes out too large, the more so the fewer; compare it"
        " within one table only, over the same pictures"
    ]


def to_csv(scores: Sequence[Score]) -> str:
    """All rows, one line each; what is not defined is empty."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, score_names(), lineterminator="\n")
    writer.writeheader()
    for score in scores:
        writer.writerow({name: "" if is_undefined(value) else value for name, value in asdict(score).items()})
    return stream.getvalue()


def to_json(
    scores: Sequence[Score],
    summaries: Sequence[Summary],
    *,
    settings: dict[str, Any],
    broken: dict[str, str],
    unavailable: dict[str, str],
    metric_weights: dict[str, str],
) -> str:
    """Everything, as strict JSON: what is not defined is null.

    Args:
        scores: Rows of an evaluation.
        summaries: Of them.
        settings: Of the evaluation.
        broken: Photographs that cannot be read, with the reason.
        unavailable: Scores that cannot be had, with the reason.
        metric_weights: SHA-256 of files that scores depend on, by name.
    """
    content = {
        "schema": SCHEMA,
        "settings": settings,
        "broken_photos": broken,
        "unavailable": unavailable,
        "metric_weights_sha256": metric_weights,
        "summaries": [asdict(summary) for summary in summaries],
        "scores": [asdict(score) for score in scores],
    }
    return json.dumps(_without_nan(content), indent=1, allow_nan=False) + "\n"


def _without_nan(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if is_undefined(value) else value
