"""ExecuTorch (``.pte``): PyTorch's own runtime for phones and boards; convolutions and arithmetic by XNNPACK.

What XNNPACK does not take over runs in ExecuTorch's portable kernels, which are plain loops on one thread. The file has
a method ``contract`` beside ``forward``: it gives the contract as JSON.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rethined.errors import ExportError
from rethined.export.contract import Contract, Precision
from rethined.export.formats.base import Calibration, Feed, Run

if TYPE_CHECKING:
    from rethined.export.forms import Form


class ExecuTorchFormat:
    """See the module's text."""

    name = "executorch"
    suffix = ".pte"
    packages: tuple[str, ...] = ("executorch",)
    install = "scripts/make-export-venv executorch FOLDER, or pip install 'rethined[export,executorch]'"
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    takes_any_size = False

    def facts(self, out: Path, precision: Precision) -> dict[str, str]:  # noqa: ARG002
        """What is to be called, and what computes."""
        return {"method": "forward", "backend": "XNNPACK"}

    def write(self, form: Form, out: Path, contract: Contract, calibration: Calibration) -> None:  # noqa: ARG002
        """As :meth:`rethined.export.formats.base.Format.write`."""
        import torch
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower
        from torch._export.verifier import SpecViolationError

        form = form.in_planes()
        if contract.precision == "fp16":
            form = form.halved()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about itself
            try:
                lowered = to_edge_transform_and_lower(
                    torch.export.export(form.module, form.example, strict=False),
                    partitioner=[XnnpackPartitioner()],
                    constant_methods={"contract": json.dumps(contract.metadata())},
                ).to_executorch()
            except (RuntimeError, SpecViolationError) as error:
                # Both name what has no kernel, in the first lines of much advice.
                named = " ".join(str(error).split())[:300]
                raise ExportError(f"ExecuTorch lacks an operator of this network: {named}") from error
        with out.open("wb") as file:
            lowered.write_to_file(file)

    def open(self, artefact: Path, contract: Contract, *, threads: int) -> Run:
        """As :meth:`rethined.export.formats.base.Format.open`; on the processor."""
        import torch
        from executorch.extension.pybindings import portable_lib
        from executorch.runtime import Runtime

        portable_lib._unsafe_reset_threadpool(threads)
        # The file is read as it runs, so what has read it is kept.
        program = Runtime.get().load_program(artefact)
        method = program.load_method("forward")

        def run(feed: Feed) -> dict[str, NDArray[Any]]:
            given = [torch.from_numpy(np.ascontiguousarray(feed[port.name])) for port in contract.inputs]
            return {port.name: x.numpy() for port, x in zip(contract.outputs, method.execute(given), strict=True)}

        return run
