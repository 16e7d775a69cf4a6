"""How much memory a fill takes, and the plan that keeps to a limit.

The terms follow from the arrays that each stage holds at once; what no code states (the network's activations, what
allocators keep) was measured as resident memory of a process of its own: 16 fills at 1024 to 8192 px, 1 to 90 % of them
hole, ``working_px`` from 512 to 2048, 1 and 2 threads. Estimates were 1.1 to 2.0 times the peaks, never below; without
compiled loops 1.5 to 1.9 times.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

from rethined import native
from rethined.doors import option
from rethined.errors import MemoryBudgetError
from rethined.regions import TILE_PX, TOKEN_PX, Plan
from rethined.resample import shrink_any
from rethined.types import HoleMap, SizeHW

MB = 1_000_000
"""Bytes."""
MARGIN = 1.1
"""What is added for what allocators keep."""

# Bytes a pixel of the picture.
MASKS_B = 1
"""The hole map."""
FORBIDDEN_B = 2
"""What is forbidden, and that and the hole together."""
GROWING_B = 8
"""The distances from the hole while it grows."""
FEATHERED_B = 4
"""The distances from the known pixels while the fill fades in."""
KNOWN_B = 1
"""Which pixels are known, while it is shrunk; beside that a copy of them."""

# Bytes a pixel of the finest network picture.
SHRUNK_B = 21
"""Its pixels and how much of each is known."""
NETWORK_B = 125
"""Activations, and the pictures of all sizes. Measured: 108, 117 and 118 at 1024, 2048 and 4096 px, 123 where windows
of more than the network picture were looked at."""
KEPT_B = 94
"""What of that is kept to the end: the runtime does not give activations back."""
COPIED_B = 28
"""The copy at network size, what bends it, and what the network's fill weighs in that."""

# Bytes for each of what is copied.
SEARCHED_B = 45
"""A network pixel in a token that holds any hole, while sources are compared: 64 samples a token."""
PRODUCT_B = 4
"""A pair of a token with hole and any other, on the coarsest network size."""

# For each thread.
BATCH_PX = (TILE_PX + 2 * 32) ** 2
"""Pixels of the largest batch: a tile and what it sees of its neighbours."""
IDLE_MB = 5
"""What the memory of a thread takes at least."""


@dataclass(frozen=True)
class CopyingCosts:
    """What copying takes, which depends on what does it.

    Attributes:
        carried_b: Bytes for a pixel of the hole or of its rim: place and colour; NumPy has them twice while batches are
            joined.
        pasted_b: Bytes for a pixel of the hole while it is pasted: the same, and what rounding takes.
        searching_mb: For each thread, the windows that are compared at a time.
        batch_b: For each thread, bytes for a pixel of a batch.
    """

    carried_b: float
    pasted_b: float
    searching_mb: float
    batch_b: float


COMPILED, BY_NUMPY = CopyingCosts(28, 27, 1, 65), CopyingCosts(45, 62, 15, 230)
"""By compiled loops, and without."""


@dataclass(frozen=True)
class Load:
    """What a fill has to do, as far as memory depends on it.

    Attributes:
        size_hw: Size of the picture.
        hole_px: Pixels to fill.
        rim_px: Known pixels next to them.
        token_share: Share of the tokens of the coarsest network size that hold any hole, 0..1.
        pixel_bytes: Bytes of a pixel of the picture.
        has_forbidden: Whether sources are forbidden.
        is_grown: Whether the hole was grown.
        is_feathered: Whether the fill fades in at its edge.
        inplace: Whether the fill goes into the picture itself.
    """

    size_hw: SizeHW
    hole_px: int
    rim_px: int
    token_share: float
    pixel_bytes: int = 3
    has_forbidden: bool = False
    is_grown: bool = False
    is_feathered: bool = False
    inplace: bool = False


