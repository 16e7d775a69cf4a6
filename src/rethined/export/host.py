"""The host's side of the form ``lr``: what a page, a phone or a board does before and after it runs the network.

This is what the callers in TypeScript (``web``) and C++ (``examples/cpp``) follow step by step and are tested against.
It is written to be read, not to be fast; in Python :class:`rethined.Inpainter` does more and is faster.

1. Window: a square around the hole, three times as long as it, at least 512 px. All that follows sees nothing else.
2. Size: multiples of 32 in the window's aspect ratio, the long side about 512 px.
3. Shrink: area means of known pixels. A small pixel of which less than 30 % is known is hole; one that holds any hole
   is touched, and so is a token with a touched pixel.
4. Prefill by pull-push, as :func:`rethined.resample.pull_push`.
5. The network: a filled picture, and for every token some sources with weights.
6. Upscale: what the photograph has above the enlarged small picture is its detail. Every hole pixel mixes the detail
   that the sources of its four nearest tokens have for it, by the weights of the sources and by bilinear weights of the
   tokens; sources that hold hole pixels do not count. The contrast that mixing takes away is put back, and the sum
   is added to the enlarged fill.
7. Seam: what is missing at the known pixels round the hole is averaged on the small grid and spread inwards there;
   hole pixels next to known ones take what those miss.

The engine does more: it looks closer, keeps the fill to the colours of the rim, ranks near sources too, refines their
offsets to single pixels, bends the base, gates the detail, and spreads what is missing at full size.

Reference: RETHINED, sections 3.2 to 3.4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.errors import MaskError
from rethined.matching import corrupted_tokens
from rethined.options import FIRST_PX
from rethined.regions import TOKEN_PX, plan_rungs
from rethined.resample import KNOWN_COVERAGE, Shrunk, cell_means, pull_push, spread
from rethined.runtime import open_graph
from rethined.types import Box, Float32, HoleMap, Image8, SizeHW

WINDOW_SHARE = 3
"""How much longer than the hole the window is. Measured on single ellipses at 2048 px: perceptual distance .88, with 2
and 4 .90, without windows .95."""
SEAM_LEVELS = 2
"""Halvings of the pyramid that spreads what is missing at the rim."""
SURE = 1e-6
"""Shares and sums of weights may be rounded by this much."""

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class NetworkOutput(NamedTuple):
    """What the form ``lr`` gives for one picture of H x W pixels, k sources per token.

    Attributes:
        filled: ``(1, 3, H, W)`` float32 in 0..1.
        sources: ``(1, k, H / 8, W / 8)`` int32, tokens in reading order.
        weights: ``(1, k, H / 8, W / 8)`` float32, sum 1 where there is a source, else 0.
    """

    filled: Float32
    sources: NDArray[np.int32]
    weights: Float32


RunNetwork = Callable[[Float32, Float32], NetworkOutput]
"""Called with ``prefilled``, ``(1, 3, H, W)`` float32 in 0..1, and ``hole``, ``(1, 1, H, W)`` float32, 1 = fill."""


def open_network(path: Path, *, threads: int = 1) -> RunNetwork:
    """The form ``lr`` as ONNX.

    Raises:
        ModelNotFoundError: No file at ``path``.
        ModelSignatureError: Not an ONNX file.
    """
    session = open_graph(path, threads=threads)
    names = NetworkOutput._fields
    return lambda prefilled, hole: NetworkOutput(*session.run(names, {"prefilled": prefilled, "hole": hole}))


def fill_photograph(photo: Image8, hole: HoleMap, run: RunNetwork) -> Image8:
    """The photograph with its hole filled; known pixels as they are.

    Args:
        photo: ``(H, W, 3)`` uint8 RGB; what is in the hole does not count.
        hole: ``(H, W)`` bool, ``True`` = fill.
        run: The network.

    Raises:
        MaskError: All is hole.
    """
    if hole.all():
        raise MaskError("all of the photograph is hole; leave something to fill it from")
    if not hole.any():
        return photo.copy()
    window = window_of(hole).slices
    seen, part = photo[window], hole[window]
    small = shrink(seen, part, network_size(part.shape))
    prefilled = pull_push(small.image, small.hole)
    output = run(
        np.ascontiguousarray(prefilled.transpose(2, 0, 1)[None] / np.float32(255)),
        small.hole[None, None].astype(np.float32),
    )
    result = photo.copy()
    result[window] = upscale(seen, part, small.touched, output)
    return result


def window_of(hole: HoleMap) -> Box:
    """What the network sees: a square around the hole, inside the photograph.

    Args:
        hole: ``(H, W)`` bool, not empty.
    """
    places = [np.flatnonzero(hole.any(axis)) for axis in (1, 0)]
    first, end = [int(lines[0]) for lines in places], [int(lines[-1]) + 1 for lines in places]
    side = max(WINDOW_SHARE * max(end[0] - first[0], end[1] - first[1]), FIRST_PX)
    length = [min(side, full) for full in hole.shape]
    top, left = (min(max((first[i] + end[i] - length[i]) // 2, 0), hole.shape[i] - length[i]) for i in (0, 1))
    return Box(top, left, top + length[0], left + length[1])


def network_size(size_hw: SizeHW) -> SizeHW:
    """Height and width of the network's picture for a photograph of that size."""
    return plan_rungs(size_hw, first_px=FIRST_PX, working_px=FIRST_PX).working_hw


