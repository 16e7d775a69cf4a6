"""Resizing with holes: area means of known pixels, the pull-push prefill, and the way back up.

Convention: pixel centres lie at half integers on both grids (OpenCV's and torch's ``align_corners=False``), and scale
factors may be non-integer and differ between the axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined import native
from rethined.depth import LEVELS, in_levels
from rethined.native import Shrinking
from rethined.workers import SERIAL, Workers

Float32 = NDArray[np.float32]

KNOWN_COVERAGE = 0.3
"""Share of a small pixel's area that must be known for the pixel to count as known."""
SEEN_AREA = 100
"""Pixels a small pixel may cover before its 8-bit coverage may round a lone hole pixel, of which it may hold but a
quarter, away."""
GATHER_COLUMNS = 4096
"""cv2.remap addresses at most 32767 rows and columns; lists of pixels are folded to this width."""
PULL_GAIN = 4.0
"""A coarser pixel weighs fully once this many times its known share reaches 1: one known quarter is enough."""


def pull_push(image: Float32, hole: NDArray[np.bool_]) -> Float32:
    """Fills a hole smoothly from all around; known pixels are returned as they are.

    The picture is halved until one pixel is left, each level the weighted mean of what is known (pull); on the way back
    each level keeps what it knows and takes the rest from the level above (push). The cost is that of 1 1/3 pictures
    whatever the hole's size.

    Args:
        image: ``(H, W, 3)`` float32; the content of the hole is ignored.
        hole: ``(H, W)`` bool, ``True`` = fill. If nothing is known the result is zero.

    Reference: Gortler et al., "The Lumigraph", SIGGRAPH 1996, section 3.4.
    """
    return spread(image, np.subtract(1, hole, dtype=np.float32))


