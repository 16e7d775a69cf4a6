"""What goes on in steps (a facade, tiles, stripes) or along an edge goes on in a hole, too.

Where what is known around a hole is the same some steps farther on, it is known what the hole holds: what lies a step
away. A network that has learned from distances to the truth leaves a blur there, and copies that are chosen token by
token fall out of step. So before the network looks, such places are filled with copies whose offsets are told by the
picture's own autocorrelation, and they count as known from then on.

Steps, for each group of holes that is deep enough:

1. :func:`repeated_offsets`: at which offsets what is known around it is most like itself.
2. :func:`unlikeness`: for each of them and each token, how unlike known pixels around the token are to those an offset
   away; and whether what would be copied goes on as well. If it does not, it is something that stands before what goes
   on. Tokens take an offset that is next to the best by that, as few of them in all as will do, or none.
3. :func:`exact_offset`: the same offset in pixels of the finest network picture.

Then :func:`rethined.transfer.transfer` copies.

Reference: He and Sun, "Statistics of Patch Offsets for Image Completion", ECCV 2012, who show that a few offsets are
enough for most holes; they take those that are most frequent among the best matches of all patches of a picture, and
assign them by graph cuts.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.distance import depth_share
from rethined.matching import corrupted_tokens, free_positions
from rethined.offsets import OffsetField
from rethined.regions import TOKEN_PX, group_cells, in_pixels, with_neighbours
from rethined.resample import Shrunk, halve_any, pull_push, spread
from rethined.transfer import transfer
from rethined.types import Box, Float32, HoleMap, Image8, Ints, SizeHW
from rethined.workers import SERIAL, Workers

Moved = TypeVar("Moved", np.float32, np.bool_)

DEEP_PX = 24.0
"""Holes less deep than this, in pixels of the finest network picture, are left alone: the rim tells enough. Measured
from 8 px on: LaMa thin and DF8K blobs +.1 % in perceptual distance, and more time."""
SEARCHED_PX = 512
"""Offsets are searched on the finest network picture halved until its long side is at most this; once at least."""
AROUND_TOKENS = (12, 24)
"""How many tokens of surroundings count: as many as the group has along its long side, within these limits. Measured
with 16 and 40 as the most: no change beyond noise, and in structured scenes worse."""
BAND_TOKENS = 4
"""Luma is compared without bands above so many tokens: shades have no steps."""
MOST_STRONG = 2.0
"""Differences from the mean count up to this many standard deviations: else one lamp would be all."""
MOST_OFFSETS = 16
"""Tried for each group of holes."""
LEAST_OFFSET_TOKENS = 2
"""Shorter ones say that a picture is smooth."""
APART_PX = 3
"""Offsets that are nearer to each other than this count as one, in pixels of the searched picture."""
LEAST_CORRELATION = 0.5
"""Of luma, for an offset to be tried. In an earlier version much was taken for repeated with .25 in photographs that
have nothing of the kind (LaMa medium +1.5 %, with .35 +.9 %); with .55 single edges are not taken any more."""
LEAST_OF_ALL = 0.25
"""The same over all that is known, whether or not it is known an offset away: most holes are done with by that."""
LEAST_OVERLAP = 0.15
"""Share of what is known that must be known an offset away as well."""
LEAST_REACHED = 0.05
"""Share of the hole that an offset must lead out of."""
NEAR_TOKENS, RIM_TOKENS = 3, 7
"""Sides of the squares in which sources, and surroundings of what is hole, are judged."""
MOST_UNLIKE = 0.3
"""Of surroundings, squared differences from those an offset away, over those between two places taken at random."""
ALIKE = 0.05
"""What unlikeness does not tell offsets apart by: the fewer offsets, the fewer seams. No change beyond noise in scores,
but a window comes from one window, not from four."""
MOST_UNLIKE_SOURCE = 0.5
"""The same for what is copied, by its own contrast. In an earlier version, without it LaMa medium +3 %: with stripes
came the head before them."""
NOISE, NOISE_SOURCE = 8.0, 48.0
"""Squared grey levels, all channels, that say nothing: what is smooth does not go on in steps, but may be copied."""
LEAST_KNOWN, LEAST_KNOWN_SOURCE = 0.1, 0.3
"""Share of such a square that must be known at both ends, for it to be judged."""
MEAN_FORGIVEN = 0.75
"""Share of the squared difference of means that does not count: the membrane corrects tone. Measured with 0: .7 % worse
in structured scenes."""
LEAST_TOKENS, LEAST_SHARE = 12, 0.3
"""Smaller patches, and holes of which less goes on, are left to the network: an edge that passes by is no reason to
copy what is smooth. Without the share: no change in structured scenes, LaMa medium -.3 instead of +.1 %, thick +.1
instead of 0, and spots in a smooth wall."""
RIM_PX, RIM_REACH_PX = 3, 6
"""Known pixels this near to the hole, and this near to tokens that are copied by an offset, have to go on as well."""
MOST_UNLIKE_RIM = 0.2
"""Of them, squared differences from what lies an offset away, less their mean, over those of two taken at random. An
edge that bends or ends goes on at one side of the hole alone. Measured on 158 holes of training photographs in which
anything was copied: hole PSNR +.47 dB without this against no copies, +.82 with it, which leaves out 27 of them; .15
and .3 give +.76 and +.59."""
NOISE_RIM = 8.0
"""The same as :data:`NOISE`, of the mean of the channels."""
MOST_DIFFERENT = 60
"""Grey levels; larger differences count as this when offsets are made exact: what stands there is not what goes on."""


def copy_repeats(
    small: Shrunk,
    half: Shrunk | None = None,
    *,
    forbidden: HoleMap | None = None,
    field: OffsetField | None = None,
    workers: Workers = SERIAL,
) -> tuple[Shrunk, OffsetField | None]:
    """The finest network picture with a part of its hole filled by what goes on in steps around it.

    Args:
        small: The picture; sides multiples of 32.
        half: The same at half the size; made when ``None``.
        forbidden: ``(h, w)`` bool, its pixels that are not to be copied; none when ``None``.
        field: Where an earlier call copied from, to copy from the same places; searched when ``None``.
        workers: Threads to use; the result does not depend on them.

    Returns:
        The picture, in which what is filled is no hole any more but still touched, and where its tokens are copied
        from; what was given, and ``None``, where nothing goes on in steps.
    """
    if field is None:
        field = find_repeats(small, half, forbidden, workers=workers)
    if not field.is_set.any():
        return small, None
    copied = small.hole & in_pixels(field.is_set)
    prefilled = pull_push(small.image, small.hole)
    y, x, colours = transfer(
        np.asarray(cv2.convertScaleAbs(prefilled), np.uint8),
        copied,
        prefilled,
        small.touched,
        field,
        gate=np.ones(field.is_set.shape, np.float32),
        asked=np.zeros(field.is_set.shape, np.float32),
        unknown=small.touched,
        forbidden=forbidden,
        small_forbidden=forbidden,
        voice=0,
        workers=workers,
    )
    image = small.image.copy()
    image[y, x] = colours
    return Shrunk(image, small.hole & ~copied, small.touched), field


def find_repeats(
    small: Shrunk, half: Shrunk | None = None, forbidden: HoleMap | None = None, *, workers: Workers = SERIAL
) -> OffsetField:
    """Where tokens lie that go on in steps, and from where they are to be copied.

    Args:
        small: The finest network picture; sides multiples of 32.
        half: The same at half the size; made when ``None``.
        forbidden: ``(h, w)`` bool, its pixels that are not to be copied; none when ``None``.
        workers: Threads to use; the result does not depend on them.
    """
    tokens = corrupted_tokens(small.touched)
    field = OffsetField(np.zeros((*tokens.shape, 2), np.int32), np.zeros(tokens.shape, bool))
    # At half the size that takes a quarter of the time.
    is_deep = depth_share(halve_any(small.touched), DEEP_PX / 2 - 1, DEEP_PX / 2) == 1
    if not is_deep.any():
        return field
    deep_tokens = halve_any(halve_any(is_deep))
    searched = _Searched.of(small, half or small.halved(), forbidden)
    groups = group_cells(tokens)
    least, most = AROUND_TOKENS

    def set_group(label: int) -> None:
        box = groups.boxes[label - 1]
        window = box.grown(min(max(box.height, box.width, least), most), tokens.shape)
        part = OffsetField(field.offset_yx[window.slices], field.is_set[window.slices])
        _set_group(part, searched, window, groups.labels[window.slices] == label)

    workers.map(set_group, np.unique(groups.labels[deep_tokens]).tolist())
    _, labels, stats, _ = cv2.connectedComponentsWithStats(field.is_set.view(np.uint8), connectivity=4)
    field.is_set[(stats[:, cv2.CC_STAT_AREA] < LEAST_TOKENS)[labels]] = False
    return field


@dataclass(frozen=True)
class _Searched:
    """The finest network picture, and a smaller one in which offsets are searched.

    Attributes:
        finest: The former.
        free: ``(h - 7, w - 7)`` bool, where in it the corner of a source may lie.
        image: ``(h / f, w / f, 3)`` float32, the latter, zero where it is not known.
        known: ``(h / f, w / f)`` bool, its pixels that hold no hole.
        cell_px: Side of a token in it.
    """

    finest: Shrunk
    free: HoleMap
    image: Float32
    known: HoleMap
    cell_px: int

    @classmethod
    def of(cls, finest: Shrunk, half: Shrunk, forbidden: HoleMap | None) -> _Searched:
        """As small as :data:`SEARCHED_PX` asks for; arguments are those of :func:`find_repeats`."""
        smaller, cell_px = half, TOKEN_PX // 2
        while max(smaller.hole.shape) > SEARCHED_PX and cell_px > 1:
            smaller, cell_px = smaller.halved(), cell_px // 2
        known = ~smaller.touched
        image = np.asarray(cv2.copyTo(smaller.image, known.view(np.uint8)), np.float32)
        free = free_positions(finest.touched if forbidden is None else finest.touched | forbidden)
        return cls(finest, free, image, known, cell_px)


def _set_group(field: OffsetField, searched: _Searched, window: Box, hole: HoleMap) -> None:
    """Writes the offsets of a group of holes.

    Args:
        field: Of the window's tokens.
        searched: The picture.
        window: The group and what is around it, in tokens.
        hole: ``(h, w)`` bool, the group's tokens in the window.
    """
    cell_px = searched.cell_px
    part = window.scaled(cell_px, cell_px).slices
    image, known = np.ascontiguousarray(searched.image[part]), np.ascontiguousarray(searched.known[part])
    if not known.any():
        return
    offsets = repeated_offsets(image, known, hole)
    if not len(offsets):
        return
    unlike, goes_on = unlikeness(image, known, offsets, cell_px)
    factor = TOKEN_PX // cell_px
    tokens_yx, window_yx = np.argwhere(hole), np.array([window.top, window.left])
    y, x = tokens_yx.T
    corner_yx = (tokens_yx + window_yx) * TOKEN_PX
    cost = np.full((len(offsets), len(y)), np.inf, np.float32)
    for own, offset, each in zip(cost, offsets * np.int32(factor), unlike, strict=True):
        source_yx = corner_yx + offset
        middle_yx = (source_yx + TOKEN_PX // 2) // TOKEN_PX - window_yx
        may = _is_at(searched.free, source_yx) & _is_at(goes_on, middle_yx)
        own[may] = each[y[may], x[may]]
    if (cost.min(0) < MOST_UNLIKE).mean() < LEAST_SHARE:
        return
    part = window.scaled(TOKEN_PX, TOKEN_PX).slices
    # Whole grey levels are fine enough to compare by, and quick.
    colours = cv2.convertScaleAbs(np.ascontiguousarray(searched.finest.image[part]))
    luma = np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.uint8)
    is_known = ~searched.finest.touched[part]
    moves: list[tuple[Ints, HoleMap]] = []
    for index, mine in _fewest(cost):
        offset = exact_offset(luma, is_known, offsets[index], factor)
        mine &= _is_at(searched.free, corner_yx + offset)
        copied = np.zeros(hole.shape, bool)
        copied[y[mine], x[mine]] = True
        moves.append((offset, copied))
    if rim_unlikeness(searched.finest.image[part], is_known, moves) > MOST_UNLIKE_RIM:
        return
    for offset, copied in moves:
        field.offset_yx[copied] = offset
        field.is_set[copied] = True


def _fewest(cost: Float32) -> Iterator[tuple[int, HoleMap]]:
    """Which offsets to use, and for which tokens: in turn that which is next to the best for most of those left.

    Args:
        cost: ``(K, N)``, what each offset costs each token.
    """
    fits = (cost < MOST_UNLIKE) & (cost <= cost.min(0) + ALIKE)
    while fits.any():
        most = int(fits.sum(1).argmax())
        mine = fits[most].copy()
        fits &= ~mine
        yield most, mine


def repeated_offsets(image: Float32, known: HoleMap, hole: HoleMap) -> Ints:
    """Offsets at which what is known of a picture is most like itself.

    Args:
        image: ``(h, w, 3)`` float32 in 0..255.
        known: ``(h, w)`` bool.
        hole: Bool, tokens of it that are to be filled; ``h`` and ``w`` are multiples of its height and width.

    Returns:
        ``(K, 2)`` int32 in pixels of the picture; those first that correlate most and lead from most of the hole to
        what is known.
    """
    cell_px = known.shape[0] // hole.shape[0]
    share = known.astype(np.float32)
    detail = _detail(np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32), share, BAND_TOKENS * cell_px)
    like = _correlation(detail, detail, cell_px)
    least_px = LEAST_OFFSET_TOKENS * cell_px
    amount = float(like[0, 0])
    far = slice(least_px, 1 - least_px)
    if max(like[far].max(), like[:, far].max()) <= LEAST_OF_ALL * amount:
        return np.empty((0, 2), np.int32)
    # What a correlation is measured by changes slowly with the offset: tokens are fine enough.
    known_cells, square_cells = _means(share, cell_px), _means(np.square(detail), cell_px)
    both = _correlation(known_cells, known_cells) / known_cells.sum()
    reached = _correlation(hole.astype(np.float32), known_cells) / np.float32(np.count_nonzero(hole))
    square = _correlation(known_cells, square_cells) + _correlation(square_cells, known_cells)
    square = cv2.resize(square, like.shape[::-1], interpolation=cv2.INTER_LINEAR) * np.float32(cell_px**2)
    like = 2 * like / (square + np.float32(1e-3 * amount + 1e-3))
    is_peak = (like >= cv2.dilate(like, np.ones((5, 5), np.uint8))) & (like > LEAST_CORRELATION)
    peaks = np.flatnonzero(is_peak)
    found = like.ravel()[peaks]
    y, x = (_signed(at, side) for at, side in zip(np.divmod(peaks, like.shape[1]), like.shape, strict=True))
    at = np.rint(y / cell_px).astype(int), np.rint(x / cell_px).astype(int)
    both, reached = both[at], reached[at]
    is_good = (np.maximum(np.abs(y), np.abs(x)) >= least_px) & (both > LEAST_OVERLAP) & (reached > LEAST_REACHED)
    offsets = np.stack([y, x], 1)[is_good].astype(np.int32)
    score = found[is_good] * np.sqrt(reached[is_good])
    taken: list[Ints] = []
    for offset in offsets[np.argsort(-score, kind="stable")]:
        if all(np.abs(offset - other).max() > APART_PX for other in taken):
            taken.append(offset)
        if len(taken) == MOST_OFFSETS:
            break
    return np.array(taken, np.int32).reshape(-1, 2)


def unlikeness(image: Float32, known: HoleMap, offsets: Ints, cell_px: int) -> tuple[Float32, HoleMap]:
    """How badly offsets continue what is known, and what is continued by any of them.

    Args:
        image: ``(h, w, 3)`` float32 in 0..255; zero where it is not known.
        known: ``(h, w)`` bool.
        offsets: ``(K, 2)`` int32, in pixels.
        cell_px: Side of a token in this picture.

    Returns:
        ``(K, h / cell_px, w / cell_px)`` float32, for each offset and token the squared difference between known pixels
        around and those an offset away, over that of two places taken at random, carried on into the hole; and ``(h /
        cell_px, w / cell_px)`` bool, tokens that look the same one of the offsets, or its opposite, away.
    """
    share = known.astype(np.float32)
    cells = _means(share, cell_px), _means(image, cell_px), _means(_squared(image), cell_px)
    at_random = 2 * _carried_on(*_contrast(*cells, RIM_TOKENS)) + np.float32(NOISE)
    near_at_random = 2 * _contrast(*cells, NEAR_TOKENS)[0]
    unlike, goes_on = [], np.zeros(at_random.shape, bool)
    for offset in offsets:
        both = share * _moved(share, offset)
        difference = (image - _moved(image, offset)) * both[..., None]
        pairs, error, bias = (_means(each, cell_px) for each in (both, _squared(difference), difference))
        weight, error_around, bias_around = (_around(each, RIM_TOKENS) for each in (pairs, error, bias))
        forgiven = np.float32(MEAN_FORGIVEN) * _squared(_over(bias_around, weight))
        found = (_over(error_around, weight) - forgiven + np.float32(NOISE)) / at_random
        unlike.append(_carried_on(found, weight * (weight >= LEAST_KNOWN)))
        weight, error_near = (_around(each, NEAR_TOKENS) for each in (pairs, error))
        is_same = _over(error_near, weight) < MOST_UNLIKE_SOURCE * near_at_random + np.float32(NOISE_SOURCE)
        is_same &= weight >= LEAST_KNOWN_SOURCE
        goes_on |= is_same | _moved(is_same, np.rint(-offset / cell_px).astype(np.int32))
    # One token alone is alike by chance.
    goes_on = np.asarray(cv2.morphologyEx(goes_on.view(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)), np.uint8)
    return np.stack(unlike), goes_on.view(bool)


def rim_unlikeness(image: Float32, known: HoleMap, moves: Sequence[tuple[Ints, HoleMap]]) -> float:
    """How badly what is known around copies is continued by them, all the way round.

    Args:
        image: ``(H, W, 3)`` float32 in 0..255.
        known: ``(H, W)`` bool.
        moves: Offsets ``(2,)`` in pixels, each with the tokens ``(H / 8, W / 8)`` bool that are copied by it.

    Returns:
        The squared difference of known pixels beside them from those an offset away, what they differ by in the mean
        left out, over that of two of these pixels taken at random; 0 where nothing can be compared.
    """
    rim = known & with_neighbours(~known, RIM_PX)
    pairs = []
    for offset, copied in moves:
        here, there = _overlap((known.shape[0], known.shape[1]), offset)
        both = (rim & with_neighbours(in_pixels(copied), RIM_REACH_PX))[here] & known[there]
        pairs.append((image[here][both], image[there][both]))
    if not any(len(own) for own, _ in pairs):
        return 0.0
    own, source = (np.concatenate(each) for each in zip(*pairs, strict=True))
    return float((own - source).var(0).mean() / (2 * own.var(0).mean() + NOISE_RIM))


def exact_offset(luma: Image8, known: HoleMap, offset: Ints, factor: int) -> Ints:
    """An offset in pixels of the finest network picture, ``(2,)`` int32.

    Args:
        luma: ``(H, W)`` uint8, the part of that picture in which known pixels are compared.
        known: ``(H, W)`` bool.
        offset: ``(2,)`` int32, in pixels of the picture that is ``factor`` times smaller.
        factor: A power of two.
    """
    exact, step = offset * np.int32(factor), factor // 2
    while step:
        shifts = np.array(list(itertools.product((0, -step, step), repeat=2)), np.int32)
        # Of equals the first: where nothing tells, the offset stays.
        exact = exact + shifts[np.argmin([_difference(luma, known, exact + shift) for shift in shifts])]
        step //= 2
    return exact


def _difference(luma: Image8, known: HoleMap, offset: Ints) -> float:
    """Mean difference of known pixels from those an offset away."""
    here, there = _overlap((luma.shape[0], luma.shape[1]), offset)
    both = known[here] & known[there]
    difference = np.minimum(cv2.absdiff(luma[here], luma[there]), np.uint8(MOST_DIFFERENT))
    return cv2.mean(difference, both.view(np.uint8))[0] if both.any() else np.inf


def _detail(luma: Float32, share: Float32, band_px: int) -> Float32:
    """What known pixels differ from the mean of those around, strong ones less; zero elsewhere."""
    mean = _over(_around(luma * share, band_px | 1), _around(share, band_px | 1))
    detail = (luma - mean) * share
    strong = np.float32(MOST_STRONG * np.sqrt(np.square(detail).sum() / max(1.0, float(share.sum()))))
    return np.asarray(np.clip(detail, -strong, strong), np.float32)


def _correlation(one: Float32, other: Float32, cell_px: int = 1) -> Float32:
    """Sums of what one map has times what the other has an offset away, for each offset; negative ones at the end.

    There are as many offsets as for maps of their cells, times the side of a cell.
    """
    height, width = one.shape
    padded_hw = [cv2.getOptimalDFTSize(2 * (side // cell_px)) * cell_px for side in one.shape]

    def spectrum(values: Float32) -> Float32:
        padded = np.zeros(padded_hw, np.float32)
        padded[:height, :width] = values
        return np.asarray(cv2.dft(padded, nonzeroRows=height), np.float32)

    first = spectrum(one)
    product = cv2.mulSpectrums(first if one is other else spectrum(other), first, 0, conjB=True)
    return np.asarray(cv2.dft(product, flags=cv2.DFT_INVERSE | cv2.DFT_SCALE), np.float32)


def _signed(index: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Offsets that indices into a correlation stand for; they are valid indices themselves."""
    return np.where(index > length // 2, index - length, index)


def _means(values: Float32, cell_px: int) -> Float32:
    """Means over tokens."""
    size_wh = (values.shape[1] // cell_px, values.shape[0] // cell_px)
    return np.asarray(cv2.resize(values, size_wh, interpolation=cv2.INTER_AREA), np.float32)


def _around(values: Float32, side: int) -> Float32:
    """Means over squares of so many pixels or tokens, an odd number; beyond the window there is nothing."""
    return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_CONSTANT), np.float32)


