"""Callers in other languages, compared with :mod:`rethined.export.host`, which they follow."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
import pytest
from PIL import Image

from rethined.data.presets import preset_hole
from rethined.types import HoleMap, Image8

ROOT = Path(__file__).parents[2]


def lacking(what: str) -> NoReturn:
    """Skips a test for want of something; fails it where ``RETHINED_NO_SKIP`` is set."""
    if os.environ.get("RETHINED_NO_SKIP"):
        pytest.fail(what)
    pytest.skip(what)


@dataclass(frozen=True)
class Planted:
    """A photograph with a blanked hole, as arrays and as files.

    Attributes:
        photo: ``(H, W, 3)`` uint8, grey in the hole.
        hole: ``(H, W)`` bool.
        folder: Where it lies as ``photo.png``, ``mask.png``, ``photo.ppm`` and ``mask.pgm``.
    """

    photo: Image8
    hole: HoleMap
    folder: Path


def planted(name: str, folder: Path) -> Planted:
    """One of scikit-image's photographs.

    ``rocket`` is seen as a whole and shrunk, ``chelsea`` enlarged to the next multiple of 32, both under scattered
    holes; of ``coffee``, twice as large as it comes, a window around one hole is seen.
    """
    data = pytest.importorskip("skimage.data")
    photo = np.ascontiguousarray(getattr(data, name)()[..., :3])
    if name == "coffee":
        photo = np.asarray(cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
        hole = cv2.ellipse(np.zeros(photo.shape[:2], np.uint8), (430, 330), (110, 70), 30, 0, 360, 1, -1).view(bool)
    else:
        hole = preset_hole("df8k-blobs", name, photo.shape[:2])
    photo[hole] = 128
    picture, mask = Image.fromarray(photo), Image.fromarray(hole.astype(np.uint8) * 255)
    for kind, suffix in ((picture, "ppm"), (mask, "pgm")):
        stem = "photo" if kind is picture else "mask"
        kind.save(folder / f"{stem}.png")
        kind.save(folder / f"{stem}.{suffix}")
    return Planted(photo, hole, folder)


def read_rgb(path: Path) -> Image8:
    """A picture as ``(H, W, 3)`` uint8."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def mean_difference(result: Image8, expected: Image8, hole: HoleMap) -> float:
    """Mean absolute difference in the hole, in grey levels."""
    return float(np.abs(result[hole].astype(np.int16) - expected[hole]).mean())
