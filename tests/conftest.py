from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings

# The same examples on every run, and no failure because the machine is busy.
settings.register_profile("house", deadline=None, derandomize=True)
settings.load_profile("house")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)
