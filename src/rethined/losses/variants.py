"""Windows shown otherwise each time: mirrored, turned, shifted by pixels, smaller.

The network writes cells of 4 x 4 px, and a backbone reads in steps of 2 to 32 px. Where windows begin on multiples of
the cells, each value that is written always meets the same place of each step, and a fill can learn patterns that
please the backbone in that place alone: no nearer to the truth for anyone else, and seen as checkers. Measured on fills
of a network that had been trained so: in windows that began an odd number of pixels further on, the feature distance
was 3 % larger by the maps at stride 2, and 10, 8, 7 and 12 % by those at strides 4 to 32.

Reference: Kettunen, Harkonen, Lehtinen, "E-LPIPS", arXiv 1906.03973, who judge pictures by ensembles of such variants
because single views are easily fooled.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from rethined.nn.processes import uniform_rows
from rethined.nn.squares import cut_squares

Windows = tuple[Tensor, Tensor, Tensor]
"""Fill, target and hole, as a :data:`rethined.losses.windows.FillLoss` takes them."""

STEP_PX = 32
"""Largest step of a backbone. Windows lose so much to be shifted by all that is different to it."""
SMALLEST = 0.5
"""The least that a window is shrunk to."""


def variant_sides(side_px: int) -> list[int]:
    """Sides that windows of ``side_px`` may come out with; the last is that of windows that are not shrunk.

    Args:
        side_px: A multiple of 32.
    """
    largest = max(side_px - STEP_PX, STEP_PX)
    smallest = max(int(largest * SMALLEST) // STEP_PX * STEP_PX, STEP_PX)
    return list(range(smallest, largest + 1, STEP_PX))


def draw_side(sides: Sequence[int], share: float) -> int:
    """The last of ``sides`` for the upper half of ``share`` in 0..1, the others alike for the lower.

    Args:
        sides: As of :func:`variant_sides`.
        share: A random number.
    """
    if share >= 0.5 or len(sides) == 1:
        return sides[-1]
    return sides[int(share * 2 * (len(sides) - 1))]


def vary(windows: Windows, side_px: int, generator: torch.Generator) -> Windows:
    """The same windows, each mirrored, turned and shifted by chance, all of them shrunk to one size.

    Args:
        windows: Fill and target, ``(N, 3, S, S)`` in 0..1, and hole, ``(N, 1, S, S)``, 1 = fill; S a multiple of 32.
            Gradients flow back.
        side_px: One of :func:`variant_sides` of S.
        generator: Source of randomness; nothing is waited for when it is on the device of the windows.

    Returns:
        Fill, target and hole, ``side_px`` wide. The fill is the target where nothing of the hole is. A pixel that is
        shrunk counts as hole if anything of it was.
    """
    fill, target, hole = windows
    numbers = uniform_rows(len(hole), 5, generator, hole.device)
    largest = variant_sides(hole.shape[-1])[-1]
    corners = (numbers[:, :2] * (hole.shape[-1] - largest + 1)).long()
    choices = (numbers[:, 2:] < 0.5).view(-1, 3, 1, 1, 1).unbind(1)
    composed = target + (fill - target) * hole
    varied = [_mirrored(cut_squares(x, corners, largest), choices) for x in (composed, target, hole)]
    if side_px < largest:
        varied = [_shrunk(x, side_px) for x in varied]
    ours, truth, inside = varied
    return ours, truth, (inside > 0).to(inside.dtype)


def _mirrored(windows: Tensor, choices: Sequence[Tensor]) -> Tensor:
    """One of the eight symmetries of a square for each."""
    upside_down, left_right, transposed = choices
    windows = torch.where(upside_down, windows.flip(2), windows)
    windows = torch.where(left_right, windows.flip(3), windows)
    return torch.where(transposed, windows.transpose(2, 3), windows)


def _shrunk(windows: Tensor, side_px: int) -> Tensor:
    return functional.interpolate(windows, (side_px, side_px), mode="bilinear", antialias=True)
