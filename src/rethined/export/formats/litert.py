"""LiteRT (``.tflite``): for Android's processors, graphics and NPUs; converted by litert-torch.

The signature keeps the names of inputs and outputs. fp16 stores the weights of convolutions in half precision, which
processors enlarge again when the file is opened and graphics compute with. int8 quantises the convolutions at 1/8
and below: static, per channel.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from rethined.errors import ExportError
from rethined.export.contract import Contract, Precision
from rethined.export.formats.base import Calibration, Feed, Run

if TYPE_CHECKING:
    from rethined.export.forms import Form


class LiteRtFormat:
    """See the module's text."""

    name = "litert"
    suffix = ".tflite"
    packages: tuple[str, ...] = ("ai_edge_litert", "litert_torch")
    install = "scripts/make-export-venv litert FOLDER, or pip install 'rethined[export,litert]'"
    precisions: tuple[Precision, ...] = ("fp32", "fp16", "int8")
    takes_any_size = False

    def facts(self, out: Path, precision: Precision) -> dict[str, str]:  # noqa: ARG002
        """What the inputs and outputs belong to."""
        return {"signature": "serving_default"}

    def write(self, form: Form, out: Path, contract: Contract, calibration: Calibration) -> None:
        """As :meth:`rethined.export.formats.base.Format.write`."""
        import litert_torch

        from rethined.export.tracing import Named

        form = form.in_planes()
        inputs = dict(zip((port.name for port in form.inputs), form.example, strict=True))
        named = Named(form.module, tuple(inputs), tuple(port.name for port in form.outputs))
        try:
            converted = litert_torch.convert(named.eval(), sample_kwargs=inputs)
        except (NotImplementedError, RuntimeError) as error:
            raise ExportError(f"LiteRT lacks an operator of this network: {error}") from error
        if contract.precision == "fp32":
            converted.export(str(out))
            return
        with tempfile.TemporaryDirectory(prefix="rethined-") as work:
            source = Path(work) / out.name
            converted.export(str(source))
            _quantise(source, out, contract.precision, calibration)

    def open(self, artefact: Path, contract: Contract, *, threads: int) -> Run:
        """As :meth:`rethined.export.formats.base.Format.open`; on the processor, by XNNPACK."""
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(artefact), num_threads=threads)
        runner = interpreter.get_signature_runner(contract.facts["signature"])

        def run(feed: Feed) -> dict[str, NDArray[Any]]:
            return dict(runner(**feed))

        return run


def _quantise(source: Path, out: Path, precision: Precision, calibration: Calibration) -> None:
    """Writes a file with its convolutions in half precision, or its coarser ones in integers."""
    from ai_edge_quantizer import algorithm_manager, qtyping, quantizer

    from rethined.export.forms.form import COARSE_STAGES

    maker = quantizer.Quantizer(str(source))
    kinds = (qtyping.TFLOperationName.CONV_2D, qtyping.TFLOperationName.DEPTHWISE_CONV_2D)
    # The converter names tensors by the modules they come from; after a semicolon are those that were merged into it.
    coarse = rf"^[^;]*_({'|'.join(COARSE_STAGES)})[/;]"
    ranges = None
    for kind in kinds:
        if precision == "fp16":
            casting = algorithm_manager.AlgorithmName.FLOAT_CASTING
            maker.add_weight_only_config(".*", kind, num_bits=16, algorithm_key=casting)
        else:
            maker.add_static_config(coarse, kind, activation_num_bits=8, weight_num_bits=8)
    if precision == "int8":
        if not calibration:
            raise ExportError("int8 is scaled by photographs and none were given; expected at least one")
        ranges = maker.calibrate({"serving_default": [dict(feed) for feed in calibration]})
    maker.quantize(ranges).export_model(str(out))
