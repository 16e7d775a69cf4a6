"""Watching a run on photographs it is not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rethined.data.masks import FAMILIES, MaskFamily, draw_hole
from rethined.data.photos import Photo
from rethined.losses.variants import variant_sides, vary
from rethined.losses.windows import FillLoss, hole_windows
from rethined.nn.network import RethinedNetwork
from rethined.nn.squares import cut_squares
from rethined.resample import pull_push, shrink_known

SIDE_PX = 384
"""Side of the squares looked at: the middle of each photograph, shrunk."""
WINDOW_PX = 128
"""Side of the windows in which features are compared."""


class ValSet:
    """Fixed cases: the middle square of each photograph under one hole of each family, in turn.

    Args:
        photos: Photographs that are never trained on.
        families: Kinds of holes.
    """

    def __init__(self, photos: Sequence[Photo], families: Sequence[MaskFamily] = FAMILIES) -> None:
        self._cases = [
            self._make_case(photo, families[index % len(families)], index) for index, photo in enumerate(photos)
        ]

    @staticmethod
    def _make_case(photo: Photo, family: MaskFamily, index: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        height, width = photo.size_hw
        side = min(height, width)
        truth = photo.read_region((height - side) / 2, (width - side) / 2, side, SIDE_PX)
        hole = draw_hole(family, (SIDE_PX, SIDE_PX), np.random.default_rng(index))
        small = shrink_known(truth, hole, (SIDE_PX, SIDE_PX))
        prefilled = pull_push(small.image, small.hole) / np.float32(255)
        planes = torch.from_numpy(prefilled).permute(2, 0, 1)[None]
        target = torch.from_numpy(truth).permute(2, 0, 1)[None].float() / 255
        return planes, torch.from_numpy(small.hole)[None, None].float(), target

    def looks(self, network: RethinedNetwork, count: int) -> list[torch.Tensor]:
        """Prefill, fill and truth side by side of the first cases, each ``(3, 384, 3 x 384)`` float32 in 0..1."""
        network = network.deploy()
        with torch.inference_mode():
            return [
                torch.cat([prefilled, torch.where(hole > 0, network(prefilled, hole).fill, target), target], 3)[
                    0
                ].clamp(0, 1)
                for prefilled, hole, target in self._cases[:count]
            ]

    def gain_db(self, network: RethinedNetwork) -> float:
        """Mean over cases of how much closer to the truth than its prefill the fill is, in dB over hole pixels."""
        network = network.deploy()
        gains = []
        with torch.inference_mode():
            for prefilled, hole, target in self._cases:
                fill = network(prefilled, hole).fill.clamp(0, 1)
                before, after = (float((((x - target) * hole) ** 2).sum()) for x in (prefilled, fill))
                gains.append(10 * np.log10(max(before, 1e-9) / max(after, 1e-9)))
        return float(np.mean(gains))

    def feature_distance(self, network: RethinedNetwork, distance: FillLoss) -> float:
        """Mean over cases of the fill's distance from the truth, in a window round a hole pixel of each.

        Windows are varied (:mod:`rethined.losses.variants`): a pattern made for one place of them gains nothing here.
        """
        network = network.deploy()
        found = []
        with torch.inference_mode():
            for index, (prefilled, hole, target) in enumerate(self._cases):
                fill = network(prefilled, hole).fill.clamp(0, 1)
                generator = torch.Generator().manual_seed(index)
                corners = hole_windows(hole, WINDOW_PX, generator)
                ours, truth, inside = (cut_squares(planes, corners, WINDOW_PX) for planes in (fill, target, hole))
                windows = vary((ours, truth, inside), variant_sides(WINDOW_PX)[-1], generator)
                found.append(float(distance(*windows)))
        return float(np.mean(found))
