from __future__ import annotations

import pytest
import torch
from torch import Tensor


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(11)


@pytest.fixture
def hole() -> Tensor:
    """``(2, 1, 64, 64)``: a hole off the token grid in each of two pictures."""
    hole = torch.zeros(2, 1, 64, 64)
    hole[0, :, 18:41, 5:30] = 1
    hole[1, :, 0:9, 50:64] = 1
    return hole
