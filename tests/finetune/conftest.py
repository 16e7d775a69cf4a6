from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rethined.imageio import write_image


@pytest.fixture(autouse=True)
def keep_threads(threads_restored: None) -> None:
    """The command sets threads for the process it has to itself; here it has not."""


@pytest.fixture
def photos(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Five small photographs, one of them in a folder below."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for name in ("a.png", "b.png", "c.png", "d.png", "below/e.png"):
        picture = cv2.GaussianBlur(rng.integers(0, 256, (260, 300, 3), np.uint8), (0, 0), 9)
        write_image(folder / name, picture)
    return folder
