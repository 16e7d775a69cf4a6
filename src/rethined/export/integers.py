"""The network that was trained with quantisation, as the ONNX file of integers that it was trained to be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from rethined.nn.quantised import WEIGHT_LEVELS


def to_integers(path: Path) -> dict[str, NDArray[np.float32]]:
    """Makes the convolutions of a file those of integers where their inputs and outputs are in steps.

    The file is that of a network that rounds its activations, as the exporter writes it: with a pair of
    ``QuantizeLinear`` and ``DequantizeLinear`` for each. Kernels become int8 with a step for each output channel, of
    seven bits; biases int32 in steps of input times kernel. Convolutions whose output is not in steps stay as they are.

    Returns:
        The biases as they now are, by the names of the network's parameters that they were.
    """
    model = onnx.load(path)
    graph = model.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    maker = {name: node for node in graph.node for name in node.output}
    quantised = {node.input[0] for node in graph.node if node.op_type == "QuantizeLinear"}
    before: list[onnx.NodeProto] = []
    biases = {}
    for node in graph.node:
        if node.op_type != "Conv" or node.output[0] not in quantised:
            continue
        source = maker[node.input[0]]
        if source.op_type != "DequantizeLinear":
            continue
        input_step = float(numpy_helper.to_array(_constant(source.input[1], stored, maker)))
        weight, bias = (numpy_helper.to_array(_constant(name, stored, maker)) for name in node.input[1:])
        steps = np.maximum(np.abs(weight).reshape(len(weight), -1).max(1) / np.float32(WEIGHT_LEVELS), 1e-12)
        whole = np.rint(weight / steps[:, None, None, None]).astype(np.int8)
        bias_steps = (steps * np.float32(input_step)).astype(np.float32)
        whole_bias = np.rint(bias / bias_steps).astype(np.int32)
        name = _module_of(node.name)
        before += [
            *_dequantised(graph, f"{name}.weight", whole, steps.astype(np.float32)),
            *_dequantised(graph, f"{name}.bias", whole_bias, bias_steps),
        ]
        node.input[1:] = [f"{name}.weight.integer", f"{name}.bias.integer"]
        biases[f"{name}.bias"] = whole_bias * bias_steps
    for added in reversed(before):
        graph.node.insert(0, added)
    _drop_unused(graph)
    onnx.save(model, path)
    return biases


def _module_of(node: str) -> str:
    """The path of the module that a node comes from, by its name: ``/network/encode4/encode4.0/depthwise/Conv``."""
    path: list[str] = []
    for part in node.strip("/").split("/")[1:-1]:
        # One that lies in a list has the list's name before its own.
        if path and part.startswith(f"{path[-1]}."):
            path.pop()
        path.append(part)
    return ".".join(path)


def _constant(name: str, stored: dict[str, onnx.TensorProto], maker: dict[str, onnx.NodeProto]) -> onnx.TensorProto:
    """A tensor that is in the file, as one of its own or as what a node ``Constant`` gives."""
    if name in stored:
        return stored[name]
    node = maker[name]
    if node.op_type == "Identity":  # the exporter keeps equal tensors once
        return _constant(node.input[0], stored, maker)
    tensor: onnx.TensorProto = node.attribute[0].t
    return tensor


def _dequantised(
    graph: onnx.GraphProto, name: str, whole: NDArray[np.integer], steps: NDArray[np.float32]
) -> Iterator[onnx.NodeProto]:
    """The node that makes ``NAME.integer`` of whole numbers and their steps along the first axis, kept in the graph."""
    for part, values in (("whole", whole), ("steps", steps), ("zero", np.zeros(len(steps), whole.dtype))):
        graph.initializer.append(numpy_helper.from_array(values, f"{name}.{part}"))
    parts = [f"{name}.whole", f"{name}.steps", f"{name}.zero"]
    yield helper.make_node("DequantizeLinear", parts, [f"{name}.integer"], name=f"{name}.dequantise", axis=0)


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
