"""How much detail a picture has, and how much of it a hole should have, judged by what is known around."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from rethined import native
from rethined.regions import TOKEN_PX
from rethined.resample import spread
from rethined.types import Float32, HoleMap, SizeHW
from rethined.workers import SERIAL, Workers

DETAIL_PX = 3
"""Side of the mean that detail is told from, in network pixels."""


class DetailLevels(NamedTuple):
    """Detail in grey levels: the mean absolute difference of luma from its mean over 3 x 3 network pixels.

    Attributes:
        offered: ``(H, W)`` float32, that of the 8 x 8 patch whose top left is there.
        asked: ``(H / 8, W / 8)`` float32, for each token that of the known pixels in it and around it.
    """

    offered: Float32
    asked: Float32


def no_detail(size_hw: SizeHW) -> DetailLevels:
    """None offered, none asked for: of no picture, for searches in which it is not to count."""
    height, width = size_hw
    return DetailLevels(np.zeros(size_hw, np.float32), np.zeros((height // TOKEN_PX, width // TOKEN_PX), np.float32))


def detail_levels(picture: Float32, touched: HoleMap, *, workers: Workers = SERIAL) -> DetailLevels:
    """Detail that sources offer and tokens ask for.

    Args:
        picture: ``(H, W, 3)`` float32 in 0..255, the network's picture with its hole filled.
        touched: ``(H, W)`` bool, pixels that hold any hole.
        workers: Threads to use; the result does not depend on them.
    """
    if compiled := native.loops():
        offered, amount, share = compiled.detail(np.ascontiguousarray(picture), touched, workers)
    else:
        offered, amount, share = _detail(picture, touched)
    amount = np.asarray(amount / np.maximum(share, np.float32(1e-6)), np.float32)
    expected = spread(amount[..., np.newaxis], share)[..., 0]
    return DetailLevels(offered, expected)


def _detail(picture: Float32, touched: HoleMap) -> tuple[Float32, Float32, Float32]:
    """What the loop does."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    detail = cv2.absdiff(luma, cv2.blur(luma, (DETAIL_PX, DETAIL_PX), borderType=cv2.BORDER_REPLICATE))
    offered = cv2.blur(detail, (TOKEN_PX, TOKEN_PX), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    known = np.subtract(1, touched, dtype=np.float32)
    grid_wh = (touched.shape[1] // TOKEN_PX, touched.shape[0] // TOKEN_PX)
    share = cv2.resize(known, grid_wh, interpolation=cv2.INTER_AREA)
    amount = cv2.resize(cv2.multiply(detail, known, dst=detail), grid_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(offered, np.float32), np.asarray(amount, np.float32), np.asarray(share, np.float32)
