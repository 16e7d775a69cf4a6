from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rethined.errors import ExportError, MissingExtraError
from rethined.export.artefact import artefact_bytes, write_artefact
from rethined.export.contract import Contract, read_contract
from rethined.export.formats import FORMATS, Calibration
from rethined.export.formats.onnx import OnnxFormat
from rethined.export.forms import Form, lr_form
from rethined.export.network import Weights

Write = Callable[..., tuple[Path, Contract]]


class Planted(OnnxFormat):
    """A format of a file, another beside it and a folder."""

    name = "planted"
    packages = ("json",)

    def write(self, form: Form, out: Path, contract: Contract, calibration: Calibration) -> None:  # noqa: ARG002
        out.write_bytes(b"12345")
        out.with_suffix(".bin").write_bytes(b"123")
        (out.parent / "net.data" / "deep").mkdir(parents=True)
        (out.parent / "net.data" / "deep" / "part").write_bytes(b"12")


class Failing(Planted):
    """Fails half way."""

    def write(self, form: Form, out: Path, contract: Contract, calibration: Calibration) -> None:
        super().write(form, out, contract, calibration)
        raise ExportError("the format 'planted' lacks the operator Einsum")


@pytest.fixture
def form(weights: Weights) -> Form:
    return lr_form(weights)


def test_all_parts_take_their_place_and_are_named(form: Form, tmp_path: Path) -> None:
    out = tmp_path / "net.onnx"
    for _ in range(2):  # what stood there is replaced
        contract = write_artefact(form, Planted(), out)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["net.bin", "net.data", "net.onnx", "net.onnx.json"]
        assert contract.files == ("net.onnx", "net.bin", "net.data")
        assert artefact_bytes(out, contract) == 10
        assert read_contract(out) == contract
        (tmp_path / "net.data" / "old").write_text("x")


def test_what_fails_leaves_nothing_and_changes_nothing(form: Form, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="lacks the operator Einsum"):
        write_artefact(form, Failing(), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
    (tmp_path / "net.onnx").write_text("the file before")
    with pytest.raises(ExportError):
        write_artefact(form, Failing(), tmp_path / "net.onnx")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("net.onnx", "the file before")]


@pytest.mark.parametrize(
    ("made", "settings", "name", "error", "says"),
    [
        ("missing", {}, "net.onnx", MissingExtraError, r"'planted' needs the package 'no_such_converter': pip install"),
        (
            "onnx",
            {"precision": "int4"},
            "net.onnx",
            ExportError,
            r"the precision is int4; the format 'onnx' takes fp32,",
        ),
        ("onnx", {}, "net.bin", ExportError, r"the file to write is .*net\.bin; expected a name that ends in \.onnx"),
        ("onnx", {}, "gone/net.onnx", ExportError, r"expected a folder that exists: make .*gone first"),
        ("tensorrt", {}, "net.onnx", ExportError, r"'tensorrt' takes one size only; give it: --size 512x512"),
        ("onnx", {"precision": "int8"}, "net.onnx", ExportError, r"int8 is scaled by photographs and none were given"),
    ],
)
def test_what_cannot_be_is_refused(
    made: str, settings: dict[str, Any], name: str, error: type[Exception], says: str, form: Form, tmp_path: Path
) -> None:
    missing = Planted()
    missing.packages = ("no_such_converter",)
    with pytest.raises(error, match=says):
        write_artefact(form, FORMATS.get(made, missing), tmp_path / name, **settings)
    assert not list(tmp_path.iterdir())
