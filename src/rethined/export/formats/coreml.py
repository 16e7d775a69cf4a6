"""Core ML (``.mlpackage``, an ML program for iOS 16, macOS 13 and later): for Apple's processors, graphics and NPU.

It is written and its program inspected on any system. Core ML itself runs on macOS alone, so only there can it be
checked against torch; elsewhere the check says so and compares nothing.

fp16 computes the network in half precision and the rest in single: a whole in half would lose what counts tokens and
the small numbers that sums of weights are divided by.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rethined._version import __version__
from rethined.errors import ExportError
from rethined.export.contract import Contract, Precision
from rethined.export.formats.base import Calibration, Feed, Run

if TYPE_CHECKING:
    from rethined.export.forms import Form

CAN_PREDICT = sys.platform == "darwin"


class CoreMlFormat:
    """See the module's text."""

    name = "coreml"
    suffix = ".mlpackage"
    packages: tuple[str, ...] = ("coremltools",)
    install = "scripts/make-export-venv coreml FOLDER, or pip install 'rethined[export,coreml]'"
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    takes_any_size = False

    def facts(self, out: Path, precision: Precision) -> dict[str, str]:  # noqa: ARG002
        """The oldest systems it runs on."""
        return {"deployment_target": "iOS 16, macOS 13"}

    def write(self, form: Form, out: Path, contract: Contract, calibration: Calibration) -> None:  # noqa: ARG002
        """As :meth:`rethined.export.formats.base.Format.write`; a folder."""
        import coremltools as ct

        from rethined.export.tracing import trace_script

        form = form.in_planes()
        if contract.precision == "fp16":
            form = form.halved()
        script = trace_script(form.module, form.example)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of coremltools about NumPy
            try:
                model = ct.convert(
                    script,
                    inputs=[
                        ct.TensorType(name=port.name, shape=x.shape, dtype=np.float32)
                        for port, x in zip(form.inputs, form.example, strict=True)
                    ],
                    outputs=[ct.TensorType(name=port.name) for port in form.outputs],
                    convert_to="mlprogram",
                    minimum_deployment_target=ct.target.iOS16,
                    # As the form says: half where it is in half.
                    compute_precision=ct.precision.FLOAT32,
                    skip_model_load=True,
                )
            except NotImplementedError as error:
                raise ExportError(f"Core ML lacks an operator of this network: {error}") from error
            model.user_defined_metadata.update(contract.metadata())
            model.short_description = f"rethined {__version__}: {form.name}, {contract.precision}, {form.size}"
            model.save(str(out))
        expect_described(out, contract)

    def open(self, artefact: Path, contract: Contract, *, threads: int) -> Run:  # noqa: ARG002
        """As :meth:`rethined.export.formats.base.Format.open`; on macOS.

        Raises:
            ExportError: The system is another.
        """
        expect_described(artefact, contract)
        if not CAN_PREDICT:
            raise ExportError(
                f"{artefact} is written, and its program holds what its contract says; Core ML runs on macOS alone, so"
                " it was not compared with torch: run --check there"
            )
        import coremltools as ct

        model = ct.models.MLModel(str(artefact), compute_units=ct.ComputeUnit.CPU_ONLY)

        def run(feed: Feed) -> dict[str, NDArray[Any]]:
            given = model.predict(dict(feed))
            return {port.name: np.asarray(given[port.name]).astype(port.dtype) for port in contract.outputs}

        return run


def operators_of(artefact: Path) -> dict[str, int]:
    """How often each operator occurs in the program of an ``.mlpackage``."""
    import coremltools as ct

    found: dict[str, int] = {}
    function = ct.utils.load_spec(str(artefact)).mlProgram.functions["main"]
    for operation in function.block_specializations[function.opset].operations:
        found[operation.type] = found.get(operation.type, 0) + 1
    return found


def expect_described(artefact: Path, contract: Contract) -> None:
    """Looks whether the program of an ``.mlpackage`` takes and gives what its contract says.

    Raises:
        ExportError: Other names, shapes or dtypes, another opset than iOS 16's, or nothing inside.
    """
    import coremltools as ct

    spec = ct.utils.load_spec(str(artefact))
    kinds = {ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32: "float32"}
    kinds[ct.proto.FeatureTypes_pb2.ArrayFeatureType.INT32] = "int32"
    expected = [(port.name, port.shape, port.dtype) for port in (*contract.inputs, *contract.outputs)]
    found = [
        (one.name, tuple(one.type.multiArrayType.shape), kinds.get(one.type.multiArrayType.dataType, "another"))
        for one in (*spec.description.input, *spec.description.output)
    ]
    opset = spec.mlProgram.functions["main"].opset
    if found != expected or opset != "CoreML6" or not operators_of(artefact).get("conv"):
        raise ExportError(
            f"the program in {artefact} takes and gives {found} in {opset}; expected {expected} in CoreML6"
        )