@dataclass(frozen=True)
class Shrunk:
    """A picture at network size.

    Attributes:
        image: ``(h, w, 3)`` float32 in 0..255, mean of the known pixels; zero in the hole.
        hole: ``(h, w)`` bool, pixels of which too little is known to be used: the network fills them.
        touched: ``(h, w)`` bool, pixels that hold any hole at all; never copied from.
    """

    image: Float32
    hole: NDArray[np.bool_]
    touched: NDArray[np.bool_]

    def halved(self) -> Shrunk:
        """The same picture at half the size, by the mean of its known pixels; sides must be even."""
        height, width = self.hole.shape
        known = np.subtract(1, self.hole, dtype=np.float32)
        half_wh = (width // 2, height // 2)
        total = cv2.resize(self.image, half_wh, interpolation=cv2.INTER_AREA)
        coverage = cv2.resize(known, half_wh, interpolation=cv2.INTER_AREA)
        return _normalise(total, np.asarray(coverage, np.float32), halve_any(self.touched))


def shrink_known(
    image: NDArray[Any], hole: NDArray[np.bool_], size_hw: tuple[int, int], *, workers: Workers = SERIAL
) -> Shrunk:
    """Resizes a picture by the area mean of its known pixels, so that hole colours never bleed.

    Args:
        image: ``(H, W, 3)``, or ``(H, W, 1)``, which becomes three equal channels; uint8, uint16 or float32. Floats
            beyond black and white count as those.
        hole: ``(H, W)`` bool, ``True`` = fill; not all of it.
        size_hw: Height and width wanted; larger than the picture's is interpolated.
        workers: Threads to use; the result does not depend on them.
    """
    total, share, touched = _sums(image, hole, size_hw, workers)
    touched |= share < 1
    if image.dtype != np.uint8:
        total = np.clip(total, 0, LEVELS, out=total)
    if image.shape[2] == 1:
        total = cv2.merge([total] * 3)
    return _normalise(total, share, touched)


def _sums(
    image: NDArray[Any], hole: NDArray[np.bool_], size_hw: tuple[int, int], workers: Workers
) -> tuple[NDArray[Any], Float32, NDArray[np.bool_]]:
    """Known pixels over the area of all, in grey levels; the known share of it; where a hole pixel is looked up.

    The share is in steps of 1/255 for pictures of 8 bits, as their sums are. For others that would be .4 % off.
    """
    steps = np.float32(LEVELS if image.dtype == np.uint8 else 65535)
    loops = native.loops()
    if loops and _is_for_loop(hole, size_hw):
        shrinking = Shrinking(np.ascontiguousarray(image), np.ascontiguousarray(hole), size_hw)
        means, share, looked_up = loops.shrink(shrinking, workers)
        if image.dtype == np.uint16:
            means = np.rint(means, out=means).astype(np.uint16)
        # What rounding leaves of a hole is not known.
        share = np.rint(share * steps) / steps
        total = np.rint(means, out=means) if image.dtype == np.uint8 else in_levels(means)
        return total, np.asarray(share, np.float32), looked_up & _may_hide(hole, size_hw)
    known = _known8(hole)
    total = in_levels(_resize_area(cv2.copyTo(image, known), size_hw))
    coverage = _resize_area(known, size_hw)
    share = coverage if image.dtype == np.uint8 else _resize_area(known * np.uint16(257), size_hw)
    return total, np.asarray(share.astype(np.float32) / steps, np.float32), _touched(hole, coverage)


def _is_for_loop(hole: NDArray[np.bool_], size_hw: tuple[int, int]) -> bool:
    """Whether a compiled loop shrinks so; OpenCV is faster where sides stay or are halved, slower everywhere else."""
    factors = [length / small for length, small in zip(hole.shape, size_hw, strict=True)]
    return min(factors) >= 1 and factors not in [[1, 1], [2, 2]]


def shrink_any(marked: NDArray[np.bool_], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """``(H, W)`` bool to ``(h, w)``: whether a pixel holds anything marked; what :class:`Shrunk` calls touched."""
    return _touched(marked, _resize_area(_known8(marked), size_hw))


def _known8(marked: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return marked.view(np.uint8) - np.uint8(1)  # 0 wraps to 255 = known, 1 becomes 0


def _touched(marked: NDArray[np.bool_], coverage: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Small pixels of which not all is known; ``coverage`` is the known share of each in 0..255."""
    touched = np.asarray(coverage < LEVELS)
    size_hw = (touched.shape[0], touched.shape[1])
    if _may_hide(marked, size_hw):
        touched |= _looked_up(marked, size_hw)
    return touched


def _may_hide(marked: NDArray[np.bool_], size_hw: tuple[int, int]) -> bool:
    """Whether the coverage of a small pixel may be rounded to all of it although a marked pixel is looked up in it.

    Where sides are no multiples, a small pixel may hold no more than the corner of such a pixel.
    """
    height, width = marked.shape
    return marked.size > SEEN_AREA * size_hw[0] * size_hw[1] or bool(height % size_hw[0] or width % size_hw[1])


def _looked_up(marked: NDArray[np.bool_], size_hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Whether any marked pixel falls into each small one, pixel ``y`` into row ``y * h // H``."""
    for axis, small in enumerate(size_hw):
        length = marked.shape[axis]
        rows = marked if axis == 0 else np.ascontiguousarray(marked.T)
        if small >= length:
            grown = np.zeros((small, rows.shape[1]), bool)
            grown[np.arange(length) * small // length] = rows
            rows = grown
        else:
            starts = -(np.arange(small + 1) * -length // small)
            # Whole rows at a time go at the speed of memory; listing marked pixels does not.
            rows = np.stack([rows[begin:end].any(0) for begin, end in pairwise(starts)])
        marked = rows if axis == 0 else np.ascontiguousarray(rows.T)
    return marked


def halve_any(marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """``(H, W)`` bool to ``(H / 2, W / 2)``: whether any of four is ``True``; sides must be even."""
    rows = marked[::2] | marked[1::2]
    return np.asarray(rows[:, ::2] | rows[:, 1::2])


def _resize_area(image: NDArray[Any], size_hw: tuple[int, int]) -> NDArray[Any]:
    """Area means; an axis that grows is interpolated.

    OpenCV (5.0) falls back to plain interpolation, without any mean, as soon as one axis grows: so the axis that
    shrinks goes first.
    """
    shrunk_hw = (min(image.shape[0], size_hw[0]), min(image.shape[1], size_hw[1]))
    for step_hw in {shrunk_hw: None, size_hw: None}:
        if image.shape[:2] != step_hw:
            image = cv2.resize(image, step_hw[::-1], interpolation=cv2.INTER_AREA)
    return image


def _normalise(total: NDArray[Any], coverage: Float32, touched: NDArray[np.bool_]) -> Shrunk:
    """Divides sums of known pixels by how much was known."""
    hole = coverage < KNOWN_COVERAGE
    if hole.all():
        hole = coverage <= 0
    image = np.asarray(cv2.copyTo(total, (~hole).view(np.uint8)), np.float32)
    # Wholly known pixels are right as they are, and they are most.
    partly = np.flatnonzero((coverage < 1) & ~hole)
    flat = image.reshape(-1, 3)
    flat[partly] = np.minimum(flat[partly] / coverage.ravel()[partly, None], np.float32(255))
    return Shrunk(image, hole, touched)


def resize_linear(image: Float32, size_hw: tuple[int, int]) -> Float32:
    """Bilinear resize of ``(H, W, C)`` float32."""
    return np.asarray(cv2.resize(image, size_hw[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def on_grid(
    y: NDArray[np.integer[Any]], x: NDArray[np.integer[Any]], scale_yx: tuple[float, float]
) -> tuple[Float32, Float32]:
    """Rows and columns of pixels on a grid with ``scale_yx`` pixels per cell, as :func:`sample_at` takes them."""
    half = np.float32(0.5)
    rows, columns = ((axis + half) / np.float32(scale) - half for axis, scale in zip((y, x), scale_yx, strict=True))
    return rows, columns


def cell_means(
    y: NDArray[np.integer[Any]],
    x: NDArray[np.integer[Any]],
    values: Float32,
    grid_hw: tuple[int, int],
    scale_yx: tuple[float, float],
) -> tuple[Float32, NDArray[np.bool_]]:
    """Means of the values of some pixels in the cells of a grid that they lie in.

    Args:
        y, x: ``(N,)`` rows and columns of the pixels.
        values: ``(N, C)`` float32.
        grid_hw: Height and width of the grid.
        scale_yx: Pixels per cell of it.

    Returns:
        ``(h, w, C)`` float32, and ``(h, w)`` bool, whether a cell has any of the pixels; without, its mean is zero.
    """
    area, channels = grid_hw[0] * grid_hw[1], values.shape[1]
    cell = (y / scale_yx[0]).astype(np.int64) * grid_hw[1] + (x / scale_yx[1]).astype(np.int64)
    count = np.bincount(cell, minlength=area)
    met = np.flatnonzero(count)
    means = np.zeros((area, channels), np.float32)
    for channel in range(channels):
        means[met, channel] = np.bincount(cell, values[:, channel], area)[met] / count[met]
    return means.reshape(*grid_hw, channels), (count > 0).reshape(grid_hw)


def sample_at(picture: Float32, y: Float32, x: Float32) -> Float32:
    """Colours of a picture at some places, interpolated between its pixels, with replicated borders.

    Args:
        picture: ``(H, W, C)`` float32, both sides below 32767 px.
        y, x: Rows and columns of any one shape.

    Returns:
        ``(..., C)`` float32.
    """
    channels = picture.shape[2]
    count = y.size
    folded = max(1, -(-count // GATHER_COLUMNS))
    columns = min(count, GATHER_COLUMNS) or 1
    maps = []
    for axis in (x, y):
        folded_axis = np.zeros(folded * columns, np.float32)
        folded_axis[:count] = axis.ravel()
        maps.append(folded_axis.reshape(folded, columns))
    taken = cv2.remap(picture, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(taken.reshape(-1, channels)[:count], np.float32).reshape(*y.shape, channels)


def spread(values: Float32, weight: Float32, *, levels: int | None = None) -> Float32:
    """Pull-push of ``(H, W, C)`` values with weights in 0..1 instead of a hole map.

    Values count by their weight: 0 is ignored, 1 is kept, in between is mixed with what surrounds it.

    Args:
        values: ``(H, W, 3)`` or ``(H, W, 1)`` float32.
        weight: ``(H, W)`` float32.
        levels: How often to halve; all the way down to one pixel when ``None``. With a limit values fade to zero
            some ``2 ** levels`` px away from where they are given.
    """
    loops = native.loops()
    if loops:
        return loops.spread(np.ascontiguousarray(values), np.ascontiguousarray(weight), levels, PULL_GAIN)
    # Values times weight, and the weight itself as a last channel: both take the same way. All steps are OpenCV's:
    # NumPy takes 3 to 25 times as long for the same where channels lie together.
    channels = values.shape[2]
    weighted = cv2.multiply(values, cv2.merge([weight] * channels))
    pyramid = [np.asarray(cv2.merge([*cv2.split(weighted), weight]), np.float32)]
    while max(pyramid[-1].shape[:2]) > 1 and (levels is None or len(pyramid) <= levels):
        finer = _even(pyramid[-1])
        level = cv2.resize(finer, (finer.shape[1] // 2, finer.shape[0] // 2), interpolation=cv2.INTER_AREA)
        gain = 1 / np.maximum(cv2.extractChannel(level, channels), np.float32(1 / PULL_GAIN))
        pyramid.append(np.asarray(cv2.multiply(level, cv2.merge([gain] * (channels + 1)), dst=level), np.float32))
    filled = pyramid.pop()
    if levels is None:
        filled /= np.maximum(filled[..., channels:], np.float32(1e-6))
    while pyramid:
        level = pyramid.pop()
        height, width = level.shape[:2]
        double_wh = (2 * filled.shape[1], 2 * filled.shape[0])
        above = cv2.resize(filled, double_wh, interpolation=cv2.INTER_LINEAR)[:height, :width]
        missing = 1 - cv2.extractChannel(level, channels)
        above = cv2.multiply(above, cv2.merge([missing] * (channels + 1)), dst=above)
        filled = np.asarray(cv2.add(level, above, dst=level), np.float32)
    if channels == 1:
        return np.asarray(cv2.extractChannel(filled, 0), np.float32)[..., np.newaxis]
    return np.asarray(cv2.cvtColor(filled, cv2.COLOR_RGBA2RGB), np.float32)


def _even(x: Float32) -> Float32:
    """``x`` with a row and a column of zeros where its sides are odd."""
    bottom, right = x.shape[0] % 2, x.shape[1] % 2
    if not bottom and not right:
        return x
    return np.asarray(cv2.copyMakeBorder(x, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=0.0), np.float32)
