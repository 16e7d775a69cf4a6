"""Writes the graph that :class:`rethined.ranking.Ranker` runs; needed again only if the graph changes."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

from rethined.export.tracing import OPSET
from rethined.files import whole_or_nothing

IR_VERSION = 8
"""That of the opset: a newer one would shut older runtimes out."""


def write_ranking_graph(path: Path) -> None:
    """``products, indices = top_k(rows @ columns + penalty)`` as an ONNX file."""
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["rows", "columns"], ["raw"]),
            helper.make_node("Add", ["raw", "penalty"], ["masked"]),
            helper.make_node("TopK", ["masked", "k"], ["products", "indices"], axis=1, largest=1, sorted=1),
        ],
        "ranking",
        inputs=[
            helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["R", "d"]),
            helper.make_tensor_value_info("columns", TensorProto.FLOAT, ["d", "T"]),
            helper.make_tensor_value_info("penalty", TensorProto.FLOAT, ["T"]),
            helper.make_tensor_value_info("k", TensorProto.INT64, [1]),
        ],
        outputs=[
            helper.make_tensor_value_info("products", TensorProto.FLOAT, ["R", "n"]),
            helper.make_tensor_value_info("indices", TensorProto.INT64, ["R", "n"]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name = "rethined"
    onnx.checker.check_model(model, full_check=True)
    with whole_or_nothing(path) as partial:
        onnx.save(model, partial)
