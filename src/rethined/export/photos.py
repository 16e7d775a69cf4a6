"""Photographs under holes, as inputs of a form: to check an artefact with and to scale integers by."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, overload

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.data.photos import picture_files
from rethined.data.presets import preset_hole
from rethined.errors import DatasetError, MissingExtraError
from rethined.export.formats import Feed
from rethined.export.forms import Form
from rethined.imageio import read_image
from rethined.resample import pull_push
from rethined.types import HoleMap, Image8, SizeHW

PRESET = "df8k-blobs"
SAMPLES = ("astronaut", "chelsea", "coffee", "rocket", "hubble_deep_field")
"""Photographs inside scikit-image's wheel; the largest is 1000 px wide, larger inputs are enlarged ones."""
OPEN_SIZES_HW = ((512, 512), (384, 512))
"""What a form of any size is checked at, in turns."""
MOST = 8
"""Photographs of a folder that are used: the first by name."""


@dataclass(frozen=True)
class Sample:
    """One photograph under its hole.

    Attributes:
        name: Of the photograph.
        original: ``(H, W, 3)`` uint8 RGB, at the size of the form's output.
        hole: ``(H, W)`` bool.
        feed: Inputs of the form.
    """

    name: str
    original: Image8
    hole: HoleMap
    feed: Feed


class Samples(Sequence[Sample]):
    """Samples of a form, each made when it is asked for: at 2048 px one takes 80 MB."""

    def __init__(self, form: Form, photographs: Sequence[tuple[str, Callable[[], Image8]]]) -> None:
        self._form = form
        self._photographs = photographs

    def __len__(self) -> int:
        return len(self._photographs)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> Samples: ...

    def __getitem__(self, index: int | slice) -> Sample | Samples:
        if isinstance(index, slice):
            return Samples(self._form, self._photographs[index])
        name, read = self._photographs[index]
        original = _cut(read(), _size_of(self._form, index))
        hole = preset_hole(PRESET, name, original.shape[:2])
        return Sample(name, original, hole, feed_of(self._form, original, hole))


class Feeds(Sequence[Feed]):
    """The inputs of samples alone."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, index: int) -> Feed: ...

    @overload
    def __getitem__(self, index: slice) -> Feeds: ...

    def __getitem__(self, index: int | slice) -> Feed | Feeds:
        return Feeds(self._samples[index]) if isinstance(index, slice) else self._samples[index].feed


def make_samples(form: Form, folder: Path | None = None, *, most: int = MOST) -> Samples:
    """Samples of a form.

    Args:
        form: Whose inputs they are.
        folder: Photographs, at any depth; those of scikit-image when ``None``.
        most: How many at most.

    Raises:
        DatasetError: ``folder`` holds no photograph.
        MissingExtraError: scikit-image, which carries the photographs, is not installed.
    """
    return Samples(form, _photographs(folder, most))


def feed_of(form: Form, original: Image8, hole: HoleMap) -> Feed:
    """Inputs of a form: ``(H, W, 3)`` uint8 RGB and ``(H, W)`` bool; no truth of the hole is in them."""
    seen = original.astype(np.float32) / np.float32(255)
    seen[hole] = 0
    if form.name == "lr":
        seen = pull_push(seen, hole)
    planes = np.ascontiguousarray(seen.transpose(2, 0, 1)[None])
    picture, mask = (port.name for port in form.inputs)
    return {picture: planes, mask: hole[None, None].astype(np.float32)}


def picture_of(outputs: dict[str, NDArray[Any]]) -> Image8:
    """The filled picture among the outputs of a form, ``(H, W, 3)`` uint8."""
    planes = np.asarray(outputs["filled"])[0]
    return np.asarray(np.rint(planes.transpose(1, 2, 0) * 255).clip(0, 255), np.uint8)


def _size_of(form: Form, index: int) -> SizeHW:
    height, width = form.inputs[0].shape[2:]
    if isinstance(height, int) and isinstance(width, int):
        return height, width
    return OPEN_SIZES_HW[index % len(OPEN_SIZES_HW)]


def _photographs(folder: Path | None, most: int) -> list[tuple[str, Callable[[], Image8]]]:
    """Names of photographs, and what reads each."""
    if folder is not None:
        files = picture_files(folder)[:most]
        if not files:
            raise DatasetError(f"{folder} holds no picture files; give a folder of photographs")
        return [(path.relative_to(folder).as_posix(), partial(_read, path)) for path in files]
    try:
        from skimage import data
    except ImportError as error:
        raise MissingExtraError(
            f"the sample photographs are in the package {error.name!r}: pip install 'rethined[export]', or give a"
            " folder of photographs: --photos"
        ) from error
    return [(name, getattr(data, name)) for name in SAMPLES[:most]]


def _read(path: Path) -> Image8:
    return read_image(path)[..., :3]


def _cut(photo: Image8, size_hw: SizeHW) -> Image8:
    """The middle of a photograph, resized."""
    (height, width), (rows, columns) = photo.shape[:2], size_hw
    scale = min(height / rows, width / columns)
    cut_h, cut_w = round(rows * scale), round(columns * scale)
    top, left = (height - cut_h) // 2, (width - cut_w) // 2
    cut = photo[top : top + cut_h, left : left + cut_w]
    interpolation = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cut, (columns, rows), interpolation=interpolation), np.uint8)
