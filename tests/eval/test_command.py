from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from rethined.cli import main
from rethined.eval import command
from rethined.eval.cases import list_cases
from rethined.eval.page import ZOOM_PX, pick_looks
from rethined.eval.published import Published
from rethined.eval.run import evaluate


@pytest.fixture(autouse=True)
def without_fidelity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same everywhere: torch-fidelity may be installed here or not."""
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)


@pytest.fixture
def arguments(photos: Path, tmp_path: Path, tiny_network_path: Path) -> list[str]:
    return [
        *("eval", str(photos), "--out", str(tmp_path / "out"), "--sizes", "64,96", "--masks", "df8k-blobs,scratches"),
        *("--methods", "rethined,telea,ns", "--network", str(tiny_network_path), "--threads", "1"),
    ]


def test_the_command_writes_its_reports_and_says_the_same_twice(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert "| 64   | df8k-blobs | all" in first
    assert "left out, cannot be read: broken.png" in first
    assert "1 of 4 photographs left out" in first
    reason = "torch-fidelity is not installed; pip install 'rethined[published]'"
    assert f"- LPIPS n/a: {reason}\n- FID n/a: {reason}\n" in first
    out = tmp_path / "out"
    report = json.loads((out / "report.json").read_text())
    assert len(report["scores"]) == (2 + 1 + 2) * 2 * 3
    assert all(score["perc"] > 0 for score in report["scores"])
    assert all(score["lpips"] is None for score in report["scores"])
    assert report["unavailable"] == {"lpips": reason, "fid": reason}
    assert report["settings"]["network_sha256"]
    assert (out / "report.md").read_text() in first
    page = (out / "report.html").read_text()
    assert page.count("<figure>") == page.count("data:image/jpeg;base64,") > 0
    assert "http" not in page, "self-contained"
    written = {file: file.read_bytes() for file in out.glob("report.*")}
    assert main(arguments) == 0
    assert capsys.readouterr().out == first
    assert {file: file.read_bytes() for file in out.glob("report.*")} == written


def test_published_scores_are_computed_where_they_can_be(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path | None] = []

    def fake(folder: Path | None) -> Published:
        asked.append(folder)
        return Published(
            lpips=lambda result, original, _: float((result != original).mean()),
            features=lambda picture: picture.reshape(-1, 3).mean(0).astype(np.float32),
            weights={"w.pth": "ab"},
        )

    monkeypatch.setattr(command, "load_published", fake)
    assert main([*arguments, "--no-perc", "--metric-weights", "somewhere"]) == 0
    assert asked == [Path("somewhere")]
    said = capsys.readouterr().out
    assert "FID of 2 to 3 pictures: below 2,049" in said
    assert " n/a:" not in said
    assert main([*arguments, "--no-perc", "--out", str(tmp_path / "one"), "--limit", "1"]) == 0
    assert "- FID n/a: it needs two pictures" in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert all(score["lpips"] > 0 and score["perc"] is None for score in report["scores"])
    assert all(summary["fid"] >= 0 for summary in report["summaries"] if summary["shares"] is None)
    assert (report["unavailable"], report["metric_weights_sha256"]) == ({}, {"w.pth": "ab"})
    assert "FID of 2 to 3 pictures" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--methods", "magic"], "the method is 'magic'; expected the path of a file that ends in .jit, "),
        (["--methods", "telea,xphoto-shiftmap"], "the method 'xphoto-shiftmap' needs a Python of its own; make an"),
        (["--methods", "xphoto-shiftmap", "--peers-python", "none"], "there is no Python at none; make an environment"),
        (["--methods", "telea,telea"], "the methods are telea, telea; expected at least one, each once"),
        (["--masks", "dots"], "the hole preset is 'dots'"),
        (["--sizes", "big"], "'big' is no list of whole numbers"),
    ],
)
def test_bad_arguments_end_with_one_line(
    changes: list[str], message: str, arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *changes]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_looks_show_where_the_first_method_is_furthest_off(tmp_path: Path) -> None:
    from rethined.imageio import write_image

    (tmp_path / "photos").mkdir()
    rng = np.random.default_rng(0)
    for name in "abcdefgh":
        write_image(tmp_path / "photos" / f"{name}.png", rng.integers(100, 120, (400, 700, 3), np.uint8))
    cases = list_cases(tmp_path / "photos", sizes_px=[700], presets=["df8k-blobs"])
    case = next(cases.of_photo("c.png"))

    def wrong_in_one_place(image: np.ndarray, hole: np.ndarray) -> np.ndarray:
        result = image.copy()
        if np.array_equal(hole, case.hole):
            y, x = np.argwhere(hole)[-300:].T
            result[y, x] = 0
        return result

    scores, _ = evaluate(cases, {"odd": wrong_in_one_place}, tmp_path / "out")
    looks = pick_looks(cases, scores, tmp_path / "out")
    assert [look.title.split(":")[0] for look in looks] == ["worst"] * 4 + ["best"] * 2
    assert "c.png" in looks[0].title
    crops = dict(looks[0].crops)
    assert list(crops) == ["hole", "odd", "original"]
    assert all(crop.shape == (ZOOM_PX, ZOOM_PX, 3) for crop in crops.values())
    assert crops["odd"].min() == 0, "the window shows the error"
