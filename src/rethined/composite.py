"""The paste: filled pixels into a copy of the picture or into itself, known pixels bit-exact."""

from __future__ import annotations

import math

import numpy as np

from rethined import native
from rethined.depth import WHITE, from_levels, in_levels
from rethined.distance import distance_px
from rethined.types import Float32, HoleMap, Ints, Pixels
from rethined.workers import SERIAL, Workers

CHUNK = 1 << 18
"""Pixels pasted at a time, so that what rounding takes does not grow with the hole."""
GREY_SAMPLES = (1 << 12, 1 << 20)
"""Pixels that tell whether a picture is grey, about: few first, for most pictures are not; more only if those are."""


def is_grey(image: Pixels, unknown: HoleMap) -> bool:
    """Whether a picture of three channels shows grey alone, as scans of black and white photographs do.

    Args:
        image: ``(H, W, C)`` in its own depth.
        unknown: ``(H, W)`` bool, pixels whose colours mean nothing.
    """
    if image.shape[2] != 3:
        return False
    for samples in GREY_SAMPLES:
        step = max(1, math.isqrt(unknown.size // samples))
        seen = image[::step, ::step][~unknown[::step, ::step]]
        if not len(seen) or (seen != seen[:, :1]).any():
            return False
    return True


def to_grey(colours: Float32) -> None:
    """Makes all channels of ``(N, C)`` colours their mean; a network that learned from colour photographs tints."""
    for start in range(0, len(colours), CHUNK):
        part = colours[start : start + CHUNK]
        part[:] = part.mean(1, keepdims=True)


def paste(
    image: Pixels, y: Ints, x: Ints, colours: Float32, *, inplace: bool = False, workers: Workers = SERIAL
) -> Pixels:
    """A copy of ``image`` with ``colours`` at the given pixels, rounded and clipped to black and white.

    Args:
        image: ``(H, W)`` or ``(H, W, C)`` in its own depth; not changed, unless ``inplace``.
        y, x: ``(N,)`` rows and columns, each pixel once.
        colours: ``(N, 1)`` or ``(N, 3)`` float32 in about 0..255, for the first channels; others, alpha, stay.
        inplace: Write into ``image``, which is C-contiguous, and give it back, no copy; the last step, so that an error
            leaves it as it was.
        workers: Threads to use; the result does not depend on them.
    """
    result = image if inplace else image.copy(order="C")
    if compiled := native.loops():
        compiled.paste(result, WHITE[image.dtype], y, x, colours, workers)
        return result
    flat = result.reshape(image.shape[0] * image.shape[1], -1)[:, : colours.shape[1]]
    for start in range(0, len(y), CHUNK):
        part = slice(start, start + CHUNK)
        flat[y[part].astype(np.int64) * image.shape[1] + x[part]] = from_levels(colours[part], image.dtype)
    return result


def fade_in(image: Pixels, hole: HoleMap, y: Ints, x: Ints, colours: Float32, feather_px: int) -> None:
    """Lets colours begin, at the edge of the hole, with what the picture shows there; changes them.

    Their share grows evenly with the distance from the known pixels, to all beyond ``feather_px``.

    Args:
        image: ``(H, W, C)`` in its own depth.
        hole: ``(H, W)`` bool, not all of the picture.
        y, x: ``(N,)`` rows and columns of pixels of the hole.
        colours: ``(N, C)`` float32 in about 0..255.
        feather_px: Width of the fading, at least 1.
    """
    depth_px = distance_px(hole, feather_px + 1)
    for start in range(0, len(y), CHUNK):
        part = slice(start, start + CHUNK)
        away_px = depth_px[y[part], x[part]]
        near = np.flatnonzero(away_px <= feather_px)
        shown = in_levels(image[y[part][near], x[part][near]])
        share = away_px[near, None] / np.float32(feather_px + 1)
        colours[start + near] = shown + share * (colours[part][near] - shown)
