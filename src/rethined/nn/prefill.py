"""How holes are prefilled while training: the first scale by pull-push, a finer one with what the coarser has made."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from rethined.nn.squares import cut_squares
from rethined.resample import PULL_GAIN


def pull_push(picture: Tensor, hole: Tensor) -> Tensor:
    """Twin of :func:`rethined.resample.pull_push`: ``(N, 3, H, W)`` float with its hole, 1 = fill, filled smoothly."""
    return spread(picture, 1 - hole)


def spread(values: Tensor, weight: Tensor, levels: int | None = None) -> Tensor:
    """Twin of :func:`rethined.resample.spread`.

    Args:
        values: ``(N, C, H, W)`` float.
        weight: ``(N, 1, H, W)`` float in 0..1.
        levels: How often to halve; all the way down when ``None``.
    """
    colour = values * weight
    pyramid = [(colour, weight)]
    while max(weight.shape[-2:]) > 1 and (levels is None or len(pyramid) <= levels):
        odd = [0, weight.shape[-1] % 2, 0, weight.shape[-2] % 2]
        colour, share = (functional.avg_pool2d(functional.pad(x, odd), 2) for x in (colour, weight))
        weight = (share * PULL_GAIN).clamp_max(1)
        colour = colour * (weight / share.clamp_min(1e-6))
        pyramid.append((colour, weight))
    colour, weight = pyramid.pop()
    filled = colour / weight.clamp_min(1e-6) if levels is None else colour
    while pyramid:
        colour, weight = pyramid.pop()
        height, width = weight.shape[-2:]
        above = functional.interpolate(filled, scale_factor=2, mode="bilinear", align_corners=False)
        filled = colour + above[..., :height, :width] * (1 - weight)
    return filled


def finer_prefill(fill: Tensor, target: Tensor, hole: Tensor, corners_yx: Tensor) -> Tensor:
    """The true picture where it is known, the doubled coarser fill in the hole.

    Args:
        fill: ``(N, 3, C, C)`` float, result of the coarser scale for the whole region.
        target: ``(N, 3, C, C)`` float, a crop of the region at twice the scale.
        hole: ``(N, 1, C, C)`` float, hole map of that crop, 1 = fill.
        corners_yx: ``(N, 2)`` int64, top left of each crop in finer pixels; even numbers.
    """
    # One more pixel all around, so that the crop equals the same part of the doubled whole.
    padded = functional.pad(fill, [1, 1, 1, 1], mode="replicate")
    parts = cut_squares(padded, corners_yx // 2, target.shape[-1] // 2 + 2)
    doubled = functional.interpolate(parts, scale_factor=2, mode="bilinear", align_corners=False)[..., 2:-2, 2:-2]
    return target + (doubled - target) * hole
