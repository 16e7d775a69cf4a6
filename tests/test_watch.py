from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from planted import killed_while_writing
from rethined.batch.fill import Filler, Report, Settings
from rethined.batch.jobs import JobList, Task, list_jobs
from rethined.batch.journal import JOURNAL_NAME
from rethined.batch.run import Outcome
from rethined.cli import main
from rethined.engine import Inpainter
from rethined.errors import FileError, ImageReadError, ModelNotFoundError, OptionError
from rethined.imageio import read_image, write_image
from rethined.masking import MaskRule
from rethined.types import HoleMap, Image8
from rethined.watch import Listener, Pace, watch

SIZE_HW = (64, 80)
Happening = Callable[[], None]


@pytest.fixture
def photo(rng: np.random.Generator) -> Image8:
    return rng.integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)


@pytest.fixture
def hole() -> HoleMap:
    hole = np.zeros(SIZE_HW, bool)
    hole[20:40, 30:50] = True
    return hole


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, hole: HoleMap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    write_image("mask.png", hole * np.uint8(255))


class World:
    """A folder that is watched, with a clock that only waiting moves, and what happens at which second."""

    def __init__(self, network: Path, rule: MaskRule | None = None) -> None:
        self.now_s = 0.0
        self.end_s = 10.0
        self.happenings: dict[float, Happening] = {}
        self.heard: list[str] = []
        self.times_s: dict[str, float] = {}
        self._network = network
        self._rule = rule or MaskRule(file=Path("mask.png"))

    def find(self) -> JobList:
        if not Path("in").is_dir():
            raise ImageReadError("there is no folder")
        return list_jobs(["in"], self._rule, Path("out"))

    def run(self, *, once: bool = False, pace: Pace | None = None, network: Path | None = None) -> Outcome:
        listener = Listener(self._filled, lambda photo, why: self.heard.append(f"{photo}: {why}"), self.heard.append)
        return watch(
            self.find,
            Settings(network=network or self._network, threads=1),
            Path("out"),
            listener,
            pace=pace,
            once=once,
            is_stopped=lambda: self.now_s >= self.end_s,
            sleep=self._sleep,
            clock=lambda: self.now_s,
        )

    def _filled(self, task: Task, report: Report, _seconds: float) -> None:
        self.heard.append(f"{task.name} filled")
        self.heard += report.warnings
        self.times_s[task.name] = self.now_s

    def _sleep(self, seconds: float) -> None:
        assert 0 < seconds <= 0.25, "a wish to stop would go unheard"
        self.now_s += seconds
        for due_s in [due_s for due_s in self.happenings if due_s <= self.now_s]:
            self.happenings.pop(due_s)()


@pytest.fixture
def world(tiny_network_path: Path) -> World:
    return World(tiny_network_path)


def write_at(path: str, photo: Image8, time_ns: int) -> None:
    write_image(path, photo)
    os.utime(path, ns=(time_ns, time_ns))


# ---- what is filled, and when ----


def test_photographs_are_filled_as_they_come(
    world: World, photo: Image8, hole: HoleMap, tiny_network_path: Path
) -> None:
    write_image("in/a.png", photo)
    world.happenings[4.0] = lambda: write_image("in/b.png", photo[::-1])
    assert world.run() == Outcome(filled=2, skipped=0, failed=0)
    assert world.heard == ["a.png filled", "b.png filled"]
    inpainter = Inpainter(tiny_network_path, threads=1)
    np.testing.assert_array_equal(read_image("out/a.png"), inpainter(photo, hole))
    np.testing.assert_array_equal(read_image("out/b.png"), inpainter(photo[::-1], hole))
    assert 2 <= world.times_s["a.png"] < 3.5
    assert 6 <= world.times_s["b.png"] < 7.5


