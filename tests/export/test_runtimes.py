"""Exported networks side by side: runtimes are played by a script with planted times; ONNX Runtime is real once."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rethined.bench import timing
from rethined.cli import main
from rethined.errors import MissingExtraError, PeerError
from rethined.export import runtimes as module
from rethined.export.contract import Contract, Port
from rethined.export.runtimes import ArtefactProcess, run_runtimes
from rethined.export.timed_child import PACKAGES, feed_of, open_artefact
from rethined.files import sha256_of
from rethined.weights import SHIPPED_TENSORS

FAKE = f"""#!{sys.executable}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
behaviour = json.loads((here / "behaviour.json").read_text())
what, rest = sys.argv[2], sys.argv[3:]
def note(line):
    with (here / "log").open("a") as log:
        log.write(line + "\\n")
if what == "rethined":
    note("write " + " ".join(rest))
    if "refuses" in behaviour:
        sys.exit(behaviour["refuses"])
    artefact = pathlib.Path(rest[rest.index("-o") + 1])
    artefact.write_text("network")
    port = {{"name": "x", "dtype": "float32", "shape": [1, 1, 64, 64], "meaning": ""}}
    contract = dict(form="lr", format=rest[1], precision="fp32", size="64 x 64", schema="rethined-edge-1")
    contract |= dict(inputs=[port], outputs=[port], facts={{}}, files=[artefact.name])
    contract |= dict(weights_sha256=behaviour["weights"], version=behaviour["version"])
    artefact.with_name(artefact.name + ".json").write_text(json.dumps(contract))
    sys.exit()
format_name, artefact, threads, precision = rest
def answer(**values):
    print(json.dumps(values), flush=True)
if behaviour.get("closed") == precision:
    answer(error="the format needs the package 'soup'")
    sys.exit()
answer(version="9.9")
for count, _ in enumerate(sys.stdin):
    note(f"run {{precision}} {{threads}}")
    if behaviour.get("fails") == precision and count == 3:
        sys.exit("out of luck")
    answer(ms=behaviour["ms"][precision])
"""


class Fake:
    """An interpreter that writes a word for a network and says planted times."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.python = folder / "python"
        self.python.write_text(FAKE)
        self.python.chmod(self.python.stat().st_mode | stat.S_IEXEC)
        self._log = folder / "log"
        self.behave()

    def behave(self, **changes: object) -> None:
        planted = {
            "ms": {"fp32": 20, "bf16": 8, "fp16": 16, "int8": 5},
            "weights": sha256_of(SHIPPED_TENSORS),
            "version": module.__version__,
            **changes,
        }
        self.python.with_name("behaviour.json").write_text(json.dumps(planted))

    def log(self, kind: str) -> list[str]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [line.removeprefix(f"{kind} ") for line in lines if line.startswith(f"{kind} ")]


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    return Fake(tmp_path / "fake")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "MAX_ROUNDS", 3)
    monkeypatch.setattr(timing, "MIN_ROUNDS", 3)
    monkeypatch.setattr(module, "REST_S", 0)


def rows_of(out: Path) -> list[dict[str, Any]]:
    report = json.loads((out / "runtimes.json").read_text())
    assert report["schema"] == "rethined-bench-runtimes-1"
    assert set(report) == {"schema", "machine", "weights_sha256", "rest_s", "rows"}
    return report["rows"]


def test_every_precision_of_every_runtime_against_onnx_in_single_precision(fake: Fake, tmp_path: Path) -> None:
    out = tmp_path / "out"
    named = "onnx,openvino,ncnn,litert,executorch"
    interpreters = ",".join(f"{name}={fake.python}" for name in named.split(","))
    arguments = ["bench", "--runtime", named, "--export-python", interpreters, "--sizes", "64", "--threads", "1,3"]
    assert main([*arguments, "--out", str(out)]) == 0
    rows = rows_of(out)
    expected = {("onnx", "fp32"): 1.0, ("onnx", "int8"): 0.25, ("openvino", "fp32"): 1.0, ("openvino", "bf16"): 0.4}
    expected |= {("openvino", "int8"): 0.25, ("ncnn", "fp32"): 1.0, ("ncnn", "fp16"): 0.8, ("litert", "fp32"): 1.0}
    expected |= {("litert", "int8"): 0.25, ("executorch", "fp32"): 1.0}
    for threads in (1, 3):
        found = {(row["runtime"], row["precision"]): row["ratio"] for row in rows if row["threads"] == threads}
        assert found == expected
    assert {(row["side_px"], row["version"], row["error"]) for row in rows} == {(64, "9.9", "")}
    table = (out / "runtimes.md").read_text().splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert "| 64 | 3 | openvino | 9.9 | bf16 | 8.0 | 0.0 | 8.0 | 0.40 |" in table
    # bfloat16 is of the same file as single precision.
    written = fake.log("write")
    assert len(written) == len(set(written)) == 9
    assert sum("--precision fp32" in line for line in written) == 5
    assert all(" --size 64x64 " in line for line in written)


def test_they_take_turns(fake: Fake, tmp_path: Path) -> None:
    run_runtimes(tmp_path / "out", runtimes=["litert"], sides_px=[64], threads=[2], pythons={"litert": fake.python})
    warm_ups = ["fp32 2"] * timing.WARM_UPS + ["int8 2"] * timing.WARM_UPS
    assert fake.log("run") == [*warm_ups, *["fp32 2", "int8 2"] * 3]
    assert [row["ratio"] for row in rows_of(tmp_path / "out")] == [None, None], "ONNX Runtime is not among them"


