from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.fixture
def randomise(generator: torch.Generator) -> Callable[[nn.Module], nn.Module]:
    """Gives every weight, gain, bias and statistic a random value of a size that training would give it."""

    def values(like: Tensor, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(like.shape, generator=generator)

    def fill(module: nn.Module) -> nn.Module:
        with torch.no_grad():
            for name, x in (*module.named_parameters(), *module.named_buffers()):
                leaf = name.rpartition(".")[2]
                if leaf in ("num_batches_tracked", "identity", "log_temperature", "low", "high", "passes"):
                    continue
                if x.ndim > 1:
                    fan_in = x[0].numel() if leaf != "kernels" else x[0, 0].numel() * len(x)
                    x.copy_(torch.randn(x.shape, generator=generator) * fan_in**-0.5)
                elif leaf in ("gain", "weight", "running_var"):
                    x.copy_(values(x, 0.3, 1.2))
                else:
                    x.copy_(values(x, -0.2, 0.2))
        return module

    return fill
