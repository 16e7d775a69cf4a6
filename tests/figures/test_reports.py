from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rethined.errors import OptionError, ReportError
from rethined.figures.reports import choose_groups, nearest, read_bench, read_eval, usual_share


def test_an_evaluation_is_its_summaries_over_all_shares(eval_file: Path) -> None:
    report = read_eval(eval_file)
    assert [(q.size_px, q.preset, q.method) for q in report.qualities] == [
        (1000, preset, method) for preset in ("scratches", "lama-thin") for method in ("rethined", "telea", "ns")
    ]
    first = report.qualities[0]
    assert first.count == 20
    assert (first.figures["perc"], first.figures["hole_psnr_db"], first.figures["milliseconds"]) == (0.4, 26, 300)
    assert np.isnan(first.figures["lpips"])
    assert report.hole_shares == pytest.approx({(1000, "scratches"): 0.2, (1000, "lama-thin"): 0.01})


def test_an_evaluation_of_before_lpips_is_read(eval_content: dict[str, Any], tmp_path: Path) -> None:
    for summary in eval_content["summaries"]:
        del summary["lpips"]
    (tmp_path / "old.json").write_text(json.dumps(eval_content))
    assert all(np.isnan(q.figures["lpips"]) for q in read_eval(tmp_path / "old.json").qualities)


def test_a_benchmark_is_its_rows_failures_among_them(bench_content: dict[str, Any], tmp_path: Path) -> None:
    bench_content["rows"][0] |= {"timing": None, "extra_mib": None, "error": "MemoryError: no"}
    (tmp_path / "bench.json").write_text(json.dumps(bench_content))
    report = read_bench(tmp_path / "bench.json")
    failed, good = report.latencies[:2]
    assert report.processor == "Abacus 3"
    assert np.isnan([failed.median_ms, failed.low_ms, failed.high_ms, failed.extra_mib]).all()
    assert failed.error == "MemoryError: no"
    assert (good.method, good.side_px, good.threads, good.extra_mib) == ("telea", 512, 1, 20)
    assert good.median_ms == pytest.approx(50 / 4 / 7 * 3)
    assert (good.low_ms, good.high_ms) == pytest.approx((0.9 * good.median_ms, 1.2 * good.median_ms))
    assert {row.threads for row in report.most_threads} == {2}


def test_what_is_nearest_is_so_by_ratio() -> None:
    assert nearest(1000, [512, 2048]) == 512
    assert nearest(1100, [512, 2048]) == 2048
    assert nearest(0.05, [0.01, 0.2]) == 0.2


def test_the_usual_share_is_found_at_each_size(bench_file: Path) -> None:
    rows = read_bench(bench_file).latencies
    assert {round(row.hole_share, 3) for row in usual_share(rows)} == {0.071}
    assert {round(row.hole_share, 3) for row in usual_share(rows, 0.5)} == {0.201}


@pytest.mark.parametrize(
    ("size_px", "preset", "groups"),
    [
        (None, None, [(1000, "scratches"), (1000, "lama-thin")]),
        (1000, None, [(1000, "scratches"), (1000, "lama-thin")]),
        (None, "lama-thin", [(1000, "lama-thin")]),
    ],
)
def test_groups_are_chosen_by_size_and_preset(
    size_px: int | None, preset: str | None, groups: list[tuple[int, str]], eval_file: Path
) -> None:
    assert choose_groups(read_eval(eval_file), size_px, preset) == groups


def test_a_group_that_is_not_there_is_an_error_that_lists_those_that_are(eval_file: Path) -> None:
    with pytest.raises(OptionError, match=r"no 64 px dots; it has 1000 px scratches, 1000 px lama-thin"):
        choose_groups(read_eval(eval_file), 64, "dots")


@pytest.mark.parametrize("read", [read_eval, read_bench])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"cannot read .*x\.json: No such file or directory; give a report that rethined"),
        ("{", r"x\.json is not JSON; give a report that rethined"),
        ("[1]", r"x\.json has the schema None; expected 'rethined-"),
        ('{"schema": "rethined-bench-1"}', r"has the schema 'rethined-bench-1'; expected 'rethined-(eval-1|bench-2)'"),
    ],
)
def test_what_is_no_report_is_told(read: Any, text: str | None, message: str, tmp_path: Path) -> None:  # noqa: ANN401
    if text is not None:
        (tmp_path / "x.json").write_text(text)
    with pytest.raises(ReportError, match=message):
        read(tmp_path / "x.json")


def test_a_report_with_a_hole_in_it_is_told(bench_content: dict[str, Any], tmp_path: Path) -> None:
    del bench_content["rows"][3]["threads"]
    (tmp_path / "x.json").write_text(json.dumps(bench_content))
    with pytest.raises(ReportError, match=r"x\.json lacks or garbles 'threads', which rethined-bench-2 has; run"):
        read_bench(tmp_path / "x.json")
