from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from rethined.imageio import write_image

SETTINGS = """
[settings]
crop_px = 32
samples_per_step = 1
warmup_steps = 1
use_bfloat16 = false
[settings.network]
widths = [8, 16, 16, 16]
encoder_blocks = [1, 1, 1]
middle_blocks = 1
decoder_blocks = [1, 1, 1]
descriptor_size = 8
"""
VARIANTS = """
[[variants]]
name = "plain"
[[variants]]
name = "Focal frequency (1.5)"
settings.frequency_weight = 1.5
"""


@pytest.fixture(autouse=True)
def keep_threads(threads_restored: None) -> None:
    """The command sets threads for the process it has to itself; here it has not."""


@pytest.fixture
def photos(tmp_path: Path, rng: np.random.Generator) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        write_image(folder / name, cv2.GaussianBlur(rng.integers(0, 256, (260, 300, 3), np.uint8), (0, 0), 9))
    return folder


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    file = tmp_path / "variants.toml"
    file.write_text(f"minutes = 2\n{SETTINGS}{VARIANTS}")
    return file
