"""Photographs decoded once into memory-mapped pyramids, and square regions read from them at any scale."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from rethined.data.limits import allow_open_files
from rethined.data.shards import SHARD_SUFFIX, is_shards, list_pictures, shard_files
from rethined.errors import DatasetError, ImageReadError
from rethined.files import files_below, whole_or_nothing
from rethined.imageio import read_image
from rethined.runtime import available_cores

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".avif"})
LEVELS = 3
"""Pyramid levels kept per photograph: full, half and quarter size."""
MIN_SIDE_PX = 256
DECODERS = min(8, available_cores())
"""Photographs decoded at a time; each of them is in memory for as long."""


@dataclass(frozen=True)
class Photo:
    """One decoded photograph: ``levels[i]`` is ``(H / 2^i, W / 2^i, 3)`` uint8 RGB, memory-mapped."""

    name: str
    levels: tuple[NDArray[np.uint8], ...]

    def __reduce__(self) -> tuple[Any, ...]:
        """Between processes files travel, not what is in them."""
        if all(isinstance(level, np.memmap) for level in self.levels):
            return _mapped, (self.name, [Path(str(level.filename)) for level in self.levels])  # type: ignore[attr-defined]
        return Photo, (self.name, self.levels)

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


class Picture(Protocol):
    """A picture that can be decoded, wherever it is kept."""

    @property
    def name(self) -> str:
        """What it is called, without suffix."""

    @property
    def identity(self) -> str:
        """Another picture, or another version of it, has another one."""

    def read(self) -> NDArray[np.uint8]:
        """The picture, ``(H, W, 3)`` uint8 RGB; raises :class:`ImageReadError`."""


@dataclass(frozen=True)
class FilePicture:
    """A picture file."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.stem

    @property
    def identity(self) -> str:
        """Its path, size and time of change."""
        status = self.path.stat()
        return f"{self.path.resolve()}|{status.st_size}|{status.st_mtime_ns}"

    def read(self) -> NDArray[np.uint8]:
        """The picture, ``(H, W, 3)`` uint8 RGB."""
        return read_image(self.path)


def open_photos(where: Path, cache: Path, *, show_progress: bool = False) -> list[Photo]:
    """Every photograph of a folder or of tar shards, decoded into ``cache`` the first time it is met.

    Args:
        where: As for :func:`find_pictures`.
        cache: Folder of the decoded pyramids; made when missing, safe to delete.
        show_progress: Whether to show a progress bar while decoding.

    Raises:
        DatasetError: There is no picture with both sides of at least 256 px.
    """
    pictures = find_pictures(where, cache)
    photos, broken = _open_all(pictures, cache, show_progress=show_progress)
    if not photos:
        raise DatasetError(
            f"{where} holds {len(pictures)} picture files, {len(broken)} of them unreadable, and none with both sides"
            f" of at least {MIN_SIDE_PX} px; training needs at least one"
        )
    return list(photos.values())


def find_pictures(where: Path, cache: Path) -> Sequence[Picture]:
    """All pictures of a set, none of them read yet.

    Args:
        where: A folder, with pictures at any depth; or tar shards, as :func:`rethined.data.shards.shard_files` wants
            them.
        cache: Folder for the lists of what shards hold.

    Raises:
        DatasetError: There is no such folder, or no such shards.
    """
    if is_shards(where):
        return [picture for shard in shard_files(where) for picture in list_pictures(shard, SUFFIXES, cache)]
    return [FilePicture(path) for path in picture_files(where)]


def picture_files(folder: Path) -> list[Path]:
    """Every file below ``folder`` whose name is a picture's, in order.

    Raises:
        DatasetError: ``folder`` is no folder.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"{folder} is not a folder; give a folder of photographs, or tar shards without compression"
            f" ('shards-{{000..099}}{SHARD_SUFFIX}')"
        )
    return sorted(files_below(folder, SUFFIXES))


def open_files(
    files: Sequence[Path], cache: Path, *, show_progress: bool = False
) -> tuple[dict[Path, Photo], list[Path]]:
    """The photographs of these files, other arguments as in :func:`open_photos`.

    Returns:
        Those with both sides of at least 256 px, by file; and the files that cannot be read.
    """
    photos, broken = _open_all([FilePicture(file) for file in files], cache, show_progress=show_progress)
    return {picture.path: photo for picture, photo in photos.items()}, [picture.path for picture in broken]


_AnyPicture = TypeVar("_AnyPicture", bound=Picture)


def _open_all(
    pictures: Sequence[_AnyPicture], cache: Path, *, show_progress: bool
) -> tuple[dict[_AnyPicture, Photo], list[_AnyPicture]]:
    """The photographs that are large enough, by picture, and the pictures that cannot be read."""
    allow_open_files(LEVELS * len(pictures))
    cache.mkdir(parents=True, exist_ok=True)
    photos: dict[_AnyPicture, Photo] = {}
    broken: list[_AnyPicture] = []
    with ThreadPoolExecutor(DECODERS) as pool:
        opened = pool.map(lambda picture: _open(picture, cache), pictures)
        for picture, photo in tqdm(
            zip(pictures, opened, strict=True),
            total=len(pictures),
            desc="decoding",
            disable=not show_progress,
            leave=False,
        ):
            if photo is None:
                broken.append(picture)
            elif min(photo.size_hw) >= MIN_SIDE_PX:
                photos[picture] = photo
    return photos, broken


def _open(picture: Picture, cache: Path) -> Photo | None:
    """The photograph, or nothing where it cannot be read."""
    try:
        return decode(picture, cache)
    except ImageReadError:
        return None


def decode(picture: Picture, cache: Path) -> Photo:
    """The photograph, decoded into ``cache`` unless it is there already.

    Raises:
        ImageReadError: It cannot be read.
    """
    files = cached_files(picture, cache)
    if not files[-1].exists():
        _write_levels(picture, files)
    try:
        return _mapped(picture.name, files)
    except (FileNotFoundError, ValueError, EOFError):
        # Another process of the run had no more use for it and has just removed it; or it is cut short.
        _write_levels(picture, files)
        return _mapped(picture.name, files)


def cached_files(picture: Picture, cache: Path) -> list[Path]:
    """Where the levels of a picture are once it is decoded."""
    key = hashlib.sha256(picture.identity.encode()).hexdigest()[:20]
    return [cache / f"{key}-{level}.npy" for level in range(LEVELS)]


def _mapped(name: str, files: Sequence[Path]) -> Photo:
    return Photo(name, tuple(np.load(file, mmap_mode="r") for file in files))


def _write_levels(picture: Picture, files: Sequence[Path]) -> None:
    level_pixels = picture.read()[..., :3]
    for file in files:
        _save_atomically(file, level_pixels)
        height, width = (max(1, side // 2) for side in level_pixels.shape[:2])
        level_pixels = np.asarray(cv2.resize(level_pixels, (width, height), interpolation=cv2.INTER_AREA))


def _save_atomically(file: Path, pixels: NDArray[np.uint8]) -> None:
    with whole_or_nothing(file) as partial, partial.open("wb") as stream:
        np.save(stream, np.ascontiguousarray(pixels))