def _contrast(known: Float32, mean: Float32, square: Float32, tokens: int) -> tuple[Float32, Float32]:
    """Variance of known pixels, all channels, in squares of so many tokens, and how much of them is known."""
    weight, mean, square = (_around(each, tokens) for each in (known, mean, square))
    return np.maximum(_over(square, weight) - _squared(_over(mean, weight)), np.float32(0)), weight


def _over(values: Float32, weight: Float32) -> Float32:
    """Sums ``(h, w)`` or ``(h, w, 3)`` over the weight of what was added up."""
    share = np.maximum(weight, np.float32(1e-4))
    return np.asarray(values / (share if values.ndim == 2 else share[..., None]), np.float32)


def _carried_on(values: Float32, weight: Float32) -> Float32:
    """Values of ``(h, w)`` tokens, where they have no weight those from around."""
    return spread(np.ascontiguousarray(values[..., None]), np.minimum(weight, np.float32(1)))[..., 0]


def _squared(values: Float32) -> Float32:
    """``(h, w, 3)``, the sum of the squares of the channels."""
    total = cv2.transform(np.square(values), np.ones((1, 3), np.float32))
    return np.asarray(total, np.float32).reshape(values.shape[:2])


def _overlap(size_hw: SizeHW, offset: Ints) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The pixels of a map whose partners an offset away lie in it as well, and these partners."""
    here, there = [], []
    for side, step in zip(size_hw, offset.tolist(), strict=True):
        start = max(0, -step)
        stop = max(start, side - max(0, step))
        here.append(slice(start, stop))
        there.append(slice(start + step, stop + step))
    return tuple(here), tuple(there)


def _moved(values: NDArray[Moved], offset: Ints) -> NDArray[Moved]:
    """What lies an offset away; 0 where that is outside."""
    moved = np.zeros_like(values)
    here, there = _overlap((values.shape[0], values.shape[1]), offset)
    moved[here] = values[there]
    return moved


def _is_at(marked: HoleMap, places_yx: NDArray[np.integer[Any]]) -> HoleMap:
    """Whether ``(N, 2)`` places are marked; those outside are not."""
    is_inside = ((places_yx >= 0) & (places_yx < marked.shape)).all(1)
    y, x = np.where(is_inside, places_yx.T, 0)
    return np.asarray(is_inside & marked[y, x])
