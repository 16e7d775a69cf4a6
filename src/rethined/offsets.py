"""Which offset each token is copied by: candidates ranked by how well surroundings agree and how near they are.

In the hole surroundings are at first what the network filled, which is soft. Once every token has a source, what is
copied beside it tells more: rounds of offers by neighbours and of chance (PatchMatch) make copies fit each other.

Reference: Barnes, Shechtman, Finkelstein, Goldman, "PatchMatch: A Randomized Correspondence Algorithm for Structural
Image Editing", SIGGRAPH 2009, section 3.2 (propagation and random search).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined import native
from rethined.detail import DetailLevels, detail_levels
from rethined.distance import MOST_PX, distance_px
from rethined.matching import Matches, free_positions
from rethined.native import Loops, SearchTables, Windows
from rethined.regions import TOKEN_PX
from rethined.resample import sample_at
from rethined.types import Float32, HoleMap, Image8, Ints
from rethined.workers import SERIAL, OnDone, Workers, parts

KNOWN_WEIGHT = 7.0
"""How much more a known pixel counts than a filled one when surroundings are compared."""
FILL_BLUR_PX = 9
"""What the network filled is compared in bands below this many pixels only. Measured at a factor of 2: sharpness .62 of
the truth's without, .79 with it."""
MEAN_FORGIVEN = 0.75
"""Share of the squared difference in mean colour that does not count: the membrane corrects tone."""
LESS_DETAIL, MORE_DETAIL = 20.0, 40.0
"""What a source costs that has less or more detail than the surroundings of the token, for each squared grey level.
Measured at 2048 px: perceptual distance -.8 %, sharpness .93 to .95 of the truth's, hole PSNR -.05 dB."""
FAR_PX = 43
"""How far away, in network pixels of the first rung, a source costs twice what it does beside the token: what lies near
is likelier to be alike than what happens to fit. Measured at 2048 px, together with :func:`near_offsets`: perceptual
distance -2.4 %, hole PSNR -.05 dB, and a forest floor is no longer filled with trunks."""
FAR_MOST = 9.0
"""Distance counts up to this many times that."""
NEAREST_TOKENS = 2
"""The least distance that is offered by itself: the pixels of the next token are mixed with those of the hole."""
REFINE_STEPS_PX = (2, 1)
"""Offsets tried above, below and beside the best one, in network pixels."""
TRIES_PX = (3, 3, 24, 24)
"""How far at most, in network pixels up and down and sideways, from its source a token tries others, in each round but
the last."""
LEAST_TRUST = np.float32(0.02)
"""What copies count at least in rounds that trust those near the rim more, beside the 7 of what is known."""
WINDOWS = 4096
"""Windows compared at a time: what they need stays in the cache."""
TOKENS, PIXELS = 256, 1 << 14
"""Tokens and pixels that compiled loops work on at a time, so that threads have a share each."""


@dataclass(frozen=True)
class OffsetField:
    """Where each token is copied from.

    Attributes:
        offset_yx: ``(h, w, 2)`` int32, in network pixels, from the token to its source.
        is_set: ``(h, w)`` bool; ``False`` for known tokens and for those without a source.
    """

    offset_yx: Ints
    is_set: HoleMap


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


