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
from rethined.native import MARGIN_PX, SearchTables, Windows, laid_out_shape
from rethined.regions import TOKEN_PX
from rethined.types import Float32, HoleMap, Image8, Ints
from rethined.workers import SERIAL, OnDone, Workers, parts

KNOWN_WEIGHT = 7
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
REPEATED = np.float32(1)
"""How much more, of what it costs, a source costs in these rounds that a token beside copies from as well, deep in a
hole: there each token would have the nearest source, or the one that fits a soft fill, and the same pebble lay in rows.
Measured at 512 px under LaMa medium, 24 photographs of textures and 20 others: perceptual distance -1.2 and +.1 %,
distance of statistics (`texture`) -8 and 0 %."""
REPEATED_PX = 6
"""Sources that lie less than this apart, up and down and sideways, are the same."""
LEAST_TRUST = np.float32(0.02)
"""What copies count at least in rounds that trust those near the rim more, beside the 7 of what is known."""
MOST_WEIGHT = 127
"""Of a sample, see :class:`rethined.native.Windows`."""
WINDOWS = 4096
"""Windows compared at a time: what they need stays in the cache."""


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
    tokens_yx = np.ascontiguousarray(np.argwhere(corrupted), np.int32)
    directions = np.array(_AROUND if diagonals else _CROSS, np.int32)
    most = max(height, width)
    if compiled := native.loops():
        distance = compiled.walk(passed, tokens_yx, directions, NEAREST_TOKENS, most)
    else:
        distance = _walk(passed, tokens_yx, directions, NEAREST_TOKENS, most)
    return distance[..., None] * directions * np.int32(TOKEN_PX)


