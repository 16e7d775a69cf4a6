"""Where each part of a fill comes from: as arrays, and as a picture to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.matching import Matches, corrupted_tokens
from rethined.offsets import match_offsets
from rethined.regions import TOKEN_PX, Plan
from rethined.sources import SourceMap
from rethined.taps import full_shifts
from rethined.types import Float32, HoleMap, Image8, Ints

DIMMED = 0.35
"""Brightness of the photograph behind the explanation."""
DARKEST = 0.25
"""Brightness of a token whose gate is shut; 1 where all of the detail is used."""
UNCOPIED = (110, 110, 110)
"""Colour of tokens that nothing was copied for: the network's fill alone."""
ARROWS = 6
"""How many arrows are drawn along the long side of what is hole, at most: more hide what they start from."""


@dataclass(frozen=True)
class Explanation:
    """What filled each of the N tokens that hold any hole; a token is 8 x 8 px of the finest network picture.

    Attributes:
        image: ``(H, W, 3)`` uint8, the picture; not a copy.
        plan: Network sizes; ``None`` when there was no hole.
        corner_yx: ``(N, 2)`` float32, top and left of each token in pixels of the picture, in reading order.
        side_yx: Height and width of a token in pixels of the picture.
        is_copied: ``(N,)`` bool, whether detail was copied for it; if not, it is the network's fill.
        offset_yx: ``(N, 2)`` int32, in pixels of the picture, from the token to its source; 0 where nothing was copied.
        gate: ``(N,)`` float32 in 0..1, how much of the copied detail is used; 0 where nothing was copied.
        rung: ``(N,)`` int32, index into ``plan.rungs_hw`` of the network size that filled it; beyond the last for
            the photograph enlarged, once or twice.
        candidate_yx: ``(N, k, 2)`` int32, in pixels of the picture, offsets to the k sources that the learned
            descriptors named, best first. They are found on the coarsest network size, for all tokens of the finest
            that lie in one of its own.
        weight: ``(N, k)`` float32, softmax over these k; each row sums to one.
    """

    image: Image8
    plan: Plan | None
    corner_yx: Float32
    side_yx: tuple[float, float]
    is_copied: HoleMap
    offset_yx: Ints
    gate: Float32
    rung: Ints
    candidate_yx: Ints
    weight: Float32

    def picture(self) -> Image8:
        """The photograph dimmed, each token in the colour of where its source lies, arrows from some to theirs.

        The hue is the direction (red right, yellow-green down, cyan left, violet up), paler where the source is near;
        the brightness is the gate. Grey tokens were not copied.

        Returns:
            ``(H, W, 3)`` uint8.
        """
        drawn: Image8 = np.rint(self.image * np.float32(DIMMED)).astype(np.uint8)
        colours = self._colours()
        corners = np.rint(self.corner_yx).astype(int)
        side_yx = np.array(self.side_yx, np.float32)
        ends = np.rint(self.corner_yx + side_yx).astype(int)
        for (top, left), (bottom, right), colour in zip(corners, ends, colours, strict=True):
            token = drawn[top:bottom, left:right]
            token[:] = colour
            # The outline: above and left are enough, the next token draws the others.
            token[:1] = token[:, :1] = colour // 2
        thickness = max(1, max(self.image.shape[:2]) // 700)
        for number in self._with_arrows():
            middle = self.corner_yx[number] + side_yx / 2
            start, end = (_point(place) for place in (middle, middle + self.offset_yx[number]))
            length = max(1.0, float(np.hypot(*self.offset_yx[number])))
            tip = min(0.3, 8 * thickness / length)
            for grey, width in ((0, thickness + 2), (255, thickness)):
                cv2.arrowedLine(drawn, start, end, (grey, grey, grey), width, cv2.LINE_AA, tipLength=tip)
        return drawn

    def _colours(self) -> Image8:
        """``(N, 3)`` uint8 RGB."""
        y, x = self.offset_yx[:, 0].astype(np.float32), self.offset_yx[:, 1].astype(np.float32)
        hue = np.degrees(np.arctan2(y, x)) % 360
        far = np.hypot(y, x) / (max(self.image.shape[:2]) / 3)
        hsv = np.stack([hue, 0.45 + 0.55 * np.minimum(far, 1), DARKEST + (1 - DARKEST) * self.gate], -1)
        colours = np.zeros((len(hsv), 3), np.uint8)
        if len(hsv):
            rgb = cv2.cvtColor(hsv.astype(np.float32)[None], cv2.COLOR_HSV2RGB)[0]
            colours = np.rint(rgb * 255).astype(np.uint8)
        colours[~self.is_copied] = UNCOPIED
        return colours

    def _with_arrows(self) -> list[int]:
        """One copied token of each cell of a coarse grid."""
        copied = np.flatnonzero(self.is_copied)
        if not len(copied):
            return []
        corners = self.corner_yx[copied]
        cell = max(float(np.ptp(corners, axis=0).max()) / ARROWS, *(3 * side for side in self.side_yx))
        _, first = np.unique((corners // np.float32(cell)).astype(int), axis=0, return_index=True)
        return [int(i) for i in copied[first]]


def _point(place_yx: NDArray[np.floating[Any]]) -> tuple[int, int]:
    """As OpenCV takes it: x, then y."""
    return round(float(place_yx[1])), round(float(place_yx[0]))


def explain_fill(image: Image8, sources: SourceMap, learned: Matches) -> Explanation:
    """The explanation of a fill.

    Args:
        image: ``(H, W, 3)`` uint8, the picture.
        sources: What the transfer is given.
        learned: Sources of the corrupted tokens of the coarsest size.
    """
    plan, touched, field = sources.plan, sources.touched, sources.field
    tokens = np.argwhere(corrupted_tokens(touched))
    y, x = tokens.T
    scale_yx = (image.shape[0] / touched.shape[0], image.shape[1] / touched.shape[1])
    side_yx = (TOKEN_PX * scale_yx[0], TOKEN_PX * scale_yx[1])
    is_copied = field.is_set[y, x]
    first_hw = plan.rungs_hw[0]
    width = first_hw[1] // TOKEN_PX
    finer = plan.working_hw[0] // first_hw[0]
    parent = np.searchsorted(learned.rows, (y // finer) * width + x // finer)
    offered = full_shifts(match_offsets(learned, width), (image.shape[0] / first_hw[0], image.shape[1] / first_hw[1]))
    return Explanation(
        image=image,
        plan=plan,
        corner_yx=(tokens * side_yx).astype(np.float32),
        side_yx=side_yx,
        is_copied=is_copied,
        offset_yx=full_shifts(field.offset_yx, scale_yx)[y, x] * is_copied[:, None],
        gate=sources.gate[y, x] * is_copied,
        rung=np.full(len(tokens), len(plan.looks_px) - 1, np.int32),
        candidate_yx=offered[parent],
        weight=learned.weights[parent],
    )


def explain_nothing(image: Image8) -> Explanation:
    """The explanation of a picture without a hole."""
    ints, floats = np.empty((0, 2), np.int32), np.empty((0, 2), np.float32)
    return Explanation(
        image=image,
        plan=None,
        corner_yx=floats,
        side_yx=(0.0, 0.0),
        is_copied=np.empty(0, bool),
        offset_yx=ints,
        gate=floats[:, 0],
        rung=ints[:, 0],
        candidate_yx=np.empty((0, 0, 2), np.int32),
        weight=np.empty((0, 0), np.float32),
    )
