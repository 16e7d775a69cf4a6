"""Attention upscaling: real detail, copied from where the matching points, at the picture's own resolution.

The paper mixes high-frequency patches by the attention map. Here each token settles on one coherent offset, found from
its k sources, and every pixel of a hole blends what the offsets of the four nearest tokens point at. Offsets are whole
pixels at full resolution, so the factor between the network's picture and the full one may be any, also non-integer
and different per axis.

Steps, in order:

1. :func:`choose_offsets`: rank the candidates of each token by how well their surroundings agree, refine to single
   network pixels, let neighbours agree.
2. :func:`gather_taps` takes the four copies of each hole pixel and their smooth weights, at network size and at full
   size.
3. :func:`bend_base` bends the low band of the copy so that it meets the known pixels round the hole (a membrane),
   with the network's fill as a second voice inside; :func:`detail_gate` says where the copy has to yield to the fill.
4. The copied detail is added as far as the gate allows, with the variance that blending takes away put back.
5. :func:`close_seam` spreads inwards what is still missing at the rim.

Steps 3 and 5 work on a sheet on which all holes are laid out side by side (:class:`rethined.regions.PixelSheet`).

Reference: RETHINED, section 3.4; the variance-preserving blend follows Heitz and Neyret, "High-Performance By-Example
Noise using a Histogram-Preserving Blending Operator", HPG 2018, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.matching import Matches, free_positions
from rethined.regions import TOKEN_PX, HoleGroups, Piece, PixelSheet, batches, group_cells, group_holes, lay_sheet
from rethined.resample import spread
from rethined.types import Box, Float32, HoleMap, Image8, Ints, SizeHW
from rethined.workers import SERIAL, Workers

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
VOICE_BLUR_PX = 3
"""The network's fill speaks in bands below this many of its pixels only; above, it would rub out copied detail."""
DETAIL_PX = 3
"""Side of the mean that detail is told from, in network pixels."""
DETAIL_TOLERANCE = 1.2
"""How much stronger than around a hole the copied detail may be. Measured at 2048 px: hole PSNR +.13 dB, perceptual
distance -.6 %, sharpness .97 to .90 of the truth's; with 1.0 they are +.20 dB, -1.1 % and .86."""
DETAIL_FLOOR = 0.3
"""Grey levels of detail that are always allowed: noise."""
BASE_LEVELS = 3
"""Halvings of the pyramid that bends the base: the network's voice has full weight from the second on."""
SEAM_PX = 4
"""How far, in network pixels, the correction at full resolution reaches into the hole."""
SEAM_LEVELS = (3, 6)
"""Least and most halvings for it."""
BATCH_PX = 1 << 16
"""Area of the boxes of groups that are worked on together."""
CHUNK = 1 << 16
"""Pixels worked on at a time: what they need stays in the cache."""
WINDOWS = 4096
"""Windows compared at a time, for the same reason."""
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
        gate: ``(N,)`` float32 in 0..1, how much of the copied detail is to be used; 0 where there was no copy.
    """

    mean: Float32
    norm: Float32
    is_valid: HoleMap
    gate: Float32


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
    workers: Workers = SERIAL,
) -> OffsetField:
    """One coherent offset per corrupted token.

    Args:
        picture: ``(H, W, 3)`` float32, the network's picture with the hole filled by it.
        touched: ``(H, W)`` bool, pixels that hold any hole; sources keep clear of them.
        corrupted: ``(H / 8, W / 8)`` bool.
        candidates: ``(R, k, 2)`` int32, offsets to begin with, for each corrupted token in reading order.
        steps_px: Shifts tried round the best candidate, one after the other, in network pixels.
        passes: How often neighbours offer each other what they have.
        workers: Threads to use; the result does not depend on them.
    """
    field = OffsetField(np.zeros((*corrupted.shape, 2), np.int32), np.zeros(corrupted.shape, bool))
    if not candidates.size:
        return field
    tokens_yx = np.argwhere(corrupted).astype(np.int32)
    search = _Search(picture, touched, tokens_yx * TOKEN_PX, workers)
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

    def __init__(self, picture: Float32, touched: HoleMap, corners_yx: Ints, workers: Workers) -> None:
        self._workers = workers
        # Whole grey levels are fine enough to rank by, and a quarter of the memory.
        grey = cv2.convertScaleAbs(picture)
        # A 2 x 2 mean before the samples are taken 2 px apart.
        smooth = cv2.blur(grey, (2, 2), borderType=cv2.BORDER_REPLICATE)
        low = cv2.blur(grey, (FILL_BLUR_PX, FILL_BLUR_PX), borderType=cv2.BORDER_REPLICATE)
        # One above the other, so that one gather takes known samples from the first and hole samples from the second.
        self._both: Image8 = np.asarray(cv2.vconcat([smooth, low]), np.uint8)
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
        rows, columns = np.divmod(np.flatnonzero(allowed).astype(np.int32), np.int32(allowed.shape[1]))
        moved = offsets_yx[rows, columns]
        cost = np.full(allowed.shape, np.inf, np.float32)
        parts = [slice(start, start + WINDOWS) for start in range(0, len(rows), WINDOWS)]
        found = self._workers.map(lambda part: self._window_cost(rows[part], moved[part]), parts)
        if found:
            cost[rows, columns] = np.concatenate(found)
        return cost

    def _window_cost(self, rows: Ints, moved_yx: Ints) -> Float32:
        """Costs ``(N,)`` of moving the windows of N tokens, given by their number, by so much."""
        source_y, source_x = self._samples_y[rows] + moved_yx[:, :1], self._samples_x[rows] + moved_yx[:, 1:]
        difference = self._sample(source_y, source_x, self._is_hole[rows])
        difference -= self._own[rows]
        weight = self._weight[rows][:, None]
        mean = (weight @ difference)[:, 0]
        mean_square = (weight @ np.square(difference, out=difference))[:, 0]
        return np.asarray((mean_square - MEAN_FORGIVEN * np.square(mean)).sum(1), np.float32)


def gather_taps(
    picture: Float32 | Image8,
    hole: HoleMap,
    y: Ints,
    x: Ints,
    field: OffsetField,
    scale_yx: tuple[float, float],
    *,
    gate: Float32 | None = None,
) -> Taps:
    """Blends, for each of N pixels, the copies that the four nearest tokens point at.

    Args:
        picture: ``(H, W, 3)``, the picture copied from.
        hole: ``(H, W)`` bool; copies of hole pixels do not count.
        y, x: ``(N,)`` int32, pixels of ``picture``.
        field: Offsets in network pixels.
        scale_yx: Pixels of ``picture`` per network pixel.
        gate: ``(h, w)`` float32 on the token grid, see :func:`detail_gate`; 1 everywhere when ``None``.
    """
    if gate is None:
        gate = np.ones(field.is_set.shape, np.float32)
    return _Blend(picture, hole, field, scale_yx, gate).at(y, x)


class _Blend:
    """What :func:`gather_taps` knows of a picture, ready to be asked for some thousand pixels at a time.

    A chunk of that size stays in the processor's cache from one step to the next.
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
        """The taps at some pixels."""
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


