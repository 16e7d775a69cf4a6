from __future__ import annotations

import json
from pathlib import Path

import pytest

from rethined import __version__
from rethined.errors import ExportError
from rethined.export.contract import Contract, Port, contract_path, read_contract, write_contract

CONTRACT = Contract(
    form="lr",
    format="onnx",
    precision="fp16",
    inputs=(Port("prefilled", "float32", ("N", 3, "H", "W"), "RGB, 0..1"),),
    outputs=(Port("filled", "float32", ("N", 3, "H", "W"), "RGB"), Port("sources", "int32", (1, 4, 8, 8), "tokens")),
    size="any",
    weights_sha256="c0ffee",
    files=("net.onnx", "net.bin"),
    facts={"token_px": "8"},
)


def test_round_trip(tmp_path: Path) -> None:
    write_contract(CONTRACT, tmp_path / "net.onnx")
    assert contract_path(tmp_path / "net.onnx") == tmp_path / "net.onnx.json"
    assert read_contract(tmp_path / "net.onnx") == CONTRACT
    written = json.loads((tmp_path / "net.onnx.json").read_text())
    assert (written["schema"], written["version"]) == ("rethined-edge-1", __version__)
    assert written["inputs"][0] == {
        "name": "prefilled",
        "dtype": "float32",
        "shape": ["N", 3, "H", "W"],
        "meaning": "RGB, 0..1",
    }


def test_metadata_is_flat_text() -> None:
    flat = CONTRACT.metadata()
    assert {type(value) for value in flat.values()} == {str}
    assert (flat["form"], flat["precision"], flat["weights_sha256"], flat["token_px"]) == ("lr", "fp16", "c0ffee", "8")
    assert [port["name"] for port in json.loads(flat["outputs"])] == ["filled", "sources"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "net.onnx.json is no contract"),
        ("{", "net.onnx.json is no contract"),
        ('{"schema": "rethined-edge-0"}', "follows 'rethined-edge-0'; this version reads 'rethined-edge-1'"),
    ],
)
def test_what_is_no_contract(text: str | None, says: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "net.onnx.json").write_text(text)
    with pytest.raises(ExportError, match=says):
        read_contract(tmp_path / "net.onnx")
