"""From a torch module to an ONNX file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from rethined.errors import ExportError

OPSET = 17
SMALL = 64
"""Numbers in a tensor that may be one of a shape."""


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
    model = onnx.load(path)
    fold_shapes(model)
    onnx.save(model, path)


def fold_shapes(model: onnx.ModelProto) -> None:
    """Replaces what computes with small integers that are known beforehand, shapes above all, by its result.

    The exporter leaves such nodes behind, and compilers for phones refuse graphs that compute shapes.
    """
    # What is folded tells further shapes.
    while _fold_once(model):
        pass


def _fold_once(model: onnx.ModelProto) -> bool:
    """Whether there was anything to fold."""
    graph = model.graph
    known = {
        value.name: sides
        for value in onnx.shape_inference.infer_shapes(model, data_prop=True).graph.value_info
        if (sides := _sides(value)) is not None
    }
    known |= {value.name: sides for value in graph.input if (sides := _sides(value)) is not None}
    constants: dict[str, NDArray[Any]] = {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == TensorProto.INT64 and np.prod(tensor.dims) <= SMALL
    }
    kept = []
    for node in graph.node:
        result: NDArray[Any] | None = None
        if node.op_type == "Shape" and not node.attribute and node.input[0] in known:
            result = np.array(known[node.input[0]], np.int64)
        elif len(node.output) == 1 and all(name in constants or not name for name in node.input):
            given = {name: constants[name] for name in node.input if name}
            result = np.asarray(next(iter(ReferenceEvaluator(node).run(None, given))))
        if result is None or not np.issubdtype(result.dtype, np.integer) or result.size > SMALL:
            kept.append(node)
        else:
            constants[node.output[0]] = result
    used = {name for node in kept for name in node.input} | {value.name for value in graph.output}
    stored = {tensor.name for tensor in graph.initializer}
    has_folded = len(kept) < len(graph.node)
    del graph.node[:]
    graph.node.extend(kept)
    graph.initializer.extend(
        numpy_helper.from_array(np.asarray(constants[name]), name) for name in sorted(used & constants.keys() - stored)
    )
    return has_folded


def _sides(value: onnx.ValueInfoProto) -> tuple[int, ...] | None:
    """The shape of a value; ``None`` where any side is left open."""
    kind = value.type.tensor_type
    if not kind.HasField("shape") or not all(side.HasField("dim_value") for side in kind.shape.dim):
        return None
    return tuple(side.dim_value for side in kind.shape.dim)


def trace_script(module: nn.Module, example: tuple[Tensor, ...]) -> torch.jit.ScriptModule:
    """A module as TorchScript, for converters that read it; sizes become constants.

    Args:
        module: In evaluation mode.
        example: Inputs to trace with.
    """
    with warnings.catch_warnings(), torch.no_grad():
        # Sizes are meant to become constants, and torch announces the successor of TorchScript.
        warnings.simplefilter("ignore")
        traced: torch.jit.ScriptModule = torch.jit.trace(module, example, check_trace=False)
    return traced


class Named(nn.Module):
    """A module that takes its inputs by name and gives a dictionary, for converters that take names from there."""

    def __init__(self, module: nn.Module, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)

    def forward(self, **given: Tensor) -> dict[str, Tensor]:
        """Outputs by name."""
        return dict(zip(self.outputs, self.module(*(given[name] for name in self.inputs)), strict=True))
