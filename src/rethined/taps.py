"""What the offsets of the nearest tokens point at, blended for each pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from rethined import native
from rethined.depth import LEVELS
from rethined.native import BlendTables
from rethined.offsets import OffsetField
from rethined.regions import TOKEN_PX
from rethined.types import Float32, HoleMap, Ints, Pixels


@dataclass(frozen=True)
class Taps:
    """What the four nearest tokens say of each of N pixels.

    Attributes:
        mean: ``(N, C)`` float32, weighted mean of the copies in grey levels, 0..255.
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
        picture: ``(H, W, C)``, the picture copied from, in its own depth, or in float32 grey levels.
        barred: ``(H, W)`` bool, unknown and forbidden pixels; copies of them do not count.
        field: Offsets in network pixels.
        scale_yx: Pixels of ``picture`` per network pixel.
        gate: ``(h, w)`` float32 on the token grid, see :func:`rethined.transfer.detail_gate`.
        white: The value of ``picture`` that means white.
    """

    def __init__(
        self,
        picture: Pixels,
        barred: HoleMap,
        field: OffsetField,
        scale_yx: tuple[float, float],
        gate: Float32,
        *,
        white: float = LEVELS,
    ) -> None:
        self._scale_yx, self._tokens_hw = scale_yx, field.is_set.shape
        # Once per token, not once per pixel and tap.
        shift_y, shift_x = np.moveaxis(full_shifts(field.offset_yx, scale_yx), -1, 0)
        tokens_y, tokens_x = (
            _nearest_tokens(barred.shape[axis], scale_yx[axis], field.is_set.shape[axis]) for axis in (0, 1)
        )
        self.tables = BlendTables(
            picture,
            np.ascontiguousarray(barred),
            shift_y.ravel(),
            shift_x.ravel(),
            field.is_set.ravel().astype(np.float32),
            np.ravel(gate),
            tokens_y,
            tokens_x,
            columns=field.is_set.shape[1],
            gain=LEVELS / white,
        )

    @cached_property
    def _places(self) -> tuple[Ints, HoleMap]:
        """Of each token, how far away its copies are, and whether any pixel that looks at it leaves the picture.

        By place, not by cv2.remap, which ends at 32766 px a side. What is compiled does without.
        """
        (height, width), rows = self.tables.barred.shape, self._tokens_hw
        shift_y, shift_x = self.tables.shift_y.reshape(rows), self.tables.shift_x.reshape(rows)
        stays = _stays_inside(shift_y, self._scale_yx[0], height) & _stays_inside(shift_x.T, self._scale_yx[1], width).T
        return self.tables.shift_y * np.int32(width) + self.tables.shift_x, ~stays.ravel()

    def at(self, y: Ints, x: Ints) -> Taps:
        """The taps at N pixels, ``(N,)`` int32 each; some ten thousand at a time stay in the processor's cache."""
        tables, loops = self.tables, native.loops()
        if loops:
            return Taps(*loops.blend(tables, y, x))
        shift, leaves = self._places
        channels, gain = tables.colours.shape[2], np.float32(tables.gain)
        colours, barred = tables.colours.reshape(-1, channels), tables.barred.ravel()
        total, gate = np.zeros((len(y), channels), np.float32), np.zeros(len(y), np.float32)
        weights: list[Float32] = []
        places: list[Ints] = []
        here = y * np.int32(tables.barred.shape[1]) + x
        columns = [(tokens.take(x), weight.take(x)) for tokens, weight in tables.tokens_x]
        for tokens_y, weights_y in tables.tokens_y:
            row, weight_y = tokens_y.take(y) * np.int32(tables.columns), weights_y.take(y)
            for token_x, weight_x in columns:
                token = row + token_x
                weight = weight_y * weight_x * tables.is_set.take(token)
                place = here + shift.take(token)
                self._keep_inside(y, x, token, place, weight, leaves)
                weight *= ~barred.take(place)
                # OpenCV converts and multiplies in one pass; NumPy takes four times as long to spread a weight over
                # three channels.
                taken = cv2.multiply(colours.take(place, axis=0), in_channels(weight, channels), dtype=cv2.CV_32F)
                total += taken
                gate += tables.gate.take(token) * weight
                weights.append(weight)
                places.append(place)
        sum_weight = weights[0] + weights[1] + weights[2] + weights[3]
        share = 1 / np.maximum(sum_weight, np.float32(1e-6))
        # Taps that point at the same pixel are one copy; only different ones average each other out.
        squared = np.zeros(len(y), np.float32)
        for i in range(4):
            agreeing = weights[i].copy()
            for j in range(i):
                agreeing += 2 * weights[j] * (places[i] == places[j])
            squared += weights[i] * agreeing
        is_valid = sum_weight > 1e-3
        norm = np.where(is_valid, np.sqrt(squared) * share, np.float32(1))
        scale = in_channels(share if gain == 1 else share * gain, channels)
        mean = np.asarray(cv2.multiply(total, scale, dst=total), np.float32)
        return Taps(mean, norm, is_valid, gate * share)

    def _keep_inside(self, y: Ints, x: Ints, token: Ints, place: Ints, weight: Float32, leaves: HoleMap) -> None:
        """Makes weights zero whose place lies beyond the picture, and the place any that does not."""
        leaving = np.flatnonzero(leaves.take(token))
        if not len(leaving):
            return
        token = token.take(leaving)
        height, width = self.tables.barred.shape
        wanted_y, wanted_x = (
            y.take(leaving) + self.tables.shift_y.take(token),
            x.take(leaving) + self.tables.shift_x.take(token),
        )
        beyond = leaving[(wanted_y < 0) | (wanted_y >= height) | (wanted_x < 0) | (wanted_x >= width)]
        weight[beyond] = 0
        place[beyond] = 0


def full_shifts(offset_yx: Ints, scale_yx: tuple[float, float]) -> Ints:
    """Offsets ``(..., 2)`` in network pixels as whole pixels of a picture with ``scale_yx`` pixels for each of them."""
    return np.asarray(np.rint(offset_yx * np.array(scale_yx)), np.int32)


def in_channels(values: Float32, count: int) -> Float32:
    """``(N,)`` values repeated for ``count`` channels, ``(N, count)``."""
    return np.asarray(cv2.merge([values] * count), np.float32).reshape(-1, count)


def _stays_inside(shift_px: Ints, scale: float, length_px: int) -> HoleMap:
    """Whether all pixels that look at a token, moved by its shift along the first axis, stay in the picture.

    Args:
        shift_px: ``(tokens, ...)`` int32.
        scale: Pixels per network pixel along that axis.
        length_px: The picture's length along it.
    """
    cell_px = scale * TOKEN_PX
    centre = (np.arange(len(shift_px)) + 0.5) * cell_px
    first, last = np.floor(centre - cell_px).clip(0), np.ceil(centre + cell_px).clip(None, length_px)
    return np.asarray((first[:, None] + shift_px >= 0) & (last[:, None] + shift_px <= length_px))


def _nearest_tokens(length_px: int, scale: float, count: int) -> list[tuple[Ints, Float32]]:
    """The token before and after each pixel along one axis, with linear weights that sum to one."""
    token = (np.arange(length_px, dtype=np.float32) + np.float32(0.5)) / np.float32(scale * TOKEN_PX) - np.float32(0.5)
    low = np.floor(token)
    fraction = token - low
    first = low.astype(np.int32)
    return [(first.clip(0, count - 1), 1 - fraction), ((first + 1).clip(0, count - 1), fraction)]
