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

    The last one is left out if that comes closer; the first one never is.
    """
    hole = np.zeros((side_px, side_px), bool)
    covered_px = number = 0
    while True:
        drawn = preset_hole(PRESET, f"bench {number}", hole.shape)
        labels, boxes = cv2.connectedComponentsWithStats(drawn.view(np.uint8))[1:3]
        for label, (left, top, width, height, _) in enumerate(boxes[1:], 1):
            # Only the box of an ellipse is looked at: at 8192 px a pass over the picture each would take a minute.
            box = np.s_[top : top + height, left : left + width]
            added = (labels[box] == label) & ~hole[box]
            added_px = int(np.count_nonzero(added))
            before, after = covered_px / hole.size, (covered_px + added_px) / hole.size
            if after >= share and covered_px and share - before <= after - share:
                return hole
            hole[box] |= added
            covered_px += added_px
            if after >= share:
                return hole
        number += 1
