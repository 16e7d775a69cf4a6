"""The adversary of a run: a discriminator, its optimiser, and what each side learns from the other."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rethined.losses.adversarial import feature_matching, fooling, gradient_penalty, recognising
from rethined.nn.discriminator import PatchDiscriminator
from rethined.train.config import TrainConfig
from rethined.train.device import compute_dtype

BETAS = (0.0, 0.9)
"""Zhang et al., "Self-Attention Generative Adversarial Networks", ICML 2019, section 4: no momentum, for either side
moves the other's target."""
SEED_SHIFT = 7_919
"""Keeps the discriminator's first weights from repeating the network's."""


class Adversary:
    """Takes part in every view of a step, and takes its own step at its end.

    Args:
        config: Settings of the run.
        device: Where to compute.
    """

    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self._config = config
        # Whether it comes at the start of a run or later, it begins with the same weights.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed + SEED_SHIFT)
            self.discriminator = PatchDiscriminator(config.discriminator_layers)
        self.discriminator.compute_dtype = compute_dtype(config, device)
        self.discriminator.to(device)
        self._optimizer = torch.optim.Adam(self.discriminator.parameters(), betas=BETAS, fused=True)

    def fill_loss(self, fill: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        """What the network pays: for being recognised, and for the distance of the discriminator's features.

        Args:
            fill: ``(N, 3, H, W)`` float; gradients flow to it alone.
            target: ``(N, 3, H, W)`` float in 0..1.
            hole: ``(N, 1, H, W)`` float, 1 = fill.
        """
        self.discriminator.eval().requires_grad_(False)
        fake = self.discriminator(target + (fill - target) * hole)
        with torch.no_grad():
            real = self.discriminator(target)
        loss = fooling(fake.scores, hole, self._config.adversarial_form)
        return loss + self._config.adversarial_features * feature_matching(fake.features, real.features, hole)

    def learn(self, fill: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        """Adds the discriminator's gradients of one of two views; returns its loss. Arguments as before, detached."""
        self.discriminator.train().requires_grad_(True)
        real, fake = (self.discriminator(picture) for picture in (target, target + (fill - target) * hole))
        loss = recognising(real.scores, fake.scores, hole, self._config.adversarial_form)
        if self._config.adversarial_r1 > 0:
            loss = loss + self._config.adversarial_r1 * gradient_penalty(self.discriminator, target)
        (loss / 2).backward()
        return loss.detach()

    @property
    def gradients(self) -> list[Tensor]:
        """What was learned since the last step."""
        return [p.grad for p in self.discriminator.parameters() if p.grad is not None]

    def step(self, rate_share: float) -> None:
        """One step of the discriminator, at this share of its own peak rate."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._config.discriminator_learning_rate * rate_share
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Weights, the vectors of the spectral normalisation, and moments."""
        return {"discriminator": self.discriminator.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what :meth:`state_dict` gave."""
        self.discriminator.load_state_dict(state["discriminator"])
        self._optimizer.load_state_dict(state["optimizer"])


def make_adversary(config: TrainConfig, device: torch.device) -> Adversary | None:
    """The adversary that the settings ask for."""
    return Adversary(config, device) if config.adversarial_weight > 0 else None
