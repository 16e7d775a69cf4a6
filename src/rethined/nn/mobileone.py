"""The re-parameterised convolution the whole network is built of.

A unit trains as a sum of parallel branches (``branches`` K x K convolutions, a 1 x 1 convolution, a skip) and deploys
as one convolution. Reference: Vasu et al., "MobileOne: An Improved One millisecond Mobile Backbone", CVPR 2023,
section 3.2; RETHINED, section 3.5.

Two ways to train, behind ``form``:

``batchnorm``
    As published: every branch carries its own BatchNorm. Fusing uses the running statistics, so it is exact in
    evaluation mode only.
``online``
    The branches are summed *on the weights* in every step and a learned gain per channel takes the place of the
    normalisation. One convolution runs whatever the number of branches, and fusing is exact by construction.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from rethined.errors import ConfigError
from rethined.nn.depthwise import filter_channels
from rethined.nn.quantised import ActivationQuantiser, is_rounding, round_weights, rounded

BranchForm = Literal["online", "batchnorm"]

RESIDUAL_GAIN = 0.3
"""Initial gain of the learned branches beside a skip: deep stacks then start near the identity."""


class FusedUnit(nn.Module):
    """Deploy form of a unit: one convolution, then an optional ReLU.

    Shapes: ``(N, in_channels, H, W)`` to ``(N, out_channels, H / stride, W / stride)``, any float dtype; the weights
    are cast to the dtype of the input, so activations stay in one dtype from end to end.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        *,
        stride: int,
        padding: int,
        groups: int,
        activation: bool,
        quantiser: ActivationQuantiser | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())
        self.bias = nn.Parameter(bias.detach().clone())
        self.stride = stride
        self.padding = padding
        self.groups = groups
        self.activation = activation
        self.quantiser = quantiser

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of ``(N, in_channels, H, W)``."""
        y = functional.conv2d(
            x, self.weight.to(x.dtype), self.bias.to(x.dtype), self.stride, self.padding, groups=self.groups
        )
        y = functional.relu(y) if self.activation and not is_rounding(self.quantiser) else y
        return rounded(y, self.quantiser)


class MobileOneUnit(nn.Module):
    """Train form of a unit; :meth:`fuse` gives the deploy form.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Side of the K x K branches.
        stride: Step of the convolution; padding keeps ``H / stride`` exact for sizes that are multiples of it.
        groups: As in a convolution; ``in_channels`` gives a depthwise unit.
        branches: Number of parallel K x K branches, at least 1.
        form: How the branches are trained, see the module's text.
        activation: Whether a ReLU follows the sum.
        skip: Whether a skip branch is used where shapes allow it.
        gain: Initial gain of the learned branches (``online`` only); by default small beside a skip, else 1.
        quantised: Whether the kernel that the branches make, and the output, are rounded as in a file of integers
            (``online`` only).

    Raises:
        ConfigError: ``branches`` is below 1, ``form`` is none of the two, or is one that cannot be quantised.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        branches: int = 1,
        form: BranchForm = "online",
        activation: bool = True,
        skip: bool = True,
        gain: float | None = None,
        quantised: bool = False,
    ) -> None:
        super().__init__()
        if branches < 1:
            raise ConfigError(f"branches is {branches}; a unit needs at least 1 convolution branch")
        if form not in get_args(BranchForm):
            raise ConfigError(f"form is {form!r}; expected one of {', '.join(get_args(BranchForm))}")
        if quantised and form != "online":
            raise ConfigError(f"form is {form!r}; only a network of form 'online' can be quantised while it trains")
        self.quantiser = ActivationQuantiser() if quantised else None
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = max(0, (kernel_size - stride + 1) // 2)
        self.groups = groups
        self.activation = activation
        self.form: BranchForm = form
        has_skip = skip and in_channels == out_channels and stride == 1
        # Off-centre padding (the even stem) leaves no kernel position that reads the same pixel as a 1 x 1.
        has_pointwise = kernel_size > 1 and self.padding == kernel_size // 2
        fan_in = in_channels // groups * kernel_size**2

        self.kernels = nn.Parameter(
            torch.empty(branches, out_channels, in_channels // groups, kernel_size, kernel_size)
        )
        # He's factor of 2 makes up for what a ReLU takes away; without one it would double the variance.
        nn.init.normal_(self.kernels, std=((2.0 if activation else 1.0) / (fan_in * branches)) ** 0.5)
        self.pointwise = nn.Parameter(torch.zeros(out_channels, in_channels // groups, 1, 1)) if has_pointwise else None
        if form == "online":
            if gain is None:
                gain = RESIDUAL_GAIN if has_skip else 1.0
            self.gain = nn.Parameter(torch.full((out_channels,), gain))
            self.bias = nn.Parameter(torch.zeros(out_channels))
        else:
            self.norms = [nn.BatchNorm2d(out_channels) for _ in range(branches)]
            self.branch_norms = nn.ModuleList(self.norms)
            self.pointwise_norm = nn.BatchNorm2d(out_channels) if has_pointwise else None
            self.skip_norm = nn.BatchNorm2d(out_channels) if has_skip else None
            if self.pointwise is not None:
                nn.init.kaiming_normal_(self.pointwise)
        self.identity: Tensor | None
        self.register_buffer("identity", self._identity_kernel() if has_skip else None, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The sum of the branches of ``(N, in_channels, H, W)``."""
        y = self._forward_online(x) if self.form == "online" else self._forward_batchnorm(x)
        y = functional.relu_(y) if self.activation and not is_rounding(self.quantiser) else y
        return rounded(y, self.quantiser)

    def fuse(self) -> FusedUnit:
        """The same function as one convolution (for ``batchnorm``: the same as in evaluation mode)."""
        with torch.no_grad():
            weight, bias = self._merged() if self.form == "online" else self._merged_batchnorm()
        return FusedUnit(
            weight,
            bias,
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
            activation=self.activation,
            quantiser=self.quantiser,
        )

    def unfuse(self, weight: Tensor, bias: Tensor) -> None:
        """Sets the branches so that the unit computes what one convolution with ``weight`` and ``bias`` does.

        The first K x K branch takes it all; gains keep their values, the other branches become zero.

        Raises:
            ConfigError: The unit trains with BatchNorm, whose statistics a fused kernel no longer tells.
        """
        if self.form != "online":
            raise ConfigError(f"a unit of form {self.form!r} cannot start from fused weights; use form 'online'")
        with torch.no_grad():
            if self.identity is not None:
                weight = weight - self.identity
            self.kernels.zero_()
            self.kernels[0] = weight / self.gain.view(-1, 1, 1, 1)
            if self.pointwise is not None:
                self.pointwise.zero_()
            self.bias.copy_(bias)

    def silence(self) -> None:
        """Sets the branches so that the unit gives 0 for anything, as its start beside a skip.

        Raises:
            ConfigError: The unit trains with BatchNorm, or has a skip of its own.
        """
        if self.form != "online" or self.identity is not None:
            raise ConfigError("only a unit of form 'online' without a skip can begin at 0; use form 'online'")
        with torch.no_grad():
            self.kernels.zero_()
            if self.pointwise is not None:
                self.pointwise.zero_()
            self.bias.zero_()

    def _forward_online(self, x: Tensor) -> Tensor:
        weight, bias = self._merged()
        weight, bias = weight.to(x.dtype), bias.to(x.dtype)
        if self.groups == x.shape[1] == len(weight) and self.kernel_size % 2 == 1:
            return filter_channels(x, weight, bias, self.stride)
        return functional.conv2d(x, weight, bias, self.stride, self.padding, groups=self.groups)

    def _merged(self) -> tuple[Tensor, Tensor]:
        weight = self.kernels[0] if len(self.kernels) == 1 else self.kernels.sum(0)
        if self.pointwise is not None:
            weight = weight + functional.pad(self.pointwise, [self.kernel_size // 2] * 4)
        weight = weight * self.gain.view(-1, 1, 1, 1)
        if self.identity is not None:
            weight = weight + self.identity
        return (weight if self.quantiser is None else round_weights(weight)), self.bias

    def _forward_batchnorm(self, x: Tensor) -> Tensor:
        y: Tensor | None = None
        for kernel, norm in zip(self.kernels, self.norms, strict=True):
            branch = norm(functional.conv2d(x, kernel.to(x.dtype), None, self.stride, self.padding, groups=self.groups))
            y = branch if y is None else y + branch
        assert y is not None  # noqa: S101 - branches >= 1 is checked on construction
        if self.pointwise is not None and self.pointwise_norm is not None:
            y = y + self.pointwise_norm(
                functional.conv2d(x, self.pointwise.to(x.dtype), None, self.stride, groups=self.groups)
            )
        if self.skip_norm is not None:
            y = y + self.skip_norm(x)
        return y

    def _merged_batchnorm(self) -> tuple[Tensor, Tensor]:
        parts = [_fold(kernel, norm) for kernel, norm in zip(self.kernels, self.norms, strict=True)]
        if self.pointwise is not None and self.pointwise_norm is not None:
            parts.append(_fold(functional.pad(self.pointwise, [self.kernel_size // 2] * 4), self.pointwise_norm))
        if self.skip_norm is not None and self.identity is not None:
            parts.append(_fold(self.identity, self.skip_norm))
        weights, biases = zip(*parts, strict=True)
        return torch.stack(weights).sum(0), torch.stack(biases).sum(0)

    def _identity_kernel(self) -> Tensor:
        out_channels, per_group = self.kernels.shape[1:3]
        kernel = torch.zeros(out_channels, per_group, self.kernel_size, self.kernel_size)
        index = torch.arange(out_channels)
        kernel[index, index % per_group, self.kernel_size // 2, self.kernel_size // 2] = 1
        return kernel


def _fold(kernel: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution followed by ``norm`` in evaluation mode."""
    if norm.running_var is None or norm.running_mean is None:
        raise ConfigError("a BatchNorm without running statistics cannot be fused; train with track_running_stats")
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return kernel * scale.view(-1, 1, 1, 1), norm.bias - norm.running_mean * scale
