"""Photographs decoded once into memory-mapped pyramids, and square regions read from them at any scale."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from rethined.errors import DatasetError, ImageReadError
from rethined.files import whole_or_nothing
from rethined.imageio import read_image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})
LEVELS = 3
"""Pyramid levels kept per photograph: full, half and quarter size."""
MIN_SIDE_PX = 256


@dataclass(frozen=True)
class Photo:
    """One decoded photograph: ``levels[i]`` is ``(H / 2^i, W / 2^i, 3)`` uint8 RGB, memory-mapped."""

    name: str
    levels: tuple[NDArray[np.uint8], ...]

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.levels[0].shape[:2]
        return height, width

    def read_region(self, top: float, left: float, side: float, out_px: int) -> NDArray[np.uint8]:
        """The square of ``side`` full-size pixels at (``top``, ``left``), resized to ``out_px`` x ``out_px``."""
        level = 0
        while level + 1 < len(self.levels) and side / 2 ** (level + 1) >= out_px:
            level += 1
        source = self.levels[level]
        scale = source.shape[0] / self.levels[0].shape[0]
        y0, x0 = int(top * scale), int(left * scale)
        y1 = min(source.shape[0], y0 + max(1, round(side * scale)))
        x1 = min(source.shape[1], x0 + max(1, round(side * scale)))
        crop = np.asarray(source[y0:y1, x0:x1])
        if crop.shape[:2] == (out_px, out_px):
            return np.array(crop)
        # Area means of a fractional factor are slow and, this close to the source's own scale, no better.
        interpolation = cv2.INTER_AREA if crop.shape[0] > 1.5 * out_px else cv2.INTER_LINEAR
        resized = cv2.resize(crop, (out_px, out_px), interpolation=interpolation)
        return np.asarray(resized, np.uint8)


def open_photos(folder: Path, cache: Path, *, show_progress: bool = False) -> list[Photo]:
    """Every photograph below ``folder``, decoded into ``cache`` the first time it is met.

    Args:
        folder: Where the picture files are, at any depth.
        cache: Folder of the decoded pyramids; made when missing, safe to delete.
        show_progress: Whether to show a progress bar while decoding.

    Raises:
        DatasetError: ``folder`` is no folder or holds no picture with both sides of at least 256 px.
    """
    files = picture_files(folder)
    photos, broken = open_files(files, cache, show_progress=show_progress)
    if not photos:
        raise DatasetError(
            f"{folder} holds {len(files)} picture files, {len(broken)} of them unreadable, and none with both sides of"
            f" at least {MIN_SIDE_PX} px; training needs at least one"
        )
    return list(photos.values())


def picture_files(folder: Path) -> list[Path]:
    """Every file below ``folder`` whose name is a picture's, in order.

    Raises:
        DatasetError: ``folder`` is no folder.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; give a folder of photographs")
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def open_files(
    files: Sequence[Path], cache: Path, *, show_progress: bool = False
) -> tuple[dict[Path, Photo], list[Path]]:
    """The photographs of these files, arguments as in :func:`open_photos`.

    Returns:
        Those with both sides of at least 256 px, by file; and the files that cannot be read.
    """
    cache.mkdir(parents=True, exist_ok=True)
    photos: dict[Path, Photo] = {}
    broken: list[Path] = []
    for path in tqdm(files, desc="decoding", disable=not show_progress, leave=False):
        try:
            photo = _open_photo(path, cache)
        except ImageReadError:
            broken.append(path)
            continue
        if min(photo.size_hw) >= MIN_SIDE_PX:
            photos[path] = photo
    return photos, broken


def _open_photo(path: Path, cache: Path) -> Photo:
    status = path.stat()
    key = hashlib.sha256(f"{path.resolve()}|{status.st_size}|{status.st_mtime_ns}".encode()).hexdigest()[:20]
    files = [cache / f"{key}-{level}.npy" for level in range(LEVELS)]
    if not files[-1].exists():
        level_pixels = read_image(path)[..., :3]
        for file in files:
            _save_atomically(file, level_pixels)
            height, width = (max(1, side // 2) for side in level_pixels.shape[:2])
            level_pixels = np.asarray(cv2.resize(level_pixels, (width, height), interpolation=cv2.INTER_AREA))
    return Photo(path.stem, tuple(np.load(file, mmap_mode="r") for file in files))


def _save_atomically(file: Path, pixels: NDArray[np.uint8]) -> None:
    with whole_or_nothing(file) as partial, partial.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(pixels))
