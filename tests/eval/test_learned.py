"""Learned peers behind small files of the signatures that are in the wild."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from rethined.errors import MissingExtraError, ModelNotFoundError, ModelSignatureError
from rethined.eval.learned import MARGIN_PX, LearnedPeer, PipelinePeer, hole_crops, load_learned
from rethined.eval.methods import make_method
from rethined.regions import group_cells
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


class Watch:
    """A session that keeps what it is fed."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401
        self.inner = inner
        self.feeds: list[dict[str, np.ndarray]] = []

    def run(self, outputs: None, feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.feeds.append(feed)
        return list(self.inner.run(outputs, feed))


def watched_pipeline(path: Path) -> tuple[PipelinePeer, list[dict[str, np.ndarray]]]:
    peer = load_learned(pipeline(path), threads=1)
    assert isinstance(peer, PipelinePeer)
    watch = Watch(peer.session)
    return PipelinePeer(watch), watch.feeds


def test_a_pipeline_gets_a_square_round_each_hole_with_zero_as_hole(tmp_path: Path, rng: np.random.Generator) -> None:
    peer, feeds = watched_pipeline(tmp_path / "peer.onnx")
    image = rng.integers(0, 256, (700, 1500, 3), np.uint8)
    hole = np.zeros((700, 1500), bool)
    hole[300:310, 100:500] = hole[600:640, 1300:1340] = True
    before = image.copy()
    check(peer(image, hole), image, hole)
    np.testing.assert_array_equal(image, before)
    # The long hole's square is 400 px and twice the margin; the other's is 512 and moved into the picture.
    assert [feed["image"].shape for feed in feeds] == [(1, 3, 662, 662), (1, 3, 512, 512)]
    np.testing.assert_array_equal(feeds[0]["image"][0].transpose(1, 2, 0), image[:662, :662])
    np.testing.assert_array_equal(feeds[1]["image"][0].transpose(1, 2, 0), image[700 - 512 :, 1500 - 512 :])


def test_a_pipeline_never_mixes_what_lies_in_the_hole_into_its_result(tmp_path: Path, rng: np.random.Generator) -> None:
    peer, feeds = watched_pipeline(tmp_path / "peer.onnx")
    image = rng.integers(0, 256, (600, 600, 3), np.uint8)
    hole = np.zeros((600, 600), bool)
    hole[290:310, 280:300] = True
    filled = peer(image, hole)
    (feed,) = feeds
    assert set(np.unique(feed["mask"])) == {0, 255}
    known = (feed["mask"][0, 0] == 255).astype(np.float32)
    # What its blend does: the known side grows by one and is blurred over five pixels.
    weights = cv2.blur(cv2.dilate(known, np.ones((3, 3), np.uint8)), (5, 5))
    top, left = np.argwhere(known == 0).min(0) + 3
    assert weights[top : top + 20, left : left + 20].max() == 0
    np.testing.assert_array_equal(filled[~hole], image[~hole], "the grown rings are given back")


@pytest.mark.parametrize("size_hw", [(300, 420), (60, 900)], ids=str)
def test_a_pipeline_gets_squares_of_pictures_that_have_none(
    size_hw: tuple[int, int], tmp_path: Path, rng: np.random.Generator
) -> None:
    peer, feeds = watched_pipeline(tmp_path / "peer.onnx")
    image = rng.integers(0, 256, (*size_hw, 3), np.uint8)
    hole = np.zeros(size_hw, bool)
    hole[40:, 300:320] = True
    check(peer(image, hole), image, hole)
    height = size_hw[0]
    (feed,) = feeds
    side = feed["image"].shape[-1]
    assert feed["image"].shape == (1, 3, side, side)
    assert side >= 512
    # The mirrored hole is hole, or the blanked pixels would be taken for known ones.
    np.testing.assert_array_equal(
        feed["mask"][0, 0, height : height + 20], feed["mask"][0, 0, height - 20 : height][::-1]
    )
    assert (feed["mask"][0, 0, height] == 0).any()


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
    check(filled, image, hole)


def test_a_network_of_one_size_gets_squares_resized(tmp_path: Path, rng: np.random.Generator) -> None:
    peer = load_learned(network(tmp_path / "peer.onnx", size=512, scale=1.0), threads=1)
    image = rng.integers(0, 256, (700, 1500, 3), np.uint8)
    hole = np.zeros((700, 1500), bool)
    hole[330:350, 200:700] = True
    filled = peer(image, hole)
    np.testing.assert_array_equal(filled[~hole], image[~hole])
    # At the rim of a resized crop, the next pixel's colour mixes in.
    np.testing.assert_allclose(filled[336:344, 210:690].astype(int), np.broadcast_to(GREEN, (8, 480, 3)), atol=1)


def test_each_hole_comes_from_the_crop_round_it(image: np.ndarray, hole: np.ndarray) -> None:
    shades = iter((10, 20))

    def number(picture: np.ndarray, marked: np.ndarray) -> np.ndarray:
        np.testing.assert_array_equal(marked[0, 0, :300, :420], hole, "each crop holds both holes")
        return np.full_like(picture, next(shades) / 255)

    filled = LearnedPeer(number, (512, 512))(image, hole)
    assert np.unique(filled[40:60, 30:70]).tolist() == [10]
    assert np.unique(filled[200:230, 390:]).tolist() == [20]


def test_what_pads_a_crop_mirrors_the_hole_too(image: np.ndarray, hole: np.ndarray) -> None:
    seen: list[np.ndarray] = []

    def watch(picture: np.ndarray, marked: np.ndarray) -> np.ndarray:
        seen.append(marked[0, 0])
        return picture

    edge = np.zeros_like(hole)
    edge[290:, 100:110] = True
    LearnedPeer(watch, None)(image, edge)
    (marked,) = seen
    assert marked.shape == (288, 288)
    assert marked[256:276, 105].all(), "the crop ends at 266; below, the ten rows of the hole are mirrored"
    assert marked.sum() == 2 * 10 * 10


def test_a_stacked_input_has_its_hole_zeroed(tmp_path: Path, image: np.ndarray, hole: np.ndarray) -> None:
    check(make_method(str(stacked(tmp_path / "peer.onnx")), threads=1)(image, hole), image, hole)


def test_crops_surround_each_hole_and_shift_inwards_at_borders(hole: np.ndarray) -> None:
    wide = np.zeros((300, 1000), bool)
    wide[:, :420] = hole
    assert hole_crops(group_cells(wide)) == [
        Box(0, 0, 20 + 2 * MARGIN_PX, 40 + 2 * MARGIN_PX),
        Box(300 - 30 - 2 * MARGIN_PX, 390 - MARGIN_PX, 300, 420 + MARGIN_PX),
    ]
    assert hole_crops(group_cells(np.ones((50, 60), bool))) == [Box(0, 0, 50, 60)]
    assert hole_crops(group_cells(wide), square_px=300) == [Box(0, 0, 300, 300), Box(0, 405 - 150, 300, 405 + 150)]


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


# ---- TorchScript ----


class Green(torch.nn.Module):
    """Like big-lama.pt: the picture with green where the mask is 1, in 0..1."""

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if image.size(1) != 3 or image.size(2) % 8 != 0 or image.size(3) % 8 != 0:
            raise ValueError("expected three channels and sides that are multiples of 8")
        green = torch.tensor([40.0, 200.0, 90.0]).view(1, 3, 1, 1) / 255
        return image * (1 - mask) + green * mask


class MaskFirst(torch.nn.Module):
    """The same the other way round."""

    def __init__(self) -> None:
        super().__init__()
        self.green = Green()

    def forward(self, mask: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return self.green(image, mask)


class OneTensor(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Sized(torch.nn.Module):
    def forward(self, image: torch.Tensor, mask: torch.Tensor, size: int) -> torch.Tensor:
        return image[..., :size] * mask[..., :size]


class Pair(torch.nn.Module):
    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return image, mask


class Headless(torch.nn.Module):
    @torch.jit.export
    def fill(self, image: torch.Tensor) -> torch.Tensor:
        return image


@pytest.fixture
def save_script(tmp_path: Path) -> Callable[[torch.nn.Module, str], Path]:
    def save(module: torch.nn.Module, name: str) -> Path:
        with pytest.warns(DeprecationWarning, match=r"torch\.jit\.script"):
            torch.jit.script(module).save(tmp_path / name)
        return tmp_path / name

    return save


@pytest.mark.parametrize("suffix", [".pt", ".ts", ".jit", ".torchscript", ".PT"])
@pytest.mark.parametrize("module", [Green, MaskFirst])
def test_torchscript_files_get_crops_with_one_as_hole(
    module: type[torch.nn.Module],
    suffix: str,
    save_script: Callable[[torch.nn.Module, str], Path],
    image: np.ndarray,
    hole: np.ndarray,
) -> None:
    check(make_method(str(save_script(module(), f"peer{suffix}")))(image, hole), image, hole)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (OneTensor, r"odd\.pt has the signature forward\(Tensor x\) -> Tensor; expected two tensors, image and mask"),
        (Sized, r"forward\(Tensor image, Tensor mask, int size\) -> Tensor; expected"),
        (Pair, r"-> Tuple\[Tensor, Tensor\]; expected"),
        (Headless, r"odd\.pt has no method forward; expected forward\(image, mask\)"),
    ],
)
def test_other_torchscript_signatures_are_refused_with_what_they_have(
    module: type[torch.nn.Module], message: str, save_script: Callable[[torch.nn.Module, str], Path]
) -> None:
    with pytest.raises(ModelSignatureError, match=message):
        load_learned(save_script(module(), "odd.pt"))


def test_checkpoints_are_no_torchscript(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "state.pt")
    (tmp_path / "text.pt").write_text("hello")
    for name in ("state.pt", "text.pt"):
        with pytest.raises(
            ModelSignatureError, match=rf"{name} is not a TorchScript file .* written by torch\.jit\.save"
        ):
            load_learned(tmp_path / name)
    with pytest.raises(ModelNotFoundError, match=r"no network file at .*none\.pt; .*TorchScript"):
        load_learned(tmp_path / "none.pt")


def test_without_torch_a_torchscript_file_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"needs the package 'torch': pip install 'rethined\[bench\]'"):
        load_learned(tmp_path / "peer.pt")