def test_a_photograph_is_left_alone_while_it_is_being_written(world: World, photo: Image8) -> None:
    write_image("whole.png", photo)
    content = Path("whole.png").read_bytes()
    parts = [content[: len(content) * i // 4] for i in range(1, 5)]
    Path("in/a.png").write_bytes(parts[0])
    for second, part in enumerate(parts[1:], 1):
        world.happenings[1.5 * second] = lambda part=part: Path("in/a.png").write_bytes(part)  # type: ignore[misc]
    assert world.run() == Outcome(filled=1, skipped=0, failed=0)
    assert world.heard == ["a.png filled"]
    assert world.times_s["a.png"] >= 4.5 + 2


def test_nothing_is_filled_twice_after_a_restart_neither(world: World, photo: Image8, tiny_network_path: Path) -> None:
    write_image("in/a.png", photo)
    world.run()
    again = World(tiny_network_path)
    assert again.run() == Outcome(filled=0, skipped=1, failed=0)
    assert again.heard == []


def test_results_may_be_taken_away(world: World, photo: Image8, tiny_network_path: Path) -> None:
    write_image("in/a.png", photo)
    world.happenings[5.0] = Path("out/a.png").unlink
    assert world.run().filled == 1
    assert World(tiny_network_path).run() == Outcome(filled=0, skipped=1, failed=0)
    assert not Path("out/a.png").exists()


def test_a_result_may_be_taken_away_before_it_is_noted(
    world: World, photo: Image8, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = Filler.__call__

    def taken(self: Filler, task: Task) -> Report:
        report = fill(self, task)
        task.out.rename("elsewhere.png")
        return report

    monkeypatch.setattr(Filler, "__call__", taken)
    write_image("in/a.png", photo)
    assert world.run() == Outcome(filled=1, skipped=0, failed=0)


def test_what_changes_is_filled_again(world: World, photo: Image8, hole: HoleMap, tiny_network_path: Path) -> None:
    write_at("in/a.png", photo, 1)
    world.happenings[4.0] = lambda: write_at("in/a.png", photo[::-1], 2)
    assert world.run().filled == 2
    expected = Inpainter(tiny_network_path, threads=1)(photo[::-1], hole)
    np.testing.assert_array_equal(read_image("out/a.png"), expected)


def test_a_photograph_waits_for_its_mask(tiny_network_path: Path, photo: Image8, hole: HoleMap) -> None:
    world = World(tiny_network_path, MaskRule(suffix="_mask"))
    write_image("in/a.png", photo)
    world.happenings[4.0] = lambda: write_image("in/a_mask.png", hole * np.uint8(255))
    assert world.run() == Outcome(filled=1, skipped=0, failed=0)
    assert world.heard == ["in/a.png: has no mask: there is no picture in/a_mask.*", "a.png filled"]
    assert world.times_s["a.png"] >= 6


def test_what_fails_is_told_once_and_tried_again_when_it_changes(world: World, photo: Image8) -> None:
    Path("in/a.png").write_text("no picture")
    Path("in/b.png").write_text("no picture either")
    write_image("in/c.png", photo)
    world.happenings[5.0] = lambda: write_image("in/a.png", photo)
    assert world.run() == Outcome(filled=2, skipped=0, failed=1)
    failures = [line for line in world.heard if "is not a picture" in line]
    assert [line.split(":")[0] for line in failures] == ["in/a.png", "in/b.png"]
    assert world.heard[2:] == ["c.png filled", "a.png filled"]


def test_the_run_goes_on_after_what_nobody_foresaw(
    world: World, photo: Image8, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: Filler, task: Task) -> Report:
        raise ZeroDivisionError(task.name)

    monkeypatch.setattr(Filler, "__call__", fail)
    write_image("in/a.png", photo)
    assert world.run() == Outcome(filled=0, skipped=0, failed=1)
    assert world.heard == ["in/a.png: ZeroDivisionError: a.png"]


def test_a_folder_that_goes_and_comes_back_is_waited_for(world: World, photo: Image8) -> None:
    world.happenings[2.5] = lambda: Path("in").rename("gone")
    world.happenings[5.0] = lambda: Path("gone").rename("in")
    world.happenings[5.1] = lambda: write_image("in/a.png", photo)
    assert world.run() == Outcome(filled=1, skipped=0, failed=0)
    assert world.heard == ["there is no folder; waiting for it", "it is there again", "a.png filled"]


def test_photographs_that_go_before_they_are_filled_are_no_failures(world: World, photo: Image8) -> None:
    write_image("in/a.png", photo)
    world.happenings[1.0] = Path("in/a.png").unlink
    assert world.run() == Outcome(filled=0, skipped=0, failed=0)
    assert world.heard == []


def test_a_stopped_watch_fills_no_more(world: World, photo: Image8, monkeypatch: pytest.MonkeyPatch) -> None:
    fill = Filler.__call__

    def last(self: Filler, task: Task) -> Report:
        world.end_s = 0
        return fill(self, task)

    monkeypatch.setattr(Filler, "__call__", last)
    write_image("in/a.png", photo)
    write_image("in/b.png", photo)
    assert world.run() == Outcome(filled=1, skipped=0, failed=0, left=1)
    assert sorted(path.name for path in Path("out").iterdir()) == [JOURNAL_NAME, "a.png"]


# ---- once ----


def test_once_fills_what_is_there_and_complete(world: World, photo: Image8) -> None:
    write_image("in/a.png", photo)
    write_at("in/b.png", photo, 1)
    world.happenings[1.0] = lambda: write_at("in/b.png", photo, 2)
    assert world.run(once=True) == Outcome(filled=1, skipped=0, failed=0, left=1)
    assert world.now_s == pytest.approx(2)
    assert world.run(once=True, pace=Pace(settle_s=0)) == Outcome(filled=1, skipped=1, failed=0)


# ---- what cannot be done ----


@pytest.mark.parametrize("pace", [{"every_s": -1.0}, {"settle_s": 1e9}, {"every_s": float("nan")}])
def test_a_pace_that_is_none_is_refused(pace: dict[str, float]) -> None:
    with pytest.raises(OptionError, match="expected 0 to 86400"):
        Pace(**pace)


def test_what_nothing_could_be_filled_with_is_refused_at_once(world: World) -> None:
    with pytest.raises(ModelNotFoundError):
        world.run(network=Path("missing.onnx"))
    assert not Path("out").exists()
    Path("out").write_text("a file")
    with pytest.raises(FileError, match="cannot make the folder out"):
        world.run()
    Path("in").rename("gone")
    with pytest.raises(ImageReadError, match="there is no folder"):
        world.run()


# ---- the command ----


@pytest.fixture
def arguments(tiny_network_path: Path) -> list[str]:
    return ["watch", "in", "out", "--mask", "mask.png", "--network", str(tiny_network_path), "--threads", "1"]


def test_the_command_fills_what_is_there(
    arguments: list[str], photo: Image8, hole: HoleMap, tiny_network_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("in/deep").mkdir()
    write_image("in/deep/a.bmp", photo)
    given = ["--once", "--settle", "0", "-r", "--format", "png", "--invert"]
    write_image("mask.png", ~hole * np.uint8(255))
    assert main([*arguments, *given]) == 0
    np.testing.assert_array_equal(read_image("out/deep/a.png"), Inpainter(tiny_network_path, threads=1)(photo, hole))
    out, err = capsys.readouterr()
    assert out == ""
    assert "in/deep/a.bmp filled in " in err
    assert err.endswith("rethined: 1 filled, 0 done before, 0 failed\n")
    Path("in/broken.png").write_text("no picture")
    assert main([*arguments, *given, "--quiet"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["--every", "-1"], "every is -1 s"),
        (["--box", "1,2,3,4"], " and --box are given"),
        (["--format", "gif"], "the format is 'gif'"),
        (["--threads", "0"], "threads is 0"),
    ],
)
def test_arguments_that_cannot_be_used_end_with_two(
    arguments: list[str], changes: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--once", *changes]) == 2
    assert says in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_missing_folder_or_one_for_both_ends_with_two(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for folders, says in {("none", "out"): "there is no folder at 'none'", ("in", "in"): "lie in --out 'in'"}.items():
        assert main(["watch", *folders, *arguments[3:]]) == 2
        assert says in capsys.readouterr().err


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(arguments: list[str], photo: Image8, ending: signal.Signals) -> None:
    write_image("in/a.png", photo)
    given = [*arguments, "--settle", "0", "--every", "0.1"]
    with subprocess.Popen([sys.executable, "-m", "rethined", *given], stderr=subprocess.PIPE) as program:
        assert program.stderr
        assert b"in/a.png filled in" in program.stderr.readline()
        time.sleep(0.1)
        program.send_signal(ending)
        assert program.wait(20) == 0
        said = program.stderr.read()
    assert said == b"rethined: finishing what is going on\nrethined: 1 filled, 0 done before, 0 failed\n"
    assert sorted(path.name for path in Path("out").iterdir()) == [JOURNAL_NAME, "a.png"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can be asked whether a process is there")
def test_what_a_killed_watch_left_half_written_is_removed(world: World) -> None:
    Path("out").mkdir()
    left = killed_while_writing(Path("out"))
    world.run(once=True)
    assert not left.exists()
    assert "half-written files of a run that was killed: 1 removed" in world.heard
