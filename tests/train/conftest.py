from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils import _pytree as pytree

from brighter import Brighter
from rethined.data.photos import Photo
from rethined.data.samples import Sampler
from rethined.nn.network import NetworkConfig
from rethined.train.config import TrainConfig
from rethined.train.state import TrainState


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """One order of every sum; restored, because a run may set the number of threads too."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny() -> NetworkConfig:
    return NetworkConfig((8, 16, 16, 16), (1, 1, 1), 1, (1, 1, 1), descriptor_size=8)


@pytest.fixture
def make_config(tiny: NetworkConfig) -> Callable[..., TrainConfig]:
    """Settings of a run of seconds; any may be changed."""

    def make(**changes: object) -> TrainConfig:
        settings = {
            "network": tiny,
            "crop_px": 64,
            "samples_per_step": 2,
            "steps": 4,
            "warmup_steps": 2,
            "cooldown_steps": 1,
            "use_bfloat16": False,
        }
        return TrainConfig(**{**settings, **changes})

    return make


@pytest.fixture
def content() -> Callable[[TrainState], list[Any]]:
    """All that makes a state but its minutes, tensors as bytes; equal lists are equal states, bit for bit."""

    def take(state: TrainState) -> list[Any]:
        parts = (
            state.network.state_dict(),
            state.average,
            state.optimizer.state_dict(),
            state.step,
            state.position,
            state.adversary and state.adversary.state_dict(),
        )
        return [x.numpy().tobytes() if isinstance(x, torch.Tensor) else x for x in pytree.tree_leaves(parts)]

    return take


@pytest.fixture
def gradient() -> Callable[..., NDArray[np.uint8]]:
    """Pictures of one slope, turned and coloured by their number: the easiest thing to continue into a hole."""

    def picture(number: int, side_px: int = 256) -> NDArray[np.uint8]:
        rng = np.random.default_rng(number)
        y, x = np.mgrid[-1 : 1 : side_px * 1j, -1 : 1 : side_px * 1j]
        angle = rng.uniform(0, 2 * np.pi)
        ramp = (y * np.sin(angle) + x * np.cos(angle))[..., None]
        return np.clip(128 + ramp * rng.uniform(30, 85, 3), 0, 255).astype(np.uint8)

    return picture


@pytest.fixture
def brighter() -> Brighter:
    return Brighter()


@pytest.fixture
def photos(gradient: Callable[..., NDArray[np.uint8]]) -> list[Photo]:
    return [Photo(str(n), tuple(gradient(n, 256 >> level) for level in range(3))) for n in range(3)]


@pytest.fixture
def sampler(photos: list[Photo]) -> Sampler:
    return Sampler(photos, seed=0, crop_px=64)
