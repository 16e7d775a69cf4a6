"""One self-contained HTML page: the table, and the worst and best cases side by side at 1:1."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from rethined.eval.cases import Case, CaseList
from rethined.eval.run import Score
from rethined.eval.table import COLUMNS, Summary
from rethined.imageio import read_image
from rethined.types import Image8

ZOOM_PX = 288
WORST, BEST = 4, 2
JPEG_QUALITY = 88
HOLE_COLOUR = (255, 0, 255)

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 1500px; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .6rem; border-bottom: 1px solid #ddd; text-align: left; white-space: nowrap }
.case { display: flex; flex-wrap: wrap; gap: 6px; margin: .3rem 0 1.6rem }
figure { margin: 0 } figcaption { font-size: 12px; color: #555 } img { display: block }
.scroll { overflow-x: auto }
"""


@dataclass(frozen=True)
class Look:
    """One case worth looking at: crops of ``ZOOM_PX`` at 1:1, where the first method is furthest off."""

    title: str
    crops: tuple[tuple[str, Image8], ...]


def pick_looks(cases: CaseList, scores: Sequence[Score], out: Path) -> list[Look]:
    """The worst and the best cases of the first method, by ``perc`` (by hole PSNR where there is none).

    Args:
        cases: As evaluated.
        scores: Rows of the evaluation.
        out: Its folder, where the results lie.
    """
    methods = list(dict.fromkeys(score.method for score in scores))
    first = [score for score in scores if score.method == methods[0] and not score.error] if methods else []
    looks = []
    for size_px, preset in dict.fromkeys((score.size_px, score.preset) for score in first):
        ranked = sorted((s for s in first if (s.size_px, s.preset) == (size_px, preset)), key=_badness, reverse=True)
        worst, best = ranked[:WORST], ranked[WORST:][-BEST:]
        for word, chosen in (("worst", worst), ("best", best)):
            for score in chosen:
                case = next(c for c in cases.of_photo(score.photo) if (c.size_px, c.preset) == (size_px, preset))
                title = f"{word}: {score.photo}, {size_px} px, {preset}; {_figures(score)}"
                looks.append(_look(title, case, methods, out))
    return looks


def to_html(title: str, summaries: Sequence[Summary], looks: Sequence[Look], *, notes: Sequence[str] = ()) -> str:
    """The page, with everything in it."""
    head = "".join(f"<th>{html.escape(heading)}</th>" for heading, _ in COLUMNS)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell(summary))}</td>" for _, cell in COLUMNS) + "</tr>"
        for summary in summaries
    )
    said = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    shown = "".join(
        f"<h3>{html.escape(look.title)}</h3><div class='case'>"
        + "".join(
            f"<figure>{_image_tag(crop, name)}<figcaption>{html.escape(name)}</figcaption></figure>"
            for name, crop in look.crops
        )
        + "</div>"
        for look in looks
    )
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}</title>"
        f"<style>{STYLE}</style><h1>{html.escape(title)}</h1>"
        f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{said}{shown}"
        "</html>\n"
    )


def _badness(score: Score) -> float:
    return -score.hole_psnr_db if np.isnan(score.perc) else score.perc


def _figures(score: Score) -> str:
    perc = "" if np.isnan(score.perc) else f"perc {score.perc:.3f}, "
    return f"{perc}hole PSNR {score.hole_psnr_db:.1f} dB"


def _look(title: str, case: Case, methods: Sequence[str], out: Path) -> Look:
    files = {name: out / "results" / name / f"{case.key}.png" for name in methods}
    results = {name: read_image(file) for name, file in files.items() if file.exists()}
    marked = case.original.copy()
    marked[case.hole] = HOLE_COLOUR
    top, left = _worst_window(next(iter(results.values())), case)
    window = np.s_[top : top + ZOOM_PX, left : left + ZOOM_PX]
    pictures = {"hole": marked, **results, "original": case.original}
    return Look(title, tuple((name, np.ascontiguousarray(picture[window])) for name, picture in pictures.items()))


def _worst_window(result: Image8, case: Case) -> tuple[int, int]:
    """Top left of the window with the largest sum of squared errors."""
    error = np.square(np.subtract(result, case.original, dtype=np.float32)).mean(2)
    side_hw = tuple(min(ZOOM_PX, side) for side in error.shape)
    sums = cv2.integral(error)
    limits = [side - window for side, window in zip(error.shape, side_hw, strict=True)]
    tops, lefts = (np.arange(0, limit + 1, 16) for limit in limits)
    bottoms, rights = tops + side_hw[0], lefts + side_hw[1]
    inside = sums[np.ix_(bottoms, rights)] - sums[np.ix_(tops, rights)]
    inside -= sums[np.ix_(bottoms, lefts)] - sums[np.ix_(tops, lefts)]
    row, column = np.unravel_index(int(inside.argmax()), inside.shape)
    return int(tops[row]), int(lefts[column])


def _image_tag(picture: Image8, name: str) -> str:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    data = base64.b64encode(stream.getvalue()).decode()
    height, width = picture.shape[:2]
    alt = html.escape(name, quote=True)
    return f'<img width="{width}" height="{height}" alt="{alt}" src="data:image/jpeg;base64,{data}">'
