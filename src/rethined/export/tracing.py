"""From a torch module to an ONNX file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from rethined.errors import ExportError

OPSET = 17


def trace_onnx(
    module: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    axes: Mapping[str, Mapping[int, str]] | None = None,
) -> None:
    """Writes a module as ONNX.

    Args:
        module: In evaluation mode; gives a tensor or a tuple of them.
        example: Inputs to trace with.
        path: File to write.
        inputs, outputs: Names, in order.
        axes: By name of input or output, the axes that are left open and what they are called; none when ``None``.

    Raises:
        ExportError: An operator that ONNX lacks; the message names it.
    """
    with warnings.catch_warnings():
        # The TorchScript exporter announces its successor, which would need one more package (onnxscript).
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                module,
                example,
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes={name: dict(names) for name, names in (axes or {}).items()},
            )
        except torch.onnx.errors.UnsupportedOperatorError as error:
            raise ExportError(f"ONNX (opset {OPSET}) lacks an operator of this network: {error}") from error
