"""OpenVINO's own format: for Intel's processors, graphics and NPUs.

fp16 stores weights in half precision; the plug-in computes in what the device does best. int8 comes by way of the
quantised ONNX graph, whose scales OpenVINO takes over.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rethined.errors import ExportError
from rethined.export.contract import Contract, Precision
from rethined.export.formats.base import Calibration, Feed, Run
from rethined.export.formats.onnx import write_onnx

if TYPE_CHECKING:
    from rethined.export.forms import Form


class OpenVinoFormat:
    """See the module's text."""

    name = "openvino"
    suffix = ".xml"
    packages: tuple[str, ...] = ("onnx", "openvino")
    install = "pip install 'rethined[export,openvino]'"
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8")
    takes_any_size = True

    def facts(self, out: Path, precision: Precision) -> dict[str, str]:  # noqa: ARG002
        """Where the weights are."""
        return {"weights_file": out.with_suffix(".bin").name}

    def write(self, form: Form, out: Path, contract: Contract, calibration: Calibration) -> None:
        """As :meth:`rethined.export.formats.base.Format.write`; the weights lie beside it in a ``.bin``."""
        import openvino

        precision = contract.precision
        with tempfile.TemporaryDirectory(prefix="rethined-") as work:
            source = Path(work) / "source.onnx"
            # Half precision is OpenVINO's to choose: it keeps activations in what the device computes in.
            write_onnx(form, source, contract, calibration, precision="int8" if precision == "int8" else "fp32")
            try:
                model = openvino.convert_model(source)
            except RuntimeError as error:
                raise ExportError(f"OpenVINO cannot read an operator of this network: {error}") from error
            for name, value in contract.metadata().items():
                model.set_rt_info(value, ["rethined", name])
            openvino.save_model(model, out, compress_to_fp16=precision == "fp16")

    def open(self, artefact: Path, contract: Contract, *, threads: int) -> Run:
        """As :meth:`rethined.export.formats.base.Format.open`; computes in single precision unless it is quantised.

        The processor's bfloat16 is left to the engine's runtime: here the file is compared with torch.
        """
        return open_openvino(artefact, contract, threads=threads)


def open_openvino(artefact: Path, contract: Contract, *, threads: int, has_bfloat16: bool = False) -> Run:
    """An artefact in OpenVINO on the processor.

    Args:
        artefact, contract, threads: As :meth:`rethined.export.formats.base.Format.open`.
        has_bfloat16: Whether to compute in bfloat16 what is not quantised, as the engine's runtime does.

    Raises:
        ExportError: The processor has no bfloat16.
    """
    import openvino

    core = openvino.Core()
    if has_bfloat16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise ExportError("bfloat16 is asked for and this processor has none; take fp32")
    compiled = core.compile_model(
        artefact,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if has_bfloat16 else "f32",
        },
    )
    request = compiled.create_infer_request()

    def run(feed: Feed) -> dict[str, NDArray[Any]]:
        results = request.infer(dict(feed))
        return {port.name: np.array(results[i]) for i, port in enumerate(contract.outputs)}

    return run
