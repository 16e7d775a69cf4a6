from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from rethined.eval.run import Score
from rethined.eval.table import SCHEMA, bootstrap, notes, summarise, to_csv, to_json, to_markdown

BASE = Score(
    photo="a.png",
    size_px=512,
    preset="df8k-blobs",
    method="telea",
    hole_share=0.04,
    milliseconds=10.0,
    l1=0.01,
    l1_hole=0.1,
    psnr_db=30.0,
    hole_psnr_db=20.0,
    ssim=0.9,
    ssim_hole=0.5,
    perc=0.6,
    texture=0.3,
    lpips=0.05,
    sharpness_ratio=0.5,
    seam_ratio=1.0,
    known_error_max=0.0,
)


def pairs(gains_db: list[float]) -> list[Score]:
    """Telea and a better method on as many photographs."""
    scores = []
    for i, gain in enumerate(gains_db):
        telea = replace(BASE, photo=f"{i}.png", hole_psnr_db=20.0 + i, perc=0.6 + 0.01 * i)
        ours = replace(telea, method="ours", hole_psnr_db=telea.hole_psnr_db + gain, perc=telea.perc * 0.7)
        scores += [telea, ours]
    return scores


def test_pairs_without_a_texture_are_left_out() -> None:
    scores = pairs([1.0, 1.0, 1.0])
    scores = [replace(s, texture=s.texture * (0.5 if s.method == "ours" else 1)) for s in scores]
    scores[1] = replace(scores[1], texture=float("nan"))
    telea, ours = summarise(scores, reference="telea")
    assert telea.texture_ratio is None
    assert ours.texture_ratio == pytest.approx(0.5)
    assert ours.texture == pytest.approx(0.15)
    undefined = [replace(s, texture=float("nan")) for s in scores]
    assert summarise(undefined, reference="telea")[1].texture_ratio is None


def test_means_medians_and_paired_differences() -> None:
    telea, ours = summarise(pairs([1.0, 2.0, 3.0]), reference="telea")
    assert (telea.method, ours.method) == ("telea", "ours")
    assert telea.count == ours.count == 3
    assert telea.hole_psnr_db == pytest.approx(21)
    assert ours.hole_psnr_db == pytest.approx(23)
    assert telea.psnr_gain_db is telea.perc_ratio is None
    assert ours.psnr_gain_db is not None
    assert ours.psnr_gain_db.mean == pytest.approx(2)
    assert 1 <= ours.psnr_gain_db.low < 2 < ours.psnr_gain_db.high <= 3
    assert ours.perc_ratio == pytest.approx(0.7)
    assert ours.perc_gain is not None
    assert ours.perc_gain.high < 0
    assert ours.seam_ratio == 1
    assert ours.milliseconds == 10
    assert ours.lpips == pytest.approx(0.05)


def test_without_the_reference_there_are_no_differences() -> None:
    (ours,) = summarise([s for s in pairs([1.0]) if s.method == "ours"], reference="telea")
    assert ours.psnr_gain_db is ours.perc_ratio is ours.perc_gain is None


def test_failed_and_undefined_scores_are_counted_and_left_out() -> None:
    failed = Score("z.png", 512, "df8k-blobs", "ours", 0.04, error="ValueError: no")
    flat = replace(BASE, photo="f.png", method="ours", sharpness_ratio=float("nan"))
    *_, ours = summarise([*pairs([1.0, 1.0]), failed, flat], reference="telea")
    assert (ours.count, ours.failed) == (3, 1)
    assert ours.sharpness_ratio == 0.5
    assert ours.psnr_gain_db is not None
    assert ours.psnr_gain_db.mean == pytest.approx(1)


def test_a_method_that_always_failed_is_a_row_without_figures() -> None:
    (row,) = summarise([Score("z.png", 512, "df8k-blobs", "ours", 0.04, error="ValueError: no")], reference="telea")
    assert (row.count, row.failed) == (0, 1)
    assert np.isnan(row.hole_psnr_db)
    assert "0 (1 failed)" in to_markdown([row])


def test_groups_by_size_preset_and_hole_share() -> None:
    scores = [
        *pairs([1.0]),
        *(replace(score, size_px=1024) for score in pairs([1.0])),
        *(replace(score, hole_share=0.15) for score in pairs([2.0])),
    ]
    summaries = summarise(scores, reference="telea")
    assert [(s.size_px, s.shares, s.method, s.count) for s in summaries] == [
        (512, None, "telea", 2),
        (512, None, "ours", 2),
        (512, (0.0, 0.05), "telea", 1),
        (512, (0.0, 0.05), "ours", 1),
        (512, (0.1, 0.2), "telea", 1),
        (512, (0.1, 0.2), "ours", 1),
        (1024, None, "telea", 1),
        (1024, None, "ours", 1),
    ]


