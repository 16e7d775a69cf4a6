"""Runs whose photographs, masks and results lie in an object store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from rethined.batch.jobs import JobList, MaskRule, Task, list_jobs
from rethined.batch.journal import MARKS_NAME
from rethined.cli import main
from rethined.errors import ImageReadError, OptionError
from rethined.imageio import read_image, write_image
from rethined.masking import AlphaMask, FileMask
from rethined.places import Location, Url
from rethined.types import HoleMap, Image8

fsspec = pytest.importorskip("fsspec", reason="object stores need fsspec: pip install 'rethined[cluster]'")

SHELF = Url("memory:/", PurePosixPath("/shelf"))
OUT = SHELF / "out"


@pytest.fixture(autouse=True)
def shelf() -> Iterator[None]:
    yield
    memory = fsspec.filesystem("memory")
    if memory.exists("/shelf"):
        memory.rm("/shelf", recursive=True)


def put(*names: str) -> None:
    for name in names:
        (SHELF / name).write_bytes(b"")


def listed(*inputs: str, out: Location = OUT, recursive: bool = False, **rule: object) -> JobList:
    return list_jobs([f"memory://shelf/{given}" for given in inputs], MaskRule(**rule), out, recursive=recursive)


def named(jobs: JobList) -> list[tuple[str, str]]:
    return [(str(mask_path(task)).removeprefix("memory://shelf/"), task.name) for task in jobs.tasks]


def mask_path(task: Task) -> Location:
    assert isinstance(task.mask, FileMask)
    return task.mask.path


def test_a_folder_is_listed_as_one_here_would_be() -> None:
    put("b.png", "b_mask.png", "a.jpg", "a_mask.png", ".hidden.png", "text.txt", "deep/c.tif", "deep/c_mask.png")
    put(".deep/d.png", "out/a.jpg")
    flat = [("a_mask.png", "a.jpg"), ("b_mask.png", "b.png")]
    assert named(listed("", suffix="_mask")) == flat
    jobs = listed("", suffix="_mask", recursive=True)
    assert named(jobs) == [*flat, ("deep/c_mask.png", "deep/c.tif")]
    assert str(jobs.tasks[-1].out) == "memory://shelf/out/deep/c.tif"
    assert jobs.results_left_out == 1
    assert named(listed("**/*.tif", suffix="_mask")) == [("deep/c_mask.png", "deep/c.tif")]
    assert named(listed("deep/c.tif", suffix="_mask")) == [("deep/c_mask.png", "c.tif")]


def test_masks_come_by_every_rule(tmp_path: Path) -> None:
    put("photos/a.png", "photos/b.png", "masks/a.png")
    jobs = listed("photos", folder=SHELF / "masks")
    assert named(jobs) == [("masks/a.png", "a.png")]
    assert [str(photo) for photo, _ in jobs.problems] == ["memory://shelf/photos/b.png"]
    assert "there is no picture memory://shelf/masks/b.*" in jobs.problems[0][1]
    assert [mask for mask, _ in named(listed("photos", file=SHELF / "masks/a.png"))] == ["masks/a.png"] * 2
    assert [task.mask for task in listed("photos", alpha=True).tasks] == [AlphaMask(), AlphaMask()]
    put("photos/a.json")
    jobs = listed("photos", suffix=".json")
    assert named(jobs) == [("photos/a.json", "a.png")]
    assert "there is no file memory://shelf/photos/b.json" in jobs.problems[0][1]
    (tmp_path / "mask.png").touch()
    assert {mask_path(task) for task in listed("photos", file=tmp_path / "mask.png").tasks} == {tmp_path / "mask.png"}


def test_what_would_do_harm_is_refused() -> None:
    put("photos/a.png")
    with pytest.raises(OptionError, match="lie in --out 'memory://shelf'"):
        listed("photos", out=SHELF, alpha=True)
    with pytest.raises(OptionError, match=r"would replace memory://shelf/photos/a\.png"):
        listed("photos/a.png", out=SHELF / "photos", alpha=True)
    with pytest.raises(ImageReadError, match="there is no file or folder at 'memory://shelf/missing'"):
        listed("missing", alpha=True)
    with pytest.raises(ImageReadError, match=r"no picture file matches 'memory://shelf/photos/\*\.jpg'"):
        listed("photos/*.jpg", alpha=True)


@pytest.fixture
def run(album: Path, tiny_network_path: Path) -> Callable[..., int]:
    """Fills the album's photographs and a broken one, all of them in the store."""
    for name in ("photos/a.png", "photos/b.png", "photos/deep/c.tif", "mask.png"):
        (SHELF / name).send(album / name)

    def run(*more: str) -> int:
        arguments = ["memory://shelf/photos", "-r", "--mask", "memory://shelf/mask.png", "--out", "memory://shelf/out"]
        return main(["batch", *arguments, "--network", str(tiny_network_path), "--threads", "1", *more])

    return run


