"""Attention upscaling: real detail, copied from where the matching points, at the picture's own resolution.

The paper mixes high-frequency patches by the attention map. Here each token settles on one coherent offset, found from
its k sources, and every pixel of a hole blends what the offsets of the four nearest tokens point at. Offsets are whole
pixels at full resolution, so the factor between the network's picture and the full one may be any, also non-integer
and different per axis.

Steps, in order:

1. :func:`choose_offsets`: rank the candidates of each token by how well their surroundings agree, refine to single
   network pixels, let neighbours agree.
2. Then, hole by hole (:func:`fill_group`):
   :func:`gather_taps` takes the four copies of each pixel and their smooth weights, at network size and at full size;
   :func:`correct_base` bends the low band of the copy so that it meets the known pixels round the hole (a membrane),
   with the network's fill as a second voice inside;
   the copied detail is added, with the variance that blending takes away put back;
   :func:`close_seam` spreads inwards what is still missing at the rim.

Reference: RETHINED, section 3.4; the variance-preserving blend follows Heitz and Neyret, "High-Performance By-Example
Noise using a Histogram-Preserving Blending Operator", HPG 2018, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.matching import Matches, free_positions
from rethined.regions import TOKEN_PX, HoleGroups
from rethined.resample import spread
from rethined.types import Box, Float32, HoleMap, Image8, Ints

KNOWN_WEIGHT = 7.0
"""How much more a known pixel counts than a filled one when surroundings are compared."""
FILL_BLUR_PX = 9
"""What the network filled is compared in bands below this many pixels only. Measured at a factor of 2: sharpness .62 of
the truth's without, .79 with it."""
MEAN_FORGIVEN = 0.75
"""Share of the squared difference in mean colour that does not count: the membrane corrects tone."""
REFINE_STEPS_PX = (4, 2, 1)
"""Offsets tried round the best one, in network pixels."""
COHERENCE_PASSES = 2
COHERENCE_DISCOUNT = 0.9
"""A neighbour's offset is taken even if it fits this much worse: seams cost more than a slightly worse copy."""
VOICE = 0.2
"""Weight of the network's fill against the membrane in the low band of the hole."""
VOICE_BLUR_PX = 9
"""The network's fill speaks in bands below this many of its pixels only; above, it would rub out copied detail."""
GATHER_COLUMNS = 4096
"""cv2.remap addresses at most 32767 rows and columns; lists of pixels are folded to this width."""


@dataclass(frozen=True)
class OffsetField:
    """Where each token is copied from.

    Attributes:
        offset_yx: ``(h, w, 2)`` int32, in network pixels, from the token to its source.
        is_set: ``(h, w)`` bool; ``False`` for known tokens and for those without a source.
    """

    offset_yx: Ints
    is_set: HoleMap


@dataclass(frozen=True)
class Taps:
    """What the four nearest tokens say of each of N pixels.

    Attributes:
        mean: ``(N, 3)`` float32, weighted mean of the copies.
        norm: ``(N,)`` float32 in (0, 1], by which the blend shrank the standard deviation of independent copies.
        is_valid: ``(N,)`` bool, whether there was any copy.
    """

    mean: Float32
    norm: Float32
    is_valid: HoleMap


def match_offsets(matches: Matches, token_width: int) -> Ints:
    """The offsets that matches stand for.

    Args:
        matches: Sources of R corrupted tokens.
        token_width: Tokens in a row of the grid.

    Returns:
        ``(R, k, 2)`` int32, in network pixels, from each token to its sources.
    """
    rows, sources = (_token_yx(index, token_width) for index in (matches.rows, matches.sources))
    return (sources - rows[:, None]) * np.int32(TOKEN_PX)


def finer_offsets(field: OffsetField, corrupted: HoleMap) -> Ints:
    """Candidates for the tokens of a grid of twice the size: what the token above them and its neighbours chose.

    Args:
        field: Offsets of the coarser grid.
        corrupted: ``(h, w)`` bool, the finer grid.

    Returns:
        ``(R, 5, 2)`` int32 offsets in finer network pixels, for its R corrupted tokens in reading order.
    """
    height, width = field.is_set.shape
    parents = np.argwhere(corrupted) // 2
    own = field.offset_yx[parents[:, 0], parents[:, 1]]
    offered = [own]
    for dy, dx in _CROSS:
        y, x = (parents[:, 0] + dy).clip(0, height - 1), (parents[:, 1] + dx).clip(0, width - 1)
        offered.append(np.where(field.is_set[y, x][:, None], field.offset_yx[y, x], own))
    return 2 * np.stack(offered, 1)


