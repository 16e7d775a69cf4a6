from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from rethined.export.tracing import trace_onnx


class Shapes(nn.Module):
    """Pads, and reads shapes."""

    def forward(self, x: Tensor) -> Tensor:
        y = nn.functional.pad(x, [1, 2, 0, 3]).flatten(2)
        return y * 2 + torch.arange(y.shape[2])


@pytest.mark.parametrize("is_open", [False, True])
def test_shapes_that_are_known_are_not_computed(is_open: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "x.onnx"
    axes = {"x": {2: "H"}} if is_open else None
    trace_onnx(Shapes().eval(), (torch.rand(1, 2, 4, 5),), path, inputs=["x"], outputs=["y"], axes=axes)
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    computed = kinds & {"Shape", "Range", "ConstantOfShape", "Concat", "Reshape"}
    assert computed >= {"Shape", "Range"} if is_open else computed == {"Reshape"}
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    for rows in (4, 7) if is_open else (4,):
        x = rng.random((1, 2, rows, 5), np.float32)
        (got,) = session.run(None, {"x": x})
        np.testing.assert_allclose(got, Shapes()(torch.from_numpy(x)).numpy(), atol=1e-6)
