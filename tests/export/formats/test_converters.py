"""Formats whose converters have environments of their own: ``scripts/test-export NAME`` runs these there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from rethined.errors import ExportError, MissingExtraError
from rethined.export.artefact import write_artefact
from rethined.export.check import check_artefact
from rethined.export.contract import Contract, Precision, read_contract
from rethined.export.formats import FORMATS
from rethined.export.formats.coreml import CAN_PREDICT, operators_of
from rethined.export.formats.ncnn import OPTIONS, finish_graph
from rethined.export.forms import Form, lr_form, pipeline_form
from rethined.export.forms.form import COARSE_STAGES, FormModule
from rethined.export.network import Weights
from rethined.export.photos import Sample

# Of the converters about themselves and each other.
pytestmark = pytest.mark.filterwarnings("ignore")

SamplesOf = Callable[[Form], list[Sample]]
Write = Callable[..., tuple[Path, Contract]]
CONVERTED = ("litert", "ncnn", "executorch", "coreml")
LACKED = {
    "litert": r"LiteRT lacks an operator of this network: .*bessel_j0",
    "ncnn": r"ncnn lacks an operator of this network: .*bessel_j0",
    "executorch": r"ExecuTorch lacks an operator of this network: .*bessel_j0",
    "coreml": r"Core ML lacks an operator of this network: .*bessel_j0",
}


def needs(format_name: str) -> None:
    made = FORMATS[format_name]
    for package in made.packages:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed: {made.install}")


@pytest.fixture(scope="module", params=["lr", "pipeline"])
def fixed(request: pytest.FixtureRequest, weights: Weights) -> Form:
    return lr_form(weights, (64, 64)) if request.param == "lr" else pipeline_form(weights, (64, 64), 128)


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("format_name", CONVERTED)
def test_its_runtime_says_what_torch_says(
    format_name: str, precision: Precision, fixed: Form, samples_of: SamplesOf, write: Write, tmp_path: Path
) -> None:
    needs(format_name)
    out, contract = write(fixed, format_name, tmp_path, precision)
    assert read_contract(out) == contract
    if format_name == "coreml" and not CAN_PREDICT:
        pytest.skip("Core ML runs on macOS alone")
    row = check_artefact(fixed, FORMATS[format_name], out, contract, samples_of(fixed), measure=False)
    assert row.missed == ""
    assert 0 < row.difference < (1e-4 if precision == "fp32" else 2e-2)


@pytest.mark.parametrize("format_name", CONVERTED)
def test_an_operator_that_is_lacking_is_named(format_name: str, weights: Weights, tmp_path: Path) -> None:
    needs(format_name)
    made, form = FORMATS[format_name], lr_form(weights, (64, 64))
    form = Form(**{**vars(form), "module": Unknown(weights.network).eval(), "outputs": form.outputs[:1]})
    with pytest.raises(ExportError, match=LACKED[format_name]):
        write_artefact(form, made, tmp_path / f"net{made.suffix}")
    assert not list(tmp_path.iterdir())


class Unknown(FormModule):
    """Uses an operator that they all lack."""

    def forward(self, prefilled: Tensor, hole: Tensor) -> tuple[Tensor]:
        return (torch.special.bessel_j0(prefilled * hole),)


def test_integers_of_litert_come_close(weights: Weights, samples_of: SamplesOf, write: Write, tmp_path: Path) -> None:
    needs("litert")
    form = lr_form(weights, (64, 64))
    out, contract = write(form, "litert", tmp_path, "int8")
    row = check_artefact(form, FORMATS["litert"], out, contract, samples_of(form), measure=False)
    assert 1e-5 < row.differences["filled"] < 0.1
    from ai_edge_litert.interpreter import Interpreter

    tensors = Interpreter(model_path=str(out)).get_tensor_details()
    per_channel = [x for x in tensors if x["dtype"] == np.int8 and len(x["quantization_parameters"]["scales"]) > 1]
    coarse = [
        name
        for name, x in form.module.network.named_parameters()
        if name.startswith(COARSE_STAGES) and name.endswith("weight")
    ]
    assert len(per_channel) == len(coarse) == 16


def test_litert_keeps_the_names(weights: Weights, write: Write, tmp_path: Path) -> None:
    needs("litert")
    from ai_edge_litert.interpreter import Interpreter

    out, contract = write(lr_form(weights, (64, 64)), "litert", tmp_path)
    signature = Interpreter(model_path=str(out)).get_signature_list()[contract.facts["signature"]]
    assert sorted(signature["inputs"]) == ["hole", "prefilled"]
    assert sorted(signature["outputs"]) == ["filled", "sources", "weights"]


def test_executorch_holds_its_contract(weights: Weights, write: Write, tmp_path: Path) -> None:
    needs("executorch")
    from executorch.runtime import Runtime

    out, contract = write(lr_form(weights, (64, 64)), "executorch", tmp_path)
    held = Runtime.get().load_program(out).load_method("contract").execute([])
    assert json.loads(held[0]) == contract.metadata()


def test_coreml_holds_its_contract(fixed: Form, write: Write, tmp_path: Path) -> None:
    needs("coreml")
    import coremltools

    out, contract = write(fixed, "coreml", tmp_path)
    spec = coremltools.utils.load_spec(str(out))
    held = dict(spec.description.metadata.userDefined)
    assert contract.metadata().items() <= held.items()
    operators = operators_of(out)
    assert operators["conv"] == sum("weight" in name for name, _ in fixed.module.named_parameters())
    assert operators.get("gather", 0) == (4 if fixed.name == "pipeline" else 0)
    made = FORMATS["coreml"]
    if CAN_PREDICT:
        return
    with pytest.raises(ExportError, match="Core ML runs on macOS alone, so it was not compared with torch"):
        made.open(out, contract, threads=1)


def test_coreml_halves_the_network_alone(weights: Weights, write: Write, tmp_path: Path) -> None:
    needs("coreml")
    import coremltools

    out, _ = write(lr_form(weights, (64, 64)), "coreml", tmp_path, "fp16")
    function = coremltools.utils.load_spec(str(out)).mlProgram.functions["main"]
    kinds: dict[str, set[int]] = {}
    for operation in function.block_specializations[function.opset].operations:
        kinds.setdefault(operation.type, set()).update(x.type.tensorType.dataType for x in operation.outputs)
    half, single = (coremltools.proto.MIL_pb2.DataType.Value(name) for name in ("FLOAT16", "FLOAT32"))
    assert kinds["conv"] == {half}
    assert kinds["matmul"] == kinds["softmax"] == {single}


def test_coreml_looks_at_what_it_wrote(weights: Weights, write: Write, tmp_path: Path) -> None:
    needs("coreml")
    out, contract = write(lr_form(weights, (64, 64)), "coreml", tmp_path)
    other = Contract(**{**vars(contract), "outputs": contract.outputs[::-1]})
    with pytest.raises(ExportError, match=r"takes and gives .* expected"):
        FORMATS["coreml"].open(out, other, threads=1)


def test_ncnn_says_what_has_to_be_switched_off(weights: Weights, write: Write, tmp_path: Path) -> None:
    needs("ncnn")
    import ncnn

    out, contract = write(lr_form(weights, (64, 64)), "ncnn", tmp_path)
    assert contract.files == ("net.param", "net.bin")
    assert contract.facts["options"].split() == [f"{option}=0" for option in OPTIONS]
    assert {name for name in dir(ncnn.Option()) if re.match("use_(bf|fp)16", name)} == set(OPTIONS)
    blobs = {blob for line in out.read_text().splitlines()[2:] for blob in line.split()[4:]}
    assert blobs >= {"prefilled", "hole", "filled", "sources", "weights"}


GRAPH = """7767517
3 3
Input in0 0 1 in0
Convolution conv_0 1 1 in0 1 0=8
Clip clamp_1 1 1 1 out0 0=0.0 1=1.0
"""


def test_blobs_of_ncnn_are_renamed_and_nothing_else() -> None:
    got = finish_graph(GRAPH, {"in0": "picture", "out0": "filled", "8": "no", "1": "middle"})
    assert got.splitlines()[2:] == [
        "Input in0 0 1 picture",
        "Convolution conv_0 1 1 picture middle 0=8",
        "Clip clamp_1 1 1 middle filled 0=0.0 1=1.0",
    ]


def test_what_ncnn_lacks_is_named() -> None:
    text = GRAPH.replace("Clip", "torch.topk") + "aten::sort sort 1 1 2 3\n"
    with pytest.raises(ExportError, match=r"ncnn lacks an operator of this network: aten::sort, torch.topk"):
        finish_graph(text, {})


@pytest.mark.parametrize("format_name", CONVERTED)
def test_a_converter_that_is_not_installed_is_named_with_its_line(
    format_name: str, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = FORMATS[format_name]
    monkeypatch.setattr("rethined.export.formats.base.find_spec", lambda _: None)
    says = rf"'{format_name}' needs the package '{made.packages[0]}': .*make-export-venv {format_name} .*pip install"
    with pytest.raises(MissingExtraError, match=says):
        write_artefact(lr_form(weights, (64, 64)), made, tmp_path / f"net{made.suffix}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("format_name", CONVERTED)
def test_one_size_only(format_name: str, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = FORMATS[format_name]
    monkeypatch.setattr("rethined.export.formats.base.find_spec", lambda _: True)
    with pytest.raises(ExportError, match=r"takes one size only; give it: --size 512x512"):
        write_artefact(lr_form(weights), made, tmp_path / f"net{made.suffix}")


@pytest.mark.parametrize("format_name", ["ncnn", "executorch", "coreml"])
def test_integers_are_refused_where_there_are_none(
    format_name: str, weights: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = FORMATS[format_name]
    monkeypatch.setattr("rethined.export.formats.base.find_spec", lambda _: True)
    with pytest.raises(ExportError, match=rf"the precision is int8; the format '{format_name}' takes fp32, fp16"):
        write_artefact(lr_form(weights, (64, 64)), made, tmp_path / f"net{made.suffix}", precision="int8")
