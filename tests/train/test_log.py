from __future__ import annotations

from pathlib import Path

import pytest

from rethined.train.log import read_log


def test_steps_that_were_taken_again_count_once_and_the_last_time(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    file.write_text('{"step": 50, "x": 1}\n{"step": 100, "x": 2}\n{"step": 100, "x": 3}\n')
    assert read_log(file) == [{"step": 50, "x": 1}, {"step": 100, "x": 3}]
    file.write_text("")
    assert read_log(file) == []


@pytest.mark.parametrize(("text", "error"), [("no JSON", ValueError), ("{}", KeyError), ("[]", TypeError)])
def test_what_is_no_log_is_told(text: str, error: type[Exception], tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(error):
        read_log(tmp_path / "log.jsonl")
