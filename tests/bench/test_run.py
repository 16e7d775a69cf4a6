from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
from onnx import TensorProto, helper, save

from rethined.bench import run as module
from rethined.bench import timing
from rethined.cli import main
from rethined.eval import methods
from rethined.eval.worker import WorkerPeer
from rethined.files import sha256_of


def shorten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(timing, "MAX_ROUNDS", 2)
    patch.setattr(timing, "MIN_ROUNDS", 1)
    patch.setattr(module, "CHILD_RUNS", 1)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten(monkeypatch)


@pytest.fixture(scope="module")
def out(tiny_network_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bench") / "out"
    arguments = ["bench", "--out", str(out), "--sizes", "64", "--threads", "1,2", "--shares", "0.07,0.2"]
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        assert main([*arguments, "--methods", "rethined,telea", "--network", str(tiny_network_path)]) == 0
    return out


@pytest.fixture
def report(out: Path) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads((out / "bench.json").read_text(), parse_constant=refuse)


def test_the_report_follows_its_schema(report: dict[str, Any], out: Path) -> None:
    assert report["schema"] == "rethined-bench-2"
    assert set(report) == {"schema", "machine", "threads", "network_sha256", "holes", "start", "rows"}
    assert {"processor", "cores", "memory_mib", "python", "packages", "load_average"} <= set(report["machine"])
    assert report["threads"] == [1, 2]
    assert report["holes"] == {"preset": "df8k-blobs", "shares": [0.07, 0.2]}
    assert [(row["side_px"], row["threads"], row["method"]) for row in report["rows"]] == [
        (64, threads, method) for _ in (0.07, 0.2) for threads in (1, 2) for method in ("rethined", "telea")
    ]
    assert [row["hole_share"] for row in report["rows"]] == [
        pytest.approx(share, abs=0.02) for share in (0.07, 0.2) for _ in range(4)
    ]
    for row in report["rows"]:
        assert set(row) == set(module.Row.__dataclass_fields__)
        timing = row["timing"]
        assert set(timing) == {"median_ms", "iqr_ms", "p95_ms", "min_ms", "p25_ms", "p75_ms", "rounds"}
        assert 0 < timing["min_ms"] <= timing["p25_ms"] <= timing["median_ms"] <= timing["p75_ms"] <= timing["p95_ms"]
        assert row["ratio"] == (1 if row["method"] == "telea" else pytest.approx(row["ratio"]))
        assert bool(row["stages_ms"]) == (row["method"] == "rethined")
    table = (out / "bench.md").read_text().splitlines()
    assert len(table) == 2 + 8
    assert len({line.count("|") for line in table}) == 1


def test_start_up_is_measured_in_processes_of_their_own(report: dict[str, Any]) -> None:
    assert set(report["start"]) == {"import_dependencies_s", "import_all_s", "cold_start_s"}
    assert all(seconds > 0.01 for seconds in report["start"].values())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_is_measured(report: dict[str, Any]) -> None:
    assert all(0 <= row["extra_mib"] < 500 for row in report["rows"])


def test_a_method_that_fails_is_a_row_with_its_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setitem(methods.METHODS, "failing", lambda *_: fail)
    table = module.run_bench(tmp_path, sides_px=[64, 96], methods=["telea", "failing"])
    assert "RuntimeError: no" in table
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert [(row["side_px"], row["method"]) for row in rows] == [
        (side_px, method) for side_px in (64, 96) for method in ("telea", "failing")
    ]
    assert rows[1]["timing"] is None
    assert rows[1]["error"] == "RuntimeError: no"


def write_peer(file: Path) -> Path:
    """One input of four channels; gives the first three back."""
    nodes = [helper.make_node("Split", ["input", "parts"], ["picture", "hole"], axis=1)]
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, "H", "W"])
        for name, channels in (("input", 4), ("picture", 3))
    ]
    parts = helper.make_tensor("parts", TensorProto.INT64, [2], [3, 1])
    graph = helper.make_graph(nodes, "peer", values[:1], values[1:], [parts])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


def test_a_peer_from_a_file_is_called_by_its_name_and_checksum(tmp_path: Path) -> None:
    file = write_peer(tmp_path / "peer.onnx")
    arguments = ["--sizes", "64", "--methods", f"{file},telea", "--reference", str(file), "--threads", "1"]
    assert main(["bench", "--out", str(tmp_path / "out"), *arguments]) == 0
    label = f"peer-{sha256_of(file)[:8]}"
    rows = json.loads((tmp_path / "out" / "bench.json").read_text())["rows"]
    assert [row["method"] for row in rows] == [label, "telea"]
    assert [row["error"] for row in rows] == ["", ""]
    assert rows[0]["ratio"] == 1
    if sys.platform == "linux":
        assert rows[0]["extra_mib"] is not None
    assert f" | 1 | {label} | " in (tmp_path / "out" / "bench.md").read_text()


def test_the_memory_of_a_worker_is_not_stated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(methods.METHODS, "peer", lambda setup: WorkerPeer(setup.peers_python, "telea"))
    arguments = ["--sizes", "64", "--methods", "peer", "--peers-python", sys.executable]
    assert main(["bench", "--out", str(tmp_path), *arguments]) == 0
    (row,) = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert row["timing"]["median_ms"] > 0
    assert row["extra_mib"] is None


def test_threads_hold_for_all_libraries_and_only_meanwhile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    seen: set[tuple[int, int, int]] = set()

    def make(setup: methods.Setup) -> Callable[..., None]:
        return lambda *_: seen.add((setup.threads or 0, cv2.getNumThreads(), torch.get_num_threads()))

    monkeypatch.setitem(methods.METHODS, "watching", make)
    monkeypatch.setattr(module, "available_cores", lambda: 3)
    before = cv2.getNumThreads(), torch.get_num_threads()
    module.run_bench(tmp_path, sides_px=[64], methods=["watching"], threads=[1, None, 3])
    assert seen == {(1, 1, 1), (3, 3, 3)}
    assert (cv2.getNumThreads(), torch.get_num_threads()) == before
    assert json.loads((tmp_path / "bench.json").read_text())["threads"] == [1, 3], "each number once"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--methods", "magic"], "the method is 'magic'"),
        (["--methods", "telea,telea"], "the methods are telea, telea; expected each once"),
        (["--methods", "xphoto-fsr-fast"], "the method 'xphoto-fsr-fast' needs a Python of its own"),
        (["--sizes", "32"], "the size is 32; expected 64 px or more"),
        (["--sizes", "x"], "'x' is no list of whole numbers"),
        (["--threads", "1,some"], "'1,some' is no list of numbers of threads; expected for example 1,all"),
        (["--threads", "0"], "the number of threads is 0; expected 1 or more, or all"),
        (["--shares", "7%"], "'7%' is no list of numbers"),
        (["--shares", "0.07,1.5"], "the share of the hole is 1.5; expected more than 0 and at most 0.9"),
        (["--shares", "nan"], "the share of the hole is nan"),
    ],
)
def test_bad_arguments_end_with_one_line(
    changes: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--out", str(tmp_path / "out"), *changes]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
