"""ONNX: for ONNX Runtime on any system, in browsers too, and the way into other compilers.

fp16 computes the network in half precision; ONNX Runtime has few such kernels for processors and converts back and
forth there, so it is for graphics cards and browsers. int8 quantises the convolutions at 1/8 and below: per channel,
static, seven bits of weight, which is exact on processors that add products of eight bits in sixteen (x86 without
VNNI).
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from rethined._version import __version__
from rethined.errors import ExportError
from rethined.export.contract import Contract, Precision
from rethined.export.formats.base import Calibration, Feed, Run
from rethined.runtime import open_graph

if TYPE_CHECKING:
    from rethined.export.contract import Port
    from rethined.export.forms import Form


class OnnxFormat:
    """See the module's text."""

    name = "onnx"
    suffix = ".onnx"
    packages: tuple[str, ...] = ("onnx",)
    install = "pip install 'rethined[export]'"
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8")
    takes_any_size = True

    def facts(self, out: Path, precision: Precision) -> dict[str, str]:  # noqa: ARG002
        """Nothing more."""
        return {}

    def write(self, form: Form, out: Path, contract: Contract, calibration: Calibration) -> None:
        """As :meth:`rethined.export.formats.base.Format.write`."""
        write_onnx(form, out, contract, calibration)

    def open(self, artefact: Path, contract: Contract, *, threads: int) -> Run:
        """As :meth:`rethined.export.formats.base.Format.open`."""
        session = open_graph(artefact, threads=threads)
        names = [port.name for port in contract.outputs]

        def run(feed: Feed) -> dict[str, NDArray[Any]]:
            return dict(zip(names, session.run(names, dict(feed)), strict=True))

        return run


def write_onnx(
    form: Form,
    out: Path,
    contract: Contract,
    calibration: Calibration,
    *,
    precision: Precision | None = None,
    symmetric: bool = False,
) -> None:
    """Writes a form as one ONNX file with its contract in the metadata.

    Args:
        form, out, contract, calibration: As :meth:`rethined.export.formats.base.Format.write`.
        precision: What the file itself is to compute in, where a builder does the rest; the contract's when ``None``.
        symmetric: Whether activations are quantised round zero; steps are finer where they need not be.

    Raises:
        ExportError: An operator that ONNX lacks.
    """
    import onnx
    from onnx import helper

    from rethined.export.tracing import trace_onnx

    precision = precision or contract.precision
    traced = form.halved() if precision == "fp16" else form
    trace_onnx(
        traced.module,
        traced.example,
        out,
        inputs=[port.name for port in form.inputs],
        outputs=[port.name for port in form.outputs],
        axes=_open_axes((*form.inputs, *form.outputs)),
    )
    if precision == "int8":
        _quantise(out, calibration, symmetric=symmetric)
    model = onnx.load(out)
    for port, value in zip(form.outputs, model.graph.output, strict=True):
        # The exporter gives names of its own to sides that it cannot follow.
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(port.name, kind, port.shape))
    helper.set_model_props(model, contract.metadata())
    model.producer_name, model.producer_version = "rethined", __version__
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, out)


def _open_axes(ports: tuple[Port, ...]) -> dict[str, dict[int, str]]:
    return {
        port.name: {axis: side for axis, side in enumerate(port.shape) if isinstance(side, str)}
        for port in ports
        if any(isinstance(side, str) for side in port.shape)
    }


def _quantise(path: Path, calibration: Calibration, *, symmetric: bool) -> None:
    """Replaces the coarser convolutions of a file by those of integers."""
    if not calibration:
        raise ExportError("int8 is scaled by photographs and none were given; expected at least one")
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    from rethined.export.forms.form import COARSE_STAGES

    # The exporter names nodes by the modules they come from.
    coarse = [node.name for node in onnx.load(path).graph.node if any(f"/{x}" in node.name for x in COARSE_STAGES)]

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._rest: Iterator[Feed] = iter(calibration)

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            feed = next(self._rest, None)
            return None if feed is None else dict(feed)

    with tempfile.TemporaryDirectory(prefix="rethined-") as work, _quiet():
        source = Path(work) / "fp32.onnx"
        source.write_bytes(path.read_bytes())
        quantize_static(
            source,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            nodes_to_quantize=coarse,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=not symmetric,
            activation_type=QuantType.QInt8 if symmetric else QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"ActivationSymmetric": symmetric, "WeightSymmetric": True},
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser logs advice about its own preprocessing."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
