from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from onnx import TensorProto, helper, save

from rethined.bench import run as module
from rethined.bench import timing
from rethined.cli import main
from rethined.eval import methods
from rethined.eval.worker import WorkerPeer
from rethined.files import sha256_of


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MAX_ROUNDS", 2)
    monkeypatch.setattr(timing, "MIN_ROUNDS", 1)
    monkeypatch.setattr(module, "CHILD_RUNS", 1)


@pytest.fixture
def report(tiny_network_path: Path, tmp_path: Path) -> dict[str, Any]:
    arguments = ["bench", "--out", str(tmp_path / "out"), "--sizes", "64,128", "--methods", "rethined,telea"]
    assert main([*arguments, "--network", str(tiny_network_path)]) == 0

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads((tmp_path / "out" / "bench.json").read_text(), parse_constant=refuse)


def test_the_report_follows_its_schema(report: dict[str, Any], tmp_path: Path) -> None:
    assert report["schema"] == module.SCHEMA
    assert set(report) == {"schema", "machine", "threads", "network_sha256", "holes", "start", "rows"}
    assert {"processor", "cores", "memory_mib", "python", "packages", "load_average"} <= set(report["machine"])
    assert [(row["method"], row["side_px"]) for row in report["rows"]] == [
        ("rethined", 64),
        ("telea", 64),
        ("rethined", 128),
        ("telea", 128),
    ]
    for row in report["rows"]:
        assert set(row) == set(module.Row.__dataclass_fields__)
        assert row["timing"]["median_ms"] > 0
        assert 0.03 < row["hole_share"] < 0.12
        assert row["ratio"] == (1 if row["method"] == "telea" else pytest.approx(row["ratio"]))
        assert bool(row["stages_ms"]) == (row["method"] == "rethined")
    table = (tmp_path / "out" / "bench.md").read_text().splitlines()
    assert len(table) == 6
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
    table = module.run_bench(tmp_path, sides_px=[64], methods=["telea", "failing"])
    assert "RuntimeError: no" in table
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
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
    assert f"| 64 | {label} | " in (tmp_path / "out" / "bench.md").read_text()


def test_the_memory_of_a_worker_is_not_stated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(methods.METHODS, "peer", lambda setup: WorkerPeer(setup.peers_python, "telea"))
    arguments = ["--sizes", "64", "--methods", "peer", "--peers-python", sys.executable]
    assert main(["bench", "--out", str(tmp_path), *arguments]) == 0
    (row,) = json.loads((tmp_path / "bench.json").read_text())["rows"]
    assert row["timing"]["median_ms"] > 0
    assert row["extra_mib"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["--methods", "magic"], "the method is 'magic'"),
        (["--methods", "telea,telea"], "the methods are telea, telea; expected each once"),
        (["--methods", "xphoto-fsr-fast"], "the method 'xphoto-fsr-fast' needs a Python of its own"),
        (["--sizes", "32"], "the size is 32; expected 64 px or more"),
        (["--sizes", "x"], "'x' is no list of whole numbers"),
    ],
)
def test_bad_arguments_end_with_one_line(
    changes: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--out", str(tmp_path / "out"), *changes]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
