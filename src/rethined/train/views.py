"""The two scales of a batch as the network sees them, made on the network's device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rethined.nn.prefill import finer_prefill, pull_push
from rethined.train.batches import Stacked
from rethined.train.device import CPU


@dataclass(frozen=True)
class View:
    """One scale of a batch, ready for the network; C is the side of a crop.

    Attributes:
        prefilled: ``(N, 3, C, C)`` float32 in 0..1.
        hole: ``(N, 1, C, C)`` float32, 1 = fill.
        target: ``(N, 3, C, C)`` float32 in 0..1, the true picture.
    """

    prefilled: Tensor
    hole: Tensor
    target: Tensor


def coarse_view(batch: Stacked, device: torch.device = CPU) -> View:
    """The regions at half scale, their holes prefilled by pull-push, from copies in them too."""
    known, target = (_planes(x, device).div_(255) for x in (batch.coarse_known, batch.coarse_target))
    hole, still_open = (_planes(x[..., None], device) for x in (batch.coarse_hole, batch.coarse_open))
    return View(pull_push(known, still_open), hole, target)


def fine_view(batch: Stacked, coarse: Tensor) -> View:
    """The fine crops, their holes prefilled with the coarse result ``(N, 3, C, C)``."""
    target = _planes(batch.fine_target, coarse.device).div_(255)
    hole = _planes(batch.fine_hole[..., None], coarse.device)
    corners_yx = batch.corners_yx.to(coarse.device, non_blocking=True)
    return View(finer_prefill(coarse, target, hole, corners_yx), hole, target)


def _planes(pictures: Tensor, device: torch.device) -> Tensor:
    """``(N, H, W, C)`` to float32 ``(N, C, H, W)`` on ``device``, channels last in memory as they come."""
    # They travel as bytes and become floats there.
    return pictures.to(device, non_blocking=True).permute(0, 3, 1, 2).float()
