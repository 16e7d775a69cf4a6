"""Named, seeded holes for measuring: the same photograph, preset and seed give the same hole on every machine."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from rethined.data.masks import FAMILIES, draw_hole
from rethined.data.silhouettes import load_silhouettes
from rethined.errors import OptionError
from rethined.types import HoleMap, SizeHW

COVERAGE = (0.30, 0.50)
"""Share of the picture that ``coverage-30-50`` hides, the range the paper's text names."""

OBJECTS = "objects"
"""The preset that draws from a folder."""

DrawHole = Callable[[SizeHW, np.random.Generator], HoleMap]


@dataclass(frozen=True)
class Preset:
    """A kind of hole.

    Attributes:
        name: What it is called in files and tables.
        draw: Draws one hole.
        sha256: Checksum of the files it draws from, empty where there are none.
    """

    name: str
    draw: DrawHole
    sha256: str = ""

    def hole(self, photo: str, size_hw: SizeHW, *, seed: int = 0) -> HoleMap:
        """The hole that it cuts into one photograph.

        Args:
            photo: Name of the photograph; another name gives another hole.
            size_hw: Height and width of the picture in pixels; lengths scale with the short side.
            seed: Start of all randomness.

        Returns:
            ``(H, W)`` bool, ``True`` = fill; never empty.
        """
        digest = hashlib.sha256(f"{self.name}|{photo}|{seed}".encode()).digest()
        return self.draw(size_hw, np.random.default_rng(list(digest[:16])))


def open_preset(preset: str) -> Preset:
    """The preset of that name, before any work is done.

    Args:
        preset: One of :data:`PRESETS`, or ``objects=FOLDER`` for the silhouettes of a folder.

    Raises:
        OptionError: An unknown preset; the message lists the known ones. Or a folder too many or too few.
        DatasetError, ImageReadError: As :func:`rethined.data.silhouettes.load_silhouettes`.
    """
    name, has_folder, folder = preset.partition("=")
    if name == OBJECTS:
        if not folder:
            raise OptionError(f"the hole preset is {preset!r}; expected a folder of silhouettes too: {OBJECTS}=FOLDER")
        silhouettes = load_silhouettes(Path(folder))
        return Preset(name, silhouettes.draw, silhouettes.sha256)
    if has_folder or name not in PRESETS:
        raise OptionError(f"the hole preset is {preset!r}; expected one of {', '.join(PRESETS)} or {OBJECTS}=FOLDER")
    return Preset(name, PRESETS[name])


def preset_hole(preset: str, name: str, size_hw: SizeHW, *, seed: int = 0) -> HoleMap:
    """One hole of a preset: :meth:`Preset.hole` of :func:`open_preset`."""
    return open_preset(preset).hole(name, size_hw, seed=seed)


def _coverage(size_hw: SizeHW, rng: np.random.Generator) -> HoleMap:
    """Strokes and boxes of LaMa's medium family, one set over the other until enough is hidden."""
    wanted = rng.uniform(*COVERAGE)
    hole = np.zeros(size_hw, bool)
    while (share := np.count_nonzero(hole) / hole.size) < wanted:
        added = draw_hole("lama-medium", size_hw, rng, zoom=0.5)
        if np.count_nonzero(hole | added) <= COVERAGE[1] * hole.size or share == 0:
            hole |= added
    return hole


def _scratches(size_hw: SizeHW, rng: np.random.Generator) -> HoleMap:
    """Hairlines across the picture and dust, as on a scanned print."""
    height, width = size_hw
    unit = min(size_hw) / 1024
    canvas = np.zeros(size_hw, np.uint8)
    for _ in range(int(rng.integers(6, 15))):
        ends = rng.uniform((-0.1, -0.1), (1.1, 1.1), (2, 2)) * (height, width)
        along = np.linspace(0, 1, 8)[:, None]
        points = ends[0] * (1 - along) + ends[1] * along + rng.normal(0, 6 * unit, (8, 2))
        thickness = max(1, round(float(rng.uniform(0.7, 2.5)) * unit))
        cv2.polylines(canvas, [np.round(points[:, ::-1]).astype(np.int32)], False, 1, thickness)
    for _ in range(int(rng.integers(60, 200))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(canvas, centre, max(0, round(float(rng.exponential(1.5)) * unit)), 1, -1)
    return np.asarray(canvas > 0)


PRESETS: dict[str, DrawHole] = {
    **{family: partial(draw_hole, family) for family in FAMILIES},
    "coverage-30-50": _coverage,
    "scratches": _scratches,
}
"""Every preset by name that needs no files."""
