from __future__ import annotations

from pathlib import Path

import pytest

from rethined.errors import DatasetError, OptionError
from rethined.finetune.split import split


def files(folder: Path, contents: list[str], names: str = "{}.jpg") -> list[Path]:
    folder.mkdir(exist_ok=True)
    made = [folder / names.format(number) for number in range(len(contents))]
    for file, content in zip(made, contents, strict=True):
        file.write_text(content)
    return made


@pytest.mark.parametrize(
    ("count", "every", "held_out"), [(4, 5, 1), (4, 2, 2), (5, 5, 1), (6, 5, 2), (33, 5, 7), (320, 2, 32), (321, 5, 30)]
)
def test_every_nth_is_held_out_and_never_too_many(count: int, every: int, held_out: int, tmp_path: Path) -> None:
    all_files = files(tmp_path, [str(n) for n in range(count)])
    parts = split(all_files, every)
    assert len(parts.held_out) == held_out
    assert sorted(parts.trained + parts.held_out) == sorted(all_files)


def test_names_and_order_make_no_difference(tmp_path: Path) -> None:
    contents = [str(n) for n in range(9)]
    first = split(files(tmp_path / "a", contents), 3)
    other = split(files(tmp_path / "b", contents[::-1], "other-{}.png"), 3)
    assert [file.read_text() for file in first.held_out] == [file.read_text() for file in other.held_out]
    assert [file.read_text() for file in first.held_out] != ["0", "3", "6"]


def test_a_file_there_twice_is_not_on_both_sides(tmp_path: Path) -> None:
    parts = split(files(tmp_path, ["1", "2", "3", "4"] * 3), 2)
    assert sorted(file.name for file in parts.trained + parts.held_out) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]


def test_too_few_photographs_are_refused(tmp_path: Path) -> None:
    message = "there are 3 different photographs that can be used; fine-tuning needs at least 4.*add some"
    with pytest.raises(DatasetError, match=message):
        split(files(tmp_path, ["1", "2", "3", "2"]), 5)


@pytest.mark.parametrize("every", [1, 0, -2])
def test_holding_out_all_is_refused(every: int, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"one in {every} photographs is to be held out; expected one in 2 or more"):
        split(files(tmp_path, ["1", "2", "3", "4"]), every)
