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
def photos(tmp_path: Path) -> Path:
    """Three small pictures, one in a folder of its own, and one broken file."""
    rng = np.random.default_rng(3)
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name, size_hw in (("a.png", (96, 128)), ("more/b.jpg", (128, 100)), ("c.png", (70, 80))):
        picture = cv2.GaussianBlur(rng.integers(0, 256, (*size_hw, 3), np.uint8), (0, 0), 2)
        write_image(folder / name, picture)
    (folder / "broken.png").write_bytes(b"no picture")
    return folder
