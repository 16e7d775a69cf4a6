from __future__ import annotations

import os
from pathlib import Path

import pytest

from rethined.batch.jobs import Task
from rethined.batch.journal import JOURNAL_NAME, Facts, Journal, facts_of
from rethined.errors import FileError
from rethined.masking import AlphaMask, FileMask


@pytest.fixture
def task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    for name in ("a.png", "m.png", "out/a.png"):
        Path(name).write_text("12")
    return Task(Path("a.png"), FileMask(path=Path("m.png")), Path("out/a.png"), "a.png")


def is_done(task: Task, facts: Facts | None) -> bool:
    with Journal(Path("out")) as journal:
        return journal.is_done(task, facts)


def note(task: Task) -> None:
    with Journal(Path("out")) as journal:
        journal.add(task, facts_of(task, "options"))


def test_what_is_noted_is_done_as_long_as_nothing_changes(task: Task) -> None:
    assert not is_done(task, facts_of(task, "options"))
    note(task)
    assert is_done(task, facts_of(task, "options"))
    assert not is_done(task, facts_of(task, "others"))
    task.out.unlink()
    assert not is_done(task, facts_of(task, "options"))


@pytest.mark.parametrize("name", ["a.png", "m.png"])
def test_a_changed_photograph_or_mask_is_to_be_filled_again(task: Task, name: str) -> None:
    note(task)
    status = Path(name).stat()
    Path(name).write_text("123")
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not is_done(task, facts_of(task, "options"))
    note(task)
    assert is_done(task, facts_of(task, "options"))
    os.utime(name, ns=(1, 1))
    assert not is_done(task, facts_of(task, "options"))


def test_another_photograph_of_the_same_name_size_and_time_is_not_done(task: Task) -> None:
    note(task)
    Path("b.png").write_text("12")
    status = task.photo.stat()
    os.utime("b.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert not is_done(task, facts_of(Task(Path("b.png"), task.mask, task.out, task.name), "options"))


def test_the_last_line_counts(task: Task) -> None:
    before = facts_of(task, "options")
    note(task)
    os.utime("a.png", ns=(1, 1))
    note(task)
    os.utime("a.png", ns=(before["photo"][2], before["photo"][2]))
    assert facts_of(task, "options") == before
    assert not is_done(task, before)


@pytest.mark.parametrize("kept", [0, 1, 20, -2, -1])
def test_a_line_that_was_cut_short_costs_that_file_alone(task: Task, kept: int) -> None:
    note(task)
    journal = Path("out", JOURNAL_NAME)
    line = journal.read_bytes()
    other = Task(task.photo, AlphaMask(), Path("out/b.png"), "b.png")
    other.out.write_text("")
    journal.write_bytes(b"\xff{]\n[]\n{}\n" + line + line.replace(b'"a.png","photo"', b'"c.png","photo"')[:kept])
    note(other)
    assert is_done(task, facts_of(task, "options"))
    assert is_done(other, facts_of(other, "options"))


def test_missing_files_are_never_done(task: Task) -> None:
    task.photo.unlink()
    assert facts_of(task, "options") is None
    note(task)
    assert Path("out", JOURNAL_NAME).read_bytes() == b""
    assert not is_done(task, None)


def test_a_result_that_was_taken_away_is_noted_but_not_done(task: Task) -> None:
    facts = facts_of(task, "options")
    task.out.unlink()
    with Journal(Path("out")) as journal:
        with pytest.raises(FileError, match="is filled and not here"):
            journal.add(task, facts)
        journal.add(task, facts, may_be_gone=True)
    assert not is_done(task, facts)
    with Journal(Path("out")) as journal:
        assert facts is not None
        assert journal.is_noted(task, facts)
        assert not journal.is_noted(task, {**facts, "options": "others"})


def test_names_may_hold_anything(task: Task) -> None:
    odd = Task(task.photo, AlphaMask(), Path("out/fü \udcff\n.png"), "fü \udcff\n.png")
    odd.out.write_text("")
    note(odd)
    assert is_done(odd, facts_of(odd, "options"))
    assert Path("out", JOURNAL_NAME).read_bytes().count(b"\n") == 1


def test_a_journal_that_cannot_be_opened_is_refused(task: Task) -> None:
    Path("out", JOURNAL_NAME).mkdir()
    with pytest.raises(FileError, match=r"cannot open the journal out/.rethined-batch.jsonl"):
        is_done(task, None)
