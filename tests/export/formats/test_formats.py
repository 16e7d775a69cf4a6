from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto
from torch import Tensor

from rethined.cli.export import FORMATS as OFFERED
from rethined.errors import ExportError
from rethined.export.artefact import write_artefact
from rethined.export.check import check_artefact
from rethined.export.contract import Contract, Precision
from rethined.export.formats import FORMATS
from rethined.export.forms import Form, lr_form, pipeline_form
from rethined.export.forms.form import COARSE_STAGES, FormModule
from rethined.export.network import Weights
from rethined.export.photos import Sample
from rethined.export.tracing import OPSET

ROOT = Path(__file__).resolve().parents[3]

SamplesOf = Callable[[Form], list[Sample]]
Write = Callable[..., tuple[Path, Contract]]


def needs(format_name: str) -> None:
    for package in FORMATS[format_name].packages:
        pytest.importorskip(package)


def test_the_command_line_offers_what_there_is() -> None:
    assert list(OFFERED) == list(FORMATS)
    assert all(name == made.name and made.precisions and made.packages for name, made in FORMATS.items())


@pytest.mark.parametrize(
    ("format_name", "precision"),
    [("onnx", "fp32"), ("onnx", "fp16"), ("openvino", "fp32"), ("openvino", "fp16"), ("tensorrt", "fp32")],
)
def test_its_runtime_says_what_torch_says(
    format_name: str, precision: Precision, form: Form, samples_of: SamplesOf, write: Write, tmp_path: Path
) -> None:
    needs(format_name)
    made = FORMATS[format_name]
    if form.is_dynamic and not made.takes_any_size:
        pytest.skip("takes one size only")
    if format_name == "openvino" and (precision == "fp16") == form.is_dynamic:
        pytest.skip("seconds each: half of them will do")
    out, contract = write(form, format_name, tmp_path, precision)
    row = check_artefact(form, made, out, contract, samples_of(form), measure=False)
    assert row.missed == ""
    assert 0 < row.difference < (1e-4 if precision == "fp32" else 2e-2)
    assert row.size_bytes == sum((tmp_path / name).stat().st_size for name in contract.files)
    assert (row.format, row.form, row.precision, row.photos) == (format_name, form.name, precision, 2)


@pytest.mark.parametrize("format_name", ["onnx", "tensorrt"])
def test_integers_come_close(
    format_name: str, weights: Weights, samples_of: SamplesOf, write: Write, tmp_path: Path
) -> None:
    form = lr_form(weights, (64, 64))
    out, contract = write(form, format_name, tmp_path, "int8")
    row = check_artefact(form, FORMATS[format_name], out, contract, samples_of(form), measure=False)
    assert 1e-5 < row.differences["filled"] < 0.1
    graph = onnx.load(out).graph
    scales = [x for x in graph.initializer if x.name.endswith("_scale")]
    assert {x.dims[0] for x in scales if x.dims} == {16}, "one scale per channel"
    fed_by_integers = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    quantised = {node.name: node.input[1] in fed_by_integers for node in graph.node if node.op_type == "Conv"}
    assert sum(quantised.values()) >= 15
    assert all(
        is_quantised == any(f"/{stage}" in name for stage in COARSE_STAGES) for name, is_quantised in quantised.items()
    )
    zeros = [onnx.numpy_helper.to_array(x) for x in graph.initializer if x.name.endswith("zero_point")]
    is_symmetric = all(not zero.any() for zero in zeros)
    assert is_symmetric == (format_name == "tensorrt")


def test_onnx_holds_its_contract(form: Form, write: Write, tmp_path: Path) -> None:
    out, contract = write(form, "onnx", tmp_path)
    model = onnx.load(out)
    assert {entry.key: entry.value for entry in model.metadata_props} == contract.metadata()
    assert [(x.domain, x.version) for x in model.opset_import] == [("", OPSET)]
    for ports, values in ((contract.inputs, model.graph.input), (contract.outputs, model.graph.output)):
        for port, value in zip(ports, values, strict=True):
            kind = value.type.tensor_type
            assert value.name == port.name
            assert kind.elem_type == {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32}[port.dtype]
            assert tuple(side.dim_param or side.dim_value for side in kind.shape.dim) == port.shape


