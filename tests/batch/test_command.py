from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rethined.batch.fill import Filler, Report
from rethined.batch.jobs import Task
from rethined.batch.journal import JOURNAL_NAME
from rethined.cli import main
from rethined.engine import Inpainter
from rethined.imageio import read_image, write_image
from rethined.types import HoleMap, Image8

Run = Callable[..., int]


pytestmark = pytest.mark.usefixtures("album")


@pytest.fixture
def run(tiny_network_path: Path) -> Run:
    def run(*arguments: str) -> int:
        return main(["batch", *arguments, "--network", str(tiny_network_path), "--threads", "1"])

    return run


def files(folder: str = "out") -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if path.is_file())


def test_a_folder_is_filled(run: Run, tiny_network_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("photos", "-r", "--mask", "mask.png", "--out", "out", "--grow", "2", "--format", "png") == 0
    assert files() == [JOURNAL_NAME, "a.png", "b.png", "deep/c.png"]
    assert main(
        ["inpaint", "photos/a.png", "mask.png", "-o", "one.png", "--grow", "2", "--network", str(tiny_network_path)]
    ) == 0  # fmt: skip
    np.testing.assert_array_equal(read_image("out/a.png"), read_image("one.png"))
    assert capsys.readouterr().out == ""
    assert run("photos", "-r", "--mask", "mask.png", "--out", "out", "--grow", "2", "--format", "png", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_a_manifest_is_filled(run: Run, hole: HoleMap, tiny_network_path: Path, photo: Image8) -> None:
    write_image("photos/kept.png", ~hole * np.uint8(255))
    Path("photos/list.csv").write_text("image,mask,out\na.png,kept.png,x/first.png\ndeep/c.tif,kept.png,\n")
    assert run("--manifest", "photos/list.csv", "--out", "out", "--invert") == 0
    assert files() == [JOURNAL_NAME, "deep/c.tif", "x/first.png"]
    expected = Inpainter(tiny_network_path, threads=1)(photo, hole)
    np.testing.assert_array_equal(read_image("out/x/first.png"), expected)


def test_transparency_is_filled(run: Run, photo: Image8, hole: HoleMap) -> None:
    write_image("clear.png", np.dstack([photo, ~hole * np.uint8(255)]))
    assert run("clear.png", "--mask-alpha", "--out", "out") == 0
    assert (read_image("out/clear.png", as_stored=True)[..., 3] == 255).all()


def test_annotations_of_many_photographs_in_one_file_are_filled(run: Run, tiny_network_path: Path) -> None:
    coco = {
        "images": [
            {"id": 1, "file_name": "a.png", "height": 64, "width": 80},
            {"id": 2, "file_name": "b.png", "height": 64, "width": 80},
        ],
        "categories": [{"id": 1, "name": "dust"}, {"id": 2, "name": "face"}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [30, 20, 20, 20]},
            {"image_id": 2, "category_id": 1, "bbox": [5, 6, 8, 9]},
            {"image_id": 2, "category_id": 2, "bbox": [40, 40, 20, 20]},
        ],
    }
    Path("marks.json").write_text(json.dumps(coco))
    assert run("photos", "--mask", "marks.json", "--mask-label", "dust", "--out", "out", "--quiet") == 0
    for photo, box in {"a.png": [20, 40, 30, 50], "b.png": [6, 15, 5, 13]}.items():
        hole = np.zeros((64, 80), bool)
        hole[box[0] : box[1], box[2] : box[3]] = True
        expected = Inpainter(tiny_network_path, threads=1)(read_image(f"photos/{photo}"), hole)
        np.testing.assert_array_equal(read_image(f"out/{photo}"), expected)


def test_failures_end_with_one(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos/broken.png").write_text("no picture")
    assert run("photos", "--mask", "mask.png", "--out", "out") == 1
    assert files() == [JOURNAL_NAME, "a.png", "b.png"]
    assert capsys.readouterr().err.count("photos/broken.png: ") == 2


def test_a_preview_fills_nothing(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    write_image("photos/a_m.png", read_image("mask.png"))
    assert run("photos", "--mask-suffix", "_m", "--out", "out", "--preview", "--invert") == 1
    assert files() == ["a.png.preview.jpg"]
    out, err = capsys.readouterr()
    assert out == "photos/a.png: 92.2% of the picture is filled: black in a_m.png\n"
    assert "photos/b.png: has no mask" in err
    assert "warning: photos/a.png: the mask marks 92% as hole" in err
    assert "1 shown, 1 failed" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--mask", "mask.png"], "no photographs are given"),
        (["photos"], "no mask is given"),
        (["photos", "--mask", "mask.png", "--mask-alpha"], "--mask and --mask-alpha are given"),
        (["photos", "--manifest", "list.csv"], "--manifest names photographs and masks; leave out PHOTOS"),
        (["--manifest", "list.csv", "--mask", "mask.png"], "leave out PHOTOS, --recursive, --mask"),
        (["--manifest", "list.csv", "--mask-tolerance", "3"], "leave out PHOTOS, --recursive, --mask"),
        (["--manifest", "list.csv"], "cannot read the manifest list.csv"),
        (["missing", "--mask", "mask.png"], "there is no file or folder at 'missing'"),
        (["photos", "--mask", "missing.png"], "there is no mask file at 'missing.png'"),
        (["photos", "--mask-dir", "missing"], "there is no folder of masks at 'missing'"),
        (["photos", "--mask-alpha", "--invert"], "invert goes with a mask, not with transparency"),
        (["photos", "--mask", "mask.png", "--format", "gif"], "the format is 'gif'"),
        (["photos", "--mask", "mask.png", "--jobs", "0"], "jobs is 0"),
        (["photos", "--mask", "mask.png", "--engine", "x"], "the engine is 'x'; expected local or ray"),
        (["photos", "--mask", "mask.png", "--cluster", "auto"], "the engine local; pass --engine ray too"),
        (["photos", "--mask", "mask.png", "--engine", "ray", "--preview"], "leave out --engine ray"),
        (["photos", "--mask", "mask.png", "--engine", "ray", "--jobs", "0"], "jobs is 0"),
        (["nowhere://photos", "--mask", "mask.png"], "Protocol not known: nowhere"),
        (["photos", "--mask", "mask.png", "--grow", "-1"], "--grow is -1"),
        (["photos", "--mask", "mask.png", "--threads", "0"], "threads is 0"),
        (["photos", "--mask", "mask.png", "--runtime", "x"], "--runtime is 'x'"),
        (["photos", "--mask", "mask.png", "--forbid", "missing.png"], "there is no forbid mask at 'missing.png'"),
        (["photos/*.jpg", "--mask", "mask.png"], "no picture file matches 'photos/*.jpg'"),
        (["photos", "--mask", "mask.png", "--out", "photos"], "lie in --out 'photos'"),
        (["photos", "--mask", "mask.png", "--out", "mask.png"], "cannot make the folder mask.png"),
    ],
)
def test_what_cannot_be_done_ends_with_two_and_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str, tiny_network_path: Path
) -> None:
    before = files(".")
    assert main(["batch", "--out", "out", "--network", str(tiny_network_path), *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.count("\n") == 1
    assert files(".") == before
    assert not Path("out").exists()


def test_an_interrupt_lets_the_current_file_be_finished(
    run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fill = Filler.__call__

    def interrupted(self: Filler, task: Task) -> Report:
        signal.raise_signal(signal.SIGINT)
        return fill(self, task)

    monkeypatch.setattr(Filler, "__call__", interrupted)
    assert run("photos", "--mask", "mask.png", "--out", "out") == 130
    assert files() == [JOURNAL_NAME, "a.png"]
    err = capfd.readouterr().err
    assert "finishing what is going on" in err
    assert err.endswith("rethined: 1 filled, 1 left\nrethined: interrupted\n")


def test_a_killed_run_goes_on_where_it_was(run: Run, photo: Image8, tiny_network_path: Path) -> None:
    for i in range(60):
        write_image(f"photos/many{i:02d}.png", photo)
    arguments = ["batch", "photos", "--mask", "mask.png", "--out", "out", "--network", str(tiny_network_path)]
    journal = Path("out", JOURNAL_NAME)
    process = subprocess.Popen([sys.executable, "-m", "rethined", *arguments], stderr=subprocess.DEVNULL)
    while process.poll() is None and not (journal.is_file() and journal.read_bytes().count(b"\n") > 2):
        time.sleep(0.002)
    process.kill()
    process.wait()
    done = re.findall(rb'"out":"([^"]+)"', journal.read_bytes())
    assert 3 <= len(done) < 62
    times_ns = {name: Path("out", name.decode()).stat().st_mtime_ns for name in done}
    assert run("photos", "--mask", "mask.png", "--out", "out") == 0
    assert {name: Path("out", name.decode()).stat().st_mtime_ns for name in done} == times_ns
    assert len([name for name in files() if not name.startswith(".")]) == 62
