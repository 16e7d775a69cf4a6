"""The optimisers of a run: AdamW for all weights, or Muon for the matrices among them and AdamW for the rest."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from rethined.nn.mobileone import MobileOneUnit
from rethined.nn.network import RethinedNetwork
from rethined.train.config import TrainConfig
from rethined.train.device import fast_dtype

BETAS = (0.9, 0.98)
MATCHED_RATE = 0.2
"""By which, times the root of the longer side, a rate of AdamW's becomes one of Muon's."""


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
            adjust_lr_fn="match_rms_adamw",  # that of _take_muon_step
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
        _take_muon_step(self._muon)
        self._adamw.step()

    def state_dict(self) -> dict[str, Any]:
        """Moments and settings of both."""
        return {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Takes over what :meth:`state_dict` gave."""
        self._muon.load_state_dict(state["muon"])
        self._adamw.load_state_dict(state["adamw"])


@torch.no_grad()
def _take_muon_step(muon: torch.optim.Muon) -> None:
    """Its step, with matrices of one shape in one product, and in single precision where bfloat16 is slow.

    Torch's own step computes in bfloat16 anywhere, which takes thirty seconds on a processor with AVX2 alone.
    """
    for group in muon.param_groups:
        updates: dict[torch.Size, list[tuple[Tensor, Tensor]]] = {}
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            state = muon.state[parameter]
            if not state:
                state["momentum_buffer"] = torch.zeros_like(parameter.grad)
            average = state["momentum_buffer"].lerp_(parameter.grad, 1 - group["momentum"])
            update = parameter.grad.lerp(average, group["momentum"]) if group["nesterov"] else average
            updates.setdefault(update.shape, []).append((parameter, update))
        for shape, pairs in updates.items():
            steps = _orthogonal(torch.stack([update for _, update in pairs]), group)
            rate = group["lr"] * MATCHED_RATE * math.sqrt(max(shape))
            for (parameter, _), step in zip(pairs, steps, strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(step.to(parameter.dtype), alpha=-rate)


def _orthogonal(updates: Tensor, group: dict[str, Any]) -> Tensor:
    """Nearly the nearest orthogonal matrix to each of ``(N, rows, columns)``, by Newton and Schulz's iteration."""
    a, b, c = group["ns_coefficients"]
    is_tall = updates.shape[1] > updates.shape[2]
    x = updates.mT if is_tall else updates
    x = x.to(fast_dtype(x.device))
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=group["eps"])
    for _ in range(group["ns_steps"]):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x


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
