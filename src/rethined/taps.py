"""What the offsets of the nearest tokens point at, blended for each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rethined.offsets import OffsetField
from rethined.regions import TOKEN_PX
from rethined.types import Float32, HoleMap, Image8, Ints


@dataclass(frozen=True)
class Taps:
    """What the four nearest tokens say of each of N pixels.

    Attributes:
        mean: ``(N, 3)`` float32, weighted mean of the copies.
        norm: ``(N,)`` float32 in (0, 1], by which the blend shrank the standard deviation of independent copies.
        is_valid: ``(N,)`` bool, whether there was any copy.
        gate: ``(N,)`` float32 in 0..1, how much of the copied detail is to be used; 0 where there was no copy.
    """

    mean: Float32
    norm: Float32
    is_valid: HoleMap
    gate: Float32


class Blend:
    """Blends, for each pixel it is asked for, the copies that the four nearest tokens point at.

    Args:
        picture: ``(H, W, 3)``, the picture copied from.
        hole: ``(H, W)`` bool; copies of hole pixels do not count.
        field: Offsets in network pixels.
        scale_yx: Pixels of ``picture`` per network pixel.
        gate: ``(h, w)`` float32 on the token grid, see :func:`rethined.transfer.detail_gate`.
    """

    def __init__(
        self,
        picture: Float32 | Image8,
        hole: HoleMap,
        field: OffsetField,
        scale_yx: tuple[float, float],
        gate: Float32,
    ) -> None:
        self._gate = gate.ravel()
        # By place, not by cv2.remap, which ends at 32766 px a side.
        self._colours = picture.reshape(-1, 3)
        self._size_hw = hole.shape
        self._hole = hole.ravel()
        self._columns = np.int32(field.is_set.shape[1])
        self._is_set = field.is_set.ravel().astype(np.float32)
        # Rounded once per token, not once per pixel and tap.
        self._shift_y, self._shift_x = (
            np.rint(field.offset_yx[..., axis] * scale_yx[axis]).astype(np.int32).ravel() for axis in (0, 1)
        )
        self._tokens_y, self._tokens_x = (
            _nearest_tokens(hole.shape[axis], scale_yx[axis], field.is_set.shape[axis]) for axis in (0, 1)
        )

    def at(self, y: Ints, x: Ints) -> Taps:
        """The taps at N pixels, ``(N,)`` int32 each; some ten thousand at a time stay in the processor's cache."""
        height, width = self._size_hw
        total, gate = np.zeros((len(y), 3), np.float32), np.zeros(len(y), np.float32)
        weights: list[Float32] = []
        places: list[Ints] = []
        columns = [(tokens.take(x), weight.take(x)) for tokens, weight in self._tokens_x]
        for tokens_y, weights_y in self._tokens_y:
            row, weight_y = tokens_y.take(y) * self._columns, weights_y.take(y)
            for token_x, weight_x in columns:
                token = row + token_x
                wanted_y, wanted_x = y + self._shift_y.take(token), x + self._shift_x.take(token)
                source_y = np.minimum(np.maximum(wanted_y, 0), np.int32(height - 1))
                source_x = np.minimum(np.maximum(wanted_x, 0), np.int32(width - 1))
                place = source_y * np.int32(width) + source_x
                usable = ~self._hole.take(place) & (source_y == wanted_y) & (source_x == wanted_x)
                weight = weight_y * weight_x * self._is_set.take(token) * usable
                total += self._colours.take(place, axis=0) * weight[:, None]
                gate += self._gate.take(token) * weight
                weights.append(weight)
                places.append(place)
        sum_weight = weights[0] + weights[1] + weights[2] + weights[3]
        safe = np.maximum(sum_weight, np.float32(1e-6))
        # Taps that point at the same pixel are one copy; only different ones average each other out.
        squared = np.zeros(len(y), np.float32)
        for i in range(4):
            squared += weights[i] * weights[i]
            for j in range(i):
                squared += 2 * weights[i] * weights[j] * (places[i] == places[j])
        is_valid = sum_weight > 1e-3
        norm = np.where(is_valid, np.sqrt(squared) / safe, np.float32(1))
        return Taps(total / safe[:, None], norm, is_valid, gate / safe)


def _nearest_tokens(length_px: int, scale: float, count: int) -> list[tuple[Ints, Float32]]:
    """The token before and after each pixel along one axis, with smoothstep weights that sum to one."""
    token = (np.arange(length_px, dtype=np.float32) + np.float32(0.5)) / np.float32(scale * TOKEN_PX) - np.float32(0.5)
    low = np.floor(token)
    fraction = token - low
    upper = fraction * fraction * (3 - 2 * fraction)
    first = low.astype(np.int32)
    return [(first.clip(0, count - 1), 1 - upper), ((first + 1).clip(0, count - 1), upper)]