def transfer(
    image: Image8,
    hole: HoleMap,
    filled: Float32,
    touched: HoleMap,
    field: OffsetField,
    *,
    workers: Workers = SERIAL,
) -> tuple[Ints, Ints, Float32]:
    """The full-resolution fill.

    Args:
        image: ``(H, W, 3)`` uint8.
        hole: ``(H, W)`` bool.
        filled: ``(h, w, 3)`` float32 in 0..255, the network's picture with its hole filled.
        touched: ``(h, w)`` bool, network pixels that hold any hole.
        field: Where tokens are copied from.
        workers: Threads to use; the result does not depend on them.

    Returns:
        Rows, columns and colours ``(N, 3)`` float32 of all hole pixels, each once.
    """
    scale_yx = (hole.shape[0] / touched.shape[0], hole.shape[1] / touched.shape[1])
    gate = detail_gate(filled, touched, field)
    copied, membrane = copy_small(filled, touched, field, gate, workers=workers)
    blend = _Blend(image, hole, field, scale_yx, gate)
    levels = int(np.clip(round(np.log2(SEAM_PX * max(scale_yx))), *SEAM_LEVELS))
    groups = group_holes(touched)

    def fill(pieces: list[Piece]) -> tuple[Ints, Ints, Float32]:
        sheet, owned = _sheet_of(pieces, 2**levels, lambda piece: _hole_and_rim(hole, groups, piece))
        colours = np.empty((len(sheet.y), 3), np.float32)
        for start in range(0, len(colours), CHUNK):
            part = slice(start, start + CHUNK)
            colours[part] = _detailed(blend, copied, membrane, sheet.y[part], sheet.x[part], scale_yx)
        inside = hole.ravel().take(sheet.y * np.int32(hole.shape[1]) + sheet.x)
        rim = ~inside
        missing = np.zeros_like(colours)
        missing[rim] = image[sheet.y[rim], sheet.x[rim]] - colours[rim]
        colours += sheet.pick_up(close_seam(sheet.lay_out(missing), sheet.lay_out(rim), levels))
        inside &= owned
        return sheet.y[inside], sheet.x[inside], colours[inside]

    pieces = groups.pieces(hole.shape, margin_px=2 * 2**levels)
    parts = workers.map(fill, batches(pieces, BATCH_PX))
    y, x, colours = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return y, x, colours


