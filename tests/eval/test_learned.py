"""Learned peers behind small ONNX files of the signatures that are in the wild."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from rethined.errors import ModelNotFoundError, ModelSignatureError
from rethined.eval.learned import MARGIN_PX, LearnedPeer, PipelinePeer, hole_crops, load_learned
from rethined.eval.methods import make_method
from rethined.types import Box

GREEN = (40, 200, 90)


def tensor(name: str, kind: int, shape: list[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def save(path: Path, nodes: list[onnx.NodeProto], inputs: list[Any], outputs: list[Any], constants: list[Any]) -> Path:
    graph = helper.make_graph(nodes, "peer", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def constant(name: str, values: Any, kind: int = TensorProto.FLOAT) -> onnx.TensorProto:  # noqa: ANN401
    array = np.asarray(values)
    return helper.make_tensor(name, kind, array.shape, array.ravel())


def pipeline(path: Path) -> Path:
    """Like MI-GAN's: where the mask is not 255 it paints green."""
    nodes = [
        helper.make_node("Equal", ["mask", "full"], ["known"]),
        helper.make_node("Where", ["known", "image", "green"], ["result"]),
    ]
    return save(
        path,
        nodes,
        [tensor("image", TensorProto.UINT8, [1, 3, "H", "W"]), tensor("mask", TensorProto.UINT8, [1, 1, "H", "W"])],
        [tensor("result", TensorProto.UINT8, [1, 3, "H", "W"])],
        [
            constant("full", [[[[255]]]], TensorProto.UINT8),
            constant("green", np.reshape(GREEN, (1, 3, 1, 1)), TensorProto.UINT8),
        ],
    )


def network(path: Path, *, size: Any, scale: float) -> Path:  # noqa: ANN401
    """Like LaMa's files: paints green where the mask is 1, in 0..``scale``."""
    green = np.reshape(GREEN, (1, 3, 1, 1)) / 255 * scale
    nodes = [
        helper.make_node("Mul", ["mask", "green"], ["painted"]),
        helper.make_node("Sub", ["one", "mask"], ["known"]),
        helper.make_node("Mul", ["image", "known"], ["kept"]),
        helper.make_node("Mul", ["kept", "scale"], ["scaled"]),
        helper.make_node("Add", ["painted", "scaled"], ["output"]),
    ]
    return save(
        path,
        nodes,
        [
            tensor("image", TensorProto.FLOAT, ["N", 3, size, size]),
            tensor("mask", TensorProto.FLOAT, ["N", 1, size, size]),
        ],
        [tensor("output", TensorProto.FLOAT, ["N", 3, size, size])],
        [constant("green", green.astype(np.float32)), constant("one", [1.0]), constant("scale", [scale])],
    )


def stacked(path: Path) -> Path:
    """One input of four channels: gives the picture plus green times the fourth."""
    nodes = [
        helper.make_node("Split", ["input", "parts"], ["picture", "hole"], axis=1),
        helper.make_node("Mul", ["hole", "green"], ["painted"]),
        helper.make_node("Add", ["picture", "painted"], ["output"]),
    ]
    green = (np.reshape(GREEN, (1, 3, 1, 1)) / 255).astype(np.float32)
    return save(
        path,
        nodes,
        [tensor("input", TensorProto.FLOAT, [1, 4, "H", "W"])],
        [tensor("output", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [constant("green", green), constant("parts", [3, 1], TensorProto.INT64)],
    )


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (300, 420, 3), np.uint8)


@pytest.fixture
def hole() -> np.ndarray:
    hole = np.zeros((300, 420), bool)
    hole[40:60, 30:70] = hole[200:230, 390:] = True
    return hole


def check(filled: np.ndarray, image: np.ndarray, hole: np.ndarray) -> None:
    assert filled.shape == image.shape
    assert filled.dtype == np.uint8
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    np.testing.assert_allclose(filled[hole].astype(int), np.broadcast_to(GREEN, filled[hole].shape), atol=1)


def test_a_pipeline_gets_the_whole_picture_with_zero_as_hole(
    tmp_path: Path, image: np.ndarray, hole: np.ndarray
) -> None:
    peer = load_learned(pipeline(tmp_path / "peer.onnx"), threads=1)
    assert isinstance(peer, PipelinePeer)
    check(peer(image, hole), image, hole)


@pytest.mark.parametrize(("size", "fixed"), [(512, (512, 512)), ("S", None)])
@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_networks_get_crops_with_one_as_hole_in_either_range(
    size: int | str,
    fixed: tuple[int, int] | None,
    scale: float,
    tmp_path: Path,
    image: np.ndarray,
    hole: np.ndarray,
) -> None:
    peer = load_learned(network(tmp_path / "peer.onnx", size=size, scale=scale), threads=1)
    assert isinstance(peer, LearnedPeer)
    assert peer.size_hw == fixed
    before = image.copy()
    filled = peer(image, hole)
    np.testing.assert_array_equal(image, before)
    if fixed is None:
        check(filled, image, hole)
    else:  # at the rim of a resized crop, the next pixel's colour mixes in
        np.testing.assert_array_equal(filled[~hole], image[~hole])
        np.testing.assert_allclose(filled[50, 50].astype(int), GREEN, atol=1)


def test_a_stacked_input_has_its_hole_zeroed(tmp_path: Path, image: np.ndarray, hole: np.ndarray) -> None:
    check(make_method(str(stacked(tmp_path / "peer.onnx")), threads=1)(image, hole), image, hole)


def test_crops_surround_each_hole_and_shift_inwards_at_borders(hole: np.ndarray) -> None:
    wide = np.zeros((300, 1000), bool)
    wide[:, :420] = hole
    assert hole_crops(wide) == [
        Box(0, 0, 20 + 2 * MARGIN_PX, 40 + 2 * MARGIN_PX),
        Box(300 - 30 - 2 * MARGIN_PX, 390 - MARGIN_PX, 300, 420 + MARGIN_PX),
    ]
    assert hole_crops(np.ones((50, 60), bool)) == [Box(0, 0, 50, 60)]


def test_other_signatures_are_refused_with_what_they_have(tmp_path: Path) -> None:
    odd = save(
        tmp_path / "odd.onnx",
        [helper.make_node("Identity", ["x"], ["y"])],
        [tensor("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [tensor("y", TensorProto.FLOAT, [1, 3, 8, 8])],
        [],
    )
    with pytest.raises(
        ModelSignatureError, match=r"odd\.onnx has the signature x tensor\(float\) \[1, 3, 8, 8\], y .*; expected"
    ):
        load_learned(odd)
    with pytest.raises(ModelNotFoundError, match=r"no network file at .*none\.onnx"):
        load_learned(tmp_path / "none.onnx")