def load_of(
    hole: HoleMap,
    first_hw: SizeHW,
    *,
    pixel_bytes: int,
    has_forbidden: bool,
    is_grown: bool,
    is_feathered: bool,
    inplace: bool,
) -> Load:
    """Counts what of a load depends on the hole map: two passes over it.

    Args:
        hole: ``(H, W)`` bool.
        first_hw: The coarsest network size.
        pixel_bytes, has_forbidden, is_grown, is_feathered, inplace: As in :class:`Load`.
    """
    tokens = shrink_any(hole, (first_hw[0] // TOKEN_PX, first_hw[1] // TOKEN_PX))
    hole_px = int(np.count_nonzero(hole))
    with_rim_px = cv2.countNonZero(cv2.dilate(hole.view(np.uint8), np.ones((3, 3), np.uint8)))
    return Load(
        (hole.shape[0], hole.shape[1]),
        hole_px,
        with_rim_px - hole_px,
        np.count_nonzero(tokens) / tokens.size,
        pixel_bytes,
        has_forbidden,
        is_grown,
        is_feathered,
        inplace,
    )


def peak_mb(load: Load, rungs_hw: tuple[SizeHW, ...], *, workers: int, closest_px: int = 0) -> int:
    """Estimated peak of what a fill takes beside the picture, the mask and the loaded network, in MB (10^6 bytes).

    It never falls when any of the arguments grows.

    Args:
        load: What there is to do.
        rungs_hw: Network sizes from coarse to fine.
        workers: Threads that search and copy.
        closest_px: Pixels of the largest window of the photograph enlarged that the network looks at.
    """
    picture_px, finest_px = math.prod(load.size_hw), math.prod(rungs_hw[-1])
    tokens = math.prod(rungs_hw[0]) / TOKEN_PX**2
    copying = COMPILED if native.loops() else BY_NUMPY
    seen_px = max(finest_px, closest_px)
    held = picture_px * (MASKS_B + FORBIDDEN_B * load.has_forbidden)
    products = PRODUCT_B * tokens * tokens * load.token_share
    searched_px = finest_px * load.token_share
    copied_px = load.hole_px + load.rim_px
    batch = IDLE_MB * MB + copying.batch_b * min(BATCH_PX, max(copied_px, searched_px))
    stages = (
        picture_px * GROWING_B * load.is_grown,
        picture_px * (KNOWN_B + load.pixel_bytes) + finest_px * SHRUNK_B,
        seen_px * NETWORK_B + products + searched_px * SEARCHED_B + workers * copying.searching_mb * MB,
        seen_px * KEPT_B + finest_px * COPIED_B + products + copied_px * copying.carried_b + workers * batch,
        seen_px * KEPT_B
        + products
        + load.hole_px * copying.pasted_b
        + picture_px * (load.pixel_bytes * (not load.inplace) + FEATHERED_B * load.is_feathered)
        + workers * batch,
    )
    return math.ceil(MARGIN * (held + max(stages)) / MB)


def fit_plan(plan: Plan, load: Load, *, workers: int, limit_mb: int) -> Plan:
    """The plan, cut down until its estimated peak keeps to a limit.

    The finest looks are left out first, as many as it takes for one thread to fit; then come as many threads as
    still fit. So the picture that results does not depend on the number of threads, as everywhere.

    Args:
        plan: What would be done without a limit.
        load: What there is to do.
        workers: Threads there are.
        limit_mb: Most that may be taken, in MB.

    Returns:
        The plan with the threads and the estimate in it.

    Raises:
        MemoryBudgetError: Even the coarsest network size and one thread take more; it says how much.
    """
    for tried in _ever_less(plan):
        closest = [window for look in tried.enlarged for window in look.windows]
        closest_px = max((window.around.area_px for window in closest), default=0)
        for threads in range(workers, 0, -1):
            needed_mb = peak_mb(load, tried.rungs_hw, workers=threads, closest_px=closest_px)
            if needed_mb <= limit_mb:
                return replace(tried, workers=threads, memory_mb=needed_mb)
    least_mb = peak_mb(load, plan.rungs_hw[:1], workers=1)
    height, width = load.size_hw
    raise MemoryBudgetError(
        f"{option('max-memory')} is {limit_mb}; a picture {height} high and {width} wide with"
        f" {load.hole_px / (height * width):.0%} hole takes at least {least_mb} MB: allow that much,"
        " fill a smaller part at a time, or shrink the picture"
    )


def _ever_less(plan: Plan) -> Iterator[Plan]:
    """The plan, without its looks at the photograph enlarged, and without one rung after the other."""
    yield plan
    for count in range(len(plan.enlarged) - 1, 0, -1):
        yield replace(plan, enlarged=plan.enlarged[:count])
    without = replace(plan, enlarged=())
    if without != plan:
        yield without
    for count in range(len(plan.rungs_hw) - 1, 0, -1):
        yield replace(without, rungs_hw=plan.rungs_hw[:count], windows=plan.windows[:count])
