from __future__ import annotations

from pathlib import Path

import pytest

from rethined.files import whole_or_nothing


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
