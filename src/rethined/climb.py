"""The looks of the network, from coarse to fine: each is prefilled with the result of the one before.

What goes on in steps around a hole is filled before (:mod:`rethined.repeats`) and is known to all of them. The first is
prefilled by pull-push, and deep in large holes by looks at a half and a quarter of its size, at which less of what is
known lies out of the network's sight, and by copies of what is known. Where to look is planned by
:mod:`rethined.ladder`. On a rung all of the picture is there at the rung's size, and the network is run on windows of
it; the last looks are at windows of a small photograph enlarged.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import cv2
import numpy as np

from rethined.depth import LEVELS, in_levels
from rethined.distance import depth_share
from rethined.offsets import OffsetField
from rethined.regions import SIZE_MULTIPLE, Plan, Window, in_pixels
from rethined.resample import Shrunk, halve_any, on_grid, pull_push, resize_linear, sample_at, shrink_known
from rethined.session import NetworkResult, OnnxSession
from rethined.types import Box, Float32, HoleMap, Pixels
from rethined.workers import SERIAL, Workers

DEEP_PX = (16.0, 32.0)
"""From the first to the second of these distances from the known pixels, on the network's grid, the prefill goes over
from pull-push to what the network makes of half the size. Measured at 512 px, against pull-push alone, hole PSNR and
perceptual distance: LaMa medium holes +.05 dB and -.3 %, thick ones +.16 dB and -.6 %, DF8K blobs no change. From half
these distances on: medium +.09 dB and +.1 %, thick +.07 dB and -.9 %, and blobs, which take it then, take longer."""
PREFILL_LOOKS = 2
"""Halvings at most."""
COPY_DEPTH = 0.5
"""From this share of the way between these distances on, copies are the prefill."""

Copy = Callable[[Shrunk, Float32, HoleMap], tuple[Float32, OffsetField | None]]
"""Called with the first picture, its prefill and where the hole is deep, gives another prefill and where it was copied
from: :func:`rethined.structure.copy_structure`."""

Repeat = Callable[[Shrunk, Shrunk | None], tuple[Shrunk, OffsetField | None]]
"""Called with the finest picture, and that of half the size if there is one, gives the finest with less of a hole, and
where tokens were copied from: :func:`rethined.repeats.copy_repeats`."""

Stage = Callable[[str], AbstractContextManager[None]]
"""Called with the name of a stage, gives what it runs in."""


@dataclass(frozen=True)
class Rung:
    """One size of the network's picture.

    Attributes:
        touched: ``(h, w)`` bool, pixels that hold any hole.
        filled: ``(h, w, 3)`` float32 in 0..255, the picture with its hole filled.
        given: ``(h, w)`` bool, those touched that the network saw as known; ``None`` where there are none.
    """

    touched: HoleMap
    filled: Float32
    given: HoleMap | None = None


@dataclass(frozen=True)
class Climbed:
    """What the looks gave.

    Attributes:
        rungs: From coarse to fine.
        described: What the network gave on the first: matching begins there, no other rung is described.
        structure: Where the first's prefill was copied from; ``None`` where nothing was.
        repeats: Where the finest's tokens were copied from that the network saw as known; ``None`` where none was.
    """

    rungs: list[Rung]
    described: NetworkResult
    structure: OffsetField | None
    repeats: OffsetField | None


def climb(
    session: OnnxSession,
    image: Pixels,
    hole: HoleMap,
    plan: Plan,
    stage: Stage,
    copy: Copy | None = None,
    repeat: Repeat | None = None,
    *,
    workers: Workers = SERIAL,
) -> Climbed:
    """Runs the network as planned.

    Args:
        session: The network.
        image: ``(H, W, 1)`` or ``(H, W, 3)`` in its own depth.
        hole: ``(H, W)`` bool, all that is not known.
        plan: Where to look, for what of it is to be filled.
        stage: Encloses each stage: ``shrink``, ``repeat``, ``prefill`` and ``network``.
        copy: Prefills what is deep in large holes; the network's smaller looks alone do when ``None``.
        repeat: Fills what goes on in steps; nothing does when ``None``.
        workers: Threads that shrink the picture.
    """
    with stage("shrink"):
        shrunk = _sizes(shrink_known(image, hole, plan.working_hw, workers=workers), len(plan.rungs_hw))
    with stage("repeat"):
        finest, repeats = shrunk[0], None
        if repeat:
            finest, repeats = repeat(finest, shrunk[1] if len(shrunk) > 1 else None)
        if repeats:
            shrunk = _sizes(finest, len(shrunk))
        given = _given(shrunk, repeats)
    small = shrunk.pop()
    with stage("prefill"):
        depth = depth_share(small.hole, *DEEP_PX)
        prefilled, structure = _prefill(session, small, depth), None
        deep = depth >= COPY_DEPTH
        if copy and deep.any():
            prefilled, structure = copy(small, prefilled, deep)
    with stage("network"):
        described = session.run(prefilled, small.hole)
    rungs = [Rung(small.touched, described.fill, given.pop())]
    for windows in plan.windows[1:]:
        small = shrunk.pop()
        with stage("prefill"):
            coarser = resize_linear(rungs[-1].filled, small.hole.shape)
            cv2.copyTo(coarser, small.hole.view(np.uint8), small.image)
        with stage("network"):
            for window in windows:
                _look(session, small, window)
        rungs.append(Rung(small.touched, small.image, given.pop()))
    for look in plan.enlarged:
        with stage("network"):
            for window in look.windows:
                _look_enlarged(session, image, hole, window, look.factor, small.hole, rungs[-1].filled)
    return Climbed(rungs, described, structure, repeats)


def _sizes(finest: Shrunk, count: int) -> list[Shrunk]:
    """A picture, and halves of it, so many in all."""
    shrunk = [finest]
    while len(shrunk) < count:
        shrunk.append(shrunk[-1].halved())
    return shrunk


def _given(shrunk: list[Shrunk], repeats: OffsetField | None) -> list[HoleMap | None]:
    """For each size, from fine to coarse, which pixels that hold any hole were filled before the network looked."""
    if repeats is None:
        return [None] * len(shrunk)
    left = shrunk[0].touched & ~in_pixels(repeats.is_set)
    given: list[HoleMap | None] = []
    for small in shrunk:
        if given:
            left = halve_any(left)
        given.append(small.touched & ~left)
    return given


def _prefill(session: OnnxSession, small: Shrunk, depth: Float32, looks: int = PREFILL_LOOKS) -> Float32:
    """The first picture with its hole prefilled, ``(h, w, 3)`` float32; ``depth`` says where by a smaller look."""
    prefilled = pull_push(small.image, small.hole)
    if not looks or not depth.any():
        return prefilled
    half = small.halved()
    seen, hole = _padded(_prefill(session, half, depth_share(half.hole, *DEEP_PX), looks - 1), half.hole)
    session.fill(seen, hole)
    height, width = half.hole.shape
    filled = resize_linear(np.ascontiguousarray(seen[:height, :width]), small.hole.shape)
    return np.asarray(prefilled + depth[..., None] * (filled - prefilled), np.float32)


def _look(session: OnnxSession, small: Shrunk, window: Window) -> None:
    """Fills the holes of a window's core."""
    around = window.around
    if around == Box(0, 0, *small.hole.shape):
        session.fill(small.image, small.hole)
        return
    seen, hole = np.ascontiguousarray(small.image[around.slices]), np.ascontiguousarray(small.hole[around.slices])
    session.fill(seen, hole)
    mine = np.flatnonzero(_inside(window.core, around) & hole)
    y, x = np.divmod(mine, around.width)
    small.image[y + around.top, x + around.left] = seen.reshape(-1, 3)[mine]