def _walk(is_passed: HoleMap, tokens_yx: Ints, directions: Ints, least: int, most: int) -> Ints:
    """What the loop does."""
    height, width = is_passed.shape
    distance = np.full((len(tokens_yx), len(directions)), most, np.int32)
    for direction, (dy, dx) in enumerate(directions):
        walking, steps = np.arange(len(tokens_yx)), least
        while len(walking):
            y, x = tokens_yx[walking, 0] + steps * dy, tokens_yx[walking, 1] + steps * dx
            inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
            walking, y, x = walking[inside], y[inside], x[inside]
            there = ~is_passed[y, x]
            distance[walking[there], direction] = steps
            walking, steps = walking[~there], steps + 1
    return distance


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
    detail = detail or detail_levels(picture, touched, workers=workers)
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
_BEYOND = 2
"""Marks samples beyond the picture, where 0 are known ones and 1 those in holes."""
_IS_OWN = np.pad(np.ones((4, 4), bool), 2).ravel()
"""Samples of a window that lie in its token."""


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
        self.token_yx = (corners_yx[:, 0] // TOKEN_PX, corners_yx[:, 1] // TOKEN_PX)
        self._tables = SearchTables(
            _laid_out(self.grey, self.low, workers),
            free,
            detail.offered,
            detail.asked[self.token_yx],
            corners_yx,
            *(far_px, FAR_MOST, LESS_DETAIL, MORE_DETAIL, MEAN_FORGIVEN),
        )
        marked = self.at_samples(touched.view(np.uint8), _BEYOND)
        self.is_hole = marked == 1
        self.weight = np.array([KNOWN_WEIGHT, 1, 0], np.uint8)[marked]  # known, hole, beyond the picture
        known, inside = (self.own_samples(picture) for picture in self._tables.pictures)
        self.own = np.where(self.is_hole[..., None], inside, known)
        self._windows = Windows(self.is_hole, self.own, self.weight)
        self.best_yx = np.zeros((len(corners_yx), 2), np.int32)
        self.best_cost = np.full(len(corners_yx), np.inf, np.float32)

    def at_samples(self, values: NDArray[Any], beyond: int) -> NDArray[Any]:
        """``(R, 64)`` values of an ``(H, W)`` map where windows are sampled, or one for what lies beyond it."""
        margins = (MARGIN_PX,) * 4
        return self._blocks(
            np.asarray(cv2.copyMakeBorder(values, *margins, cv2.BORDER_CONSTANT, value=beyond)[::2, ::2])
        )

    def own_samples(self, picture: Image8) -> Image8:
        """``(R, 64, 4)`` samples of the tokens' own windows in a picture that is laid out."""
        return np.asarray(self._blocks(picture[::2, 0].view(np.uint32)[..., 0])[..., None].view(np.uint8), np.uint8)

    def _blocks(self, samples: NDArray[Any]) -> NDArray[Any]:
        """``(R, 64)``, the tokens' windows of what is sampled every 2 px of a picture with its margin."""
        width, step = samples.shape[1], np.arange(8)
        first = self.token_yx[0] * (4 * width) + self.token_yx[1] * 4
        return np.asarray(samples.ravel().take(first[:, None] + (step[:, None] * width + step).ravel()))

    def offer(self, offsets_yx: Ints) -> None:
        """Takes over, per token, the best of ``(R, C, 2)`` candidates where it is better than what it has."""
        cost = self.cost(offsets_yx, self._windows)
        pick = cost.argmin(1)
        rows = np.arange(len(pick))
        cost = cost[rows, pick]
        better = cost < self.best_cost
        self.best_yx[better] = offsets_yx[rows, pick][better]
        self.best_cost[better] = cost[better]

    def cost(self, offsets_yx: Ints, *windows: Windows, wanted: HoleMap | None = None) -> Float32:
        """``(R, C)`` costs of candidates: the sum of those of some windows, and what else counts.

        Infinite where none may lead, where the same candidate stands before, and where the cost is not wanted; all are
        when ``None``.
        """
        if wanted is None:
            wanted = np.ones(offsets_yx.shape[:2], bool)
        if loops := native.loops():
            return loops.cost(self._tables, windows, np.ascontiguousarray(offsets_yx), wanted, self.workers)
        return self._cost(offsets_yx, windows, wanted)

    def _cost(self, offsets_yx: Ints, windows: tuple[Windows, ...], wanted: HoleMap) -> Float32:
        """What the loop does."""
        tables = self._tables
        source = self.corners_yx[:, None] + offsets_yx
        limit = np.array(tables.is_free.shape, np.int32) - 1
        clipped = source.clip(0, limit)
        allowed = (source == clipped).all(2) & tables.is_free[clipped[..., 0], clipped[..., 1]]
        allowed &= wanted & ~_is_repeated(offsets_yx)
        rows, columns = np.divmod(np.flatnonzero(allowed).astype(np.int32), np.int32(allowed.shape[1]))
        moved, source_y, source_x = offsets_yx[rows, columns], *source[rows, columns].T
        missing = tables.asked[rows] - tables.offered[source_y, source_x]
        total = np.square(missing) * np.where(missing > 0, np.float32(LESS_DETAIL), np.float32(MORE_DETAIL))

        def compare(part: slice) -> None:
            for each in windows:
                total[part] += self._unlike(each, rows[part], source_y[part], source_x[part])

        self.workers.map(compare, parts(len(rows), WINDOWS))
        away = np.sqrt(np.square(moved, dtype=np.float32).sum(1)) / np.float32(tables.far_px)
        cost = np.full(allowed.shape, np.inf, np.float32)
        cost[rows, columns] = total * (1 + np.minimum(away, np.float32(FAR_MOST)))
        return cost

    def _unlike(self, windows: Windows, rows: Ints, source_y: Ints, source_x: Ints) -> Float32:
        """``(N,)`` differences of the windows of N tokens, given by their number, from those of their sources."""
        pictures = self._tables.pictures
        half, step = pictures.shape[3], np.arange(8, dtype=np.int32)
        samples = (4 * half * step[:, None] + step).ravel() + windows.is_hole[rows] * np.int32(pictures[0].size // 4)
        samples += ((2 * source_y + source_x % 2) * np.int32(half) + source_x // 2)[:, None]
        taken = pictures.view(np.uint32).ravel().take(samples)[..., None].view(np.uint8)
        # Whole numbers throughout, so that nothing depends on the order of sums.
        weight = windows.weight[rows].astype(np.int16)
        difference = taken.astype(np.int16) - windows.own[rows]
        weighted = difference * weight[..., None]
        square = np.einsum("nsc,nsc->n", difference, weighted, dtype=np.int32)
        share = 1 / np.maximum(weight.sum(1, dtype=np.int32), 1).astype(np.float32)
        mean = weighted.sum(1, dtype=np.int32).astype(np.float32) * share[:, None]
        forgiven = mean[:, 0] * mean[:, 0] + mean[:, 1] * mean[:, 1] + mean[:, 2] * mean[:, 2]
        return np.asarray(square.astype(np.float32) * share - np.float32(MEAN_FORGIVEN) * forgiven, np.float32)


class _Agreement:
    """Rounds in which tokens choose anew what fits best to what they all copy now.

    The cost is the sum of two differences. Around the token, the source's surroundings against what is known and what
    the neighbours copy, in all bands; in the hole, as ever, low bands against what the network filled. Deep in the hole
    what a neighbour copies already costs more.

    Args:
        search: Where the tokens' offsets are, and are kept.
        touched, trust_px: As for :func:`choose_offsets`.
    """

    def __init__(self, search: _Search, touched: HoleMap, trust_px: float | None) -> None:
        self._search = search
        has_source = np.isfinite(search.best_cost)
        self._rows = np.flatnonzero(has_source).astype(np.int32)
        token_y, token_x = search.token_yx
        number = np.full((touched.shape[0] // TOKEN_PX + 2, touched.shape[1] // TOKEN_PX + 2), -1, np.int32)
        number[token_y[self._rows] + 1, token_x[self._rows] + 1] = self._rows
        own = np.arange(len(token_y), dtype=np.int32)
        around = [number[token_y + 1 + dy, token_x + 1 + dx] for dy, dx in _AROUND]
        self._deep = np.flatnonzero(search.is_hole.all(1))
        self._is_new = np.ones(len(token_y), bool)
        # A token without such a neighbour offers itself what it has.
        self._offering = np.stack([own, *(np.where(each >= 0, each, own) for each in around)], 1)
        self._touched = touched
        # All but the token's own hole, which would only agree with itself; and all of the hole.
        not_own = ~(search.is_hole & _IS_OWN)
        if trust_px is None:
            self._around_weight = search.weight * not_own
        else:
            self._around_weight = _in_steps(search.at_samples(_trust(touched, trust_px), 0) * not_own)
        self._nowhere = np.zeros(search.is_hole.shape, bool)
        self._fill: list[Windows] = []
        if trust_px is None:
            self._fill.append(Windows(~self._nowhere, search.own, search.weight * search.is_hole))

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
        cost[self._deep] *= 1 + REPEATED * self._is_beside(candidates[self._deep])
        cost[is_old, 0] = search.best_cost[is_old]
        pick = cost.argmin(1)[rows]
        chosen_yx = candidates[rows, pick]
        self._is_new[:] = False
        self._is_new[rows] = (chosen_yx != best_yx[rows]).any(1)
        best_yx[rows] = chosen_yx
        search.best_cost[rows] = cost[rows, pick]

    def _is_beside(self, candidates: Ints) -> HoleMap:
        """``(D, C)``, whether a token beside copies what one of ``(D, C, 2)`` candidates of the deep ones leads to."""
        corners_yx = self._search.corners_yx
        # Row and column by themselves: NumPy is slow where the last axis is short.
        source_y, source_x = (corners_yx[self._deep, None, axis] + candidates[..., axis] for axis in (0, 1))
        copied_y, copied_x = (corners_yx + self._search.best_yx).T
        found = np.zeros(candidates.shape[:2], bool)
        for beside in self._offering[self._deep, 1:].T:
            is_same = np.abs(source_y - copied_y[beside, None]) < REPEATED_PX
            is_same &= np.abs(source_x - copied_x[beside, None]) < REPEATED_PX
            found |= is_same & (beside != self._deep)[:, None]
        return found

    def _copied_around(self) -> Image8:
        """``(R, 64, 4)`` samples of the tokens' windows: in the hole what is copied, in the tone of the fill."""
        search = self._search
        if loops := native.loops():
            tables = (search.grey, search.low, self._touched, search.corners_yx, search.best_yx, MEAN_FORGIVEN)
            copied = loops.copied(*tables, self._rows, search.workers)
            return loops.sample(copied, search.corners_yx, search.workers)
        copied = self._copied()
        return search.own_samples(_laid(copied, is_mean=True))

    def _copied(self) -> Image8:
        """What the loop does."""
        search, step = self._search, np.arange(TOKEN_PX)
        here, moved = search.corners_yx[self._rows], search.best_yx[self._rows]
        y, x = here[:, :1, None] + step[:, None], here[:, 1:, None] + step
        from_y, from_x = y + moved[:, :1, None], x + moved[:, 1:, None]
        own, source = (search.low[each].sum((1, 2), np.int32) for each in ((y, x), (from_y, from_x)))
        missing = np.float32(MEAN_FORGIVEN) * ((own - source).astype(np.float32) / np.float32(TOKEN_PX**2))
        colours = search.grey[from_y, from_x] + (missing + np.float32(0.5))[:, None, None]
        copied, is_touched = search.grey.copy(), self._touched[y, x]
        copied[y.repeat(TOKEN_PX, 2)[is_touched], x.repeat(TOKEN_PX, 1)[is_touched]] = colours[is_touched].clip(0, 255)
        return copied


def _is_repeated(candidates: Ints) -> HoleMap:
    """``(R, C)``, whether one of ``(R, C, 2)`` candidates is the same as one before it."""
    code = candidates[..., 0].astype(np.int64) << 32 | candidates[..., 1].astype(np.int64) & 0xFFFFFFFF
    repeated = np.zeros(code.shape, bool)
    for column in range(1, code.shape[1]):
        repeated[:, column] = (code[:, :column] == code[:, column, None]).any(1)
    return repeated


def _trust(touched: HoleMap, trust_px: float) -> Float32:
    """``(H, W)``, what each pixel counts: hole pixels as much as known ones at the rim."""
    depth_px = distance_px(touched, MOST_PX)
    trust = np.maximum(KNOWN_WEIGHT * np.exp(-depth_px / np.float32(trust_px)), LEAST_TRUST)
    return np.asarray(trust, np.float32)


def _in_steps(weight: Float32) -> Image8:
    """``(R, 64)`` weights in whole numbers, as large as may be in each window: only their ratios count."""
    most = np.maximum(weight.max(1, keepdims=True), np.float32(1e-6))
    return np.asarray(np.rint(weight * (MOST_WEIGHT / most)), np.uint8)


def _laid_out(known: Image8, inside: Image8, workers: Workers) -> Image8:
    """Two pictures as windows are taken from them: means of 2 x 2 px of the first, and the second as it is.

    Samples are 2 px apart, so nothing of what is known goes unseen; what is inside holes is smooth enough.

    Args:
        known, inside: ``(H, W, 3)``.
        workers: Threads to use.

    Returns:
        See :func:`rethined.native.laid_out_shape`.
    """
    to = np.empty(laid_out_shape((known.shape[0], known.shape[1])), np.uint8)
    if compiled := native.loops():
        compiled.lay(known, to[0], workers, is_mean=True)
        compiled.lay(inside, to[1], workers, is_mean=False)
        return to
    to[0], to[1] = _laid(known, is_mean=True), _laid(inside, is_mean=False)
    return to


def _laid(picture: Image8, *, is_mean: bool) -> Image8:
    """What the loop lays out of one picture."""
    if is_mean:
        wide = np.pad(picture, ((1, 0), (1, 0), (0, 0)), "edge").astype(np.uint16)
        picture = ((wide[1:, 1:] + wide[1:, :-1] + wide[:-1, 1:] + wide[:-1, :-1] + 2) >> 2).astype(np.uint8)
    padded = np.pad(picture, ((MARGIN_PX, MARGIN_PX), (MARGIN_PX, MARGIN_PX), (0, 0)), "edge")
    to = np.zeros(laid_out_shape((picture.shape[0], picture.shape[1]))[1:], np.uint8)
    to[..., :3] = padded.reshape(len(padded), -1, 2, 3).swapaxes(1, 2)
    return to


def _token_yx(index: NDArray[np.integer[Any]], width: int) -> Ints:
    return np.stack([index // width, index % width], -1).astype(np.int32)
