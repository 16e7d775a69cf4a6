"""The optimisers of a run: AdamW for all weights, or Muon for the matrices among them and AdamW for the rest."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rethined.nn.mobileone import MobileOneUnit
from rethined.nn.network import RethinedNetwork
from rethined.train.config import TrainConfig

BETAS = (0.9, 0.98)


class MixedOptimizer:
    """Muon for the kernels that mix channels, AdamW for depthwise kernels, heads, gains and biases; used as one.

    Muon moves a weight matrix by the nearest orthogonal matrix to its averaged gradient, so that all directions of a
    layer learn at one pace. Its rate is matched to AdamW's (0.2 times the root of the longer side), one rate serves
    both.

    Reference: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024; Liu et al., "Muon is
    scalable for LLM training", arXiv 2502.16982, section 2.2 (the matched rate).
    """

    def __init__(self, network: RethinedNetwork, config: TrainConfig) -> None:
        self._sources = _matrices(network)
        chosen = {id(parameter) for parameter, _ in self._sources}
        # Muon takes two axes only: it is given views on the kernels, which share their memory.
        self._views = [nn.Parameter(_matrix_of(parameter.detach(), branch)) for parameter, branch in self._sources]
        self._muon = torch.optim.Muon(
            self._views,
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            adjust_lr_fn="match_rms_adamw",
        )
        self._adamw = _adamw([p for p in network.parameters() if id(p) not in chosen], config)

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both, whose ``lr`` and ``weight_decay`` may be set; the last is of weights that never decay."""
        return [*self._muon.param_groups, *self._adamw.param_groups]

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """Forgets all gradients."""
        self._adamw.zero_grad(set_to_none=set_to_none)
        for parameter, _ in self._sources:
            parameter.grad = None

    def step(self) -> None:
        """One step by the gradients of the network's parameters."""
        for view, (parameter, branch) in zip(self._views, self._sources, strict=True):
            view.grad = None if parameter.grad is None else _matrix_of(parameter.grad, branch)
        self._muon.step()
        self._adamw.step()

    def state_dict(self) -> dict[str, Any]:
        """Moments and settings of both."""
        return {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what :meth:`state_dict` gave."""
        self._muon.load_state_dict(state["muon"])
        self._adamw.load_state_dict(state["adamw"])


def make_optimizer(network: RethinedNetwork, config: TrainConfig) -> torch.optim.Optimizer | MixedOptimizer:
    """The optimiser that ``config.optimizer`` names; its last group is of weights that never decay."""
    if config.optimizer == "muon":
        return MixedOptimizer(network, config)
    return _adamw(list(network.parameters()), config)


def _adamw(parameters: list[nn.Parameter], config: TrainConfig) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=BETAS, fused=True)


def _matrices(network: RethinedNetwork) -> list[tuple[nn.Parameter, int]]:
    """Each branch of each kernel that mixes channels."""
    return [
        (unit.kernels, branch)
        for unit in network.modules()
        if isinstance(unit, MobileOneUnit) and unit.groups == 1
        for branch in range(len(unit.kernels))
    ]


def _matrix_of(kernels: Tensor, branch: int) -> Tensor:
    """``(branches, out, in, K, K)`` to the ``(out, in K K)`` matrix of one branch."""
    return kernels[branch].flatten(1)
