"""What the transfer makes of fills, with a way back to the network: losses of what users get to see.

The transfer covers most of the network's fill with copies and keeps its low bands, near the rim at that. A network
whose own fill is compared with the truth spends itself on bands that nobody sees. Here the runtime's own search and
transfer run on the fills of a step, at the network's size, and a loss sees their result. Sources are chosen and copied
without gradients; the transfer is linear in the fill then, and gradients go back through what it does with it (steps 3
and 4 of :mod:`rethined.transfer`): the low band that bends the copies, and all of it where the gate is shut. What the
seam adds is left out of the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from torch import Tensor

from rethined.climb import Rung
from rethined.nn.prefill import spread
from rethined.nn.squares import cut_squares
from rethined.nn.upscale import mean_of
from rethined.options import InpaintOptions
from rethined.ranking import serial_ranker
from rethined.regions import in_pixels
from rethined.session import NetworkResult
from rethined.sources import find_sources
from rethined.transfer import BASE_LEVELS, VOICE_BLUR_PX, transfer, voice_weight
from rethined.types import Float32, HoleMap
from rethined.workers import SERIAL, Workers

OPTIONS = InpaintOptions()
"""What users get: as many candidates, and rounds in which copies are made to fit each other."""


@dataclass(frozen=True)
class Transferred:
    """What the transfer made of some fills, and what it kept of them.

    Attributes:
        fill: ``(N, 3, H, W)`` float32 in about 0..1, the whole fill; the truth where nothing is to be filled.
        gate: ``(N, 1, H, W)`` float32 in 0..1, how far copies stand in for the network's fill; 0 where nothing is
            copied.
        voice: ``(N, 1, H, W)`` float32, weight in the low band of what is known, 1, and of the network's fill; 0 in
            tokens without a source.
    """

    fill: Tensor
    gate: Tensor
    voice: Tensor

    def cut(self, corners: Tensor, side_px: int) -> Transferred:
        """Square windows of it; see :func:`rethined.nn.squares.cut_squares`."""
        return Transferred(*(cut_squares(x, corners, side_px) for x in (self.fill, self.gate, self.voice)))

    def follow(self, fill: Tensor, hole: Tensor) -> Tensor:
        """The whole fill, as a function of the network's.

        Args:
            fill: ``(N, 3, H, W)`` float, the network's, from which gradients are wanted.
            hole: ``(N, 1, H, W)`` float, 1 = fill.

        Returns:
            ``(N, 3, H, W)``: the values of :attr:`fill`, the gradients of the transfer.
        """
        inside, share = fill * hole, (self.voice > 0).to(fill.dtype)
        low = mean_of(inside, share, VOICE_BLUR_PX)
        bent = spread(low * hole, self.voice, BASE_LEVELS)
        kept = inside + self.gate * (bent - inside)
        return self.fill + (kept - kept.detach())


def transfer_fills(
    fill: Tensor, target: Tensor, hole: Tensor, query: Tensor, key: Tensor, temperature: float, threads: int = 1
) -> Transferred:
    """Copies into the holes of some pictures as the engine does where it looks once, on the host.

    Args:
        fill: ``(N, 3, H, W)`` float, what the network filled; counts in the hole alone.
        target: ``(N, 3, H, W)`` float in 0..1, the true pictures.
        hole: ``(N, 1, H, W)`` float, 1 = fill.
        query: ``(N, d, H / 8, W / 8)``, as the network gives it.
        key: The same.
        temperature: Softmax temperature of their products.
        threads: How many pictures are worked on at a time; the result does not depend on it.

    Returns:
        On the device of ``hole``, without gradients.
    """
    inside = hole > 0.5
    known, filled = (_as_pixels(x) for x in (target, torch.where(inside, fill.clamp(0, 1), target)))
    queries, keys = (x.float().numpy(force=True) for x in (query, key))
    holes = inside[:, 0].contiguous().numpy(force=True)

    def copy(picture: int) -> tuple[Float32, Float32, Float32]:
        described = NetworkResult(filled[picture], queries[picture], keys[picture])
        return _transfer(known[picture], holes[picture], described, temperature)

    copied = _workers(threads).map(copy, range(len(hole)))
    fills, gates, voices = (torch.from_numpy(np.stack(each)).to(hole.device) for each in zip(*copied, strict=True))
    return Transferred(fills.permute(0, 3, 1, 2) / 255, gates[:, None], voices[:, None])


def _transfer(
    known: Float32, hole: HoleMap, described: NetworkResult, temperature: float
) -> tuple[Float32, Float32, Float32]:
    """Whole fill ``(H, W, 3)`` in 0..255, gate and voice of one picture."""
    rung = Rung(hole, described.fill)
    field, gate, asked, _ = find_sources(
        [rung],
        described,
        [None],
        candidates=OPTIONS.candidates,
        agree_rounds=OPTIONS.agree_rounds,
        temperature=temperature,
        ranker=serial_ranker(),
        workers=SERIAL,
    )
    # Copies are of whole grey levels, as a photograph has them.
    y, x, colours = transfer(np.rint(known).astype(np.uint8), hole, rung.filled, hole, field, gate=gate, asked=asked)
    fill = rung.filled.copy()
    fill[y, x] = colours
    is_set = in_pixels(field.is_set)
    gate = np.asarray(cv2.resize(gate, hole.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    voice = np.where(hole, voice_weight(hole, asked), np.float32(1))
    return fill, gate * is_set, np.asarray(voice * is_set, np.float32)


@lru_cache(maxsize=1)
def _workers(threads: int) -> Workers:
    return Workers(threads)


def _as_pixels(pictures: Tensor) -> Float32:
    """``(N, 3, H, W)`` in 0..1 to ``(N, H, W, 3)`` in 0..255 on the host."""
    return np.asarray((pictures.float() * 255).permute(0, 2, 3, 1).contiguous().numpy(force=True))
