"""Samples of photographs that are too many to be kept decoded: a window moves over them, in a seeded order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rethined.data.limits import allow_open_files
from rethined.data.photos import LEVELS, MIN_SIDE_PX, Photo, Picture, cached_files, decode
from rethined.data.samples import Sampler
from rethined.errors import DatasetError, ImageReadError

ORDERS_KEPT = 4
"""Passes whose order is kept: a window lies in two of them at most, unless it is longer than a pass."""


class StreamSampler(Sampler):
    """Draws from a window of photographs that moves on by one with every few samples.

    All photographs pass in an order that the seed gives, pass after pass each in another one. Sample ``i`` takes one of
    those that are in the window then, so it is a function of seed and ``i`` alone, as ever: a run resumes exactly, once
    the window's photographs are decoded again. A photograph is decoded when the first sample asks for it, and what it
    takes on the disk is freed when the window has left it behind.

    Args:
        pictures: All photographs.
        cache: Folder for the decoded photographs of the window; whatever else is decoded there is removed.
        seed: Start of all randomness.
        crop_px: Side of the crops the network is trained on.
        window_photos: Photographs in the window.
        samples_per_photo: Samples after which the window moves on; so often is a photograph seen, on average, before
            it comes again in the next pass.
        start: Samples that have been drawn before.
        procedural_share, copied_share, enlarged_share: As of :class:`rethined.data.samples.Sampler`.

    Raises:
        DatasetError: There are no pictures, or the system allows too few open files. Later, when samples are drawn:
            none of the pictures can be used.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        cache: Path,
        *,
        seed: int,
        crop_px: int,
        window_photos: int,
        samples_per_photo: int,
        start: int = 0,
        procedural_share: float = 0,
        copied_share: float = 0,
        enlarged_share: float = 0,
    ) -> None:
        if not pictures:
            raise DatasetError("there are no pictures to draw from; training needs at least one")
        super().__init__(
            [],
            seed=seed,
            crop_px=crop_px,
            procedural_share=procedural_share,
            copied_share=copied_share,
            enlarged_share=enlarged_share,
        )
        self._pictures = pictures
        self._cache = cache
        self._window_photos = window_photos
        self._samples_per_photo = samples_per_photo
        self._opened: dict[int, Photo] = {}
        self._useless: set[Picture] = set()
        self._orders: dict[int, NDArray[np.int64]] = {}
        allow_open_files(LEVELS * window_photos)
        cache.mkdir(parents=True, exist_ok=True)
        first = start // samples_per_photo
        window = map(self._picture, range(first, first + window_photos))
        kept = {file for picture in window for file in cached_files(picture, cache)}
        for file in set(cache.glob("*.npy")) - kept:
            file.unlink()

    def _choose(self, index: int, rng: np.random.Generator) -> Photo:
        first = index // self._samples_per_photo
        number = first + int(rng.integers(self._window_photos))
        for left_behind in [each for each in self._opened if each < first]:
            self._forget(left_behind, first)
        return self._open(number)

    def _open(self, number: int) -> Photo:
        """The photograph of that number in the order, or the next one that can be used."""
        for candidate in range(number, number + len(self._pictures)):
            if candidate in self._opened:
                return self._opened[candidate]
            picture = self._picture(candidate)
            if picture in self._useless:
                continue
            if photo := self._decode(picture):
                self._opened[candidate] = photo
                return photo
            self._useless.add(picture)
        raise DatasetError(
            f"none of {len(self._pictures)} photographs can be read and has both sides of at least {MIN_SIDE_PX} px;"
            " training needs at least one"
        )

    def _decode(self, picture: Picture) -> Photo | None:
        try:
            photo = decode(picture, self._cache)
        except ImageReadError:
            return None
        if min(photo.size_hw) >= MIN_SIDE_PX:
            return photo
        self._remove(picture)
        return None

    def _forget(self, number: int, first: int) -> None:
        """Frees what a photograph takes, unless another pass has brought it into the window already."""
        del self._opened[number]
        window = (self._picture(each) for each in range(first, first + self._window_photos))
        if self._picture(number) not in window:
            self._remove(self._picture(number))

    def _remove(self, picture: Picture) -> None:
        for file in cached_files(picture, self._cache):
            file.unlink(missing_ok=True)

    def _picture(self, number: int) -> Picture:
        turn, place = divmod(number, len(self._pictures))
        if turn not in self._orders:
            # Three numbers: no sample begins with the same.
            self._orders[turn] = np.random.default_rng([self._seed, turn, 1]).permutation(len(self._pictures))
            for past in sorted(self._orders)[:-ORDERS_KEPT]:
                del self._orders[past]
        return self._pictures[int(self._orders[turn][place])]
