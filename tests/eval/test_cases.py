from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rethined.errors import DatasetError, ImageReadError, OptionError
from rethined.eval.cases import list_cases


def test_cases_are_photos_by_sizes_by_presets(photos: Path) -> None:
    cases = list_cases(photos, sizes_px=[64, 100], presets=["df8k-blobs", "scratches"])
    assert cases.photos == ("a.png", "broken.png", "c.png", "more/b.jpg")
    assert len(cases) == 16
    of_a = list(cases.of_photo("a.png"))
    assert [(case.size_px, case.preset) for case in of_a] == [
        (64, "df8k-blobs"),
        (64, "scratches"),
        (100, "df8k-blobs"),
        (100, "scratches"),
    ]
    for case in of_a:
        assert max(case.original.shape[:2]) == case.size_px
        assert case.original.shape[:2] == case.hole.shape
        assert case.hole_share == pytest.approx(case.hole.mean())
        assert case.key == f"a.png@{case.size_px}@{case.preset}"


def test_photographs_are_never_enlarged(photos: Path) -> None:
    cases = list_cases(photos, sizes_px=[64, 100], presets=["scratches"])
    assert [case.size_px for case in cases.of_photo("c.png")] == [64]
    (whole,) = list_cases(photos, sizes_px=[128], presets=["scratches"]).of_photo("more/b.jpg")
    assert whole.original.shape == (128, 100, 3)


def test_holes_are_blanked_before_any_method_sees_them(photos: Path) -> None:
    (case,) = list_cases(photos, sizes_px=[96], presets=["df8k-blobs"]).of_photo("a.png")
    np.testing.assert_array_equal(case.damaged[~case.hole], case.original[~case.hole])
    np.testing.assert_array_equal(
        case.damaged[case.hole], np.rint(case.original[~case.hole].mean(0)) + 0 * case.damaged[case.hole]
    )


def test_the_same_cases_twice_and_others_by_seed(photos: Path) -> None:
    holes = []
    for seed in (0, 0, 1):
        (case,) = list_cases(photos, sizes_px=[96], presets=["df8k-blobs"], seed=seed).of_photo("a.png")
        holes.append(case.hole)
    np.testing.assert_array_equal(holes[0], holes[1])
    assert not np.array_equal(holes[0], holes[2])


def test_a_limit_takes_the_first_by_name(photos: Path) -> None:
    assert list_cases(photos, sizes_px=[64], presets=["scratches"], limit=2).photos == ("a.png", "broken.png")


def test_broken_photographs_raise_when_read(photos: Path) -> None:
    with pytest.raises(ImageReadError):
        list(list_cases(photos, sizes_px=[64], presets=["scratches"]).of_photo("broken.png"))


@pytest.mark.parametrize(
    ("place", "settings", "error", "message"),
    [
        ("nowhere", {}, DatasetError, r"nowhere is not a folder"),
        ("empty", {}, DatasetError, r"empty holds no picture files; expected some that end in \.avif, .*\.webp"),
        ("photos", {"presets": ["dots"]}, OptionError, r"hole preset is 'dots'; expected one of .*df8k-blobs"),
        ("photos", {"presets": ["scratches", "scratches"]}, OptionError, r"scratches, scratches; expected each once"),
        ("photos", {"presets": ["objects=nowhere"]}, DatasetError, r"nowhere is not a folder; .* of silhouettes"),
        ("photos", {"sizes_px": [32]}, OptionError, r"size is 32; expected a long side of 64 px or more"),
    ],
)
def test_refused(
    place: str, settings: dict[str, list[object]], error: type[Exception], message: str, photos: Path
) -> None:
    (photos.parent / "empty").mkdir()
    with pytest.raises(error, match=message):
        list_cases(photos.parent / place, **{"sizes_px": [64], "presets": ["scratches"], **settings})


def test_results_among_photographs_are_none(photos: Path) -> None:
    names = list_cases(photos, sizes_px=[64], presets=["scratches"]).photos
    shutil.copytree(photos / "more", photos / "eval" / "results")
    settings: Any = {"sizes_px": [64], "presets": ["scratches"]}
    assert list_cases(photos, **settings, without=photos / "more" / ".." / "eval").photos == names
    assert len(list_cases(photos, **settings).photos) > len(names)
