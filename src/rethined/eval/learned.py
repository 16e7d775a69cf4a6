"""Learned peers from a file the user has, run as people run them.

Known contracts (names, types, ranges and polarity as ONNX files state them and as the projects of the TorchScript files
document them):

=============  ======================================================  ============================  =================
file           inputs                                                  output                        crops
=============  ======================================================  ============================  =================
MI-GAN         ``image`` uint8 ``(1, 3, H, W)``, ``mask`` uint8        ``(1, 3, H, W)`` uint8        squares of 512 or
pipeline       ``(1, 1, H, W)``, 255 = known, 0 = hole                                               more, hole grown
LaMa (Carve)   ``image`` float ``(N, 3, 512, 512)`` 0..1, ``mask``     ``(N, 3, 512, 512)`` 0..255   squares, resized
               float, 1 = hole                                                                       to 512
image, mask    the same at any size, or another fixed one              0..1 or 0..255                padded to 32
one input      float ``(1, 4, H, W)``: picture 0..1 with its hole      0..1 or 0..255                padded to 32
               zeroed, and the hole, 1 = fill
TorchScript    two tensors, ``image`` float ``(1, 3, H, W)`` 0..1 and  0..1 or 0..255                padded to 32
(big-lama.pt)  ``mask`` float ``(1, 1, H, W)``, 1 = hole
=============  ======================================================  ============================  =================

All are run crop by crop: a box round each connected hole, 128 px larger on every side and shifted inwards at borders,
as IOPaint's default for large pictures does. What a peer would squeeze to a fixed size is a square instead, so that its
aspect ratio stays. Crops are padded by mirroring picture and hole alike, as LaMa's own loader does. Only hole pixels
are taken from the results.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort

from rethined.errors import MissingExtraError, ModelNotFoundError, ModelSignatureError
from rethined.regions import HoleGroups, group_cells
from rethined.runtime import available_cores, open_graph
from rethined.types import Box, Float32, HoleMap, Image8, SizeHW

ONNX_SUFFIXES = frozenset({".onnx"})
TORCHSCRIPT_SUFFIXES = frozenset({".pt", ".ts", ".jit", ".torchscript"})
LEARNED_SUFFIXES = ONNX_SUFFIXES | TORCHSCRIPT_SUFFIXES
"""How the files end that are taken for learned peers."""

MARGIN_PX = 128
"""Known pixels round each hole, IOPaint's default."""
MULTIPLE_PX = 32
"""Sides of crops are padded to multiples of this; LaMa asks for 8, others for 16 or 32."""
PIPELINE_PX = 512
"""Side that MI-GAN's pipeline resizes to; it never looks at less of a picture that has more."""
PIPELINE_GROW_PX = 3
"""Its blend grows the known side by 1 px and blurs over 5 x 5: the first three rings of hole pixels would keep 65, 35
and 11 % of what was there before."""

Network = Callable[[Float32, Float32], Float32]
"""Fills one crop: picture ``(1, 3, H, W)`` in 0..1 and hole ``(1, 1, H, W)``, 1 = fill, to ``(1, 3, H, W)`` in 0..1 or
0..255."""


def load_learned(file: Path, *, threads: int | None = None) -> LearnedPeer | PipelinePeer:
    """The peer in an ONNX or TorchScript file, its contract told by its inputs and outputs.

    Args:
        file: A file that ends in one of :data:`LEARNED_SUFFIXES`.
        threads: Threads of one run; all cores when ``None``. torch knows one number for the whole process and is set to
            it.

    Raises:
        ModelNotFoundError: No such file.
        ModelSignatureError: Not a file of its kind, or a signature that none of the known contracts has; the message
            says which it has.
        MissingExtraError: A TorchScript file, and torch is not installed.
    """
    if file.suffix.lower() in TORCHSCRIPT_SUFFIXES:
        return _load_torchscript(file, threads)
    session = open_graph(file, threads=threads or available_cores())
    inputs = {value.name: value for value in session.get_inputs()}
    outputs = session.get_outputs()
    kinds = {name: value.type for name, value in inputs.items()}
    if len(outputs) == 1:
        if kinds == {"image": "tensor(uint8)", "mask": "tensor(uint8)"}:
            return PipelinePeer(session)
        if kinds == {"image": "tensor(float)", "mask": "tensor(float)"}:
            return LearnedPeer(_two_inputs(session), _fixed_size(inputs["image"].shape))
        if len(inputs) == 1:
            (value,) = inputs.values()
            if value.type == "tensor(float)" and len(value.shape) == 4 and value.shape[1] == 4:
                return LearnedPeer(_stacked_input(session, value.name), _fixed_size(value.shape))
    has = ", ".join(f"{value.name} {value.type} {value.shape}" for value in (*inputs.values(), *outputs))
    raise ModelSignatureError(
        f"{file} has the signature {has}; expected image and mask (both uint8 or both float) or one float input of four"
        " channels, and one output"
    )