def near_offsets(corrupted: HoleMap, forbidden: HoleMap | None = None, *, diagonals: bool = True) -> Ints:
    """Offsets to the nearest known token, not the next one, in each of eight directions.

    Args:
        corrupted: ``(h, w)`` bool, tokens that hold any hole.
        forbidden: ``(h, w)`` bool, known tokens that are passed over; none when ``None``.
        diagonals: Without them there are four directions.

    Returns:
        ``(R, 8, 2)`` or ``(R, 4, 2)`` int32, in network pixels, for the R corrupted tokens in reading order; one that
        leads out of the picture where there is none that way.
    """
    height, width = corrupted.shape
    passed = corrupted if forbidden is None else corrupted | forbidden
    tokens_yx = np.argwhere(corrupted).astype(np.int32)
    directions = _AROUND if diagonals else _CROSS
    distance = np.full((len(tokens_yx), len(directions)), max(height, width), np.int32)
    for direction, (dy, dx) in enumerate(directions):
        walking, steps = np.arange(len(tokens_yx)), NEAREST_TOKENS
        while len(walking):
            y, x = tokens_yx[walking, 0] + steps * dy, tokens_yx[walking, 1] + steps * dx
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            walking, y, x = walking[inside], y[inside], x[inside]
            there = ~passed[y, x]
            distance[walking[there], direction] = steps
            walking, steps = walking[~there], steps + 1
    return distance[..., None] * np.array(directions, np.int32) * np.int32(TOKEN_PX)


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
    detail: DetailLevels | None = None,
    steps_px: tuple[int, ...] = REFINE_STEPS_PX,
    far_px: float = FAR_PX,
    agree_rounds: int = 0,
    trust_px: float | None = None,
    forbidden: HoleMap | None = None,
    on_done: OnDone | None = None,
    workers: Workers = SERIAL,
) -> OffsetField:
    """The best offset of each corrupted token.

    Args:
        picture: ``(H, W, 3)`` float32, the network's picture with the hole filled by it.
        touched: ``(H, W)`` bool, pixels that hold any hole; sources keep clear of them.
        corrupted: ``(H / 8, W / 8)`` bool.
        candidates: ``(R, k, 2)`` int32, offsets to begin with, for each corrupted token in reading order.
        detail: Of ``picture``; computed when ``None``.
        steps_px: Shifts tried round the best candidate, one after the other, in network pixels.
        far_px: How far away a source costs twice as much, in network pixels.
        agree_rounds: Rounds in which tokens make their copies fit each other afterwards.
        trust_px: In these rounds copies count e times less every so many pixels from what is known, so that structure
            grows inwards, and the fill does not count. All copies count alike, and the fill does, when ``None``.
        forbidden: ``(H, W)`` bool, pixels that hold anything forbidden: known when surroundings are compared, and
            sources keep clear of them as well. None are when ``None``.
        on_done: Called with the share that is done, 0..1; an error it raises ends the search.
        workers: Threads to use; the result does not depend on them.
    """
    field = OffsetField(np.zeros((*corrupted.shape, 2), np.int32), np.zeros(corrupted.shape, bool))
    if not candidates.size:
        return field
    tokens_yx = np.ascontiguousarray(np.argwhere(corrupted), np.int32)
    free = free_positions(touched if forbidden is None else touched | forbidden)
    detail = detail or detail_levels(picture, touched)
    search = _Search(picture, touched, free, tokens_yx * TOKEN_PX, detail, far_px, workers)
    search.offer(candidates)
    passes = 1 + len(steps_px) + agree_rounds
    for done, step in enumerate(steps_px, 1):
        if on_done:
            on_done(done / passes)
        search.offer(search.best_yx[:, None] + step * _STEPS)
    if agree_rounds and np.isfinite(search.best_cost).any():
        agreement = _Agreement(search, touched, trust_px)
        for left in reversed(range(agree_rounds)):
            if on_done:
                on_done(1 - (left + 1) / passes)
            agreement.take_round(TRIES_PX if left else (), seed=left)
    if on_done:
        on_done(1)
    field.offset_yx[corrupted] = search.best_yx
    field.is_set[corrupted] = np.isfinite(search.best_cost)
    return field


_CROSS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_AROUND = (*_CROSS, (-1, -1), (-1, 1), (1, -1), (1, 1))
_STEPS = np.array(_CROSS, np.int32)


