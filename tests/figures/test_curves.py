from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from rethined.cli import main
from rethined.errors import ReportError
from rethined.figures.curves import learning_curves, read_curve


def write_log(run: Path, count: int, *, watched_every: int = 3) -> Path:
    """Losses that fall from 1 by .1 a report; the gain in some of them."""
    run.mkdir()
    rows = []
    for n in range(count):
        row = {"step": 50 * (n + 1), "minutes": 2.0 * (n + 1), "coarse_fill": 1 - n / 10, "coarse_feature": 2.0}
        rows.append(row | ({"val_gain_db": n / 3} if n % watched_every == 0 else {}))
    (run / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def test_a_curve_has_what_the_log_has(tmp_path: Path) -> None:
    run = write_log(tmp_path / "mine", 7)
    curve = read_curve(run)
    assert curve.name == "mine"
    np.testing.assert_allclose(curve.values["val_gain_db"], [[2, 0], [8, 1], [14, 2]])
    np.testing.assert_allclose(curve.values["coarse_fill"][:, 1], 1 - np.arange(7) / 10)


def test_steps_that_were_taken_again_count_once(tmp_path: Path) -> None:
    run = write_log(tmp_path / "mine", 2)
    with (run / "log.jsonl").open("a") as log:
        log.write(json.dumps({"step": 100, "minutes": 5.0, "coarse_fill": 0.25}) + "\n")
    np.testing.assert_allclose(read_curve(run).values["coarse_fill"], [[2, 1], [5, 0.25]])


def test_panels_are_those_that_some_run_has(tmp_path: Path) -> None:
    watched, blind = write_log(tmp_path / "a", 30), write_log(tmp_path / "b", 4, watched_every=100)
    curves = [read_curve(run) for run in (watched, blind)]
    del curves[1].values["val_gain_db"]
    figure = learning_curves(curves)
    assert [len(axes.lines) for axes in figure.axes] == [1, 4, 4]
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    # The median runs along a straight line where there are as many reports on both sides.
    raw, smooth = (line.get_ydata() for line in figure.axes[1].lines[:2])
    np.testing.assert_allclose(np.asarray(smooth)[7:-7], np.asarray(raw)[7:-7])
    assert len(learning_curves([curves[1]]).axes) == 2


@pytest.mark.parametrize("text", ["no JSON\n", "[]\n", '{"step": 1, "coarse_fill": 2}\n'])
def test_what_is_no_log_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text(text)
    with pytest.raises(ReportError, match="is no log of rethined train"):
        read_curve(tmp_path)


def test_the_command_draws_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = [write_log(tmp_path / name, 9) for name in ("first", "second")]
    out = tmp_path / "out"
    assert main(["figures", "--run", str(runs[0]), "--run", str(runs[1]), "--out", str(out)]) == 0
    assert capsys.readouterr().out.split() == [str(out / f"learning-curves.{form}") for form in ("svg", "png")]
    words = re.findall(r">([^<>]+)</", (out / "learning-curves.svg").read_text())
    assert {"first", "second", "minutes of training"} <= set(words)


def test_runs_that_have_just_begun_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["figures", "--run", str(write_log(tmp_path / "new", 0)), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == "left out: learning curves: the runs have logged nothing yet\n"
    assert not (tmp_path / "out").exists()
