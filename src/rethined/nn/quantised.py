"""Activations and weights in the steps that a file of integers has, while the network is trained.

A network that has learned with its errors of rounding loses less by integers than one that is rounded afterwards. What
is rounded here is what the exported file rounds, nothing else: activations to eight bits per tensor, kernels to seven
bits per output channel. Gradients pass as if nothing had been rounded, but where a value was clipped.

Reference: Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
CVPR 2018.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd import Function

from rethined.errors import ConfigError

LEVELS = 255
"""Steps of an activation: eight bits."""
WEIGHT_LEVELS = 63
"""Steps of a weight to either side of 0: seven bits. Processors that add pairs of products in sixteen bits (x86 without
VNNI) clip the sums of eight."""
CALIBRATION_PASSES = 32
"""Passes in training that are watched and not rounded; two a step."""
CLIPPED_SHARE = 3e-5
"""Share of values that may lie beyond either end of a range: few, large ones would make steps coarse for all."""
WATCHED_VALUES = 1 << 17
"""Values of a pass that are looked at for its range, at most about twice as many."""


class Steps(NamedTuple):
    """How a tensor is rounded: to ``(q - zero) * size`` with whole numbers ``q`` in 0..255.

    Attributes:
        size: One step.
        zero: The number of 0, which has no error.
    """

    size: float
    zero: int


class ActivationQuantiser(nn.Module):
    """Rounds activations of one place in the network to 255 steps of a range that it has learned from the first passes.

    The first passes in training go through unchanged and tell the range, the mean of what all but a few of their values
    lie in. It is fixed from then on, and saved with the weights. In evaluation a quantiser that has seen no pass yet
    changes nothing either.

    Args:
        known: The range, where it is known beforehand, lowest and highest; then no pass is watched.
    """

    low: Tensor
    high: Tensor
    passes: Tensor

    def __init__(self, known: tuple[float, float] | None = None) -> None:
        super().__init__()
        low, high = known or (0.0, 0.0)
        self.register_buffer("low", torch.tensor(low))
        self.register_buffer("high", torch.tensor(high))
        self.register_buffer("passes", torch.tensor(CALIBRATION_PASSES if known else 0))
        self._steps: Steps | None = None
        self._is_calibrated = known is not None
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]

    @property
    def is_calibrated(self) -> bool:
        """Whether the range is known."""
        # Asked once and kept: a GPU would have to be waited for in every pass.
        if not self._is_calibrated:
            self._is_calibrated = int(self.passes) >= CALIBRATION_PASSES
        return self._is_calibrated

    @property
    def is_in_use(self) -> bool:
        """Whether something has been rounded by the range, which then changes no more."""
        return self._steps is not None

    @property
    def steps(self) -> Steps:
        """How values are rounded.

        Raises:
            ConfigError: The range is not known yet.
        """
        if not self.is_calibrated:
            raise ConfigError(
                f"the network has been watched for {int(self.passes)} passes; its ranges are known after"
                f" {CALIBRATION_PASSES}: train it for {CALIBRATION_PASSES // 2} steps or more"
            )
        if self._steps is None:
            low, high = min(float(self.low), 0.0), max(float(self.high), 0.0)
            size = max(high - low, 1e-6) / LEVELS
            self._steps = Steps(size, round(-low / size))
        return self._steps

    def forward(self, x: Tensor) -> Tensor:
        """The values of ``x``, ``(N, C, H, W)`` of any float dtype, as they are in steps."""
        if not self.is_calibrated:
            if self.training:
                self._watch(x.detach())
            return x
        size, zero = self.steps
        if self.training:
            rounded: Tensor = _Rounded.apply(x, size, -zero, LEVELS - zero)  # type: ignore[no-untyped-call]
            return rounded
        # The same by torch's own operator, which exporters know: it is slower, and would be slow to train with.
        return torch.fake_quantize_per_tensor_affine(x, size, zero, 0, LEVELS)

    def _watch(self, x: Tensor) -> None:
        """Takes the range of one pass into the mean of all."""
        # As the values lie in memory, channels last; a view, so that nothing is copied but what is looked at.
        values = x.permute(0, 2, 3, 1).flatten()
        values = values[:: max(1, len(values) // WATCHED_VALUES)].float().sort().values
        clipped = int(CLIPPED_SHARE * len(values))
        share = 1 / (int(self.passes) + 1)
        self.low.lerp_(values[clipped], share)
        self.high.lerp_(values[-1 - clipped], share)
        self.passes += 1


def rounded(x: Tensor, quantiser: ActivationQuantiser | None) -> Tensor:
    """``x`` as a quantiser makes it; ``x`` itself where there is none."""
    if quantiser is None:
        return x
    y: Tensor = quantiser(x)
    return y


def is_rounding(quantiser: ActivationQuantiser | None) -> bool:
    """Whether there is a quantiser that rounds. One that has watched a ReLU then clips at 0 as that does."""
    return quantiser is not None and quantiser.is_calibrated


def round_weights(weight: Tensor) -> Tensor:
    """Kernels ``(out, in, K, K)`` in steps of their own for each output channel, from -63 to 63; gradients pass."""
    rounded: Tensor = _RoundedWeights.apply(weight)  # type: ignore[no-untyped-call]
    return rounded


def weight_steps(weight: Tensor) -> Tensor:
    """One step of each output channel of kernels ``(out, in, K, K)``: ``(out,)``."""
    return (weight.flatten(1).abs().amax(1) / WEIGHT_LEVELS).clamp_min(1e-12)


def _forget(module: nn.Module, incompatible: object) -> None:  # noqa: ARG001 - called by torch
    """What was derived from a range goes when another one is loaded."""
    if isinstance(module, ActivationQuantiser):
        module._steps, module._is_calibrated = None, False


class _Rounded(Function):
    """Rounds to whole steps and clips; the gradient is 0 where a value was at an end of the range or beyond."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: float, lowest: int, highest: int) -> Tensor:  # noqa: ANN401
        ctx.save_for_backward(x)
        ctx.ends = (lowest * size, highest * size)
        # In place, for each pass over the values counts; whole numbers up to 256 are exact in bfloat16 too.
        return x.div(size).round_().clamp_(lowest, highest).mul_(size)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN401
        (x,) = ctx.saved_tensors
        return torch.ops.aten.hardtanh_backward(gradient, x, *ctx.ends), None, None, None


class _RoundedWeights(Function):
    """Rounds kernels; the gradient passes unchanged, for nothing is clipped."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:  # noqa: ANN401, ARG004
        size = weight_steps(weight).view(-1, 1, 1, 1)
        return weight.div(size).round_().mul_(size)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401, ARG004
        return gradient


__all__ = [
    "CALIBRATION_PASSES",
    "LEVELS",
    "WEIGHT_LEVELS",
    "ActivationQuantiser",
    "Steps",
    "is_rounding",
    "round_weights",
    "rounded",
    "weight_steps",
]
