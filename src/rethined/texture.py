"""Texture deep in large holes, where the network's fill has structure and tone but is smooth.

What lies far inside cannot be known, and a network that has learned from distances to the truth leaves it blurred in
all bands but the lowest. The finest of them :mod:`rethined.transfer` copies; those between, blades of grass and beans
rather than grain, are copied here, before it: the same matching and the same transfer at a quarter of the first look's
size, where a token covers 32 px of it. As much is used as makes the hole as rich in contrast as the known pixels round
it are.
"""

from __future__ import annotations

import cv2
import numpy as np

from rethined.climb import Rung
from rethined.distance import depth_share
from rethined.matching import corrupted_tokens
from rethined.offsets import OffsetField, choose_offsets, near_offsets
from rethined.options import FIRST_PX
from rethined.regions import SIZE_MULTIPLE
from rethined.resample import on_grid, sample_at, shrink_any, spread
from rethined.transfer import transfer
from rethined.types import Float32, HoleMap, SizeHW
from rethined.workers import SERIAL, Workers

SHRINK = 4
"""How much smaller than the first look's picture that is in which the sources are found."""
DEEP_PX = (16.0, 32.0)
"""From the first to the second of these distances from the known pixels, in pixels of the first look, it sets in. Thin
holes and ellipses of the benchmark are seldom that deep; nearer to what is known the network is right more often."""
ROUNDS = 6
"""Rounds in which the copies are made to fit each other; twelve give no more."""
VOICE = 1.0
"""Weight of the network's fill in the bands below those that are copied: it is what keeps structure in its place."""
BAND_PX = 5
"""Contrast is told from the mean over so many small pixels each way."""
REACH_PX = 7
"""And averaged over so many."""
LEAST_CONTRAST = 0.5
"""Squared grey levels, against division by nothing."""


def add_texture(
    rung: Rung, forbidden: HoleMap | None = None, field: OffsetField | None = None, *, workers: Workers = SERIAL
) -> tuple[Rung, OffsetField | None]:
    """The same picture with texture deep in its holes.

    Args:
        rung: The finest network picture; sides multiples of 32.
        forbidden: ``(h, w)`` bool, its pixels that hold anything forbidden; none when ``None``.
        field: Where an earlier call copied from, to copy from the same places; searched when ``None``.
        workers: Threads to use; the result does not depend on them.

    Returns:
        The picture, and where tokens of the small picture are copied from; the one that was given, and ``None``,
        where no hole is deep or nothing can be copied.
    """
    scale = _scale(rung.touched.shape)
    share = depth_share(rung.touched, *(scale * px for px in DEEP_PX))
    deep = share > 0
    if not deep.any():
        return rung, None
    shrink = SHRINK * scale
    small_hw = (rung.touched.shape[0] // shrink, rung.touched.shape[1] // shrink)
    small, touched = _shrunk(rung.filled, small_hw), shrink_any(rung.touched, small_hw)
    small_forbidden = None if forbidden is None else shrink_any(forbidden, small_hw)
    if field is None:
        corrupted = corrupted_tokens(touched)
        no_source = None if small_forbidden is None else corrupted_tokens(small_forbidden)
        field = choose_offsets(
            small,
            touched,
            corrupted,
            near_offsets(corrupted, no_source),
            agree_rounds=ROUNDS,
            forbidden=small_forbidden,
            workers=workers,
        )
    if not field.is_set.any():
        return rung, None
    y, x, colours = transfer(
        np.asarray(cv2.convertScaleAbs(rung.filled), np.uint8),
        deep,
        small,
        touched,
        field,
        unknown=rung.touched,
        forbidden=forbidden,
        small_forbidden=small_forbidden,
        voice=VOICE,
        workers=workers,
    )
    textured = rung.filled.copy()
    textured[y, x] = colours
    amount = _amount(small, _shrunk(textured, small_hw), touched)
    used = share[y, x] * sample_at(amount[..., None], *on_grid(y, x, (shrink, shrink)), linear=True)[:, 0]
    smooth = rung.filled[y, x]
    textured[y, x] = smooth + (colours - smooth) * used[:, None]
    return Rung(rung.touched, textured), field


def _amount(smooth: Float32, textured: Float32, touched: HoleMap) -> Float32:
    """``(h, w)`` in 0..1, how much of what ``textured`` has more than ``smooth`` makes up for missing contrast."""
    known = np.subtract(1, touched, dtype=np.float32)
    has, has_more = _band(smooth), _band(textured)
    around = np.divide(_mean(np.square(has) * known), np.maximum(_mean(known), np.float32(1e-6)), dtype=np.float32)
    expected = spread(around[..., None], known)[..., 0]
    missing = expected - _mean(np.square(has))
    added = np.maximum(_mean(np.square(has_more - has)), np.float32(LEAST_CONTRAST))
    return np.asarray(np.clip(missing / added, 0, 1), np.float32)


def _band(picture: Float32) -> Float32:
    """What the luma of ``(h, w, 3)`` has besides its local mean."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return np.asarray(luma - cv2.blur(luma, (BAND_PX, BAND_PX), borderType=cv2.BORDER_REPLICATE), np.float32)


def _mean(values: Float32) -> Float32:
    return np.asarray(cv2.blur(values, (REACH_PX, REACH_PX), borderType=cv2.BORDER_REPLICATE), np.float32)


def _shrunk(picture: Float32, size_hw: SizeHW) -> Float32:
    return np.asarray(cv2.resize(picture, size_hw[::-1], interpolation=cv2.INTER_AREA), np.float32)


def _scale(size_hw: SizeHW) -> int:
    """How many times larger than the first look a network picture is, in whole doublings."""
    scale = 1
    while max(size_hw) >= 2 * scale * FIRST_PX and not any(side % (2 * scale * SIZE_MULTIPLE) for side in size_hw):
        scale *= 2
    return scale
