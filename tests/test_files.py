from __future__ import annotations

from pathlib import Path

import pytest

from rethined.files import sha256_of, whole_or_nothing, write_text


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
