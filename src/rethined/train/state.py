"""The state of a run, saved so that stopping and resuming changes nothing."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from rethined.errors import CheckpointError, ConfigError
from rethined.files import whole_or_nothing
from rethined.nn.network import NetworkConfig, RethinedNetwork
from rethined.train.adversary import Adversary, make_adversary
from rethined.train.config import TrainConfig
from rethined.train.device import CPU, compute_dtype
from rethined.train.optimizer import MixedOptimizer, make_optimizer

FORMAT = 2


@dataclass
class TrainState:
    """All that changes while a run goes on.

    Attributes:
        network: Weights being trained.
        average: Exponential moving average of the weights, by parameter name.
        optimizer: AdamW, or Muon and AdamW, with their moments.
        step: Steps done.
        position: Samples drawn.
        minutes: Wall-clock minutes spent in steps.
        adversary: Discriminator and its optimiser, where the settings ask for them.
        teacher: What the network is to give, where the settings ask for it: the weights it began with, in deploy form
            and single precision, rounding nothing.
    """

    network: RethinedNetwork
    average: dict[str, Tensor]
    optimizer: torch.optim.Optimizer | MixedOptimizer
    step: int = 0
    position: int = 0
    minutes: float = 0.0
    adversary: Adversary | None = None
    teacher: RethinedNetwork | None = None

    @property
    def device(self) -> torch.device:
        """What the network is on."""
        return next(self.network.parameters()).device

    def averaged_network(self) -> RethinedNetwork:
        """A copy of the network with the averaged weights, in float32, on the CPU."""
        copy = RethinedNetwork(self.network.config)
        copy.load_state_dict({**self.network.state_dict(), **self.average})
        return copy

    def update_average(self, decay: float) -> None:
        """Moves the average towards the weights; early on faster, so that the start is forgotten."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.values()), list(self.network.parameters()), 1 - decay)


def new_state(config: TrainConfig, start_from: Path | None = None, device: torch.device = CPU) -> TrainState:
    """State of a run that has not begun.

    Args:
        config: Settings of the run.
        start_from: A ``.safetensors`` file of trained weights to begin with; random ones when ``None``.
        device: What to train on; what a run begins with is the same on all of them.

    Raises:
        CheckpointError: ``start_from`` cannot be read.
        ConfigError: It holds another network, or ``config.taught`` is set and there is none.
    """
    if config.taught and start_from is None:
        raise ConfigError("taught is true and there are no weights to learn from; begin the run with --start-from FILE")
    torch.manual_seed(config.seed)
    network = RethinedNetwork(config.network)
    if start_from is not None:
        try:
            tensors = load_file(start_from)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{start_from} cannot be read as .safetensors weights ({error})") from error
        network.load_fused(tensors)
    state = _assemble(network, config, device)
    if config.taught:
        state.teacher = _teacher(network.unquantised().deploy(), device)
    return state


def save_state(state: TrainState, config: TrainConfig, path: Path) -> None:
    """Writes the state at once or not at all."""
    content = {
        "format": FORMAT,
        "config": config.to_dict(),
        "network": state.network.state_dict(),
        "average": state.average,
        "optimizer": state.optimizer.state_dict(),
        "step": state.step,
        "position": state.position,
        "minutes": state.minutes,
        "adversary": state.adversary.state_dict() if state.adversary else None,
        "teacher": state.teacher.state_dict() if state.teacher else None,
    }
    with whole_or_nothing(path) as partial:
        torch.save(content, partial)


def load_state(path: Path, config: TrainConfig, device: torch.device = CPU) -> TrainState:
    """The state saved at ``path``, on whatever device, to go on under ``config`` on ``device``.

    Raises:
        CheckpointError: The file is no state of this version, is damaged, or was made for another network or seed.
    """
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        return _resume(saved, path, config, device)
    except _DAMAGE as error:
        raise CheckpointError(
            f"{path} cannot be read as a training state ({type(error).__name__}); start with another --out"
        ) from error


_DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,
    pickle.UnpicklingError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
)
"""What torch raises for files that are cut, flipped or something else altogether."""


def _resume(saved: dict[str, Any], path: Path, config: TrainConfig, device: torch.device) -> TrainState:
    if saved.get("format") != FORMAT:
        raise CheckpointError(f"{path} has format {saved.get('format')}; this version reads {FORMAT}")
    for name, was, now in (
        ("network", NetworkConfig(**saved["config"]["network"]), config.network),
        ("seed", saved["config"]["seed"], config.seed),
        ("crop_px", saved["config"]["crop_px"], config.crop_px),
        ("optimizer", saved["config"]["optimizer"], config.optimizer),
        ("taught", saved["config"].get("taught", False), config.taught),
        *_discriminators(saved, config),
    ):
        if was != now:
            raise CheckpointError(
                f"{path} was made with {name} = {was}, this run has {now}; use the same or a new --out"
            )
    network = RethinedNetwork(config.network)
    network.load_state_dict(saved["network"])
    state = _assemble(network, config, device)
    state.average = {name: x.to(device) for name, x in saved["average"].items()}
    state.optimizer.load_state_dict(saved["optimizer"])
    for group in state.optimizer.param_groups[:-1]:
        # The saved groups carry the old setting with them; the last one holds what never decays.
        group["weight_decay"] = config.weight_decay
    if state.adversary and (adversary := saved.get("adversary")):
        # A run that had none until now begins with a new one.
        state.adversary.load_state_dict(adversary)
    if config.taught:
        teacher = network.unquantised().deploy()
        teacher.load_state_dict(saved["teacher"])
        state.teacher = _teacher(teacher, device)
    state.step, state.position, state.minutes = saved["step"], saved["position"], saved["minutes"]
    return state


def _discriminators(saved: dict[str, Any], config: TrainConfig) -> list[tuple[str, int, int]]:
    if saved.get("adversary") and config.adversarial_weight > 0:
        return [("discriminator_layers", saved["config"].get("discriminator_layers", 3), config.discriminator_layers)]
    return []  # it has none, or needs it no more


def _teacher(deployed: RethinedNetwork, device: torch.device) -> RethinedNetwork:
    if device.type == "cuda":
        deployed.memory_format = torch.contiguous_format  # as below
    return deployed.to(device)


def _assemble(network: RethinedNetwork, config: TrainConfig, device: torch.device) -> TrainState:
    # First: the optimiser keeps views on the weights.
    network.to(device)
    network.compute_dtype = compute_dtype(config, device)
    if device.type == "cuda":
        network.memory_format = torch.contiguous_format  # cuDNN's depthwise kernels are made for it
    average = {name: p.detach().clone() for name, p in network.named_parameters()}
    return TrainState(network, average, make_optimizer(network, config), adversary=make_adversary(config, device))


__all__ = ["TrainState", "load_state", "new_state", "save_state"]
