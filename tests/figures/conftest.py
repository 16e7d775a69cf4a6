from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rethined.bench.run import SCHEMA as BENCH_SCHEMA
from rethined.eval.table import SCHEMA as EVAL_SCHEMA

TIMES_MS = {"rethined": 100.0, "telea": 50.0, "ns": 40.0}
MEMORY_MIB = {"rethined": 80.0, "telea": 20.0, "ns": 5.0}
PERC = {"rethined": 0.4, "telea": 0.6, "ns": 0.7}


def summary(method: str, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "size_px": 1000,
        "preset": "scratches",
        "shares": None,
        "method": method,
        "count": 20,
        "perc": PERC[method],
        "lpips": None,
        "hole_psnr_db": 30 - 10 * PERC[method],
        "milliseconds": 3 * TIMES_MS[method],
        **changes,
    }


def row(method: str, side_px: int, share: float, threads: int) -> dict[str, Any]:
    """Ten times the pixels or holes take ten times as long, one thread three times as long as two."""
    median_ms = TIMES_MS[method] * (side_px / 1024) ** 2 * share / 0.07 * (3 if threads == 1 else 1)
    return {
        "method": method,
        "side_px": side_px,
        "hole_share": share + 0.001,
        "threads": threads,
        "timing": {"median_ms": median_ms, "p25_ms": 0.9 * median_ms, "p75_ms": 1.2 * median_ms},
        "extra_mib": MEMORY_MIB[method],
        "error": "",
    }


@pytest.fixture
def eval_content() -> dict[str, Any]:
    return {
        "schema": EVAL_SCHEMA,
        "summaries": [
            *(summary(method) for method in PERC),
            summary("telea", shares=[0.0, 0.05], perc=9.0),
            *(summary(method, preset="lama-thin") for method in PERC),
        ],
        "scores": [
            {"size_px": 1000, "preset": preset, "hole_share": share}
            for preset, shares in (("scratches", (0.1, 0.3)), ("lama-thin", (0.01, 0.01)))
            for share in shares
        ],
    }


@pytest.fixture
def bench_content() -> dict[str, Any]:
    return {
        "schema": BENCH_SCHEMA,
        "machine": {"processor": "Abacus 3"},
        "rows": [
            row(method, side_px, share, threads)
            for side_px in (512, 1024, 2048)
            for share in (0.01, 0.07, 0.2)
            for threads in (1, 2)
            for method in TIMES_MS
        ],
    }


@pytest.fixture
def eval_file(eval_content: dict[str, Any], tmp_path: Path) -> Path:
    return write(tmp_path / "report.json", eval_content)


@pytest.fixture
def bench_file(bench_content: dict[str, Any], tmp_path: Path) -> Path:
    return write(tmp_path / "bench.json", bench_content)


def write(file: Path, content: object) -> Path:
    file.write_text(json.dumps(content))
    return file
