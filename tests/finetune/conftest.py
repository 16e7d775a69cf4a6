from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from rethined.imageio import write_image


@pytest.fixture(autouse=True)
def threads_restored() -> Iterator[None]:
    """The command sets threads for the process it has to itself; here it has not."""
    before = (cv2.getNumThreads(), torch.get_num_threads())
    yield
    cv2.setNumThreads(before[0])
    torch.set_num_threads(before[1])


@pytest.fixture
def photos(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Five small photographs, one of them in a folder below."""
    folder = tmp_path / "photos"
    (folder / "below").mkdir(parents=True)
    for name in ("a.png", "b.png", "c.png", "d.png", "below/e.png"):
        picture = cv2.GaussianBlur(rng.integers(0, 256, (260, 300, 3), np.uint8), (0, 0), 9)
        write_image(folder / name, picture)
    return folder