def _look_enlarged(
    session: OnnxSession,
    image: Pixels,
    hole: HoleMap,
    window: Window,
    factor: int,
    small_hole: HoleMap,
    filled: Float32,
) -> None:
    """Fills the holes of a window of the photograph at so many times the finest rung's size; means go into the rung."""
    seen = _enlarged(image, hole, window.around, factor, filled)
    core, around = (box.scaled(1 / factor, 1 / factor) for box in (window.core, window.around))  # on the rung
    part = small_hole[around.slices]
    session.fill(seen, np.ascontiguousarray(part.repeat(factor, 0).repeat(factor, 1)))
    means = np.asarray(cv2.resize(seen, part.shape[::-1], interpolation=cv2.INTER_AREA), np.float32)
    mine = part & _inside(core, around)
    filled[around.slices][mine] = means[mine]


def _enlarged(image: Pixels, hole: HoleMap, around: Box, factor: int, filled: Float32) -> Float32:
    """A part of the photograph at so many times a rung's size, ``(h, w, 3)``; its hole as that rung has it filled."""
    scale_yx = hole.shape[0] / filled.shape[0], hole.shape[1] / filled.shape[1]  # of the rung
    scale_y, scale_x = (scale / factor for scale in scale_yx)
    # One pixel more, to interpolate with.
    box = around.scaled(scale_y, scale_x).grown(1, (hole.shape[0], hole.shape[1]))
    # Filled first: what lies in the hole must not be mixed into what lies beside it.
    seen = _as_seen(image[box.slices])
    y, x = np.nonzero(hole[box.slices])
    seen[y, x] = sample_at(filled, *on_grid(y + box.top, x + box.left, scale_yx))
    to_part = np.array(
        [
            [scale_x, 0, (around.left + 0.5) * scale_x - 0.5 - box.left],
            [0, scale_y, (around.top + 0.5) * scale_y - 0.5 - box.top],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    size_wh = (around.width, around.height)
    return np.asarray(cv2.warpAffine(seen, to_part, size_wh, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _as_seen(pixels: Pixels) -> Float32:
    """A part of the photograph as the network takes it: three channels of float32, 0..255."""
    levels = in_levels(pixels).astype(np.float32)
    if pixels.dtype != np.uint8:
        np.clip(levels, 0, LEVELS, out=levels)
    return levels if levels.shape[2] == 3 else np.asarray(cv2.merge([levels] * 3), np.float32)


def _padded(seen: Float32, hole: HoleMap) -> tuple[Float32, HoleMap]:
    """A window with sides that are multiples of 32, its last rows and columns repeated."""
    bottom, right = (-side % SIZE_MULTIPLE for side in hole.shape)
    padded = cv2.copyMakeBorder(seen, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
    return np.asarray(padded, np.float32), np.pad(hole, ((0, bottom), (0, right)), mode="edge")


def _inside(core: Box, around: Box) -> HoleMap:
    """Which pixels of a window lie in its core."""
    inside = np.zeros((around.height, around.width), bool)
    inside[core.top - around.top : core.bottom - around.top, core.left - around.left : core.right - around.left] = True
    return inside