@dataclass(frozen=True)
class PipelinePeer:
    """A pipeline that takes pictures of any size: MI-GAN's. Its mask is 255 where the picture is known.

    One call for several holes would squeeze a box round all of them into 512 px, so it gets one hole after the other;
    and it gets squares, because it squeezes what is not square.
    """

    session: ort.InferenceSession

    def __call__(self, image: Image8, hole: HoleMap) -> Image8:
        """The filled picture, hole by hole."""
        return _crop_by_crop(image, hole, self._fill, square_px=PIPELINE_PX, margin_px=MARGIN_PX + PIPELINE_GROW_PX)

    def _fill(self, crop: Image8, hole: HoleMap) -> Image8:
        # The blur's window is square: a disc would leave it known pixels at the corners.
        window = np.ones((2 * PIPELINE_GROW_PX + 1,) * 2, np.uint8)
        known = np.where(cv2.dilate(hole.view(np.uint8), window), np.uint8(0), np.uint8(255))
        feed = {"image": np.ascontiguousarray(crop.transpose(2, 0, 1)[None]), "mask": known[None, None]}
        (result,) = self.session.run(None, feed)
        return np.ascontiguousarray(result[0].transpose(1, 2, 0))


@dataclass(frozen=True)
class LearnedPeer:
    """A network that fills one crop.

    Attributes:
        network: Fills one crop.
        size_hw: The only size it takes, or ``None`` for any multiple of 32.
    """

    network: Network
    size_hw: SizeHW | None

    def __call__(self, image: Image8, hole: HoleMap) -> Image8:
        """The filled picture, hole by hole."""
        square_px = None if self.size_hw is None else max(self.size_hw)
        return _crop_by_crop(image, hole, self._fill, square_px=square_px, margin_px=MARGIN_PX)

    def _fill(self, crop: Image8, hole: HoleMap) -> Image8:
        if self.size_hw is None:
            size_hw = hole.shape
            crop, hole = _padded(
                crop, hole, (size_hw[0] + -size_hw[0] % MULTIPLE_PX, size_hw[1] + -size_hw[1] % MULTIPLE_PX)
            )
            return self._run(crop, hole)[: size_hw[0], : size_hw[1]]
        if hole.shape == self.size_hw:
            return self._run(crop, hole)
        small = np.asarray(cv2.resize(crop, self.size_hw[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        covered = cv2.resize(hole.astype(np.float32), self.size_hw[::-1], interpolation=cv2.INTER_AREA)
        filled = self._run(small, np.asarray(covered > 0))
        return np.asarray(cv2.resize(filled, hole.shape[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)

    def _run(self, crop: Image8, hole: HoleMap) -> Image8:
        picture = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        result = self.network(picture, hole[None, None].astype(np.float32))
        colours = np.asarray(result[0], np.float32).transpose(1, 2, 0)
        # Files of one signature differ in range; a fill that never exceeds 2 of 255 would be black.
        scale = 1 if colours.max() > 2 else 255
        return np.asarray(np.clip(np.rint(colours * scale), 0, 255), np.uint8)


def hole_crops(holes: HoleGroups, *, square_px: int | None = None, margin_px: int = MARGIN_PX) -> list[Box]:
    """A box round each connected hole, larger on every side, as large at borders where the picture allows.

    Args:
        holes: The connected holes, in pixels.
        square_px: Least side of square boxes, cut off only where the picture ends; ``None`` for boxes of any shape.
        margin_px: How much larger on every side.
    """
    height, width = holes.labels.shape
    crops = []
    for box in holes.boxes:
        rows, columns = box.height + 2 * margin_px, box.width + 2 * margin_px
        if square_px is not None:
            rows = columns = max(rows, columns, square_px)
        top, bottom = _widened(box.top, box.bottom, rows, height)
        left, right = _widened(box.left, box.right, columns, width)
        crops.append(Box(top, left, bottom, right))
    return crops


def _crop_by_crop(
    image: Image8,
    hole: HoleMap,
    fill: Callable[[Image8, HoleMap], Image8],
    *,
    square_px: int | None,
    margin_px: int,
) -> Image8:
    """Fills a copy, box by box; with ``square_px``, boxes that the picture cuts off are padded to squares."""
    result = image.copy()
    holes = group_cells(hole)
    for label, box in enumerate(hole_crops(holes, square_px=square_px, margin_px=margin_px), 1):
        crop, marked = np.ascontiguousarray(result[box.slices]), np.ascontiguousarray(hole[box.slices])
        if square_px is not None:
            side = max(box.height, box.width, square_px)
            crop, marked = _padded(crop, marked, (side, side))
        # Of other holes a crop may hold no more than a corner; each is taken from the crop that has it in the middle.
        own = holes.labels[box.slices] == label
        result[box.slices][own] = fill(crop, marked)[: box.height, : box.width][own]
    return result


def _padded(crop: Image8, hole: HoleMap, size_hw: SizeHW) -> tuple[Image8, HoleMap]:
    """Both enlarged at the bottom and at the right by mirroring: what mirrors a hole is unknown as well."""
    bottom, right = (wanted - side for wanted, side in zip(size_hw, hole.shape, strict=True))
    picture = cv2.copyMakeBorder(crop, 0, bottom, 0, right, cv2.BORDER_REFLECT)
    marked = cv2.copyMakeBorder(hole.view(np.uint8), 0, bottom, 0, right, cv2.BORDER_REFLECT)
    return np.asarray(picture, np.uint8), np.asarray(marked, np.uint8).view(np.bool_)


def _widened(first: int, end: int, wanted: int, limit: int) -> tuple[int, int]:
    """A span of ``wanted`` pixels round another, moved into ``0..limit``."""
    length = min(limit, wanted)
    start = min(max(0, first - (wanted - (end - first)) // 2), limit - length)
    return start, start + length


def _fixed_size(shape: list[Any]) -> SizeHW | None:
    height, width = shape[2:4]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _two_inputs(session: ort.InferenceSession) -> Network:
    def run(picture: Float32, hole: Float32) -> Float32:
        (result,) = session.run(None, {"image": picture, "mask": hole})
        return np.asarray(result, np.float32)

    return run


def _stacked_input(session: ort.InferenceSession, name: str) -> Network:
    def run(picture: Float32, hole: Float32) -> Float32:
        (result,) = session.run(None, {name: np.concatenate([picture * (1 - hole), hole], 1)})
        return np.asarray(result, np.float32)

    return run


def _load_torchscript(file: Path, threads: int | None) -> LearnedPeer:
    """A module of two tensors. Its file names its arguments and no more: ranges and polarity are those of LaMa's."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(f"{file} needs the package {error.name!r}: pip install 'rethined[bench]'") from error
    if not file.is_file():
        raise ModelNotFoundError(f"no network file at {file}; give the path of the peer's TorchScript file")
    try:
        with warnings.catch_warnings():
            # torch has deprecated the format; the files people use are still in it.
            warnings.filterwarnings("ignore", message=".*torch.jit.load", category=DeprecationWarning)
            module = torch.jit.load(file, map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelSignatureError(
            f"{file} is not a TorchScript file that this torch can load: {reason}; checkpoints do not hold the network,"
            " so give a file written by torch.jit.save"
        ) from error
    if not hasattr(module, "forward"):
        raise ModelSignatureError(
            f"{file} has no method forward; expected forward(image, mask), tensors in, tensor out"
        )
    schema = module.forward.schema
    arguments = [(value.name, str(value.type)) for value in schema.arguments[1:]]
    results = [str(value.type) for value in schema.returns]
    if [kind for _, kind in arguments] != ["Tensor", "Tensor"] or results != ["Tensor"]:
        has = ", ".join(f"{kind} {name}" for name, kind in arguments)
        raise ModelSignatureError(
            f"{file} has the signature forward({has}) -> {', '.join(results)}; expected two tensors, image and mask,"
            " and one tensor as the result"
        )
    if threads is not None:
        torch.set_num_threads(threads)
    is_mask_first = "mask" in arguments[0][0]

    def run(picture: Float32, hole: Float32) -> Float32:
        given = [torch.from_numpy(picture), torch.from_numpy(hole)]
        with torch.inference_mode():
            return np.asarray(module(*(reversed(given) if is_mask_first else given)), np.float32)

    return LearnedPeer(run, None)
