"""Pictures and holes to time: a generated scene under ellipses that cover a given share."""

from __future__ import annotations

import cv2
import numpy as np

from rethined.data.presets import preset_hole
from rethined.data.scene import draw_scene
from rethined.eval.cases import blanked
from rethined.types import HoleMap, Image8

HOLE_SHARE = 0.07
PRESET = "df8k-blobs"


def bench_case(side_px: int, *, share: float = HOLE_SHARE) -> tuple[Image8, HoleMap]:
    """A square picture with its hole blanked, and the hole.

    Args:
        side_px: Height and width.
        share: About how much of the picture is hole.
    """
    hole = hole_of_share(side_px, share)
    return blanked(draw_scene(side_px), hole), hole


def hole_of_share(side_px: int, share: float) -> HoleMap:
    """Ellipses of the preset ``df8k-blobs``, added one after the other until they cover ``share`` or just more.

    The last one is left out if that comes closer.
    """
    hole = np.zeros((side_px, side_px), bool)
    number = 0
    while True:
        drawn = preset_hole(PRESET, f"bench {number}", hole.shape)
        count, labels = cv2.connectedComponents(drawn.view(np.uint8))
        for label in range(1, count):
            larger = hole | (labels == label)
            before, after = (np.count_nonzero(x) / x.size for x in (hole, larger))
            if after >= share:
                return larger if after - share < share - before else hole
            hole = larger
        number += 1
