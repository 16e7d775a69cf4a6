from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rethined.errors import ExportError, ReportError
from rethined.export import check as module
from rethined.export.check import CheckRow, check_artefact, check_path, read_check, to_markdown, write_check
from rethined.export.contract import Contract, Precision
from rethined.export.formats import FORMATS, Feed, Run
from rethined.export.formats.onnx import OnnxFormat
from rethined.export.forms import Form, lr_form, pipeline_form
from rethined.export.network import Weights
from rethined.export.photos import Sample

SamplesOf = Callable[[Form], list[Sample]]
Write = Callable[..., tuple[Path, Contract]]

ROW = CheckRow(
    format="onnx",
    form="lr",
    precision="fp32",
    size="any",
    size_bytes=7_500_000,
    latency_ms=21.4,
    peak_mib=None,
    photos=2,
    differences={"filled": 1e-3, "sources": 2e-3},
    far_share=0.0,
    psnr_db=27.5,
    torch_psnr_db=27.6,
    perc=0.301,
    torch_perc=0.3,
    missed="",
)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ""),
        ({"differences": {"filled": 2.1e-3, "sources": 0.0}, "far_share": 0.25}, "filled differs by 2.1e-03, allowed"),
        ({"differences": {"filled": float("nan"), "sources": 0.0}}, "filled differs by nan"),
        ({"differences": {"filled": 0.0, "sources": float("nan")}}, "sources differs by nan"),
        ({"precision": "fp16", "differences": {"filled": 1.9e-2}}, ""),
        ({"precision": "fp16", "differences": {"filled": 2.1e-2}}, "allowed 2e-02"),
        ({"precision": "int8", "differences": {"filled": 0.9}}, ""),
        ({"precision": "int8", "psnr_db": 27.29}, "0.31 dB lost, allowed 0.3"),
        ({"precision": "int8", "psnr_db": float("nan")}, "dB lost"),
        ({"precision": "int8", "psnr_db": 29.0}, ""),
        ({"precision": "int8", "perc": 0.307}, "perc +2.3%, allowed +2%"),
        ({"precision": "int8", "perc": None, "torch_perc": None}, ""),
    ],
)
def test_bars(changes: dict[str, Any], says: str) -> None:
    missed = module._missed(replace(ROW, **changes))
    assert says in missed
    assert missed.startswith("MISSED: ") == bool(says)


def test_checks_are_read_back_and_tabled(tmp_path: Path) -> None:
    write_check(ROW, tmp_path / "net.onnx")
    assert check_path(tmp_path / "net.onnx").name == "net.onnx.check.json"
    assert read_check(check_path(tmp_path / "net.onnx")) == ROW
    table = to_markdown([ROW, replace(ROW, missed="MISSED: all", perc=None)]).splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert table[2] == ("| onnx | lr | fp32 | any | 7.5 | 21 |  | 2.0e-03 | 27.50 (27.60) | 0.301 (0.300) | pass |")
    assert table[3].endswith("|  | MISSED: all |")


@pytest.mark.parametrize(
    "text", [None, "{", '{"schema": "other"}', '{"schema": "rethined-edge-check-1", "form": "lr"}']
)
def test_what_is_no_check(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx.check.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ReportError, match=r"net\.onnx\.check\.json is"):
        read_check(path)


def test_other_weights_are_noticed(
    weights: Weights, zero_head_weights: Weights, samples_of: SamplesOf, write: Write, tmp_path: Path
) -> None:
    out, contract = write(lr_form(zero_head_weights), "onnx", tmp_path)
    form = lr_form(weights)
    row = check_artefact(form, FORMATS["onnx"], out, contract, samples_of(form), measure=False)
    assert row.missed.startswith("MISSED: filled differs by ")
    assert row.far_share > 0.5
    assert row.differences["weights"] < 1e-4


def test_scores_are_those_of_the_two_pictures(
    weights: Weights, zero_head_weights: Weights, samples_of: SamplesOf, write: Write, tmp_path: Path
) -> None:
    out, contract = write(lr_form(zero_head_weights), "onnx", tmp_path)
    form = lr_form(weights)
    samples = samples_of(form)

    def score(result: NDArray[Any], original: NDArray[Any], hole: NDArray[Any]) -> float:
        return float(np.abs(result[hole].astype(float) - original[hole]).mean())

    row = check_artefact(form, FORMATS["onnx"], out, contract, samples, score=score, measure=False)
    prefills = [np.rint(s.feed["prefilled"][0].transpose(1, 2, 0) * 255).clip(0, 255) for s in samples]
    assert row.perc == pytest.approx(
        np.mean([score(prefill, s.original, s.hole) for prefill, s in zip(prefills, samples, strict=True)]), abs=0.02
    )
    assert row.perc != pytest.approx(row.torch_perc, abs=0.1)
    assert row.psnr_db != pytest.approx(row.torch_psnr_db, abs=0.01)


@pytest.mark.parametrize("form_name", ["lr", "pipeline"])
def test_time_and_memory_are_taken(
    form_name: str, weights: Weights, samples_of: SamplesOf, write: Write, tmp_path: Path
) -> None:
    form = lr_form(weights) if form_name == "lr" else pipeline_form(weights, (64, 64), 128)
    out, contract = write(form, "onnx", tmp_path)
    row = check_artefact(form, FORMATS["onnx"], out, contract, samples_of(form))
    assert row.latency_ms is not None
    assert 0 < row.latency_ms < 5000
    if Path("/proc/self/clear_refs").exists():
        assert row.peak_mib is not None
        assert 1 < row.peak_mib < 1000


class Renamed(OnnxFormat):
    """Loses a name or a type on the way."""

    def __init__(self, change: Callable[[dict[str, NDArray[Any]]], dict[str, NDArray[Any]]]) -> None:
        self.change = change

    def open(self, artefact: Path, contract: Contract, *, threads: int) -> Run:
        run = super().open(artefact, contract, threads=threads)

        def changed(feed: Feed) -> dict[str, NDArray[Any]]:
            return self.change(run(feed))

        return changed


@pytest.mark.parametrize(
    "change",
    [
        lambda got: {f"{name}_0": x for name, x in got.items()},
        lambda got: {**got, "sources": got["sources"].astype(np.int64)},
        lambda got: {**got, "filled": got["filled"].transpose(0, 2, 3, 1)},
    ],
    ids=["name", "dtype", "shape"],
)
def test_a_runtime_that_does_not_keep_the_contract(
    change: Callable[[dict[str, NDArray[Any]]], dict[str, NDArray[Any]]],
    weights: Weights,
    samples_of: SamplesOf,
    write: Write,
    tmp_path: Path,
) -> None:
    form = lr_form(weights)
    out, contract = write(form, "onnx", tmp_path)
    with pytest.raises(ExportError, match=r"the artefact gives .*; expected '(filled|sources)' as (float32|int32) of"):
        check_artefact(form, Renamed(change), out, contract, samples_of(form), measure=False)


def test_precisions_have_a_bar() -> None:
    assert set(module.BARS) | {"int8"} == set(Precision.__args__)  # type: ignore[attr-defined]
    assert json.dumps(module.BARS) == '{"fp32": 0.002, "fp16": 0.02}'
