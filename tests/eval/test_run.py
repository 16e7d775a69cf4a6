from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rethined.errors import ConfigError, InferenceError
from rethined.eval.cases import CaseList, list_cases
from rethined.eval.run import Score, evaluate, feature_files
from rethined.imageio import read_image, write_image
from rethined.types import HoleMap, Image8


def mean_fill(image: Image8, hole: HoleMap) -> Image8:
    """A peer that fills with the mean of what is known."""
    result = image.copy()
    result[hole] = image[~hole].mean(0)
    return result


def black_fill(image: Image8, hole: HoleMap) -> Image8:
    """A worse peer."""
    return np.where(hole[..., None], np.uint8(0), image)


@pytest.fixture
def cases(photos: Path) -> CaseList:
    return list_cases(photos, sizes_px=[64, 96], presets=["df8k-blobs"])


def judge(result: Image8, original: Image8, hole: HoleMap) -> tuple[float]:
    return (float(np.abs(result.astype(int) - original)[hole].mean() / 255),)


def run(cases: CaseList, out: Path, **methods: Any) -> list[Score]:  # noqa: ANN401
    scores, _ = evaluate(cases, methods, out, judges={("perc",): judge})
    return scores


def figures(scores: list[Score]) -> list[dict[str, Any]]:
    return json.loads(json.dumps([dataclasses.asdict(score) for score in scores]))


def test_every_case_and_method_is_a_row(cases: CaseList, tmp_path: Path) -> None:
    scores, broken = evaluate(
        cases, {"mean": mean_fill, "black": black_fill}, tmp_path / "out", judges={("perc",): judge}
    )
    assert [(s.photo, s.size_px, s.method) for s in scores] == [
        (photo, size, method)
        for photo, sizes in (("a.png", (64, 96)), ("c.png", (64,)), ("more/b.jpg", (64, 96)))
        for size in sizes
        for method in ("mean", "black")
    ]
    assert list(broken) == ["broken.png"]
    for mean, black in zip(scores[::2], scores[1::2], strict=True):
        assert mean.hole_psnr_db > black.hole_psnr_db
        assert mean.perc < black.perc
        assert mean.known_error_max == black.known_error_max == 0
        assert 0 < mean.hole_share < 0.2
        assert mean.milliseconds > 0
        assert not mean.error


def test_a_second_call_predicts_nothing_and_says_the_same(cases: CaseList, tmp_path: Path) -> None:
    calls: list[int] = []

    def counted(image: Image8, hole: HoleMap) -> Image8:
        calls.append(1)
        return mean_fill(image, hole)

    first = run(cases, tmp_path / "out", mean=counted)
    assert len(calls) == 5
    assert figures(run(cases, tmp_path / "out", mean=counted)) == figures(first)
    assert len(calls) == 5


def test_a_stopped_run_goes_on_and_ends_the_same(cases: CaseList, tmp_path: Path) -> None:
    left = 3

    def stopped(image: Image8, hole: HoleMap) -> Image8:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        return mean_fill(image, hole)

    with pytest.raises(KeyboardInterrupt):
        run(cases, tmp_path / "out", mean=stopped)
    resumed = run(cases, tmp_path / "out", mean=mean_fill)
    whole = run(cases, tmp_path / "other", mean=mean_fill)
    for score in (*resumed, *whole):
        object.__setattr__(score, "milliseconds", 0.0)
    assert figures(resumed) == figures(whole)


def test_scores_are_computed_anew_from_kept_results(cases: CaseList, tmp_path: Path) -> None:
    first = run(cases, tmp_path / "out", mean=mean_fill)
    for file in (tmp_path / "out" / "scores").rglob("*.json"):
        file.unlink()

    def never(*_: object) -> Image8:
        raise AssertionError("predicted again")

    assert figures(run(cases, tmp_path / "out", mean=never)) == figures(first)


def test_scores_without_a_judge_are_completed_when_there_is_one(cases: CaseList, tmp_path: Path) -> None:
    without, _ = evaluate(cases, {"mean": mean_fill}, tmp_path / "out")
    assert all(np.isnan(score.perc) for score in without)
    assert figures(run(cases, tmp_path / "out", mean=mean_fill)) == figures(
        run(cases, tmp_path / "out", mean=mean_fill)
    )
    assert not any(np.isnan(score.perc) for score in run(cases, tmp_path / "out", mean=mean_fill))


def test_scores_of_before_a_figure_existed_are_completed_and_not_measured_anew(cases: CaseList, tmp_path: Path) -> None:
    first = run(cases, tmp_path / "out", mean=mean_fill)
    files = sorted((tmp_path / "out" / "scores").rglob("*.json"))
    for file in files:
        saved = json.loads(file.read_text())
        del saved["score"]["lpips"]
        saved["score"]["l1"] = 0.5  # a mark: what is there is kept
        file.write_text(json.dumps(saved))
    loaded = run(cases, tmp_path / "out", mean=mean_fill)
    assert all(np.isnan(score.lpips) and score.l1 == 0.5 for score in loaded)

    def never(*_: object) -> tuple[float]:
        raise AssertionError("judged again")

    judges = {("perc",): never, ("lpips",): lambda result, original, _: (float((result != original).mean()),)}
    completed, _ = evaluate(cases, {"mean": mean_fill}, tmp_path / "out", judges=judges)
    assert all(0 < score.lpips < score.hole_share and score.l1 == 0.5 for score in completed), "over the composite"
    assert [score.perc for score in completed] == [score.perc for score in first]
    assert figures(evaluate(cases, {"mean": mean_fill}, tmp_path / "out", judges={("lpips",): never})[0]) == figures(
        completed
    )


