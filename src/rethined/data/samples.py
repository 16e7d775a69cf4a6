"""Training samples: a region of a photograph, a hole, and where the finer crop lies.

One sample serves two scales. The region of ``2 x crop`` pixels is halved for the coarse view, whose hole is prefilled
by pull-push; a crop of the region at its own scale is the fine view, prefilled with what the network made of the
coarse one. So half of all crops are prefilled with the result of a coarser scale, at no cost but the upscaling. Holes
are prefilled where the network is, in all pictures of a step at once.

The engine also looks at small pictures enlarged. Samples may be like that: the coarse view is as sharp as ever, the
region is that view doubled, and the fine one a crop of it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.climb import COPY_DEPTH, DEEP_PX
from rethined.data.masks import FAMILIES, draw_hole
from rethined.data.photos import Photo
from rethined.data.procedural import draw_structures
from rethined.depth import LEVELS
from rethined.distance import depth_share
from rethined.resample import Shrunk, pull_push, resize_linear, shrink_known
from rethined.structure import copy_structure

LOG_ZOOM = (np.log(0.5), np.log(1.6))
"""Range of the factor on a hole's size, in logarithms."""
WHOLE_SHARE = 0.3
"""Share of samples that see as much of the photograph as fits: its whole short side."""


@dataclass(frozen=True)
class Sample:
    """One sample at two scales; C is the side of a crop.

    Attributes:
        coarse_known: ``(C, C, 3)`` uint8, the region at half scale: means of known pixels, zero in the hole, or copies
            where it is deep.
        coarse_hole: ``(C, C)`` bool, ``True`` = fill.
        coarse_open: ``(C, C)`` bool, the hole but for what copies prefill: where its prefill is to be smooth.
        coarse_target: ``(C, C, 3)`` uint8, the region at half scale.
        fine_target: ``(C, C, 3)`` uint8, a crop of the region.
        fine_hole: ``(C, C)`` bool.
        corner_yx: Top left of the fine crop in pixels of the region; multiples of 8.
    """

    coarse_known: NDArray[np.uint8]
    coarse_hole: NDArray[np.bool_]
    coarse_open: NDArray[np.bool_]
    coarse_target: NDArray[np.uint8]
    fine_target: NDArray[np.uint8]
    fine_hole: NDArray[np.bool_]
    corner_yx: tuple[int, int]


@dataclass(frozen=True)
class Batch:
    """What one training step needs, and how many samples had been drawn when it was complete."""

    samples: tuple[Sample, ...]
    position: int