def test_fid_belongs_to_a_method_and_not_to_bins_of_the_share() -> None:
    scores = [*pairs([1.0]), *(replace(score, photo="z.png", hole_share=0.15) for score in pairs([2.0]))]
    summaries = summarise(scores, reference="telea", fid={(512, "df8k-blobs", "ours"): 7.5})
    assert [s.fid for s in summaries if s.method == "ours" and s.shares is None] == [7.5]
    assert all(np.isnan(s.fid) for s in summaries if s.method != "ours" or s.shares is not None)
    cells = [[cell.strip() for cell in line.split("|")] for line in to_markdown(summaries).splitlines()]
    column = cells[0].index("FID")
    assert [row[column] for row in cells[2:]] == ["n/a", "7.50", "", "", "", ""]
    (note,) = notes(summaries)
    assert note.startswith("FID of 2 pictures: below 2,049 it comes out too large")


def test_what_cannot_be_had_says_so_and_enough_pictures_need_no_note() -> None:
    telea, ours = summarise([replace(score, lpips=float("nan")) for score in pairs([1.0])], reference="telea")
    assert np.isnan(telea.lpips)
    assert to_markdown([telea, ours]).count("n/a") == 4
    assert notes([telea, ours]) == []
    assert notes([replace(telea, fid=1.0, count=2049)]) == []
    assert "FID of 5 to 9 pictures" in notes([replace(telea, fid=1.0, count=n) for n in (9, 5)])[0]


def test_bootstrap_is_fixed_and_narrows_with_more_cases() -> None:
    few, many = ([1.0, 2.0, 3.0] * n for n in (1, 40))
    assert bootstrap(few) == bootstrap(few)
    widths = [interval.high - interval.low for interval in (bootstrap(few), bootstrap(many))]
    assert widths[1] < widths[0] / 3
    assert bootstrap([2.0] * 5) == bootstrap([2.0])


def test_csv_has_every_row_and_leaves_undefined_cells_empty() -> None:
    scores = [*pairs([1.0]), Score("z.png", 512, "df8k-blobs", "ours", 0.04, error="ValueError: no, not at all")]
    rows = list(csv.DictReader(io.StringIO(to_csv(scores))))
    assert [row["method"] for row in rows] == ["telea", "ours", "ours"]
    assert float(rows[1]["hole_psnr_db"]) == 21
    assert rows[2]["perc"] == ""
    assert rows[2]["error"] == "ValueError: no, not at all"


def test_json_is_strict_and_follows_its_schema() -> None:
    scores = [*pairs([1.0, 2.0]), Score("z.png", 512, "df8k-blobs", "ours", 0.04, error="ValueError: no")]
    summaries = summarise(scores, reference="telea")
    text = to_json(
        scores,
        summaries,
        settings={"seed": 0},
        broken={"b.png": "no picture"},
        unavailable={"fid": "no package"},
        metric_weights={"w.pth": "ab"},
    )

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    content = json.loads(text, parse_constant=refuse)
    assert content["schema"] == SCHEMA
    assert set(content) == {
        "schema",
        "settings",
        "broken_photos",
        "unavailable",
        "metric_weights_sha256",
        "summaries",
        "scores",
    }
    assert content["unavailable"] == {"fid": "no package"}
    assert content["metric_weights_sha256"] == {"w.pth": "ab"}
    assert content["summaries"][0]["fid"] is None
    assert content["broken_photos"] == {"b.png": "no picture"}
    assert set(content["scores"][0]) == set(BASE.__dataclass_fields__)
    assert content["scores"][-1]["perc"] is None
    assert {type(value) for value in content["scores"][0].values()} <= {str, int, float}
    assert set(content["summaries"][1]["psnr_gain_db"]) == {"mean", "low", "high"}


def test_markdown_is_a_table_of_equal_rows() -> None:
    lines = to_markdown(summarise(pairs([1.0, 3.0]), reference="telea")).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines) == 4
    assert "+2.00 [+1.00, +3.00]" in lines[3]
    assert "| 0.700" in lines[3]