def shrink(photo: Image8, hole: HoleMap, small_hw: SizeHW) -> Shrunk:
    """Area means of the known pixels; twin of :func:`rethined.resample.shrink_known` without its 8-bit steps."""
    known = ~hole[..., None]
    total = area_means(photo * known, small_hw)
    coverage = area_means(known, small_hw)
    # Where nothing is known well enough, whatever is known at all has to do.
    least = KNOWN_COVERAGE - SURE if coverage.max() >= KNOWN_COVERAGE - SURE else SURE
    small_hole = coverage < least
    image = np.where(small_hole, 0, total / np.maximum(coverage, SURE))
    return Shrunk(image.astype(np.float32), small_hole[..., 0], coverage[..., 0] < 1 - SURE)


def area_means(values: NDArray[Any], small_hw: SizeHW) -> Floats:
    """Means of ``(H, W, C)`` values over the cells of a grid; pixels on a border of cells count by their share."""
    for axis, count in enumerate(small_hw):
        lines = np.moveaxis(values, axis, 0).astype(np.float64)
        length = len(lines)
        # What lies before each border: whole lines, and a share of the one that it cuts.
        sums = np.concatenate([np.zeros_like(lines[:1]), lines.cumsum(0)])
        border = np.arange(count + 1) * (length / count)
        whole = np.minimum(border.astype(np.int64), length - 1)
        before = sums[whole] + lines[whole] * (border - whole)[:, None, None]
        values = np.moveaxis(np.diff(before, axis=0) * (count / length), 0, axis)
    return np.asarray(values, np.float64)


def upscale(photo: Image8, hole: HoleMap, touched: HoleMap, output: NetworkOutput) -> Image8:
    """The photograph with its hole filled at full resolution.

    Args:
        photo: ``(H, W, 3)`` uint8 RGB.
        hole: ``(H, W)`` bool.
        touched: ``(h, w)`` bool, small pixels that hold any hole.
        output: What the network gave for the small picture.
    """
    scale_yx = (hole.shape[0] / touched.shape[0], hole.shape[1] / touched.shape[1])
    filled = output.filled[0].transpose(1, 2, 0) * 255.0
    rim = cv2.dilate(hole.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool) & ~hole
    y, x = np.nonzero(hole | rim)
    colours = enlarge(filled, y, x, scale_yx) + _detail(photo, hole, touched, filled, output, y, x, scale_yx)
    inside = hole[y, x]
    missing = np.zeros((*hole.shape, 3), np.float32)
    missing[rim] = (photo[y, x] - colours)[~inside]
    y, x, colours = y[inside], x[inside], colours[inside]
    colours += _seam(rim, missing, touched.shape, y, x, scale_yx)
    result = photo.copy()
    result[y, x] = np.floor(colours + 0.5).clip(0, 255)
    return result


def enlarge(picture: NDArray[Any], y: Places, x: Places, scale_yx: tuple[float, float]) -> Floats:
    """Colours ``(N, C)`` of a small picture at full-size pixels, interpolated; borders repeated."""
    (above, below, share_y), (before, after, share_x) = (
        _neighbours((place + 0.5) / scale - 0.5, length)
        for place, scale, length in zip((y, x), scale_yx, picture.shape[:2], strict=True)
    )
    share_y, share_x = share_y[:, None], share_x[:, None]
    upper = picture[above, before] * (1 - share_x) + picture[above, after] * share_x
    lower = picture[below, before] * (1 - share_x) + picture[below, after] * share_x
    return np.asarray(upper * (1 - share_y) + lower * share_y, np.float64)