def results() -> list[str]:
    return [url.relative_to(OUT).as_posix() for url in OUT.files(recursive=True) if MARKS_NAME not in url.path.parts]


def test_results_are_those_of_files_here(run: Callable[..., int], tiny_network_path: Path) -> None:
    assert run() == 0
    assert results() == ["a.png", "b.png", "deep/c.tif"]
    here = ["photos", "-r", "--mask", "mask.png", "--out", "here", "--network", str(tiny_network_path)]
    assert main(["batch", *here, "--threads", "1"]) == 0
    for name in results():
        assert (OUT / name).read_bytes() == Path("here", name).read_bytes()


def test_what_is_done_is_not_done_again(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], photo: Image8
) -> None:
    assert run() == 0
    assert run() == 0
    assert capsys.readouterr().err.endswith("rethined: 0 filled, 3 done before\n")
    write_image("other.png", photo[::-1])
    (SHELF / "photos/b.png").send(Path("other.png"))
    (OUT / "deep/c.tif").unlink()
    assert run() == 0
    assert capsys.readouterr().err.endswith("rethined: 2 filled, 1 done before\n")
    assert run("--grow", "1") == 0
    assert capsys.readouterr().err.endswith("rethined: 3 filled\n")
    marks = [url for url in OUT.files(recursive=True) if MARKS_NAME in url.path.parts]
    assert sorted(json.loads(mark.read_bytes())["out"] for mark in marks) == results(), "one line for each result"


def test_two_marks_of_one_result_say_nothing(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    (OUT / MARKS_NAME / "a.png.0123").write_bytes(b"")
    assert run() == 0
    assert capsys.readouterr().err.endswith("rethined: 1 filled, 2 done before\n")


def test_failures_name_the_url(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    (SHELF / "photos/broken.png").write_bytes(b"no picture")
    assert run() == 1
    err = capsys.readouterr().err
    assert "rethined: memory://shelf/photos/broken.png: 'memory://shelf/photos/broken.png' is not a picture" in err
    assert results() == ["a.png", "b.png", "deep/c.tif"]


@pytest.mark.usefixtures("run")
def test_a_manifest_may_lie_there_too(hole: HoleMap, tiny_network_path: Path) -> None:
    write_image("kept.png", ~hole * np.uint8(255))
    (SHELF / "kept.png").send(Path("kept.png"))
    (SHELF / "list.csv").write_bytes(b"image,mask,out\nphotos/a.png,memory://shelf/kept.png,x/first.png\n")
    arguments = ["--manifest", "memory://shelf/list.csv", "--out", "out", "--invert"]
    assert main(["batch", *arguments, "--network", str(tiny_network_path)]) == 0
    assert read_image("out/x/first.png").shape == read_image("photos/a.png").shape


def test_a_preview_is_drawn_there(run: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--preview") == 0
    assert results() == ["a.png.preview.jpg", "b.png.preview.jpg", "deep/c.tif.preview.jpg"]
    assert "memory://shelf/photos/a.png: 7.8% of the picture is filled: white in mask.png\n" in capsys.readouterr().out
