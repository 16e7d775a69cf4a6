"""The cases of an evaluation: photographs x sizes x holes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from rethined.data.photos import SUFFIXES
from rethined.data.presets import Preset, open_preset
from rethined.dataset.manifest import MANIFEST_FILE, BenchmarkItem, load_benchmark
from rethined.errors import DatasetError, OptionError
from rethined.files import files_below
from rethined.imageio import read_image
from rethined.types import HoleMap, Image8, SizeHW

FIXED = "fixed"
"""Name that stands for a preset's where a benchmark brings its holes."""


@dataclass(frozen=True)
class Case:
    """One photograph at one size under one hole.

    Attributes:
        photo: Name of the photograph: its path below the folder.
        size_px: Long side.
        preset: Name of the hole preset.
        original: ``(H, W, 3)`` uint8 RGB.
        hole: ``(H, W)`` bool.
    """

    photo: str
    size_px: int
    preset: str
    original: Image8
    hole: HoleMap

    @property
    def key(self) -> str:
        """A name that is unique in the evaluation and can be that of a file."""
        return file_stem(self.photo, self.size_px, self.preset)

    @cached_property
    def hole_share(self) -> float:
        """Share of the picture that is hole, 0..1."""
        return float(np.count_nonzero(self.hole) / self.hole.size)

    @cached_property
    def sha256(self) -> str:
        """Checksum of photograph and hole: what was found for another one does not hold for this."""
        checksum = hashlib.sha256(np.ascontiguousarray(self.original).data)
        checksum.update(np.packbits(self.hole).data)
        return checksum.hexdigest()

    @cached_property
    def damaged(self) -> Image8:
        """What methods see."""
        return blanked(self.original, self.hole)


def file_stem(photo: str, *facts: int | str) -> str:
    """The name of a file about a photograph, whatever folder that lies in."""
    return "@".join([photo.replace("/", "+"), *map(str, facts)])


def blanked(image: Image8, hole: HoleMap) -> Image8:
    """A copy with the mean colour of what is known in the hole, so that no truth leaks."""
    damaged = image.copy()
    damaged[hole] = np.rint(image[~hole].mean(0)).astype(np.uint8)
    return damaged


@dataclass(frozen=True)
class CaseList:
    """Which cases there are; pictures are read when they are needed.

    Attributes:
        folder: Where the photographs lie.
        photos: Their paths below it, in order.
        sizes_px: Long sides. A photograph is shrunk to each, never enlarged: smaller ones are left out.
        presets: Hole presets; none where the holes are fixed.
        seed: Start of all randomness of the holes.
        items: By photograph, where the folder is a benchmark whose holes are fixed.
    """

    folder: Path
    photos: tuple[str, ...]
    sizes_px: tuple[int, ...]
    presets: tuple[Preset, ...]
    seed: int = 0
    items: dict[str, BenchmarkItem] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.photos) * len(self.sizes_px) * (len(self.presets) or 1)

    def of_photo(self, photo: str) -> Iterator[Case]:
        """All cases of one photograph that it is large enough for.

        Raises:
            ImageReadError, MaskError: It or its mask cannot be read.
        """
        fixed: HoleMap | None = None
        if item := self.items.get(photo):
            pixels, fixed = item.read()
        else:
            pixels = read_image(self.folder / photo)
        for size_px in self.sizes_px or (max(pixels.shape[:2]),):
            if max(pixels.shape[:2]) < size_px:
                continue
            original = _shrunk(pixels, size_px)
            if fixed is not None:
                yield Case(photo, size_px, FIXED, original, _shrunk_hole(fixed, original.shape[:2]))
            for preset in self.presets:
                hole = preset.hole(photo, original.shape[:2], seed=self.seed)
                yield Case(photo, size_px, preset.name, original, hole)


def list_cases(
    folder: Path,
    *,
    sizes_px: Sequence[int],
    presets: Sequence[str],
    limit: int | None = None,
    seed: int = 0,
    without: Path | None = None,
) -> CaseList:
    """The cases of all photographs below a folder, or of the test split of a benchmark.

    Args:
        folder: Photographs, at any depth, or a benchmark made by ``rethined dataset``.
        sizes_px: Long sides, at least 64; none for each photograph's own.
        presets: As :func:`rethined.data.presets.open_preset` takes them; a benchmark has its own holes.
        limit: At most this many photographs: the first by name.
        seed: Start of all randomness of the holes.
        without: A folder whose pictures are none of them: that of the results.

    Raises:
        DatasetError: No folder, or none with picture files in it; or a preset's folder of silhouettes is such a one.
        ImageReadError: A silhouette that cannot be read.
        OptionError: An unknown preset, one given twice, or a size that is too small.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; give a folder of photographs")
    if limit is not None and limit < 1:
        raise OptionError(f"--limit is {limit}; expected a number of photographs from 1")
    for size_px in sizes_px:
        if size_px < 64:
            raise OptionError(f"the size is {size_px}; expected a long side of 64 px or more")
    if (folder / MANIFEST_FILE).is_file():
        items = {item.name: item for item in load_benchmark(folder, split="test")[:limit]}
        return CaseList(folder, tuple(items), tuple(sizes_px), (), items=items)
    names = sorted(path.relative_to(folder).as_posix() for path in files_below(folder, SUFFIXES, without=without))
    if not names:
        raise DatasetError(f"{folder} holds no picture files; expected some that end in {', '.join(sorted(SUFFIXES))}")
    opened = tuple(open_preset(preset) for preset in presets)
    if len({preset.name for preset in opened}) != len(opened):
        raise OptionError(f"the hole presets are {', '.join(presets)}; expected each once")
    return CaseList(folder, tuple(names[:limit]), tuple(sizes_px), opened, seed)


def _shrunk_hole(hole: HoleMap, size_hw: SizeHW) -> HoleMap:
    """A pixel is hole if any of what it covers is."""
    if hole.shape == size_hw:
        return hole
    covered = cv2.resize(hole.astype(np.float32), size_hw[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(covered > 0)


def _shrunk(pixels: Image8, size_px: int) -> Image8:
    scale = size_px / max(pixels.shape[:2])
    if scale == 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
