from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from PIL import Image

from rethined.cli import main
from rethined.figures.command import quality_points
from rethined.figures.reports import read_bench, read_eval

MAX_BYTES = 300 * 1024
QUALITY = ["quality-perc-1000-scratches", "quality-perc-1000-lama-thin"]


def draw(out: Path, *arguments: str | Path) -> int:
    return main(["figures", "--out", str(out), *map(str, arguments)])


def words(svg: Path) -> str:
    """All that a figure says."""
    return " ".join(re.findall(r">([^<>]+)</(?:text|tspan)>", svg.read_text()))


def test_both_reports_give_all_figures(
    eval_file: Path, bench_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = dict(matplotlib.rcParams)
    assert draw(tmp_path / "out", "--eval", eval_file, "--bench", bench_file) == 0
    names = [*QUALITY, "latency", "holes-2048"]
    files = [tmp_path / "out" / f"{name}.{form}" for name in names for form in ("svg", "png")]
    assert capsys.readouterr().out.splitlines() == [str(file) for file in files]
    assert sorted((tmp_path / "out").iterdir()) == sorted(files)
    for file in files:
        assert 1000 < file.stat().st_size < MAX_BYTES
        if file.suffix == ".svg":
            assert {"rethined", "telea", "ns", "Abacus"} <= set(words(file).replace(",", "").split())
        else:
            with Image.open(file) as picture:
                assert picture.size == (1200, 750)
                assert picture.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
    assert "20 pictures" in words(files[0])
    assert dict(matplotlib.rcParams) == before


def test_files_are_the_same_on_every_call(eval_file: Path, bench_file: Path, tmp_path: Path) -> None:
    for out in ("one", "two"):
        assert draw(tmp_path / out, "--eval", eval_file, "--bench", bench_file, "--masks", "scratches") == 0
    for file in (tmp_path / "one").iterdir():
        assert file.read_bytes() == (tmp_path / "two" / file.name).read_bytes()


def test_points_take_the_time_of_the_nearest_conditions(eval_file: Path, bench_file: Path) -> None:
    scored, timed = read_eval(eval_file), read_bench(bench_file)
    points, words, left_out = quality_points(scored, timed, (1000, "scratches"), "perc")
    assert left_out == []
    assert [(point.method, point.score, point.extra_mib) for point in points] == [
        ("rethined", 0.4, 80),
        ("telea", 0.6, 20),
        ("ns", 0.7, 5),
    ]
    assert points[0].median_ms == pytest.approx(100 * 20 / 7), "1024 px, 20 % hole, 2 threads"
    assert words == "1000 px, scratches, 20 pictures\ntime: 1024 x 1024 px, 20% hole, 2 threads, Abacus 3"
    thin, _, _ = quality_points(scored, timed, (1000, "lama-thin"), "hole_psnr_db")
    assert (thin[0].median_ms, thin[0].score) == pytest.approx((100 / 7, 26)), "1 % hole"


def test_an_evaluation_alone_brings_its_own_times(
    eval_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw(tmp_path / "out", "--eval", eval_file, "--masks", "scratches", "--score", "psnr") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "left out: latency against size, latency against holes: no --bench is given"
    assert [Path(line).name for line in said[1:]] == [f"quality-psnr-1000-scratches.{form}" for form in ("svg", "png")]
    shown = words(tmp_path / "out" / "quality-psnr-1000-scratches.svg")
    assert "as the evaluation ran them" in shown
    assert "MiB" not in shown


def test_a_benchmark_alone_of_one_size_and_share_says_what_it_lacks(
    bench_content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row for row in bench_content["rows"] if row["side_px"] == 512 and 0.05 < row["hole_share"] < 0.1]
    (tmp_path / "b.json").write_text(json.dumps(bench_content | {"rows": rows}))
    assert draw(tmp_path / "out", "--bench", tmp_path / "b.json") == 0
    assert capsys.readouterr().out.splitlines() == [
        "left out: quality against latency: no --eval is given",
        "left out: latency against size: the benchmark has one size; rethined bench --sizes 512,1024,2048",
        "left out: latency against holes: the benchmark has one share; rethined bench --shares 0.01,0.07,0.2",
    ]
    assert not (tmp_path / "out").exists()


def test_what_a_figure_cannot_show_is_named(
    eval_file: Path, bench_content: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [row for row in bench_content["rows"] if row["method"] != "ns"]
    for row in rows:
        if row["method"] == "telea" and row["side_px"] == 2048:
            row |= {"timing": None, "extra_mib": None, "error": "MemoryError: no"}
    (tmp_path / "b.json").write_text(json.dumps(bench_content | {"rows": rows}))
    arguments = ("--eval", eval_file, "--bench", tmp_path / "b.json", "--masks", "scratches")
    assert draw(tmp_path / "out", *arguments) == 0
    said = capsys.readouterr().out
    assert "left out: quality-perc-1000-scratches: ns (no time at 1024 px in the benchmark)" in said
    assert said.count("left out: latency: telea at 2048 px (MemoryError: no)") == 1
    assert draw(tmp_path / "out", *arguments, "--score", "lpips") == 0
    said = capsys.readouterr().out
    assert "left out: quality-lpips-1000-scratches: telea (no lpips in the evaluation)" in said
    assert "left out: quality-lpips-1000-scratches: no method has both lpips and a time" in said


def test_a_folder_that_cannot_be_made_is_told(
    eval_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert draw(tmp_path / "file" / "out", "--eval", eval_file) == 2
    assert "cannot make the folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to draw is given; give --eval, --bench or --run"),
        (["--run", "nowhere"], "cannot read nowhere/log.jsonl: No such file or directory"),
        (["--eval", "EVAL", "--score", "beauty"], "the score is 'beauty'; expected one of perc, lpips, psnr"),
        (["--eval", "EVAL", "--size", "64"], "the evaluation has no 64 px; it has 1000 px scratches"),
        (["--bench", "EVAL"], "has the schema 'rethined-eval-1'; expected 'rethined-bench-2'"),
        (["--eval", "nowhere.json"], "cannot read nowhere.json: No such file or directory"),
    ],
)
def test_bad_arguments_end_with_one_line(
    arguments: list[str], message: str, eval_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert draw(tmp_path / "out", *(str(eval_file) if word == "EVAL" else word for word in arguments)) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