class Sampler:
    """Draws samples; sample ``i`` is a function of ``seed`` and ``i`` alone, so a run resumes exactly.

    Args:
        photos: Photographs to draw from.
        seed: Start of all randomness.
        crop_px: Side of the crops the network is trained on.
        weights: Relative chance of each photograph; uniform when ``None``.
        procedural_share: Share of samples, 0..1, that see a drawn picture (:mod:`rethined.data.procedural`) in place of
            a photograph.
        copied_share: Share of samples, 0..1, whose coarse view begins with copies where the hole is deep, as the
            engine's first look does.
        enlarged_share: Share of samples, 0..1, whose fine view is the coarse one enlarged, as the engine's last look
            at a small picture is.
    """

    def __init__(
        self,
        photos: Sequence[Photo],
        *,
        seed: int,
        crop_px: int,
        weights: Sequence[float] | None = None,
        procedural_share: float = 0,
        copied_share: float = 0,
        enlarged_share: float = 0,
    ) -> None:
        self._photos = photos
        self._seed = seed
        self._crop_px = crop_px
        self._procedural_share = procedural_share
        self._copied_share = copied_share
        self._enlarged_share = enlarged_share
        chances = np.ones(len(photos)) if weights is None else np.asarray(weights, float)
        self._cumulative = np.cumsum(chances / chances.sum())

    def draw(self, index: int) -> Sample:
        """Sample number ``index``."""
        rng = np.random.default_rng([self._seed, index])
        region_px = 2 * self._crop_px
        # Without a share no number is drawn for it, so that samples are the same as ever.
        if self._procedural_share and rng.random() < self._procedural_share:
            region = draw_structures(region_px, rng)
        else:
            region = self._draw_region(self._choose(index, rng), region_px, rng)
        family = FAMILIES[int(rng.integers(len(FAMILIES)))]
        hole = draw_hole(family, (region_px, region_px), rng, zoom=float(np.exp(rng.uniform(*LOG_ZOOM))))
        size_hw = (self._crop_px, self._crop_px)
        coarse = shrink_known(region, hole, size_hw)
        coarse_target = np.asarray(cv2.resize(region, size_hw, interpolation=cv2.INTER_AREA), np.uint8)
        if self._enlarged_share and rng.random() < self._enlarged_share:
            region, hole = _enlarged(coarse_target, coarse)
        y, x = self._choose_crop(hole, rng)
        fine = (slice(y, y + self._crop_px), slice(x, x + self._crop_px))
        known, still_open = coarse.image, coarse.hole
        if self._copied_share and rng.random() < self._copied_share:
            known, still_open = _with_copies(coarse)
        return Sample(
            coarse_known=np.rint(known).astype(np.uint8),
            coarse_hole=coarse.hole,
            coarse_open=still_open,
            coarse_target=coarse_target,
            fine_target=region[fine],
            fine_hole=hole[fine],
            corner_yx=(y, x),
        )

    def batch(self, start: int, count: int) -> Batch:
        """Samples ``start`` to ``start + count``."""
        return Batch(tuple(self.draw(index) for index in range(start, start + count)), start + count)

    def _choose(self, index: int, rng: np.random.Generator) -> Photo:  # noqa: ARG002 - for samplers that pass by
        return self._photos[min(int(np.searchsorted(self._cumulative, rng.random())), len(self._photos) - 1)]

    def _draw_region(self, photo: Photo, region_px: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        height, width = photo.size_hw
        largest_px = min(height, width)
        smallest_px = min(region_px, largest_px)
        side = float(largest_px)
        if rng.random() >= WHOLE_SHARE:
            side = min(side, float(np.exp(rng.uniform(np.log(smallest_px), np.log(largest_px)))))
        top, left = rng.uniform(0, height - side), rng.uniform(0, width - side)
        region = photo.read_region(top, left, side, region_px)
        if rng.random() < 0.5:
            region = np.asarray(cv2.flip(region, 1), np.uint8)
        # Exposure and white balance vary more between cameras than in a small set of photographs.
        gain = np.exp(rng.normal(0, 0.08)) * np.exp(rng.normal(0, 0.03, 3))
        table = np.clip(np.arange(256)[:, None] * gain + rng.normal(0, 4), 0, 255).astype(np.uint8)
        return np.asarray(cv2.LUT(region, table[None]), np.uint8)

    def _choose_crop(self, hole: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int]:
        """Top left of a crop that holds a random hole pixel somewhere."""
        limit = hole.shape[0] - self._crop_px
        rows, columns = np.nonzero(hole[::8, ::8])
        if not len(rows):
            return int(rng.integers(limit // 8 + 1)) * 8, int(rng.integers(limit // 8 + 1)) * 8
        pick = int(rng.integers(len(rows)))
        y, x = (
            8 * int(np.clip(centre - rng.integers(self._crop_px // 8), 0, limit // 8))
            for centre in (rows[pick], columns[pick])
        )
        return y, x


def _enlarged(target: NDArray[np.uint8], coarse: Shrunk) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A picture doubled, and its hole; beside the hole as the engine sees it, without any of what is true in it."""
    height, width = coarse.hole.shape
    hole = coarse.hole.repeat(2, 0).repeat(2, 1)
    seen = resize_linear(pull_push(coarse.image, coarse.hole), hole.shape)
    true = cv2.resize(target, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    return np.where(hole[..., None], true, np.rint(np.clip(seen, 0, LEVELS)).astype(np.uint8)), hole


def _with_copies(coarse: Shrunk) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The picture with copies where its hole is deep, and what is still open."""
    deep = depth_share(coarse.hole, *DEEP_PX) >= COPY_DEPTH
    if not deep.any():
        return coarse.image, coarse.hole
    # The engine's prefill is the network's where it is deep; all that it does here is to tell which sources fit.
    copied, field = copy_structure(coarse, pull_push(coarse.image, coarse.hole), deep)
    if field is None:
        return coarse.image, coarse.hole
    return np.where(deep[..., None], np.clip(copied, 0, LEVELS), coarse.image), coarse.hole & ~deep


def batch_of_step(sampler: Sampler, start: int, count: int, share: tuple[int, int]) -> Batch:
    """One part of a step's samples; arguments as of :func:`prefetch`, the position is that after all parts."""
    part, parts = share
    own = count // parts
    return replace(sampler.batch(start + part * own, own), position=start + count)


def prefetch(
    sampler: Sampler, *, start: int, count: int, depth: int = 4, share: tuple[int, int] = (0, 1)
) -> Generator[Batch]:
    """Endless batches of ``count`` samples from number ``start`` on, drawn in one background thread.

    The thread ends when the iterator is closed. An error in it is raised at the consumer.

    Args:
        sampler: Source of samples.
        start: Samples drawn before.
        count: Samples of a batch, of all shares.
        depth: Batches drawn ahead.
        share: Which part of each batch to draw, from 0 on, and of how many; positions count the samples of all parts.
    """
    ready: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=depth)
    stopped = threading.Event()

    def work() -> None:
        position = start
        try:
            while not stopped.is_set():
                _put(batch_of_step(sampler, position, count, share))
                position += count
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, who raises it
            _put(error)

    def _put(item: Batch | BaseException) -> None:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.2)
            except queue.Full:
                continue
            return

    thread = threading.Thread(target=work, name="rethined-samples", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        thread.join()
