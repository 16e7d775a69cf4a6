from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from planted import killed_while_writing
from rethined.batch import engines as engines_module
from rethined.batch.fill import Filler, Report, Settings
from rethined.batch.jobs import Task, list_jobs
from rethined.batch.journal import JOURNAL_NAME
from rethined.batch.progress import Progress
from rethined.batch.run import Outcome, fill_all
from rethined.errors import ModelNotFoundError, OptionError
from rethined.imageio import write_image
from rethined.masking import MaskRule
from rethined.types import Image8

Run = Callable[..., Outcome]
NAMES = ["a.png", "b.png", "deep/c.tif"]


pytestmark = pytest.mark.usefixtures("album")


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def run(tiny_network_path: Path, said: io.StringIO) -> Run:
    """Fills the album's photographs into ``out``."""

    def run(out: str = "out", *, network: Path = tiny_network_path, **more: object) -> Outcome:
        jobs = list_jobs(["photos"], MaskRule(file=Path("mask.png")), Path(out), recursive=True)
        settings = Settings(network=network, threads=1)
        return fill_all(jobs, settings, Path(out), lambda total: Progress(total, said), **more)

    return run


@pytest.fixture
def filled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what is filled in this process, as it is begun; ``!`` before one makes it fail."""
    names: list[str] = []
    fill = Filler.__call__

    def watch(self: Filler, task: Task) -> Report:
        names.append(task.name)
        if f"!{task.name}" in names:
            raise KeyboardInterrupt
        return fill(self, task)

    monkeypatch.setattr(Filler, "__call__", watch)
    return names


def results(out: str) -> dict[str, bytes]:
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in Path(out).rglob("*")
        if path.is_file() and path.name != JOURNAL_NAME
    }


def test_what_is_filled_is_not_filled_again(run: Run, filled: list[str], said: io.StringIO) -> None:
    assert run() == Outcome(filled=3, skipped=0, failed=0)
    assert filled == NAMES
    assert run() == Outcome(filled=0, skipped=3, failed=0)
    assert filled == NAMES
    assert said.getvalue().splitlines()[-1] == "rethined: 0 filled, 3 done before"
    assert run(again=True) == Outcome(filled=3, skipped=0, failed=0)
    assert filled == NAMES * 2


def test_only_what_changed_is_filled_again(run: Run, filled: list[str], photo: Image8) -> None:
    run()
    Path("out/b.png").unlink()
    write_image("photos/deep/c.tif", photo)
    assert run() == Outcome(filled=2, skipped=1, failed=0)
    assert filled[3:] == ["b.png", "deep/c.tif"]


def test_another_network_fills_all_again(run: Run, zero_head_network_path: Path) -> None:
    run()
    assert run(network=zero_head_network_path) == Outcome(filled=3, skipped=0, failed=0)


def test_a_run_that_was_cut_off_goes_on_where_it_was(run: Run, filled: list[str]) -> None:
    filled.append("!b.png")
    with pytest.raises(KeyboardInterrupt):
        run()
    assert list(results("out")) == ["a.png"]
    filled.clear()
    assert run() == Outcome(filled=2, skipped=1, failed=0)
    assert filled == ["b.png", "deep/c.tif"]


def test_a_stopped_run_says_what_is_left(run: Run, filled: list[str], said: io.StringIO) -> None:
    assert run(is_stopped=lambda: len(filled) == 1) == Outcome(filled=1, skipped=0, failed=0, left=2)
    assert said.getvalue().splitlines()[-1] == "rethined: 1 filled, 2 left"
    assert list(results("out")) == ["a.png"]


def test_the_run_goes_on_after_what_fails(run: Run, said: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("photos/a.png").write_text("no picture")
    Path("photos/c.gif").touch()
    fill = Filler.__call__

    def fail(self: Filler, task: Task) -> Report:
        if task.name == "b.png":
            raise ZeroDivisionError("unforeseen")
        return fill(self, task)

    monkeypatch.setattr(Filler, "__call__", fail)
    assert run() == Outcome(filled=1, skipped=0, failed=3)
    assert list(results("out")) == ["deep/c.tif"]
    lines = said.getvalue().splitlines()
    failures = [line for line in lines if line.startswith(("rethined: photos", "  photos"))]
    for i, (photo, says) in enumerate(
        [("c.gif", "pass --format png"), ("a.png", "is not a picture"), ("b.png", "ZeroDivisionError: unforeseen")]
    ):
        for line in (failures[i], failures[3 + i]):
            assert f"photos/{photo}: " in line
            assert says in line
    assert lines[-1] == "rethined: 1 filled, 3 failed"


def test_processes_give_the_same_results_and_errors(run: Run, said: io.StringIO) -> None:
    Path("photos/broken.png").write_text("no picture")
    one = run("one")
    before = said.getvalue()
    assert run("two", processes=2) == one == Outcome(filled=3, skipped=0, failed=1)
    assert results("one") == results("two")
    assert sorted(results("two")) == NAMES
    assert said.getvalue()[len(before) :].count("photos/broken.png: ") == 2
    assert run("two", processes=2).skipped == 3


def test_cores_are_shared_out(run: Run, monkeypatch: pytest.MonkeyPatch, tiny_network_path: Path) -> None:
    monkeypatch.setattr(engines_module, "available_cores", lambda: 5)
    seen: list[int | None] = []
    inpainter = Settings.inpainter
    monkeypatch.setattr(Settings, "inpainter", lambda self, n: (seen.append(n), inpainter(self, 1))[1])
    jobs = list_jobs(["photos"], MaskRule(file=Path("mask.png")), Path("out"))
    run()
    for processes in (1, 2, 9):  # nothing is left to do, so that no process is started
        fill_all(
            jobs, Settings(network=tiny_network_path), Path("out"), lambda total: Progress(total, io.StringIO()),
            processes=processes,
        )  # fmt: skip
    assert seen == [1, 5, 2, 1]


def test_what_no_photograph_could_be_filled_with_is_refused_at_once(run: Run) -> None:
    with pytest.raises(ModelNotFoundError):
        run(network=Path("missing.onnx"))
    with pytest.raises(OptionError, match="jobs is 0"):
        run(processes=0)
    assert not Path("out").exists()


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can be asked whether a process is there")
def test_what_a_killed_run_left_half_written_is_removed(run: Run, said: io.StringIO) -> None:
    Path("out/deep").mkdir(parents=True)
    left = [killed_while_writing(folder) for folder in (Path("out"), Path("out/deep"), Path("photos"))]
    assert run() == Outcome(3, 0, 0)
    assert [path.exists() for path in left] == [False, False, True]
    assert "half-written files of a run that was killed: 2 removed" in said.getvalue()
