from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rethined.eval.cases import CaseList, list_cases
from rethined.eval.fid import fid_of_methods, frechet_distance
from rethined.eval.run import Score, evaluate
from rethined.types import Float32, HoleMap, Image8


def gaussian(spread: list[float], mean: float, count: int, seed: int = 0) -> np.ndarray:
    """Rows whose sample mean and covariance are exactly ``mean`` and ``diag(spread ** 2)``."""
    drawn = np.random.default_rng(seed).standard_normal((count, len(spread)))
    axes = np.linalg.qr(drawn - drawn.mean(0))[0]
    return axes * np.sqrt(count - 1) * spread + mean


def test_equal_sets_are_at_no_distance(rng: np.random.Generator) -> None:
    for size in ((5, 40), (60, 8)):
        features = rng.standard_normal(size).astype(np.float32)
        assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)
        assert frechet_distance(features, features[::-1]) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("count", [4, 300], ids=["fewer pictures than features", "more"])
def test_a_shift_counts_by_its_square(count: int, rng: np.random.Generator) -> None:
    features = rng.standard_normal((count, 10))
    shift = np.linspace(-1, 2, 10)
    assert frechet_distance(features, features + shift) == pytest.approx(float(shift @ shift))


def test_aligned_gaussians_are_apart_by_shift_and_spreads() -> None:
    ours, theirs = gaussian([1, 2, 3], 0.0, 50), gaussian([2, 2, 0.5], 1.0, 80, seed=1)
    assert frechet_distance(ours, theirs) == pytest.approx(3 + 1 + 0 + 2.5**2)


def test_turned_gaussians_have_the_closed_form_of_two_dimensions() -> None:
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    ours, theirs = gaussian([1, 3], 0.0, 30), gaussian([2, 0.5], 0.0, 40, seed=2) @ turn.T
    first, second = np.diag([1.0, 9.0]), turn @ np.diag([4.0, 0.25]) @ turn.T
    product = first @ second
    root_trace = np.sqrt(np.trace(product) + 2 * np.sqrt(np.linalg.det(product)))
    assert frechet_distance(ours, theirs) == pytest.approx(10 + 4.25 - 2 * root_trace)


def test_one_picture_has_no_covariance() -> None:
    assert np.isnan(frechet_distance(np.ones((1, 4)), np.ones((5, 4))))


class Colours:
    """Mean and spread of each channel, and how often they were asked for."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, picture: Image8) -> Float32:
        self.calls += 1
        flat = picture.reshape(-1, 3)
        return np.concatenate([flat.mean(0), flat.std(0)]).astype(np.float32)


@pytest.fixture
def cases(photos: Path) -> CaseList:
    return list_cases(photos, sizes_px=[64, 96], presets=["df8k-blobs", "scratches"])


def negative(image: Image8, hole: HoleMap) -> Image8:
    return np.where(hole[..., None], 255 - image, image)


def scored(cases: CaseList, out: Path) -> list[Score]:
    """Beside a bad method one that fills perfectly and breaks what is known, which no composite shows."""
    every = [case for photo in ("a.png", "c.png", "more/b.jpg") for case in cases.of_photo(photo)]

    def perfect(image: Image8, hole: HoleMap) -> Image8:
        case = next(case for case in every if np.array_equal(case.hole, hole))
        return np.where(hole[..., None], case.original, 255 - image)

    def failing(image: Image8, hole: HoleMap) -> Image8:
        if image.shape[0] > image.shape[1]:  # b.jpg alone
            raise RuntimeError("too tall")
        return negative(image, hole)

    methods = {"perfect": perfect, "negative": negative, "failing": failing}
    return evaluate(cases, methods, out)[0]


def test_methods_are_compared_by_their_composites(cases: CaseList, tmp_path: Path) -> None:
    scores, extract = scored(cases, tmp_path / "out"), Colours()
    fid = fid_of_methods(cases, scores, tmp_path / "out", extract)
    assert {(size, preset) for size, preset, _ in fid} == {
        (size, preset) for size in (64, 96) for preset in ("df8k-blobs", "scratches")
    }
    for (_, _, method), value in fid.items():
        assert value == pytest.approx(0, abs=1e-6) if method == "perfect" else value > 0.01 or np.isnan(value)


def test_a_photograph_that_failed_is_left_out_on_both_sides(cases: CaseList, tmp_path: Path) -> None:
    scores, extract = scored(cases, tmp_path / "out"), Colours()
    assert {score.photo for score in scores if score.error} == {"more/b.jpg"}
    fid = fid_of_methods(cases, scores, tmp_path / "out", extract)
    pair = [case for photo in ("a.png", "c.png") for case in cases.of_photo(photo) if case.size_px == 64]
    blobs = [case for case in pair if case.preset == "df8k-blobs"]
    ours = np.stack([extract(negative(case.damaged, case.hole)) for case in blobs])
    theirs = np.stack([extract(case.original) for case in blobs])
    assert fid[64, "df8k-blobs", "failing"] == pytest.approx(frechet_distance(ours, theirs))
    assert np.isnan(fid[96, "df8k-blobs", "failing"]), "one picture is left"
    assert fid[64, "df8k-blobs", "failing"] != pytest.approx(fid[64, "df8k-blobs", "negative"])


def test_features_are_kept(cases: CaseList, tmp_path: Path) -> None:
    scores, extract = scored(cases, tmp_path / "out"), Colours()
    first = fid_of_methods(cases, scores, tmp_path / "out", extract)
    good = sum(not score.error for score in scores)
    originals = len({(score.photo, score.size_px) for score in scores})
    assert extract.calls == good + originals
    done: list[str] = []
    again = fid_of_methods(cases, scores, tmp_path / "out", extract, on_photo=done.append)
    assert extract.calls == good + originals
    np.testing.assert_equal(again, first)
    assert done == ["a.png", "c.png", "more/b.jpg"]