def choose_offsets(
    picture: Float32,
    touched: HoleMap,
    corrupted: HoleMap,
    candidates: Ints,
    *,
    steps_px: tuple[int, ...] = REFINE_STEPS_PX,
    passes: int = COHERENCE_PASSES,
) -> OffsetField:
    """One coherent offset per corrupted token.

    Args:
        picture: ``(H, W, 3)`` float32, the network's picture with the hole filled by it.
        touched: ``(H, W)`` bool, pixels that hold any hole; sources keep clear of them.
        corrupted: ``(H / 8, W / 8)`` bool.
        candidates: ``(R, k, 2)`` int32, offsets to begin with, for each corrupted token in reading order.
        steps_px: Shifts tried round the best candidate, one after the other, in network pixels.
        passes: How often neighbours offer each other what they have.
    """
    field = OffsetField(np.zeros((*corrupted.shape, 2), np.int32), np.zeros(corrupted.shape, bool))
    if not candidates.size:
        return field
    tokens_yx = np.argwhere(corrupted).astype(np.int32)
    search = _Search(picture, touched, tokens_yx * TOKEN_PX)
    search.offer(candidates)
    for step in steps_px:
        search.offer(search.best_yx[:, None] + step * _RING)
    index = np.full((corrupted.shape[0] + 2, corrupted.shape[1] + 2), -1, np.int32)
    index[1:-1, 1:-1][corrupted] = np.arange(len(tokens_yx))
    neighbours = np.stack([index[tokens_yx[:, 0] + 1 + dy, tokens_yx[:, 1] + 1 + dx] for dy, dx in _CROSS], 1)
    for _ in range(passes):
        theirs = np.where((neighbours >= 0)[..., None], search.best_yx[neighbours], search.best_yx[:, None])
        search.offer(theirs, discount=COHERENCE_DISCOUNT)
    field.offset_yx[corrupted] = search.best_yx
    field.is_set[corrupted] = np.isfinite(search.best_cost)
    return field


_CROSS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_RING = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if y or x], np.int32)


