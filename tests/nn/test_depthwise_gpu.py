"""The kernels for GPUs, which no test machine has: interpreted on the CPU, and compiled without being run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rethined.nn.depthwise import HAS_TRITON

pytestmark = pytest.mark.skipif(not HAS_TRITON, reason="needs triton, which comes with torch for GPUs")
SCRIPT = Path(__file__).with_name("depthwise_by_hand.py")


def run(what: str, *, is_interpreted: bool) -> dict[str, float]:
    """In a process of its own: whether kernels are interpreted is settled when triton is imported."""
    environment = {**os.environ, "TRITON_INTERPRET": str(int(is_interpreted))}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), what], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def test_they_give_what_torch_gives() -> None:
    for case, difference in run("compare", is_interpreted=True).items():
        assert difference < 1e-5, case


def test_they_compile_for_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    sizes = run("compile", is_interpreted=False)
    assert set(sizes) == {"forward", "by input", "by weight"}
    assert all(size > 1000 for size in sizes.values())
