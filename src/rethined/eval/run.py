"""``rethined eval``: predict once, score from the cache; a stopped run goes on where it was."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rethined._version import __version__
from rethined.errors import ConfigError, ImageReadError, MaskError, RethinedError
from rethined.eval import metrics
from rethined.eval.cases import Case, CaseList, file_stem
from rethined.eval.methods import Method
from rethined.files import write_text
from rethined.imageio import read_image, write_image
from rethined.types import HoleMap, Image8

RULER_VERSION = 1
"""Scores of another version are computed anew."""
SETTINGS_FILE = "settings.json"
PRESET_FILES = "preset_files_sha256"
"""Where the settings hold checksums of the files that presets draw from."""

Judge = Callable[[Image8, Image8, HoleMap], tuple[float, ...]]
Judges = Mapping[tuple[str, ...], Judge]
"""By the figures of :class:`Score` that they give of result, original and hole."""


@dataclass(frozen=True)
class Score:
    """One method on one case; scores are not a number where they are not defined or the method failed.

    Attributes:
        photo: Name of the photograph.
        size_px: Its long side.
        preset: Hole preset.
        method: Name of the method.
        hole_share: Share of the picture that is hole, 0..1.
        milliseconds: Wall-clock time of the fill, array to array.
        l1: Mean absolute error of the picture, 0..1.
        l1_hole: The same over the hole.
        psnr_db: PSNR of the picture.
        hole_psnr_db: PSNR over the hole.
        ssim: Structural similarity of the picture.
        ssim_hole: The same over the hole.
        perc: Perceptual distance in the hole.
        texture: Distance of what there is in the hole, wherever it lies.
        lpips: LPIPS of the picture.
        sharpness_ratio: Sharpness in the hole over the original's.
        seam_ratio: Step across the border over the original's.
        known_error_max: Largest change outside the hole in grey levels, before the result is composited.
        error: What went wrong, or nothing.
    """

    photo: str
    size_px: int
    preset: str
    method: str
    hole_share: float
    milliseconds: float = float("nan")
    l1: float = float("nan")
    l1_hole: float = float("nan")
    psnr_db: float = float("nan")
    hole_psnr_db: float = float("nan")
    ssim: float = float("nan")
    ssim_hole: float = float("nan")
    perc: float = float("nan")
    texture: float = float("nan")
    lpips: float = float("nan")
    sharpness_ratio: float = float("nan")
    seam_ratio: float = float("nan")
    known_error_max: float = float("nan")
    error: str = ""


def evaluate(
    cases: CaseList,
    methods: dict[str, Method],
    out: Path,
    *,
    judges: Judges | None = None,
    facts: dict[str, Any] | None = None,
    on_photo: Callable[[str], None] = lambda _: None,
) -> tuple[list[Score], dict[str, str]]:
    """Runs every method on every case, or takes what an earlier call left in ``out``.

    Args:
        cases: What to fill.
        methods: By name.
        out: Folder of the evaluation: results as PNG, scores as JSON, one file a case and method.
        judges: By the figures of :class:`Score` that they give of result, original and hole: ``perc``, ``texture``,
            ``lpips``. A figure without one stays what it was in ``out``, or undefined.
        facts: What results depend on besides the settings, a checksum of the network for example.
        on_photo: Called with the name of each photograph when it is done.

    Returns:
        All scores, in the order of photographs, sizes, presets and methods; and the photographs that could not be
        read, with the reason.

    Raises:
        ConfigError: ``out`` holds an evaluation with other settings.
    """
    _claim(out, cases, facts or {})
    scores: list[Score] = []
    broken: dict[str, str] = {}
    for photo in cases.photos:
        try:
            for case in cases.of_photo(photo):
                scores += [_score(case, name, method, out, judges or {}) for name, method in methods.items()]
        except (ImageReadError, MaskError) as error:
            broken[photo] = str(error)
        on_photo(photo)
    return scores, broken


def _claim(out: Path, cases: CaseList, facts: dict[str, Any]) -> None:
    """Refuses to mix results of different settings in one folder."""
    settings = {"seed": cases.seed, "folder": cases.folder.name, "rethined": __version__, **facts}
    # The files of a preset matter to its own cases alone: it may join later, or be left out of a call.
    files = {preset.name: preset.sha256 for preset in cases.presets if preset.sha256}
    file = out / SETTINGS_FILE
    if file.exists():
        before = _load(file)
        if before is None:
            raise ConfigError(
                f"{file} is damaged, so it cannot be told what {out} holds; remove it, or use another --out"
            )
        files_before: dict[str, str] = before.pop(PRESET_FILES, {})
        changes = [(name, before.get(name), settings.get(name)) for name in sorted({*settings, *before})]
        changes += [(f"files of {name}", files_before.get(name, sha256), sha256) for name, sha256 in files.items()]
        if changed := [f"{name} {old!r} against {new!r}" for name, old, new in changes if old != new]:
            raise ConfigError(f"{out} holds an evaluation with other settings: {', '.join(changed)}; use another --out")
        if files.keys() <= files_before.keys():
            return
        files = {**files_before, **files}
    out.mkdir(parents=True, exist_ok=True)
    write_text(file, json.dumps({**settings, **({PRESET_FILES: files} if files else {})}, indent=1) + "\n")


def result_file(out: Path, method: str, case: Case) -> Path:
    """Where an evaluation keeps what a method made of a case."""
    return out / "results" / method / f"{case.key}.png"


def feature_files(out: Path, photo: str, size_px: int, preset: str, method: str) -> tuple[Path, Path]:
    """Where features of the composite and of the original are kept."""
    features = out / "features"
    return (
        features / "results" / method / f"{file_stem(photo, size_px, preset)}.npy",
        features / "originals" / f"{file_stem(photo, size_px)}.npy",
    )


def composited(case: Case, result: Image8) -> Image8:
    """The result in the hole and the original elsewhere: what is known is known to every user."""
    return np.where(case.hole[..., None], result, case.original)


def _score(case: Case, name: str, method: Method, out: Path, judges: Judges) -> Score:
    file, kept = out / "scores" / name / f"{case.key}.json", result_file(out, name, case)
    saved = _load(file)
    if saved is not None and saved.get("case") != case.sha256:  # of another photograph, or under another hole
        for stale in (kept, kept.with_suffix(".ms"), *feature_files(out, case.photo, case.size_px, case.preset, name)):
            stale.unlink(missing_ok=True)
        saved = None
    if saved is not None and saved["ruler"] == RULER_VERSION:
        before = _from_json(saved["score"])
        missing = {
            figures: judge
            for figures, judge in judges.items()
            if any(is_undefined(getattr(before, figure)) for figure in figures)
        }
        if before.error or not missing:
            return before
        if kept.exists():
            return _saved(file, case, dataclasses.replace(before, **_judged(case, read_image(kept), missing)))
    score = Score(case.photo, case.size_px, case.preset, name, round(case.hole_share, 6))
    try:
        result, milliseconds = _predict(case, method, kept)
    except (RethinedError, ValueError, RuntimeError, MemoryError) as error:
        # A peer may fail in its own way; that is a row of the table and no end of the run.
        score = dataclasses.replace(score, error=f"{type(error).__name__}: {error}")
    else:
        figures = _measure(case, result) | _judged(case, result, judges)
        score = dataclasses.replace(score, milliseconds=milliseconds, **figures)
    return _saved(file, case, score)


def _saved(file: Path, case: Case, score: Score) -> Score:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"ruler": RULER_VERSION, "case": case.sha256, "score": _to_json(score)}
    write_text(file, json.dumps(content) + "\n")
    return score


def _load(file: Path) -> dict[str, Any] | None:
    """What an earlier call has written; nothing where there is none, or where it is damaged."""
    try:
        saved = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return saved if isinstance(saved, dict) else None


def _predict(case: Case, method: Method, file: Path) -> tuple[Image8, float]:
    """The result from the cache, or made now and kept with the time it took."""
    times = file.with_suffix(".ms")
    if file.exists() and times.exists():
        return read_image(file), float(times.read_text())
    began = time.perf_counter()
    result = np.asarray(method(case.damaged, case.hole))
    milliseconds = round((time.perf_counter() - began) * 1e3, 3)
    if result.shape != case.original.shape or result.dtype != np.uint8:
        raise ValueError(f"the method gave {result.shape} {result.dtype}; expected {case.original.shape} uint8")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(times, f"{milliseconds}\n")
    write_image(file, result)
    return result, milliseconds


def _measure(case: Case, result: Image8) -> dict[str, Any]:
    original, hole = case.original, case.hole
    known_error = metrics.known_error_max(result, original, hole)
    result = composited(case, result)
    ssim, ssim_hole = metrics.ssim(result, original, hole)
    return {
        "l1": metrics.l1(result, original),
        "l1_hole": metrics.l1(result, original, hole),
        "psnr_db": metrics.psnr_db(result, original),
        "hole_psnr_db": metrics.psnr_db(result, original, hole),
        "ssim": ssim,
        "ssim_hole": ssim_hole,
        "sharpness_ratio": metrics.sharpness_ratio(result, original, hole),
        "seam_ratio": metrics.seam_ratio(result, original, hole),
        "known_error_max": float(known_error),
    }


def _judged(case: Case, result: Image8, judges: Judges) -> dict[str, Any]:
    composite = composited(case, result)
    return {
        figure: value
        for figures, judge in judges.items()
        for figure, value in zip(figures, judge(composite, case.original, case.hole), strict=True)
    }


def _to_json(score: Score) -> dict[str, Any]:
    """Plain values; JSON knows no NaN."""
    return {name: None if is_undefined(value) else value for name, value in asdict(score).items()}


def _from_json(values: dict[str, Any]) -> Score:
    defined: dict[str, Any] = {name: float("nan") if value is None else value for name, value in values.items()}
    return Score(**defined)


def is_undefined(value: object) -> bool:
    """Whether a figure of a score is not a number."""
    return isinstance(value, float) and np.isnan(value)


def score_names() -> Sequence[str]:
    """Names of all figures of a :class:`Score`, in order."""
    return [field.name for field in dataclasses.fields(Score)]
