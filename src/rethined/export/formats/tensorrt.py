"""What TensorRT builds an engine from, on Jetson boards and NVIDIA's cards: an ONNX file of fixed shapes.

The engine is built on the device itself, by the line that the contract holds under ``build``. fp16 is the builder's
choice (``--fp16``), so the file stays in single precision; int8 carries scales that are symmetric, as TensorRT wants
them. What is checked here is the file, under ONNX Runtime.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rethined.export.contract import Contract, Precision
from rethined.export.formats.base import Calibration
from rethined.export.formats.onnx import OnnxFormat, write_onnx

if TYPE_CHECKING:
    from rethined.export.forms import Form

FLAGS: dict[Precision, str] = {"fp32": "", "fp16": " --fp16", "int8": " --int8 --fp16"}


class TensorRtFormat(OnnxFormat):
    """See the module's text."""

    name = "tensorrt"
    takes_any_size = False

    def facts(self, out: Path, precision: Precision) -> dict[str, str]:
        """The line that builds the engine."""
        plan = out.with_suffix(".plan").name
        return {"build": f"trtexec --onnx={out.name} --saveEngine={plan}{FLAGS[precision]}"}

    def write(self, form: Form, out: Path, contract: Contract, calibration: Calibration) -> None:
        """As :meth:`rethined.export.formats.base.Format.write`."""
        precision: Precision = "int8" if contract.precision == "int8" else "fp32"
        write_onnx(form, out, contract, calibration, precision=precision, symmetric=True)
