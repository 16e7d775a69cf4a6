"""Structure deep in large holes, copied before the network looks.

What lies far inside cannot be known, and a network that has learned from distances to the truth leaves it a blur: no
horizon, no trunks, no blades of grass. Copies have all of that, in places of their own. So where the hole is deep, the
network's first look is prefilled with copies in place of something smooth; it fits them to one another and to what is
known, as it does with any prefill. The matching and the transfer are those of the fill, on a grid of half the first
look's size, where a token covers 16 px of it.
"""

from __future__ import annotations

import cv2
import numpy as np

from rethined.detail import no_detail
from rethined.matching import corrupted_tokens
from rethined.offsets import OffsetField, choose_offsets, near_offsets
from rethined.resample import Shrunk, halve_any, pull_push
from rethined.transfer import transfer
from rethined.types import Float32, HoleMap
from rethined.workers import SERIAL, Workers

ROUNDS = 8
"""Rounds in which the copies are made to fit each other; twenty give no more."""
BASE_LEVELS = 3
"""Halvings of the pyramid that bends the base of the copies: one less than in a fill, where the network has a voice
deep in the hole. With as many, distance of statistics (`texture`) at 512 px under LaMa medium +2 %."""
TRUST_PX = 8.0
"""How fast copies lose weight in them towards the middle of a hole, in pixels of that grid."""


def copy_structure(
    small: Shrunk,
    prefilled: Float32,
    deep: HoleMap,
    *,
    forbidden: HoleMap | None = None,
    field: OffsetField | None = None,
    workers: Workers = SERIAL,
) -> tuple[Float32, OffsetField | None]:
    """Another prefill, with copies where the hole is deep, and smooth between them and what is known.

    Args:
        small: The network's picture; sides multiples of 32.
        prefilled: ``(h, w, 3)`` float32 in 0..255, the picture with its hole prefilled; tells copies apart at first.
        deep: ``(h, w)`` bool, hole pixels that are to be copied; at least one.
        forbidden: ``(h, w)`` bool, pixels of the picture that are not to be copied; none when ``None``.
        field: Where an earlier call copied from, to copy from the same places; searched when ``None``.
        workers: Threads to use; the result does not depend on them.

    Returns:
        The prefill, and where tokens of the picture at half the size are copied from; the one that was given, and
        ``None``, where there is nothing to copy.
    """
    height, width = small.hole.shape
    half = np.asarray(cv2.resize(prefilled, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.float32)
    half_touched = halve_any(small.touched)
    half_forbidden = None if forbidden is None else halve_any(forbidden)
    if field is None:
        corrupted = corrupted_tokens(half_touched)
        field = choose_offsets(
            half,
            half_touched,
            corrupted,
            near_offsets(corrupted, None if half_forbidden is None else corrupted_tokens(half_forbidden)),
            detail=no_detail(half_touched.shape),  # an outline is nothing that smooth surroundings would ask for
            agree_rounds=ROUNDS,
            trust_px=TRUST_PX,
            forbidden=half_forbidden,
            workers=workers,
        )
    if not field.is_set.any():
        return prefilled, None
    y, x, colours = transfer(
        np.asarray(cv2.convertScaleAbs(prefilled), np.uint8),
        deep,
        half,
        half_touched,
        field,
        unknown=small.touched,
        forbidden=forbidden,
        small_forbidden=half_forbidden,
        voice=0,
        base_levels=BASE_LEVELS,
        workers=workers,
    )
    copied = prefilled.copy()
    copied[y, x] = colours
    return pull_push(copied, small.hole & ~deep), field
