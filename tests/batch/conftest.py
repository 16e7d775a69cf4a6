from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rethined.imageio import write_image
from rethined.types import HoleMap, Image8

SIZE_HW = (64, 80)


@pytest.fixture
def touch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes empty files, folders and all, and works where they are: listing opens none of them."""
    monkeypatch.chdir(tmp_path)

    def touch(*names: str) -> None:
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).touch()

    return touch


@pytest.fixture
def photo(rng: np.random.Generator) -> Image8:
    return rng.integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)


@pytest.fixture
def hole() -> HoleMap:
    hole = np.zeros(SIZE_HW, bool)
    hole[20:40, 30:50] = True
    return hole


@pytest.fixture
def album(tmp_path: Path, photo: Image8, hole: HoleMap, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Works in a folder with ``photos/`` (``a.png``, ``b.png`` and ``deep/c.tif``, 16-bit) and ``mask.png``."""
    monkeypatch.chdir(tmp_path)
    Path("photos/deep").mkdir(parents=True)
    write_image("photos/a.png", photo)
    write_image("photos/b.png", photo[:, ::-1])
    write_image("photos/deep/c.tif", photo * np.uint16(257))
    write_image("mask.png", hole * np.uint8(255))
    return tmp_path
