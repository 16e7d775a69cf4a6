"""The page in headless Chromium, used as a person would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from callers.shared import ROOT, Planted, lacking, mean_difference, planted, read_rgb
from rethined.export.contract import contract_path
from rethined.export.host import fill_photograph, open_network
from rethined.files import sha256_of
from rethined.weights import SHIPPED_TENSORS

WEB = ROOT / "web"
PAGE = WEB / "dist" / "index.html"
NETWORK = WEB / "dist" / "network" / "rethined-lr.onnx"
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
REMEDY = "scripts/test-web builds the page and runs this test"


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return planted("coffee", tmp_path_factory.mktemp("photo"))


@pytest.fixture(scope="module")
def used(photo: Planted) -> tuple[dict[str, Any], Path]:
    """What the browser found, and the folder of what the page saved."""
    expect_page()
    out = photo.folder / "out"
    command = ["node", WEB / "browser-test.mjs", photo.folder / "photo.png", photo.folder / "mask.png", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), out


def expect_page() -> None:
    if shutil.which("node") is None:
        lacking("node is not installed")
    if not CHROMIUM.is_file():
        lacking(f"no Chromium at {CHROMIUM}; CHROMIUM names another place")
    if not PAGE.is_file() or not (WEB / "node_modules" / "playwright-core").is_dir():
        lacking(f"the page is not built; {REMEDY}")
    built = PAGE.stat().st_mtime
    if any(path.stat().st_mtime > built for path in (*WEB.glob("src/*"), *WEB.glob("public/*"))):
        lacking(f"the page is older than its source; {REMEDY}")
    if json.loads(contract_path(NETWORK).read_text())["weights_sha256"] != sha256_of(SHIPPED_TENSORS):
        lacking(f"the page has other weights than the package; {REMEDY}")


def test_the_page_fills_as_python_does(photo: Planted, used: tuple[dict[str, Any], Path]) -> None:
    result = read_rgb(used[1] / "filled.png")
    expected = fill_photograph(photo.photo, photo.hole, open_network(NETWORK))
    assert mean_difference(result, expected, photo.hole) < 0.02
    assert np.array_equal(result[~photo.hole], photo.photo[~photo.hole])
    assert mean_difference(result, photo.photo, photo.hole) > 5


def test_nothing_leaves_the_machine(used: tuple[dict[str, Any], Path]) -> None:
    found = used[0]
    assert found["foreign"] == []
    assert found["leaks"] == []
    assert found["askedElsewhere"] == 0


def test_nothing_is_amiss_in_the_browsers_eyes(used: tuple[dict[str, Any], Path]) -> None:
    assert used[0]["troubles"] == []


def test_what_is_brushed_is_filled_and_no_more(photo: Planted, used: tuple[dict[str, Any], Path]) -> None:
    changed = (read_rgb(used[1] / "brushed.png") != photo.photo).any(2)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    height, width = changed.shape
    # The stroke taken back was above; the one that was kept is a tenth of the view to both sides of the middle.
    assert rows[0] > 0.4 * height
    assert rows[-1] < 0.6 * height
    assert columns[0] > 0.2 * width
    assert columns[-1] < 0.8 * width
    assert changed[height // 2, width // 2]


def test_undo_takes_strokes_back_one_by_one(used: tuple[dict[str, Any], Path]) -> None:
    assert used[0]["canFillAfterUndo"] is True
    assert used[0]["canFillWithoutHole"] is False