class _Search:
    """Keeps the best offset of each token while candidates are offered.

    The cost of an offset is the difference between two windows of 16 x 16 px, the token's own and the source's, sampled
    every 2 px; part of the difference in mean colour is forgiven. In the hole only low bands are compared: the
    network's fill is softer than any source, and would otherwise choose the softest. What detail to choose is told by
    the known pixels around: a source with another amount of it costs more. All of it counts the more the farther away
    the source is.
    """

    def __init__(
        self,
        picture: Float32,
        touched: HoleMap,
        free: HoleMap,
        corners_yx: Ints,
        detail: DetailLevels,
        far_px: float,
        workers: Workers,
    ) -> None:
        self.workers = workers
        # Whole grey levels are fine enough to rank by, and a quarter of the memory.
        self.grey: Image8 = np.asarray(cv2.convertScaleAbs(picture), np.uint8)
        self.low: Image8 = np.asarray(
            cv2.blur(self.grey, (FILL_BLUR_PX, FILL_BLUR_PX), borderType=cv2.BORDER_REPLICATE), np.uint8
        )
        self.corners_yx = corners_yx
        self._height = picture.shape[0]
        self._tables = SearchTables(
            # One above the other, so that one gather takes known samples from the first and hole samples from the
            # second. A 2 x 2 mean before the samples are taken 2 px apart.
            np.asarray(cv2.vconcat([_smooth(self.grey), self.low]), np.uint8),
            free,
            detail.offered,
            detail.asked[corners_yx[:, 0] // TOKEN_PX, corners_yx[:, 1] // TOKEN_PX],
            corners_yx,
            *(far_px, FAR_MOST, LESS_DETAIL, MORE_DETAIL, MEAN_FORGIVEN),
        )
        steps = np.arange(-TOKEN_PX // 2, TOKEN_PX + TOKEN_PX // 2, 2, dtype=np.int32)
        grid_y, grid_x = np.meshgrid(steps, steps, indexing="ij")
        self.samples_y = corners_yx[:, :1] + grid_y.ravel()
        self.samples_x = corners_yx[:, 1:] + grid_x.ravel()
        height, width = touched.shape
        inside = (self.samples_y >= 0) & (self.samples_y < height) & (self.samples_x >= 0) & (self.samples_x < width)
        is_hole = self.at_samples(touched)
        self.weight = np.where(is_hole, 1, KNOWN_WEIGHT).astype(np.float32) * inside
        self.weight /= self.weight.sum(1, keepdims=True)
        self.is_hole = is_hole
        self.own = self.sample(self.samples_y, self.samples_x, is_hole)
        self._windows = Windows(is_hole, self.own, self.weight)
        self.best_yx = np.zeros((len(corners_yx), 2), np.int32)
        self.best_cost = np.full(len(corners_yx), np.inf, np.float32)

    def at_samples(self, values: NDArray[Any]) -> NDArray[Any]:
        """``(R, 64)`` values of an ``(H, W)`` map where windows are sampled; beyond it, those at its edge."""
        height, width = values.shape
        return np.asarray(values[self.samples_y.clip(0, height - 1), self.samples_x.clip(0, width - 1)])

    def offer(self, offsets_yx: Ints) -> None:
        """Takes over, per token, the best of ``(R, C, 2)`` candidates where it is better than what it has."""
        cost = self.cost(offsets_yx, self._windows)
        pick = cost.argmin(1)
        rows = np.arange(len(pick))
        cost = cost[rows, pick]
        better = cost < self.best_cost
        self.best_yx[better] = offsets_yx[rows, pick][better]
        self.best_cost[better] = cost[better]

    def sample(self, y: Ints, x: Ints, is_hole: HoleMap | np.bool_) -> Image8:
        """Colours at some places, low bands alone where ``is_hole``."""
        place_y = np.clip(y, 0, self._height - 1) + is_hole * np.int32(self._height)
        return sample_at(self._tables.pictures, place_y, x).astype(np.uint8)

    def cost(self, offsets_yx: Ints, *windows: Windows, wanted: HoleMap | None = None) -> Float32:
        """``(R, C)`` costs of candidates: the sum of those of some windows, and what else counts.

        Infinite where none may lead, where the same candidate stands before, and where the cost is not wanted; all are
        when ``None``.
        """
        if wanted is None:
            wanted = np.ones(offsets_yx.shape[:2], bool)
        loops = native.loops()
        if not loops:
            return self._cost(offsets_yx, windows, wanted)
        offsets_yx = np.ascontiguousarray(offsets_yx)
        cost = np.empty(wanted.shape, np.float32)
        self.workers.map(
            lambda part: loops.cost(self._tables, windows, offsets_yx, wanted, part, cost), parts(len(cost), TOKENS)
        )
        return cost

    def _cost(self, offsets_yx: Ints, windows: tuple[Windows, ...], wanted: HoleMap) -> Float32:
        """What the loop does."""
        tables = self._tables
        source = self.corners_yx[:, None] + offsets_yx
        limit = np.array(tables.is_free.shape, np.int32) - 1
        clipped = source.clip(0, limit)
        allowed = (source == clipped).all(2) & tables.is_free[clipped[..., 0], clipped[..., 1]]
        allowed &= wanted & ~_is_repeated(offsets_yx)
        rows, columns = np.divmod(np.flatnonzero(allowed).astype(np.int32), np.int32(allowed.shape[1]))
        moved = offsets_yx[rows, columns]
        cost = np.full(allowed.shape, np.inf, np.float32)

        def compare(part: slice) -> Float32:
            costs = [self._unlike(each, rows[part], moved[part]) for each in windows]
            return np.asarray(sum(costs), np.float32)

        found = self.workers.map(compare, parts(len(rows), WINDOWS))
        if found:
            missing = tables.asked[rows] - tables.offered[source[rows, columns, 0], source[rows, columns, 1]]
            unlike = np.square(missing) * np.where(missing > 0, np.float32(LESS_DETAIL), np.float32(MORE_DETAIL))
            away = np.sqrt(np.square(moved, dtype=np.float32).sum(1)) / np.float32(tables.far_px)
            cost[rows, columns] = (np.concatenate(found) + unlike) * (1 + np.minimum(away, FAR_MOST))
        return cost

    def _unlike(self, windows: Windows, rows: Ints, moved_yx: Ints) -> Float32:
        """Costs ``(N,)`` of moving the windows of N tokens, given by their number, by so much."""
        y, x = self.samples_y[rows] + moved_yx[:, :1], self.samples_x[rows] + moved_yx[:, 1:]
        difference = self.sample(y, x, windows.is_hole[rows]).astype(np.float32)
        difference -= windows.own[rows]
        return _unlike(difference, windows.weight[rows])


class _Agreement:
    """Rounds in which tokens choose anew what fits best to what they all copy now.

    The cost is the sum of two differences. Around the token, the source's surroundings against what is known and what
    the neighbours copy, in all bands; in the hole, as ever, low bands against what the network filled.

    Args:
        search: Where the tokens' offsets are, and are kept.
        touched, trust_px: As for :func:`choose_offsets`.
    """

    def __init__(self, search: _Search, touched: HoleMap, trust_px: float | None) -> None:
        self._search = search
        has_source = np.isfinite(search.best_cost)
        self._rows = np.flatnonzero(has_source)
        tokens_yx = search.corners_yx // TOKEN_PX
        number = np.full((touched.shape[0] // TOKEN_PX + 2, touched.shape[1] // TOKEN_PX + 2), -1, np.int32)
        number[tokens_yx[self._rows, 0] + 1, tokens_yx[self._rows, 1] + 1] = self._rows
        own = np.arange(len(tokens_yx), dtype=np.int32)
        around = [number[tokens_yx[:, 0] + 1 + dy, tokens_yx[:, 1] + 1 + dx] for dy, dx in _AROUND]
        self._is_new = np.ones(len(tokens_yx), bool)
        # A token without such a neighbour offers itself what it has.
        self._offering = np.stack([own, *(np.where(each >= 0, each, own) for each in around)], 1)
        y, x = (axis.astype(np.int32) for axis in np.nonzero(touched))
        token = number[y // TOKEN_PX + 1, x // TOKEN_PX + 1]
        self._pixel_y, self._pixel_x, self._token = (axis[token >= 0] for axis in (y, x, token))
        self._pixel = self._pixel_y * np.int32(touched.shape[1]) + self._pixel_x
        # Means of low bands over the patch whose top left is there.
        self._tone: Image8 = np.asarray(
            cv2.blur(search.low, (TOKEN_PX, TOKEN_PX), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE), np.uint8
        )
        # All but the token's own hole, which would only agree with itself; and all of the hole.
        inner = (search.samples_y - search.corners_yx[:, :1], search.samples_x - search.corners_yx[:, 1:])
        is_own = np.logical_and(*((axis >= 0) & (axis < TOKEN_PX) for axis in inner))
        weight = search.weight if trust_px is None else search.weight * search.at_samples(_trust(touched, trust_px))
        self._around_weight = _normal(np.where(search.is_hole & is_own, 0, weight))
        self._nowhere = np.zeros(search.is_hole.shape, bool)
        self._fill: list[Windows] = []
        if trust_px is None:
            hole_weight = _normal(np.where(search.is_hole, search.weight, 0))
            self._fill.append(Windows(~self._nowhere, search.own, hole_weight))

    def take_round(self, tries_px: tuple[int, ...], *, seed: int) -> None:
        """Takes over, per token, its own offset, a neighbour's or one nearby.

        Args:
            tries_px: How far at most, up and down and sideways, each offset nearby is from the token's own.
            seed: Of chance; the same gives the same.
        """
        search, rows = self._search, self._rows
        chance = np.random.default_rng(seed)
        best_yx = search.best_yx
        tries = [best_yx + chance.integers(-most, most + 1, best_yx.shape, np.int32) for most in tries_px]
        candidates = np.concatenate([best_yx[self._offering], *(each[:, None] for each in tries)], 1)
        around = Windows(self._nowhere, self._copied_around(), self._around_weight)
        wanted = np.ones(candidates.shape[:2], bool)
        # Where nothing has changed, not beside it either, all that was offered before costs what it did.
        is_old = ~self._is_new[self._offering].any(1)
        wanted[is_old, : self._offering.shape[1]] = False
        cost = search.cost(candidates, around, *self._fill, wanted=wanted)
        cost[is_old, 0] = search.best_cost[is_old]
        pick = cost.argmin(1)[rows]
        chosen_yx = candidates[rows, pick]
        self._is_new[:] = False
        self._is_new[rows] = (chosen_yx != best_yx[rows]).any(1)
        best_yx[rows] = chosen_yx
        search.best_cost[rows] = cost[rows, pick]

    def _copied_around(self) -> Image8:
        """``(R, 64, 3)`` samples of the tokens' windows: in the hole what is copied, in the tone of the fill."""
        search, loops = self._search, native.loops()
        copied = np.array(search.grey)
        if loops:
            return self._copied_by(loops, copied)
        corner_y, corner_x = search.corners_yx[self._rows].T
        to_y, to_x = search.best_yx[self._rows].T
        tone = np.zeros((len(search.best_yx), 3), np.float32)
        tone[self._rows] = sample_at(self._tone, corner_y, corner_x)
        tone[self._rows] -= sample_at(self._tone, corner_y + to_y, corner_x + to_x)
        moved_y, moved_x = (search.best_yx[:, axis].take(self._token) for axis in range(2))
        colours = sample_at(search.grey, self._pixel_y + moved_y, self._pixel_x + moved_x)
        colours += np.float32(MEAN_FORGIVEN) * tone.take(self._token, 0)
        copied.reshape(-1, 3)[self._pixel] = cv2.convertScaleAbs(np.maximum(colours, 0, out=colours))
        return sample_at(_smooth(copied), search.samples_y, search.samples_x).astype(np.uint8)

    def _copied_by(self, loops: Loops, copied: Image8) -> Image8:
        """The same by compiled loops."""
        search = self._search

        def copy(part: slice) -> None:
            pixels = (self._pixel_y[part], self._pixel_x[part], self._token[part])
            loops.copied(search.grey, self._tone, search.corners_yx, search.best_yx, MEAN_FORGIVEN, *pixels, copied)

        search.workers.map(copy, parts(len(self._token), PIXELS))
        own = np.empty(search.own.shape, np.uint8)
        search.workers.map(lambda part: loops.sample(copied, search.corners_yx, part, own), parts(len(own), TOKENS))
        return own


def _is_repeated(candidates: Ints) -> HoleMap:
    """``(R, C)``, whether one of ``(R, C, 2)`` candidates is the same as one before it."""
    code = candidates[..., 0].astype(np.int64) << 32 | candidates[..., 1].astype(np.int64) & 0xFFFFFFFF
    repeated = np.zeros(code.shape, bool)
    for column in range(1, code.shape[1]):
        repeated[:, column] = (code[:, :column] == code[:, column, None]).any(1)
    return repeated


def _trust(touched: HoleMap, trust_px: float) -> Float32:
    """``(H, W)``, how much more than any other hole pixel each counts: as much as a known one at the rim."""
    depth_px = distance_px(touched, MOST_PX)
    trust = np.maximum(KNOWN_WEIGHT * np.exp(-depth_px / np.float32(trust_px)), LEAST_TRUST)
    return np.asarray(np.where(touched, trust, 1), np.float32)


def _smooth(picture: Image8) -> Image8:
    return np.asarray(cv2.blur(picture, (2, 2), borderType=cv2.BORDER_REPLICATE), np.uint8)


def _unlike(difference: Float32, weight: Float32) -> Float32:
    """``(N,)`` weighted squares of ``(N, S, 3)`` differences, less what is forgiven of their mean; taken to pieces."""
    weight = weight[:, None]
    mean = (weight @ difference)[:, 0]
    mean_square = (weight @ np.square(difference, out=difference))[:, 0]
    return np.asarray((mean_square - MEAN_FORGIVEN * np.square(mean)).sum(1), np.float32)


def _normal(weight: NDArray[Any]) -> Float32:
    """Weights of each row that sum to one; all zero where there are none."""
    return np.asarray(weight / np.maximum(weight.sum(1, keepdims=True), 1e-6), np.float32)


def _token_yx(index: NDArray[np.integer[Any]], width: int) -> Ints:
    return np.stack([index // width, index % width], -1).astype(np.int32)
