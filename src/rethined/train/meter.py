"""Figures of a run between two reports."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from rethined.train.profile import Profile


@dataclass
class Meter:
    """Figures between two reports; costly ones are taken only while ``is_watching``."""

    profile: Profile = field(default_factory=Profile)
    is_watching: bool = False
    values: dict[str, list[float | Tensor]] = field(default_factory=dict)

    def add(self, name: str, value: float | Tensor) -> None:
        """Counts one value in; a tensor is not asked for its value before :meth:`take`, which a GPU would wait for."""
        self.values.setdefault(name, []).append(value.detach() if isinstance(value, Tensor) else value)

    def take(self) -> dict[str, float]:
        """The means since the last call."""
        means = {
            name: torch.stack([torch.as_tensor(value, dtype=torch.float64) for value in values]).mean().item()
            for name, values in self.values.items()
        }
        self.values.clear()
        return means
