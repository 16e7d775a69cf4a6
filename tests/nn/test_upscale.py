"""The torch twin and the runtime's transfer agree."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from rethined.matching import corrupted_tokens
from rethined.nn import upscale as twin
from rethined.offsets import OffsetField
from rethined.resample import shrink_known
from rethined.transfer import transfer


@pytest.mark.parametrize("full_hw", [(96, 128), (192, 256), (211, 300), (80, 200)], ids=str)
def test_upscale_agrees_with_transfer_at_any_factor(full_hw: tuple[int, int], rng: np.random.Generator) -> None:
    small_hw = (96, 128)
    image = cv2.resize(rng.integers(0, 256, (24, 32, 3), np.uint8), full_hw[::-1], interpolation=cv2.INTER_CUBIC)
    hole = np.zeros(full_hw, bool)
    hole[full_hw[0] // 3 : full_hw[0] // 2, full_hw[1] // 3 : full_hw[1] // 2 + 5] = True
    small = shrink_known(image, hole, small_hw)
    filled = np.where(small.hole[..., None], rng.uniform(0, 255, (*small_hw, 3)), small.image).astype(np.float32)
    corrupted = corrupted_tokens(small.touched)
    # Some tokens without a source, and offsets that leave the picture or point into the hole.
    field = OffsetField(
        rng.integers(-40, 41, (*corrupted.shape, 2)).astype(np.int32), corrupted & (rng.random(corrupted.shape) > 0.1)
    )
    y, x, colours = transfer(image, hole, filled, small.touched, field)
    expected = image.astype(np.float32)
    expected[y, x] = colours

    def planes(a: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(a.transpose(2, 0, 1))).float()

    got = twin.upscale(
        planes(image),
        torch.from_numpy(hole),
        planes(filled),
        torch.from_numpy(small.touched),
        torch.from_numpy(field.offset_yx).long(),
        torch.from_numpy(field.is_set),
    )
    difference = np.abs(got.permute(1, 2, 0).numpy() - expected)
    # cv2.remap interpolates with 5-bit weights: up to 1/64 of a step between two network pixels.
    assert difference[~hole].max() == 0
    assert difference.max() < 6
    assert difference[hole].mean() < 0.8
