"""Learned peers from a file the user has, run as people run them.

Known contracts (names, types, ranges and polarity as their files state them):

=============  ======================================================  ============================  =================
file           inputs                                                  output                        how it is run
=============  ======================================================  ============================  =================
MI-GAN         ``image`` uint8 ``(1, 3, H, W)``, ``mask`` uint8        ``(1, 3, H, W)`` uint8        whole picture: it
pipeline       ``(1, 1, H, W)``, 255 = known, 0 = hole                                               crops by itself
LaMa (Carve)   ``image`` float ``(N, 3, 512, 512)`` 0..1, ``mask``     ``(N, 3, 512, 512)`` 0..255   crop by crop,
               float, 1 = hole                                                                       resized to 512
image, mask    the same at any size, or another fixed one              0..1 or 0..255                crop by crop
one input      float ``(1, 4, H, W)``: picture 0..1 with its hole      0..1 or 0..255                crop by crop,
               zeroed, and the hole, 1 = fill                                                        padded to 32
=============  ======================================================  ============================  =================

Crop by crop: a box round each connected hole, 128 px larger on every side and shifted inwards at borders, as IOPaint's
default for large pictures does. Only hole pixels are taken from the results.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort

from rethined.errors import ModelSignatureError
from rethined.regions import group_cells
from rethined.runtime import available_cores, open_graph
from rethined.types import Box, Float32, HoleMap, Image8, SizeHW

MARGIN_PX = 128
"""Known pixels round each hole, IOPaint's default."""
MULTIPLE_PX = 32


def load_learned(file: Path, *, threads: int | None = None) -> LearnedPeer | PipelinePeer:
    """The peer in an ONNX file, its contract told by names and types of inputs and outputs.

    Args:
        file: The ONNX file.
        threads: Threads of one run; all cores when ``None``.

    Raises:
        ModelNotFoundError: No such file.
        ModelSignatureError: Not an ONNX file, or a signature that none of the known contracts has; the message says
            which it has.
    """
    session = open_graph(file, threads=threads or available_cores())
    inputs = {value.name: value for value in session.get_inputs()}
    outputs = session.get_outputs()
    kinds = {name: value.type for name, value in inputs.items()}
    if len(outputs) == 1:
        if kinds == {"image": "tensor(uint8)", "mask": "tensor(uint8)"}:
            return PipelinePeer(session)
        if kinds == {"image": "tensor(float)", "mask": "tensor(float)"}:
            return LearnedPeer(session, _fixed_size(inputs["image"].shape), is_stacked=False)
        if len(inputs) == 1:
            (value,) = inputs.values()
            if value.type == "tensor(float)" and len(value.shape) == 4 and value.shape[1] == 4:
                return LearnedPeer(session, _fixed_size(value.shape), is_stacked=True)
    has = ", ".join(f"{value.name} {value.type} {value.shape}" for value in (*inputs.values(), *outputs))
    raise ModelSignatureError(
        f"{file} has the signature {has}; expected image and mask (both uint8 or both float) or one float input of four"
        " channels, and one output"
    )


@dataclass(frozen=True)
class PipelinePeer:
    """A whole pipeline that takes any picture: MI-GAN's. Its mask is 255 where the picture is known."""

    session: ort.InferenceSession

    def __call__(self, image: Image8, hole: HoleMap) -> Image8:
        """The filled picture, exactly as the pipeline gives it."""
        known = np.where(hole, np.uint8(0), np.uint8(255))
        feed = {"image": np.ascontiguousarray(image.transpose(2, 0, 1)[None]), "mask": known[None, None]}
        (result,) = self.session.run(None, feed)
        return np.ascontiguousarray(result[0].transpose(1, 2, 0))


@dataclass(frozen=True)
class LearnedPeer:
    """A network that fills one crop.

    Attributes:
        session: The graph.
        size_hw: The only size it takes, or ``None`` for any multiple of 32.
        is_stacked: Whether picture and hole go in as one input of four channels.
    """

    session: ort.InferenceSession
    size_hw: SizeHW | None
    is_stacked: bool

    def __call__(self, image: Image8, hole: HoleMap) -> Image8:
        """The filled picture, hole by hole; a later crop sees what an earlier one filled."""
        result = image.copy()
        for box in hole_crops(hole):
            part = hole[box.slices]
            filled = self._fill(np.ascontiguousarray(result[box.slices]), part)
            result[box.slices][part] = filled[part]
        return result

    def _fill(self, crop: Image8, hole: HoleMap) -> Image8:
        """One crop of any size."""
        size_hw = hole.shape
        if self.size_hw is not None:
            crop = np.asarray(cv2.resize(crop, self.size_hw[::-1], interpolation=cv2.INTER_AREA), np.uint8)
            covered = cv2.resize(hole.astype(np.float32), self.size_hw[::-1], interpolation=cv2.INTER_AREA)
            filled = self._run(crop, np.asarray(covered > 0))
            return np.asarray(cv2.resize(filled, size_hw[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
        bottom, right = (-side % MULTIPLE_PX for side in size_hw)
        crop = np.asarray(cv2.copyMakeBorder(crop, 0, bottom, 0, right, cv2.BORDER_REFLECT), np.uint8)
        padded = np.pad(hole, ((0, bottom), (0, right)))
        return self._run(crop, padded)[: size_hw[0], : size_hw[1]]

    def _run(self, crop: Image8, hole: HoleMap) -> Image8:
        picture = np.ascontiguousarray(crop.transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        mask = hole[None, None].astype(np.float32)
        feed: dict[str, Float32] = {"image": picture, "mask": mask}
        if self.is_stacked:
            name = self.session.get_inputs()[0].name
            feed = {name: np.concatenate([picture * (1 - mask), mask], 1)}
        (result,) = self.session.run(None, feed)
        colours = np.asarray(result[0], np.float32).transpose(1, 2, 0)
        # Files of one signature differ in range; a fill that never exceeds 2 of 255 would be black.
        scale = 1 if colours.max() > 2 else 255
        return np.asarray(np.clip(np.rint(colours * scale), 0, 255), np.uint8)


def hole_crops(hole: HoleMap) -> list[Box]:
    """A box round each connected hole, 128 px larger on every side, as large at borders where the picture allows."""
    height, width = hole.shape
    crops = []
    for box in group_cells(hole).boxes:
        top, bottom = _widened(box.top, box.bottom, height)
        left, right = _widened(box.left, box.right, width)
        crops.append(Box(top, left, bottom, right))
    return crops


def _widened(first: int, end: int, limit: int) -> tuple[int, int]:
    length = min(limit, end - first + 2 * MARGIN_PX)
    start = min(max(0, first - MARGIN_PX), limit - length)
    return start, start + length


def _fixed_size(shape: list[Any]) -> SizeHW | None:
    height, width = shape[2:4]
    return (height, width) if isinstance(height, int) and isinstance(width, int) else None