def test_what_is_written_is_taken_again_while_it_is_of_the_same_weights(fake: Fake, tmp_path: Path) -> None:
    def written() -> int:
        before = len(fake.log("write"))
        run_runtimes(tmp_path, runtimes=["executorch"], sides_px=[64], pythons={"executorch": fake.python})
        return len(fake.log("write")) - before

    fake.behave(weights="others")
    assert (written(), written()) == (1, 1)
    fake.behave(version="0.0.1")
    assert (written(), written()) == (1, 1)
    fake.behave()
    assert (written(), written()) == (1, 0)
    (tmp_path / "networks" / "lr-64-fp32-executorch.pte").unlink()
    assert (written(), written()) == (1, 0)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"refuses": "rethined: the format 'litert' needs the package 'soup': pip install soup"}, "needs the package"),
        (
            {"refuses": "/x/python: No module named rethined"},
            r"cannot run `rethined export litert` \(/x/python: No mod",
        ),
        ({"closed": "int8"}, "the format needs the package 'soup'"),
        ({"fails": "int8"}, "the process of the runtime ended with status 1: out of luck"),
    ],
    ids=["converter", "rethined", "runtime", "died"],
)
def test_what_cannot_be_run_is_a_row_that_says_why(
    behaviour: dict[str, str], error: str, fake: Fake, tmp_path: Path
) -> None:
    fake.behave(**behaviour)
    other = Fake(tmp_path / "other")
    table = run_runtimes(
        tmp_path / "out",
        runtimes=["onnx", "litert"],
        sides_px=[64],
        pythons={"litert": fake.python, "onnx": other.python},
    )
    rows = rows_of(tmp_path / "out")
    assert [(row["runtime"], row["precision"]) for row in rows] == [
        ("onnx", "fp32"),
        ("onnx", "int8"),
        ("litert", "fp32"),
        ("litert", "int8"),
    ]
    assert [row["ratio"] for row in rows[:2]] == [1, 0.25]
    assert (rows[3]["timing"], rows[3]["ratio"]) == (None, None)
    assert re.search(error, rows[3]["error"])
    assert len({line.count("|") for line in table.splitlines()}) == 1


def test_onnx_runtime_itself(tmp_path: Path) -> None:
    artefact = tmp_path / "net.onnx"
    assert main(["export", "onnx", "--size", "64x64", "-o", str(artefact)]) == 0
    process = ArtefactProcess(Path(sys.executable), "onnx", artefact, 1, "fp32")
    try:
        import onnxruntime

        assert process.version == onnxruntime.__version__
        assert 0 < process.run() < 5000
        assert process.run() != process.run()
    finally:
        process.close()
    artefact.write_bytes(b"no network")
    with pytest.raises(PeerError, match=r"^.*net\.onnx is not an ONNX file"):
        ArtefactProcess(Path(sys.executable), "onnx", artefact, 1, "fp32")


def test_a_runtime_that_is_not_installed_is_named_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = Contract("lr", "litert", "fp32", (), (), "64 x 64", "c0ffee", facts={"signature": "serving_default"})
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(
        MissingExtraError, match=r"'litert' needs the package 'ai_edge_litert.*': scripts/make-export-venv"
    ):
        open_artefact("litert", Path("net.tflite"), contract, 1, "fp32")


def test_the_picture_is_one_of_the_contract() -> None:
    ports = (Port("prefilled", "float32", (1, 3, 64, 96), ""), Port("hole", "float32", (1, 1, 64, 96), ""))
    feed = feed_of(Contract("lr", "onnx", "fp32", ports, (), "64 x 96", "c0ffee"))
    assert {name: (x.shape, x.dtype.name) for name, x in feed.items()} == {
        port.name: (port.shape, port.dtype) for port in ports
    }
    assert 0.05 < feed["hole"].mean() < 0.2
    assert set(np.unique(feed["hole"])) == {0, 1}


def test_all_runtimes_have_a_package() -> None:
    assert set(PACKAGES) == set(module.PRECISIONS)


def test_a_board_that_only_runs_needs_no_converter() -> None:
    lines = "import sys, rethined.export.runtimes, rethined.export.timed_child", "print(*sys.modules)"
    command = [sys.executable, "-c", "; ".join(lines)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {"torch", "onnx", "safetensors", "skimage"}.isdisjoint(loaded)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--runtime", "tensorrt"],
            "the runtime is 'tensorrt'; expected one of onnx, openvino, ncnn, litert, executorch",
        ),
        (["--runtime", "onnx,onnx"], "the runtimes are onnx, onnx; expected each once"),
        (["--runtime", "onnx", "--sizes", "100"], "the size is 100 px; expected a multiple of 32: 96 or 128"),
        (["--runtime", "onnx", "--threads", "0"], "the number of threads is 0"),
        (["--runtime", "onnx", "--methods", "telea"], "--methods is given; --runtime times exported networks"),
        (["--runtime", "onnx", "--network", "n.onnx"], "--network is given; --runtime times exported networks"),
        (["--export-python", "litert=python"], "--export-python is given; it is of exported networks: give --runtime"),
        (["--runtime", "litert", "--export-python", "litert"], "--export-python is 'litert'; expected names with"),
        (
            ["--runtime", "litert", "--export-python", "litert=none"],
            "there is no Python at none; the format 'litert' needs",
        ),
        (["--runtime", "onnx", "--export-python", "coreml=none"], "the runtime is 'coreml'; expected one of"),
    ],
)
def test_bad_arguments_end_with_one_line(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