def detail_gate(filled: Float32, touched: HoleMap, field: OffsetField) -> Float32:
    """How much of the detail that each token copies is to be used: less where it is stronger than what is around.

    A source with an edge fits a smooth place as soon as its low band does, and leaves ripples there. So the detail of
    a token (mean absolute difference from the mean of 3 x 3 network pixels) is scaled down to 1.2 times what the known
    pixels around make one expect.

    Args:
        filled: ``(H, W, 3)`` float32 in 0..255, the network's picture with its hole filled.
        touched: ``(H, W)`` bool, pixels that hold any hole.
        field: Where tokens are copied from.

    Returns:
        ``(H / 8, W / 8)`` float32 in 0..1; 1 for tokens without a source.
    """
    luma = cv2.cvtColor(filled, cv2.COLOR_RGB2GRAY)
    detail = cv2.absdiff(luma, cv2.blur(luma, (DETAIL_PX, DETAIL_PX), borderType=cv2.BORDER_REPLICATE))
    # The mean over the patch whose top left is there: what a source offers.
    offered = cv2.blur(detail, (TOKEN_PX, TOKEN_PX), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    known = np.subtract(1, touched, dtype=np.float32)
    grid_wh = field.is_set.shape[::-1]
    share = np.asarray(cv2.resize(known, grid_wh, interpolation=cv2.INTER_AREA), np.float32)
    detail = cv2.multiply(detail, known, dst=detail)
    amount = cv2.resize(detail, grid_wh, interpolation=cv2.INTER_AREA) / np.maximum(share, np.float32(1e-6))
    expected = spread(np.asarray(cv2.merge([amount] * 3), np.float32), share)[..., 0][field.is_set]
    corners = np.argwhere(field.is_set) * TOKEN_PX + field.offset_yx[field.is_set]
    corners = np.clip(corners, 0, np.array(touched.shape) - TOKEN_PX)
    source = offered[corners[:, 0], corners[:, 1]]
    gate = np.ones(field.is_set.shape, np.float32)
    ratio = (expected + DETAIL_FLOOR) / (source + DETAIL_FLOOR)
    gate[field.is_set] = np.minimum(DETAIL_TOLERANCE * ratio, 1)
    return gate


def copy_small(
    filled: Float32, touched: HoleMap, field: OffsetField, gate: Float32, *, workers: Workers = SERIAL
) -> tuple[Float32, Float32]:
    """The copy at network resolution, and what bends it; arguments as in :func:`transfer`.

    Returns:
        Two pictures ``(h, w, 3)`` float32: the copy in 0..255, equal to ``filled`` where no token has a source, and
        the membrane to be added to it, zero there. It bends the low band alone where the gate is open, and gives the
        network's fill where it is closed.
    """
    copied, membrane = filled.copy(), np.zeros_like(filled)
    blend = _Blend(filled, touched, field, (1.0, 1.0), gate)
    groups = group_cells(field.is_set)

    def copy(pieces: list[Piece]) -> None:
        sheet, owned = _sheet_of(pieces, 2**BASE_LEVELS, lambda piece: _token_pixels(groups, piece, touched.shape))
        y, x = sheet.y, sheet.x
        taps = blend.at(y, x)
        own = filled[y, x]
        values = np.where(taps.is_valid[:, None], taps.mean, own)
        error = own - values
        bent = sheet.pick_up(
            bend_base(sheet.lay_out(error), sheet.lay_out(touched[y, x]), sheet.lay_out(taps.is_valid), BASE_LEVELS)
        )
        error += (bent - error) * taps.gate[:, None]
        # No two pieces answer for one pixel.
        y, x = y[owned], x[owned]
        copied[y, x] = values[owned]
        membrane[y, x] = error[owned]

    workers.map(copy, batches(groups.pieces(touched.shape, margin_px=4 * 2**BASE_LEVELS), BATCH_PX))
    return copied, membrane


def _detailed(
    blend: _Blend, copied: Float32, membrane: Float32, y: Ints, x: Ints, scale_yx: tuple[float, float]
) -> Float32:
    """Colours at full-size pixels: the low band from the network's grid, the detail from the taps."""
    taps = blend.at(y, x)
    # The same pixels on the network's grid.
    small_y = (y + np.float32(0.5)) / np.float32(scale_yx[0]) - np.float32(0.5)
    small_x = (x + np.float32(0.5)) / np.float32(scale_yx[1]) - np.float32(0.5)
    low = _gather(copied, small_y, small_x, linear=True)
    colours = taps.mean - low
    colours *= (taps.gate / taps.norm)[:, None]
    colours += low
    colours += _gather(membrane, small_y, small_x, linear=True)
    return colours


def bend_base(error: Float32, touched: HoleMap, is_copied: HoleMap, levels: int) -> Float32:
    """What to add to a copy at network resolution, so that it meets the known pixels and follows the fill.

    Args:
        error: ``(h, w, 3)`` float32, known pixels and, in the hole, the network's fill, minus the copy.
        touched: ``(h, w)`` bool, pixels that hold any hole.
        is_copied: ``(h, w)`` bool, where there is a copy.
        levels: How far it reaches, as in :func:`rethined.resample.spread`.

    Returns:
        ``(h, w, 3)`` float32.
    """
    share = is_copied.astype(np.float32)
    error = error * share[..., None]
    area = (VOICE_BLUR_PX, VOICE_BLUR_PX)
    low_share = cv2.blur(share, area, borderType=cv2.BORDER_CONSTANT)
    low_error = cv2.blur(error, area, borderType=cv2.BORDER_CONSTANT) / np.maximum(low_share, 1e-6)[..., None]
    weight = np.where(touched, np.float32(VOICE), np.float32(1)) * share
    values = np.where(touched[..., None], low_error, error)
    return spread(values.astype(np.float32), weight.astype(np.float32), levels=levels)


def close_seam(missing: Float32, rim: HoleMap, levels: int) -> Float32:
    """Spreads what the result misses at the rim's known pixels into the hole.

    Args:
        missing: ``(h, w, 3)`` float32, true minus copied colour at the rim, zero elsewhere.
        rim: ``(h, w)`` bool, known pixels next to the hole.
        levels: How far it reaches, as in :func:`rethined.resample.spread`.

    Returns:
        ``(h, w, 3)`` float32, what to add.
    """
    weight = rim.astype(np.float32)
    membrane = spread(missing, weight, levels=levels)
    # The pyramid smooths along the rim; the first ring of the hole takes what its own neighbours miss.
    share = cv2.blur(weight, (3, 3), borderType=cv2.BORDER_CONSTANT)
    ring = np.flatnonzero((share > 1e-6) & ~rim)
    nearest = cv2.blur(missing, (3, 3), borderType=cv2.BORDER_CONSTANT)
    membrane.reshape(-1, 3)[ring] = nearest.reshape(-1, 3)[ring] / share.ravel()[ring, None]
    return membrane


def _sheet_of(
    pieces: list[Piece], cell_px: int, pixels_of: Callable[[Piece], tuple[Ints, Ints]]
) -> tuple[PixelSheet, HoleMap]:
    """Lays the pixels of some pieces on one sheet, and tells which of them their pieces answer for."""
    pixels = [(piece, pixels_of(piece)) for piece in pieces]
    pixels = [(piece, (y, x)) for piece, (y, x) in pixels if len(y)]
    sheet = lay_sheet(
        [places for _, places in pixels], cell_px=cell_px, corners=[piece.corner_yx for piece, _ in pixels]
    )
    owned = [piece.owns(y, x) for piece, (y, x) in pixels]
    return sheet, np.concatenate(owned) if owned else np.empty(0, bool)


def _hole_and_rim(hole: HoleMap, groups: HoleGroups, piece: Piece) -> tuple[Ints, Ints]:
    """Rows and columns of the hole pixels of a piece and of the known pixels next to them."""
    around = hole[piece.around.slices]
    mine = around & groups.mask_of(piece.label, piece.around, hole.shape)
    rim = cv2.dilate(mine.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
    return _places(rim & (mine | ~around), piece.around)


def _token_pixels(groups: HoleGroups, piece: Piece, size_hw: SizeHW) -> tuple[Ints, Ints]:
    """Rows and columns of the network pixels of a piece."""
    return _places(groups.mask_of(piece.label, piece.around, size_hw), piece.around)


def _places(inside: HoleMap, box: Box) -> tuple[Ints, Ints]:
    """Rows and columns of the ``True`` pixels of a box, in the picture."""
    y, x = np.divmod(np.flatnonzero(inside).astype(np.int32), np.int32(box.width))
    return y + np.int32(box.top), x + np.int32(box.left)


def _nearest_tokens(length_px: int, scale: float, count: int) -> list[tuple[Ints, Float32]]:
    """The token before and after each pixel along one axis, with smoothstep weights that sum to one."""
    token = (np.arange(length_px, dtype=np.float32) + np.float32(0.5)) / np.float32(scale * TOKEN_PX) - np.float32(0.5)
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


def _token_yx(index: NDArray[np.integer[Any]], width: int) -> Ints:
    return np.stack([index // width, index % width], -1).astype(np.int32)
