from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planted import killed_while_writing
from rethined.files import LEFT_S, clear_leftovers, fault_of, private_folder, sha256_of, whole_or_nothing, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    with whole_or_nothing(tmp_path / "new.txt") as partial:
        partial.write_text("new")
        assert "new.txt" not in names(tmp_path)
    assert names(tmp_path) == ["new.txt"]
    assert (tmp_path / "new.txt").read_text() == "new"


def write_half(path: Path, error: type[BaseException]) -> None:
    with whole_or_nothing(path) as partial:
        partial.write_text("half")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_everything_is_as_before(error: type[BaseException], tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    for name in ("old.txt", "new.txt"):
        with pytest.raises(error):
            write_half(tmp_path / name, error)
    assert names(tmp_path) == ["old.txt"]
    assert (tmp_path / "old.txt").read_text() == "old"


def test_an_old_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("old")
    with whole_or_nothing(tmp_path / "old.txt") as partial:
        partial.write_text("new")
        assert (tmp_path / "old.txt").read_text() == "old"
    assert (tmp_path / "old.txt").read_text() == "new"


def test_text_is_utf8_and_its_checksum_known(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "für")
    assert (tmp_path / "a.txt").read_bytes() == b"f\xc3\xbcr"
    write_text(tmp_path / "a.txt", "abc")
    assert sha256_of(tmp_path / "a.txt") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


posix = pytest.mark.skipif(os.name != "posix", reason="elsewhere nobody can be asked whether a process is there")


@pytest.fixture
def leftover(tmp_path: Path) -> Path:
    return killed_while_writing(tmp_path)


@posix
def test_what_a_killed_process_left_is_cleared(leftover: Path) -> None:
    others = leftover.with_name("photo.png"), leftover.with_name(".rethined-0.part")
    for other in others:
        other.touch()
    assert clear_leftovers(leftover.parent) == 1
    assert names(leftover.parent) == sorted(other.name for other in others)
    assert clear_leftovers(leftover.parent) == 0


@posix
def test_private_folders_of_killed_processes_are_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = "import os, signal\nfrom rethined.files import *\n(make_private_folder() / 'photo.jpg').touch()\n"
    subprocess.run(
        [sys.executable, "-c", f"{code}os.kill(os.getpid(), 9)"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
    )
    (left,) = tmp_path.iterdir()
    assert names(left) == ["photo.jpg"]
    assert left.stat().st_mode & 0o777 == 0o700
    with private_folder() as folder:
        (folder / "photo.jpg").touch()
        assert clear_leftovers(tmp_path) == 1
        assert names(tmp_path) == [folder.name]
    assert names(tmp_path) == []


@posix
def test_what_is_being_written_stays(tmp_path: Path) -> None:
    with whole_or_nothing(tmp_path / "new.txt") as partial:
        partial.write_text("new")
        assert clear_leftovers(tmp_path) == 0
    assert names(tmp_path) == ["new.txt"]


@posix
def test_what_another_machine_may_be_writing_stays_for_a_day(leftover: Path) -> None:
    other = leftover.rename(leftover.with_name(re.sub("-[0-9a-f]{8}-", "-00000000-", leftover.name)))
    assert clear_leftovers(leftover.parent) == 0
    os.utime(other, (time.time(), time.time() - LEFT_S - 1))
    assert clear_leftovers(leftover.parent) == 1
    assert names(leftover.parent) == []


def test_a_folder_that_cannot_be_listed_is_let_be(tmp_path: Path) -> None:
    assert clear_leftovers(tmp_path / "missing") == 0


def test_faults_of_paths_are_told_and_nothing_of_others(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    for place in (tmp_path, tmp_path / "a.txt", tmp_path / "none", tmp_path / "a.txt" / "none"):
        assert fault_of(place) == ""
    assert "too long" in fault_of(tmp_path / ("a" * 300))
    assert "null" in fault_of("a\0")
    assert "surrogate" in fault_of("\ud800")


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError("odd")])
def test_a_folder_without_rights_is_a_fault(error: OSError, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> None:
        raise error

    monkeypatch.setattr(Path, "stat", refuse)
    assert fault_of("locked/a.png") == (error.strerror or "OSError")