def _neighbours(position: NDArray[Any], length: int) -> tuple[Places, Places, Floats]:
    """The cells before and after some positions on a line, and how near the second is, 0..1."""
    first = np.floor(position)
    low = first.astype(np.int64)
    return low.clip(0, length - 1), (low + 1).clip(0, length - 1), position - first


class _Tap(NamedTuple):
    """One source of one of the nearest tokens, for each of N pixels.

    Attributes:
        place: ``(N,)``, what it points at, in reading order.
        weight: ``(N,)``, 0 where that is hole or beyond the picture.
    """

    place: Places
    weight: Floats


def _detail(
    photo: Image8,
    hole: HoleMap,
    touched: HoleMap,
    filled: Floats,
    output: NetworkOutput,
    y: Places,
    x: Places,
    scale_yx: tuple[float, float],
) -> Floats:
    """The mixed detail ``(N, 3)`` of the sources; zero where there is none."""
    taps = list(_taps(hole, touched, output, y, x, scale_yx))
    total = np.zeros((len(y), 3))
    squared = np.zeros(len(y))
    for i, tap in enumerate(taps):
        source_y, source_x = np.divmod(tap.place, hole.shape[1])
        total += (photo[source_y, source_x] - enlarge(filled, source_y, source_x, scale_yx)) * tap.weight[:, None]
        # Taps that point at the same pixel are one copy; only different ones average each other out.
        agreeing = sum((2 * other.weight * (other.place == tap.place) for other in taps[:i]), tap.weight)
        squared += tap.weight * agreeing
    # The mean of copies over what mixing leaves of their contrast: the sum of weights cancels.
    return np.asarray(total / np.sqrt(np.maximum(squared, SURE))[:, None], np.float64)


def _taps(
    hole: HoleMap, touched: HoleMap, output: NetworkOutput, y: Places, x: Places, scale_yx: tuple[float, float]
) -> Iterator[_Tap]:
    """What the sources of the four nearest tokens point at, source by source and token by token."""
    corrupted = corrupted_tokens(touched)
    rows, columns = corrupted.shape
    token_yx = np.mgrid[:rows, :columns]
    (above, below, share_y), (before, after, share_x) = (
        _neighbours((place + 0.5) / (scale * TOKEN_PX) - 0.5, length)
        for place, scale, length in zip((y, x), scale_yx, corrupted.shape, strict=True)
    )
    for sources, weights in zip(output.sources[0], output.weights[0], strict=True):
        offset = (np.stack(np.divmod(sources, columns)) - token_yx) * TOKEN_PX
        shift_y, shift_x = (
            np.floor(o * scale + 0.5).astype(np.int64) for o, scale in zip(offset, scale_yx, strict=True)
        )
        usable = weights.astype(np.float64) * corrupted * ~corrupted.ravel()[sources]
        for token_y, weight_y in ((above, 1 - share_y), (below, share_y)):
            for token_x, weight_x in ((before, 1 - share_x), (after, share_x)):
                source_y, source_x = y + shift_y[token_y, token_x], x + shift_x[token_y, token_x]
                clipped_y, clipped_x = source_y.clip(0, hole.shape[0] - 1), source_x.clip(0, hole.shape[1] - 1)
                is_known = (source_y == clipped_y) & (source_x == clipped_x) & ~hole[clipped_y, clipped_x]
                weight = usable[token_y, token_x] * weight_y * weight_x * is_known
                yield _Tap(clipped_y * hole.shape[1] + clipped_x, weight)


def _seam(
    rim: HoleMap, missing: Float32, small_hw: SizeHW, y: Places, x: Places, scale_yx: tuple[float, float]
) -> Floats:
    """What to add to hole pixels, ``(N, 3)``, so that they meet the known ones; ``missing`` is zero but on the rim."""
    rim_y, rim_x = np.nonzero(rim)
    mean, is_met = cell_means(rim_y, rim_x, missing[rim], small_hw, scale_yx)
    far = enlarge(spread(mean, is_met.astype(np.float32), levels=SEAM_LEVELS), y, x, scale_yx)
    total, count = (
        cv2.boxFilter(values, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)[y, x]
        for values in (missing, rim.astype(np.float32))
    )
    return np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], far)
