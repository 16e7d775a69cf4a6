from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from rethined.batch.fill import Report
from rethined.batch.jobs import Task
from rethined.batch.staging import staged
from rethined.errors import ImageReadError, MaskError
from rethined.masking import AlphaMask, FileMask
from rethined.places import Url

fsspec = pytest.importorskip("fsspec", reason="object stores need fsspec: pip install 'rethined[cluster]'")


@pytest.fixture
def task() -> Iterator[Task]:
    """Photograph, mask and result of one name, in a store."""
    store = Url("memory:/", PurePosixPath("/shelf"))
    (store / "photos/a.png").write_bytes(b"photo")
    (store / "masks/a.png").write_bytes(b"mask")
    yield Task(store / "photos/a.png", FileMask(path=store / "masks/a.png"), store / "out/a.png", "a.png")
    fsspec.filesystem("memory").rm("/shelf", recursive=True)


def joined(task: Task) -> Report:
    """Work on files of this machine."""
    assert isinstance(task.mask, FileMask)
    assert all(isinstance(place, Path) for place in (task.photo, task.mask.path, task.out))
    assert Path(task.photo).parts[-3:] == ("shelf", "photos", "a.png")  # annotations may name it with its folders
    Path(task.out).parent.mkdir(parents=True, exist_ok=True)
    Path(task.out).write_bytes(Path(task.photo).read_bytes() + b"+" + Path(task.mask.path).read_bytes())
    return Report((f"{task.out} is odd",), str(Path(task.photo).parents[3]))


def failed(task: Task) -> Report:
    assert isinstance(task.mask, FileMask)
    raise MaskError(f"{task.mask.path} and {task.photo} differ")


def test_files_are_brought_and_sent(task: Task) -> None:
    report = staged(joined)(task)
    folder = Path(report.line)
    assert isinstance(task.out, Url)
    assert task.out.read_bytes() == b"photo+mask"
    assert folder.is_absolute()
    assert not folder.exists()
    assert report.warnings == ("memory://shelf/out/a.png is odd",)


def test_some_may_be_here(task: Task, tmp_path: Path) -> None:
    out = tmp_path / "deep/a.png"
    staged(joined)(Task(task.photo, task.mask, out, "a.png"))
    assert out.read_bytes() == b"photo+mask"


def test_what_is_all_here_is_left_where_it_is(tmp_path: Path) -> None:
    seen: list[Task] = []
    task = Task(tmp_path / "a", AlphaMask(), tmp_path / "b", "b")
    staged(lambda given: (seen.append(given), Report())[1])(task)
    assert seen == [task]


def test_errors_name_the_urls_and_nothing_is_sent(task: Task) -> None:
    with pytest.raises(MaskError) as caught:
        staged(failed)(task)
    assert str(caught.value) == "memory://shelf/masks/a.png and memory://shelf/photos/a.png differ"
    assert isinstance(task.out, Url)
    assert not task.out.is_file()


def test_what_is_missing_is_named(task: Task) -> None:
    assert isinstance(task.photo, Url)
    task.photo.unlink()
    with pytest.raises(ImageReadError, match=r"there is no file at memory://shelf/photos/a\.png"):
        staged(joined)(task)


def test_it_can_go_to_another_process() -> None:
    pickle.loads(pickle.dumps(staged(Report)))
