from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rethined.cli import main
from rethined.engine import Inpainter
from rethined.explain import UNCOPIED, explain_nothing
from rethined.figures.stages import HOLE_COLOUR, STAGES, gate_picture, sample, stage_pictures
from rethined.types import HoleMap, Image8

MAX_BYTES = 300 * 1024


@pytest.fixture(scope="module")
def planted() -> tuple[Image8, HoleMap]:
    """Stripes, which only copying continues sharply."""
    photo = np.repeat(np.where(np.arange(192) % 12 < 6, 40, 220).astype(np.uint8)[None], 160, 0)
    hole = np.zeros(photo.shape, bool)
    hole[60:100, 70:120] = True
    return np.repeat(photo[..., None], 3, 2), hole


@pytest.fixture(scope="module")
def pictures(planted: tuple[Image8, HoleMap]) -> dict[str, Image8]:
    return stage_pictures(*planted, threads=1)


def test_each_stage_changes_the_hole_and_nothing_else(
    planted: tuple[Image8, HoleMap], pictures: dict[str, Image8]
) -> None:
    photo, hole = planted
    assert tuple(pictures) == STAGES
    assert (pictures["hole"][hole] == HOLE_COLOUR).all()
    for name in ("hole", "prefill", "coarse", "result"):
        np.testing.assert_array_equal(pictures[name][~hole], photo[~hole])
    for name in ("prefill", "coarse", "sources", "gate", "result"):
        assert pictures[name].shape == photo.shape


def test_detail_comes_with_the_stages(planted: tuple[Image8, HoleMap], pictures: dict[str, Image8]) -> None:
    photo, hole = planted
    error = {name: np.abs(pictures[name].astype(int) - photo)[hole].mean() for name in ("prefill", "result")}
    assert error["result"] < 0.5 * error["prefill"]


def test_the_gate_is_the_brightness_of_tokens(planted: tuple[Image8, HoleMap]) -> None:
    photo, hole = planted
    explanation = Inpainter(threads=1).explain(photo, hole)
    explanation.gate[:2] = 0, 0.5
    explanation.is_copied[:2] = True
    explanation.is_copied[2] = False
    drawn = gate_picture(explanation)
    middles = np.rint(explanation.corner_yx[:3] + np.array(explanation.side_yx) / 2).astype(int)
    assert [drawn[y, x].tolist() for y, x in middles] == [[0] * 3, [128] * 3, list(UNCOPIED)]
    assert drawn[0, 0].tolist() == [14] * 3
    assert (gate_picture(explain_nothing(photo)) <= 77).all()


def test_files_are_small_enough_to_be_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("skimage")
    assert main(["figures", "--stages", "--out", str(tmp_path / "out")]) == 0
    files = [tmp_path / "out" / f"stage-{name}.jpg" for name in STAGES]
    assert capsys.readouterr().out.splitlines() == [str(file) for file in files]
    for file in files:
        assert file.stat().st_size < MAX_BYTES
        with Image.open(file) as picture:
            assert picture.size == sample()[0].shape[1::-1]