def test_a_row_whose_result_is_gone_is_measured_as_a_whole(cases: CaseList, tmp_path: Path) -> None:
    evaluate(cases, {"mean": black_fill}, tmp_path / "out")
    for file in (tmp_path / "out" / "results").rglob("*.png"):
        file.unlink()
    again, fresh = (run(cases, tmp_path / out, mean=mean_fill) for out in ("out", "other"))
    assert [score.l1 for score in again] == [score.l1 for score in fresh]


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (InferenceError("out of memory"), "InferenceError: out of memory"),
        (RuntimeError("peer broke"), "RuntimeError: peer broke"),
        (None, "ValueError: the method gave (3, 3) uint8; expected"),
    ],
    ids=["ours", "peer", "shape"],
)
def test_a_failed_case_is_a_row_with_its_error(
    failure: Exception | None, message: str, cases: CaseList, tmp_path: Path
) -> None:
    def failing(*_: object) -> Image8:
        if failure is not None:
            raise failure
        return np.zeros((3, 3), np.uint8)

    scores = run(cases, tmp_path / "out", mean=mean_fill, failing=failing)
    bad = [score for score in scores if score.method == "failing"]
    assert len(bad) == 5
    for score in bad:
        assert score.error.startswith(message)
        assert np.isnan(score.hole_psnr_db)
    assert not any(score.error for score in scores if score.method == "mean")


def test_what_was_found_of_another_photograph_does_not_hold(photos: Path, tmp_path: Path) -> None:
    cases = list_cases(photos, sizes_px=[64], presets=["scratches"])

    def first(*names: str) -> float:
        (score, *_) = run(cases, tmp_path / "out", **dict.fromkeys(names or ("mean",), mean_fill))
        return score.hole_psnr_db

    before = first()
    features = feature_files(tmp_path / "out", "a.png", 64, "scratches", "mean")
    for file in features:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "out" / "results" / "mean" / "a.png@64@scratches.png").unlink()
    assert first() == before, "kept as it was"
    assert all(file.exists() for file in features)
    write_image(photos / "a.png", 255 - read_image(photos / "c.png"))
    assert first() != before
    assert first() == run(cases, tmp_path / "anew", mean=mean_fill)[0].hole_psnr_db
    assert not any(file.exists() for file in features)


@pytest.mark.parametrize("content", ["", "[]", '{"ruler": '])
def test_a_damaged_score_is_found_anew_and_damaged_settings_are_named(
    cases: CaseList, tmp_path: Path, content: str
) -> None:
    before = figures(run(cases, tmp_path / "out", mean=mean_fill))
    file = next((tmp_path / "out" / "scores" / "mean").iterdir())
    file.write_text(content)
    assert figures(run(cases, tmp_path / "out", mean=mean_fill)) == before
    (tmp_path / "out" / "settings.json").write_text(content)
    with pytest.raises(ConfigError, match=r"settings.json is damaged.*remove it, or use another --out"):
        run(cases, tmp_path / "out", mean=mean_fill)


def test_results_of_other_settings_are_not_mixed(photos: Path, tmp_path: Path) -> None:
    for seed, facts in ((0, {"network": "x"}), (0, {"network": "x"})):
        cases = list_cases(photos, sizes_px=[64], presets=["scratches"], seed=seed)
        evaluate(cases, {"mean": mean_fill}, tmp_path / "out", facts=facts)
    with pytest.raises(ConfigError, match=r"out holds an evaluation with other settings: network 'x' against 'y'"):
        evaluate(cases, {"mean": mean_fill}, tmp_path / "out", facts={"network": "y"})
    other = list_cases(photos, sizes_px=[64], presets=["scratches"], seed=5)
    with pytest.raises(ConfigError, match=r"seed 0 against 5; use another --out"):
        evaluate(other, {"mean": mean_fill}, tmp_path / "out", facts={"network": "x"})


def test_holes_of_other_silhouettes_are_not_mixed(photos: Path, tmp_path: Path) -> None:
    for name, corner in (("one", 10), ("other", 20)):
        (tmp_path / name).mkdir()
        shape = np.zeros((40, 40, 3), np.uint8)
        shape[corner:, corner:] = 255
        write_image(tmp_path / name / "shape.png", shape)

    def run_with(*presets: str) -> dict[str, Any]:
        cases = list_cases(photos, sizes_px=[64], presets=presets)
        evaluate(cases, {"mean": mean_fill}, tmp_path / "out", facts={"network": "x"})
        return json.loads((tmp_path / "out" / "settings.json").read_text())

    one, other = (f"objects={tmp_path / name}" for name in ("one", "other"))
    assert "preset_files_sha256" not in run_with("scratches")
    settings = run_with("scratches", one)
    assert list(settings["preset_files_sha256"]) == ["objects"]
    assert (tmp_path / "out" / "results" / "mean" / "a.png@64@objects.png").exists()
    assert run_with("scratches") == settings, "kept where they are not drawn from"
    with pytest.raises(ConfigError, match=r"other settings: files of objects '\w+' against '\w+'; use another --out"):
        run_with(other)
    assert run_with(one) == settings