class _Search:
    """Keeps the best offset of each token while candidates are offered.

    The cost of an offset is the difference between two windows of 16 x 16 px, the token's own and the source's, sampled
    every 2 px; part of the difference in mean colour is forgiven. In the hole only low bands are compared: the
    network's fill is softer than any source, and would otherwise choose the softest.
    """

    def __init__(self, picture: Float32, touched: HoleMap, corners_yx: Ints) -> None:
        # A 2 x 2 mean before the samples are taken 2 px apart.
        smooth = cv2.blur(picture, (2, 2), borderType=cv2.BORDER_REPLICATE)
        low = cv2.blur(picture, (FILL_BLUR_PX, FILL_BLUR_PX), borderType=cv2.BORDER_REPLICATE)
        # One above the other, so that one gather takes known samples from the first and hole samples from the second.
        self._both = np.concatenate([smooth, low]).astype(np.float32, copy=False)
        self._height = picture.shape[0]
        self._free = free_positions(touched)
        self._corners_yx = corners_yx
        steps = np.arange(-TOKEN_PX // 2, TOKEN_PX + TOKEN_PX // 2, 2, dtype=np.int32)
        grid_y, grid_x = np.meshgrid(steps, steps, indexing="ij")
        self._samples_y = corners_yx[:, :1] + grid_y.ravel()
        self._samples_x = corners_yx[:, 1:] + grid_x.ravel()
        height, width = touched.shape
        inside = (
            (self._samples_y >= 0) & (self._samples_y < height) & (self._samples_x >= 0) & (self._samples_x < width)
        )
        is_hole = touched[self._samples_y.clip(0, height - 1), self._samples_x.clip(0, width - 1)]
        self._weight = np.where(is_hole, 1, KNOWN_WEIGHT).astype(np.float32) * inside
        self._weight /= self._weight.sum(1, keepdims=True)
        self._is_hole = is_hole
        self._own = self._sample(self._samples_y, self._samples_x, is_hole)
        self.best_yx = np.zeros((len(corners_yx), 2), np.int32)
        self.best_cost = np.full(len(corners_yx), np.inf, np.float32)

    def offer(self, offsets_yx: Ints, *, discount: float = 1.0) -> None:
        """Takes over, per token, the best of ``(R, C, 2)`` candidates where it is better than what it has."""
        cost = self._cost(offsets_yx)
        pick = cost.argmin(1)
        rows = np.arange(len(pick))
        cost = cost[rows, pick]
        better = cost * np.float32(discount) < self.best_cost
        self.best_yx[better] = offsets_yx[rows, pick][better]
        self.best_cost[better] = cost[better]

    def _sample(self, y: Ints, x: Ints, is_hole: HoleMap) -> Float32:
        return _gather(self._both, np.clip(y, 0, self._height - 1) + is_hole * np.int32(self._height), x)

    def _cost(self, offsets_yx: Ints) -> Float32:
        source = self._corners_yx[:, None] + offsets_yx
        limit = np.array(self._free.shape, np.int32) - 1
        clipped = source.clip(0, limit)
        allowed = (source == clipped).all(2) & self._free[clipped[..., 0], clipped[..., 1]]
        rows, columns = np.nonzero(allowed)
        moved = offsets_yx[rows, columns]
        source_y, source_x = self._samples_y[rows] + moved[:, :1], self._samples_x[rows] + moved[:, 1:]
        theirs = self._sample(source_y, source_x, self._is_hole[rows])
        difference = theirs - self._own[rows]
        weight = self._weight[rows]
        mean = (weight[:, None] @ difference)[:, 0]
        mean_square = (weight[:, None] @ np.square(difference))[:, 0]
        cost = np.full(allowed.shape, np.inf, np.float32)
        cost[rows, columns] = (mean_square - MEAN_FORGIVEN * np.square(mean)).sum(1)
        return cost


def gather_taps(
    picture: Float32 | Image8, hole: HoleMap, y: Ints, x: Ints, field: OffsetField, scale_yx: tuple[float, float]
) -> Taps:
    """Blends, for each of N pixels, the copies that the four nearest tokens point at.

    Args:
        picture: ``(H, W, 3)``, the picture copied from.
        hole: ``(H, W)`` bool; copies of hole pixels do not count.
        y, x: ``(N,)`` int32, pixels of ``picture``.
        field: Offsets in network pixels.
        scale_yx: Pixels of ``picture`` per network pixel.
    """
    height, width = hole.shape
    # Rounded once per token, not once per pixel and tap.
    shift_y, shift_x = (
        np.rint(field.offset_yx[..., axis] * scale_yx[axis]).astype(np.int32).ravel() for axis in (0, 1)
    )
    is_set, is_hole, columns = field.is_set.ravel(), hole.ravel(), field.is_set.shape[1]
    total = np.zeros((len(y), 3), np.float32)
    weights: list[Float32] = []
    places: list[Ints] = []
    for token_y, weight_y in _nearest_tokens(y, scale_yx[0], field.is_set.shape[0]):
        for token_x, weight_x in _nearest_tokens(x, scale_yx[1], columns):
            token = token_y * np.int32(columns) + token_x
            wanted_y, wanted_x = y + shift_y.take(token), x + shift_x.take(token)
            source_y, source_x = np.clip(wanted_y, 0, height - 1), np.clip(wanted_x, 0, width - 1)
            place = source_y * np.int32(width) + source_x
            usable = is_set.take(token) & ~is_hole.take(place) & (source_y == wanted_y) & (source_x == wanted_x)
            weight = weight_y * weight_x * usable
            total += _gather(picture, source_y, source_x) * weight[:, None]
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
    norm = np.sqrt(squared) / safe
    is_valid = sum_weight > 1e-3
    return Taps(total / safe[:, None], np.where(is_valid, norm, 1).astype(np.float32), is_valid)


def transfer(
    image: Image8, hole: HoleMap, filled: Float32, touched: HoleMap, field: OffsetField, groups: HoleGroups
) -> tuple[Ints, Ints, Float32]:
    """The full-resolution fill.

    Args:
        image: ``(H, W, 3)`` uint8.
        hole: ``(H, W)`` bool.
        filled: ``(h, w, 3)`` float32 in 0..255, the network's picture with its hole filled.
        touched: ``(h, w)`` bool, network pixels that hold any hole.
        field: Where tokens are copied from.
        groups: Which tokens belong together; each group is filled by itself.

    Returns:
        Rows, columns and colours ``(N, 3)`` float32 of all hole pixels, each once.
    """
    parts = [fill_group(image, hole, filled, touched, field, groups, label) for label in range(1, groups.count + 1)]
    y, x, colours = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return y, x, colours


def fill_group(
    image: Image8,
    hole: HoleMap,
    filled: Float32,
    touched: HoleMap,
    field: OffsetField,
    groups: HoleGroups,
    label: int,
) -> tuple[Ints, Ints, Float32]:
    """Rows, columns and colours of the hole pixels of one group; arguments as in :func:`transfer`."""
    scale_yx = (hole.shape[0] / touched.shape[0], hole.shape[1] / touched.shape[1])
    tokens = groups.boxes[label - 1]
    small = tokens.scaled(TOKEN_PX, TOKEN_PX)
    copied, is_copied = _copy_small(filled, touched, field, small)
    base = correct_base(filled[small.slices], touched[small.slices], copied, is_copied)

    full = small.scaled(*scale_yx).clipped(hole.shape)
    y, x = _hole_and_rim(hole, full)
    if groups.is_shared(label):
        mine = groups.label_at(y, x, hole.shape) == label
        y, x = y[mine], x[mine]
    taps = gather_taps(image, hole, y, x, field, scale_yx)
    # The same pixels on the network's grid, from the box's corner.
    small_y = (y + np.float32(0.5)) / np.float32(scale_yx[0]) - np.float32(0.5 + small.top)
    small_x = (x + np.float32(0.5)) / np.float32(scale_yx[1]) - np.float32(0.5 + small.left)
    low = _gather(copied, small_y, small_x, linear=True)
    detail = (taps.mean - low) / taps.norm[:, None]
    detail[~taps.is_valid] = 0
    result = _gather(base, small_y, small_x, linear=True) + detail
    return close_seam(image, hole, y, x, result)


def correct_base(filled: Float32, touched: HoleMap, copied: Float32, is_copied: HoleMap) -> Float32:
    """The low band of the result: the copy, bent so that it meets the known pixels.

    Args:
        filled: ``(h, w, 3)`` float32, known pixels and, in the hole, the network's fill.
        touched: ``(h, w)`` bool, pixels that hold any hole.
        copied: ``(h, w, 3)`` float32, the copy at network resolution, valid where ``is_copied``.
        is_copied: ``(h, w)`` bool.
    """
    error = (filled - copied) * is_copied[..., None]
    area = (VOICE_BLUR_PX, VOICE_BLUR_PX)
    share = cv2.blur(is_copied.astype(np.float32), area, borderType=cv2.BORDER_CONSTANT)
    low_error = cv2.blur(error, area, borderType=cv2.BORDER_CONSTANT) / np.maximum(share, 1e-6)[..., None]
    weight = np.where(touched, np.float32(VOICE), np.float32(1)) * is_copied
    values = np.where(touched[..., None], low_error, error)
    membrane = spread(values.astype(np.float32), weight.astype(np.float32))
    return np.where(is_copied[..., None], copied + membrane, filled).astype(np.float32)


def close_seam(image: Image8, hole: HoleMap, y: Ints, x: Ints, result: Float32) -> tuple[Ints, Ints, Float32]:
    """Spreads what the result misses at the rim's known pixels into the hole, and keeps the hole's pixels.

    Args:
        image: ``(H, W, 3)`` uint8.
        hole: ``(H, W)`` bool.
        y, x: ``(N,)`` pixels of a hole and of its rim.
        result: ``(N, 3)`` float32, values there.
    """
    width = np.int32(hole.shape[1])
    inside = hole.ravel().take(y * width + x)
    rim_y, rim_x = y[~inside], x[~inside]
    hole_y, hole_x = y[inside], x[inside]
    top, left = int(y.min()), int(x.min())
    box_hw = (int(y.max()) - top + 1, int(x.max()) - left + 1)
    error, weight = np.zeros((*box_hw, 3), np.float32), np.zeros(box_hw, np.float32)
    error[rim_y - top, rim_x - left] = image[rim_y, rim_x] - result[~inside]
    weight[rim_y - top, rim_x - left] = 1
    membrane = spread(error, weight)
    # The pyramid smooths along the rim; the first ring of the hole takes what its own neighbours miss.
    share = cv2.blur(weight, (3, 3), borderType=cv2.BORDER_CONSTANT)
    ring_y, ring_x = np.nonzero((share > 1e-6) & (weight == 0))
    nearest = cv2.blur(error, (3, 3), borderType=cv2.BORDER_CONSTANT)
    membrane[ring_y, ring_x] = nearest[ring_y, ring_x] / share[ring_y, ring_x, None]
    place = (hole_y - np.int32(top)) * np.int32(box_hw[1]) + (hole_x - np.int32(left))
    return hole_y, hole_x, result[inside] + membrane.reshape(-1, 3).take(place, axis=0)


def _hole_and_rim(hole: HoleMap, box: Box) -> tuple[Ints, Ints]:
    """Rows and columns of the hole pixels in a box and of the known pixels next to them."""
    rim = cv2.dilate(hole[box.slices].view(np.uint8), np.ones((3, 3), np.uint8))
    y, x = np.divmod(np.flatnonzero(rim).astype(np.int32), np.int32(box.width))
    return y + np.int32(box.top), x + np.int32(box.left)


def _copy_small(filled: Float32, touched: HoleMap, field: OffsetField, box: Box) -> tuple[Float32, HoleMap]:
    """The copy at network resolution in one box, for every pixel of a token that has a source."""
    tokens = field.is_set[box.top // TOKEN_PX : box.bottom // TOKEN_PX, box.left // TOKEN_PX : box.right // TOKEN_PX]
    y, x = (axis.astype(np.int32) for axis in np.nonzero(np.repeat(np.repeat(tokens, TOKEN_PX, 0), TOKEN_PX, 1)))
    taps = gather_taps(filled, touched, y + np.int32(box.top), x + np.int32(box.left), field, (1.0, 1.0))
    copied, is_copied = filled[box.slices].copy(), np.zeros((box.height, box.width), bool)
    copied[y[taps.is_valid], x[taps.is_valid]] = taps.mean[taps.is_valid]
    is_copied[y, x] = taps.is_valid
    return copied, is_copied


def _nearest_tokens(position: Ints, scale: float, count: int) -> list[tuple[Ints, Float32]]:
    """The token below and above each pixel along one axis, with smoothstep weights that sum to one."""
    token = (position.astype(np.float32) + np.float32(0.5)) / np.float32(scale * TOKEN_PX) - np.float32(0.5)
    low = np.floor(token)
    fraction = token - low
    upper = fraction * fraction * (3 - 2 * fraction)
    first = low.astype(np.int32)
    return [(first.clip(0, count - 1), 1 - upper), ((first + 1).clip(0, count - 1), upper)]


def _gather(
    picture: Float32 | Image8, y: NDArray[np.generic], x: NDArray[np.generic], *, linear: bool = False
) -> Float32:
    """``picture[y, x]`` as float32 with replicated borders; ``linear`` interpolates between pixels."""
    count = y.size
    folded = max(1, -(-count // GATHER_COLUMNS))
    columns = min(count, GATHER_COLUMNS) or 1
    maps = []
    for axis in (x, y):
        folded_axis = np.zeros(folded * columns, np.float32)
        folded_axis[:count] = axis.ravel()
        maps.append(folded_axis.reshape(folded, columns))
    interpolation = cv2.INTER_LINEAR if linear else cv2.INTER_NEAREST
    taken = cv2.remap(picture, maps[0], maps[1], interpolation, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(taken.reshape(-1, 3)[:count], np.float32).reshape(*y.shape, 3)


def _token_yx(index: NDArray[np.intp], width: int) -> Ints:
    return np.stack([index // width, index % width], -1).astype(np.int32)