def test_no_shape_of_the_pipeline_follows_the_picture(form: Form, write: Write, tmp_path: Path) -> None:
    """And no operator that compilers for phones are known to refuse."""
    if form.name != "pipeline":
        pytest.skip("of any size")
    out, _ = write(form, "onnx", tmp_path)
    graph = onnx.shape_inference.infer_shapes(onnx.load(out), strict_mode=True, data_prop=True).graph
    refused = {
        "NonZero",
        "ScatterND",
        "ScatterElements",
        "Loop",
        "If",
        "Range",
        "Shape",
        "Unique",
        "GridSample",
        "TopK",
    }
    occurring = {node.op_type for node in graph.node}
    assert not occurring & refused
    described = (ROOT / "docs/edge.md").read_text(encoding="utf-8").split("What occurs, in ONNX's names:")[1]
    occurring.discard("Identity")  # of random weights, some of which are equal
    assert occurring == set(re.findall(r"`(\w+)`", described.split("in integers also")[0]))
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
    made = [name for node in graph.node for name in node.output if name not in {x.name for x in graph.output}]
    assert all(side.HasField("dim_value") for name in made for side in shapes[name])
    assert max(len(shapes[name]) for name in made) <= 4


def test_half_precision_halves_the_file(weights: Weights, write: Write, tmp_path: Path) -> None:
    sizes = {}
    for precision in ("fp32", "fp16"):
        folder = tmp_path / precision
        folder.mkdir()
        out, _ = write(lr_form(weights), "onnx", folder, precision)
        stored = [
            x for x in onnx.load(out).graph.initializer if x.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16)
        ]
        sizes[precision] = sum(x.ByteSize() for x in stored)
    assert sizes["fp16"] < 0.6 * sizes["fp32"]


def test_openvino_holds_its_contract(write: Write, weights: Weights, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    out, contract = write(lr_form(weights), "openvino", tmp_path)
    assert contract.files == ("net.xml", "net.bin")
    assert contract.facts["weights_file"] == "net.bin"
    model = openvino.Core().read_model(out)
    assert model.get_rt_info(["rethined", "weights_sha256"]).value == "c0ffee"
    assert [port["name"] for port in json.loads(model.get_rt_info(["rethined", "inputs"]).value)] == [
        port.get_any_name() for port in model.inputs
    ]


@pytest.mark.parametrize(("precision", "flags"), [("fp32", ""), ("fp16", " --fp16"), ("int8", " --int8 --fp16")])
def test_tensorrt_says_how_to_build_the_engine(precision: Precision, flags: str) -> None:
    facts = FORMATS["tensorrt"].facts(Path("there/net.onnx"), precision)
    assert facts == {"build": f"trtexec --onnx=net.onnx --saveEngine=net.plan{flags}"}


class Unknown(FormModule):
    """Uses an operator that ONNX lacks."""

    def forward(self, prefilled: Tensor, hole: Tensor) -> tuple[Tensor]:
        return (torch.special.bessel_j0(prefilled * hole),)


@pytest.mark.parametrize("format_name", ["onnx", "openvino"])
def test_an_operator_that_is_lacking_is_named(format_name: str, weights: Weights, tmp_path: Path) -> None:
    needs(format_name)
    made, form = FORMATS[format_name], lr_form(weights)
    form = Form(**{**vars(form), "module": Unknown(weights.network).eval(), "outputs": form.outputs[:1]})
    with pytest.raises(ExportError, match=r"lacks an operator of this network: .*bessel_j0"):
        write_artefact(form, made, tmp_path / f"net{made.suffix}")
    assert not list(tmp_path.iterdir())


def test_integers_of_openvino_are_those_of_onnx(
    weights: Weights, samples_of: SamplesOf, write: Write, tmp_path: Path
) -> None:
    needs("openvino")
    form = pipeline_form(weights, (64, 64), 128)
    sample = samples_of(form)[0]
    found = []
    for format_name in ("onnx", "openvino"):
        run = FORMATS[format_name].open(*write(form, format_name, tmp_path, "int8"), threads=1)
        found.append(run(sample.feed)["filled"][0].max(0)[sample.hole])
    # OpenVINO rewrites what lies round the integers too, and took known pixels for more than they are.
    assert abs(found[0] - found[1]).mean() < 0.02


def test_openvino_computes_in_bfloat16_or_says_that_it_cannot(
    weights: Weights, samples_of: SamplesOf, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs("openvino")
    import openvino

    from rethined.export.formats.openvino import open_openvino

    form = lr_form(weights, (64, 64))
    out, contract = write(form, "openvino", tmp_path)
    feed = samples_of(form)[0].feed
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        single, short = (open_openvino(out, contract, threads=1, has_bfloat16=has)(feed) for has in (False, True))
        assert 1e-5 < abs(single["filled"] - short["filled"]).max() < 0.05
    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: ["FP32", "INT8"])
    with pytest.raises(ExportError, match="bfloat16 is asked for and this processor has none; take fp32"):
        open_openvino(out, contract, threads=1, has_bfloat16=True)
