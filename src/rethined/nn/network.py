"""The network: from a prefilled picture and its hole to a fill and to descriptors for matching.

One set of weights serves every scale: at the first the hole is prefilled by pull-push, at finer ones by the result of
the scale before. All work happens at 1/4 of the input's resolution and below; the only full-size operations are the
stride-4 stem that reads the input and the depth-to-space that writes the residual.

Reference: RETHINED, sections 3.2 (coarse model) and 3.3 (NeuralPatchMatch). The paper's network sees the masked picture
alone; ours sees a prefilled one with the hole map and predicts what to add.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from rethined.errors import ConfigError
from rethined.nn.cells import CELL_PX, cell_order
from rethined.nn.mobileone import RESIDUAL_GAIN, BranchForm, FusedUnit, MobileOneUnit
from rethined.nn.quantised import ActivationQuantiser, rounded

Quantised = Literal["nothing", "coarse", "all"]
"""Which convolutions are those of integers: none, those at 1/8 of the input's resolution and below, or all but the two
heads."""
UP_GAIN = 0.5
"""Initial gain of what comes up from a coarser stage, so that features keep about unit size down to the heads."""
RESIDUAL_SCALE = 0.1
"""Unit of the residual. The optimiser's first steps, equal in all weights, then move the fill by a few grey levels;
without it they move it by more than the picture's range, and the deep stages learn to be silent."""
TOKEN_PX = 8
"""Side of a matching token in input pixels (paper: patch size 8)."""
SIZE_MULTIPLE = 32
"""Height and width of an input must be multiples of this."""


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network.

    Attributes:
        widths: Channels at 1/4, 1/8, 1/16 and 1/32 of the input's resolution.
        encoder_blocks: Blocks at 1/4, 1/8 and 1/16 on the way down.
        middle_blocks: Blocks at 1/32.
        decoder_blocks: Blocks at 1/4, 1/8 and 1/16 on the way up.
        descriptor_size: Length d_k of the matching descriptors.
        branches: Parallel K x K branches in each unit while training.
        form: How branches are trained, see :mod:`rethined.nn.mobileone`.
        quantised: What is rounded as in a file of integers (:mod:`rethined.nn.quantised`): ``nothing``, ``coarse``
            (what works at 1/8 and below) or ``all``. The two heads never are.
    """

    widths: tuple[int, int, int, int] = (48, 96, 192, 384)
    encoder_blocks: tuple[int, int, int] = (2, 3, 6)
    middle_blocks: int = 12
    decoder_blocks: tuple[int, int, int] = (3, 6, 8)
    descriptor_size: int = 64
    branches: int = 1
    form: BranchForm = "online"
    quantised: Quantised = "nothing"


class NetworkOutput(NamedTuple):
    """What the network gives for an input of H x W pixels.

    Attributes:
        fill: ``(N, 3, H, W)``, prefill plus residual, everywhere; about 0..1 but not clipped.
        query: ``(N, d_k, H / 8, W / 8)``, unit length, for tokens that are to be filled.
        key: ``(N, d_k, H / 8, W / 8)``, unit length, for tokens that can be copied.
    """

    fill: Tensor
    query: Tensor
    key: Tensor


class CellOutput(NamedTuple):
    """What the network gives for an input of H x W pixels, before a picture is made of it.

    Attributes:
        residual: ``(N, 48, H / 4, W / 4)``, what to add to the prefill, in cells (:mod:`rethined.nn.cells`).
        query: As in :class:`NetworkOutput`.
        key: As in :class:`NetworkOutput`.
    """

    residual: Tensor
    query: Tensor
    key: Tensor


class ResidualBlock(nn.Module):
    """MobileOne's pair of a depthwise and a pointwise unit, with the second unit's skip taken round both.

    Features then keep their sign on the way through, which replaces what BatchNorm does for the published order.
    """

    def __init__(
        self, depthwise: MobileOneUnit, pointwise: MobileOneUnit, quantiser: ActivationQuantiser | None = None
    ) -> None:
        super().__init__()
        self.depthwise = depthwise
        self.pointwise = pointwise
        self.quantiser = quantiser

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pointwise(self.depthwise(x))
        return rounded(x + y, self.quantiser)

    def silence(self) -> None:
        """Makes it the identity, from which it can learn.

        Raises:
            ConfigError: It trains with BatchNorm, which has no such state.
        """
        self.pointwise.silence()


class RethinedNetwork(nn.Module):
    """Encoder-decoder of MobileOne units with two heads: a residual on the prefill and matching descriptors.

    ``compute_dtype`` is the type of all activations but the picture itself; training sets it to bfloat16.
    ``memory_format`` is how they lie in memory; channels last is what processors are fastest with.
    """

    def __init__(self, config: NetworkConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or NetworkConfig()
        self.compute_dtype = torch.float32
        self.memory_format = torch.channels_last
        quarter, eighth, sixteenth, bottom = config.widths
        if config.quantised not in get_args(Quantised):
            raise ConfigError(f"quantised is {config.quantised!r}; expected one of {', '.join(get_args(Quantised))}")
        # What works at 1/8 and below, and what works at 1/4.
        coarse, fine = config.quantised != "nothing", config.quantised == "all"

        def unit(in_channels: int, out_channels: int, **settings: object) -> MobileOneUnit:
            return MobileOneUnit(
                in_channels,
                out_channels,
                branches=config.branches,
                form=config.form,
                **settings,  # type: ignore[arg-type]
            )

        def quantiser(wanted: bool, known: tuple[float, float] | None = None) -> ActivationQuantiser | None:
            return ActivationQuantiser(known) if wanted else None

        def stack(channels: int, blocks: int, *, quantised: bool = coarse) -> nn.Sequential:
            return nn.Sequential(
                *(
                    ResidualBlock(
                        unit(channels, channels, groups=channels, quantised=quantised),
                        unit(
                            channels,
                            channels,
                            kernel_size=1,
                            skip=False,
                            gain=RESIDUAL_GAIN,
                            activation=False,
                            quantised=quantised,
                        ),
                        quantiser(quantised),
                    )
                    for _ in range(blocks)
                )
            )

        def down(in_channels: int, out_channels: int, *, quantised: bool = coarse) -> nn.Sequential:
            return nn.Sequential(
                unit(in_channels, in_channels, stride=2, groups=in_channels, quantised=quantised),
                unit(in_channels, out_channels, kernel_size=1, quantised=coarse),
            )

        def up(in_channels: int, out_channels: int, *, quantised: bool = coarse) -> MobileOneUnit:
            return unit(in_channels, out_channels, kernel_size=1, activation=False, gain=UP_GAIN, quantised=quantised)

        self.input_quantiser = quantiser(fine, (0.0, 1.0))
        self.coarse_quantiser = quantiser(coarse and not fine)
        self.sum16_quantiser, self.sum8_quantiser = quantiser(coarse), quantiser(coarse)
        self.sum4_quantiser = quantiser(fine)
        self.stem = unit(4, quarter, kernel_size=6, stride=CELL_PX, quantised=fine)
        self.encode4 = stack(quarter, config.encoder_blocks[0], quantised=fine)
        self.down8 = down(quarter, eighth, quantised=fine)
        self.encode8 = stack(eighth, config.encoder_blocks[1])
        self.down16 = down(eighth, sixteenth)
        self.encode16 = stack(sixteenth, config.encoder_blocks[2])
        self.down32 = down(sixteenth, bottom)
        self.middle = stack(bottom, config.middle_blocks)
        self.up16 = up(bottom, sixteenth)
        self.decode16 = stack(sixteenth, config.decoder_blocks[2])
        self.up8 = up(sixteenth, eighth)
        self.decode8 = stack(eighth, config.decoder_blocks[1])
        self.up4 = up(eighth, quarter, quantised=fine)
        self.decode4 = stack(quarter, config.decoder_blocks[0], quantised=fine)
        self.to_residual = nn.Conv2d(quarter, 3 * CELL_PX**2, 1)
        self.to_descriptors = nn.Conv2d(eighth, 2 * config.descriptor_size, 1)
        for parameter in self.to_residual.parameters():
            nn.init.zeros_(parameter)
        self.log_temperature = nn.Parameter(torch.tensor(-2.3))

    @property
    def temperature(self) -> Tensor:
        """Softmax temperature of the matching, a learned positive scalar."""
        return self.log_temperature.exp()

    def forward(self, prefilled: Tensor, hole: Tensor) -> NetworkOutput:
        """Fills one batch of pictures at one scale.

        Args:
            prefilled: ``(N, 3, H, W)`` float in 0..1, RGB with the hole prefilled; H and W multiples of 32.
            hole: ``(N, 1, H, W)`` float, 1 = fill, 0 = known.
        """
        at4, at8 = self._features(prefilled, hole)
        residual = functional.pixel_shuffle(_conv(self.to_residual, at4) * RESIDUAL_SCALE, CELL_PX)
        return NetworkOutput(prefilled + residual.to(prefilled.dtype), *self._descriptors(at8))

    def in_cells(self, prefilled: Tensor, hole: Tensor) -> CellOutput:
        """The same as :meth:`forward`, with the residual left in cells and in ``compute_dtype``; for training."""
        at4, at8 = self._features(prefilled, hole)
        return CellOutput(_conv(self.to_residual, at4, cell_order()) * RESIDUAL_SCALE, *self._descriptors(at8))

    def _features(self, prefilled: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([prefilled, hole], 1).to(self.compute_dtype, memory_format=self.memory_format)
        x = rounded(x, self.input_quantiser)
        at4 = self.encode4(self.stem(x))
        # Where integers begin at 1/8, what goes down is rounded between the two units: the first works at 1/4.
        thin, widen = self.down8
        at8 = self.encode8(widen(rounded(thin(at4), self.coarse_quantiser)))
        at16 = self.encode16(self.down16(at8))
        deep = self.middle(self.down32(at16))
        at16 = self.decode16(self._join(self.up16, deep, at16, self.sum16_quantiser))
        at8 = self.decode8(self._join(self.up8, at16, at8, self.sum8_quantiser))
        return self.decode4(self._join(self.up4, at8, at4, self.sum4_quantiser)), at8

    def _join(
        self, up: MobileOneUnit | FusedUnit, coarse: Tensor, fine: Tensor, quantiser: ActivationQuantiser | None
    ) -> Tensor:
        """What comes up from a coarser stage, and what the way down had at this one."""
        raised = _double(up(coarse))
        # Changes no value. But only with steps on both sides of it does a file enlarge integers.
        raised = raised if self.training else rounded(raised, up.quantiser)
        return rounded(raised + fine, quantiser)

    def _descriptors(self, at8: Tensor) -> tuple[Tensor, Tensor]:
        query, key = _conv(self.to_descriptors, at8).float().split(self.config.descriptor_size, dim=1)
        return _unit(query), _unit(key)

    def unquantised(self) -> RethinedNetwork:
        """A copy with the same weights that rounds nothing; in the mode and dtype of a new one."""
        plain = RethinedNetwork(replace(self.config, quantised="nothing"))
        plain.load_state_dict({name: x for name, x in self.state_dict().items() if not _is_range(name)})
        return plain

    def deploy(self) -> RethinedNetwork:
        """A copy in which every unit is one convolution; same outputs, evaluation mode, no gradients."""
        fused = RethinedNetwork(self.config)
        fused.load_state_dict(self.state_dict())
        for parent in list(fused.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, MobileOneUnit):
                    setattr(parent, name, child.fuse())
        return fused.eval().requires_grad_(False)

    def load_fused(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over the weights of a deploy form, to go on training from them.

        Stacks may have become longer since: blocks that the tensors lack begin as the identity, so that the network
        computes what the shorter one did. They learn from the first step, for the gradient of what they add is not 0.

        Args:
            tensors: State of :meth:`deploy`'s result, as shipped, of this network or of one that has fewer blocks.

        Raises:
            ConfigError: The tensors are those of another network.
        """
        blocks = {name: module for name, module in self.named_modules() if isinstance(module, ResidualBlock)}
        tensors = {name: t for name, t in tensors.items() if not _is_range(name)}
        given = {name: t.shape for name, t in tensors.items()}
        added = [name for name in blocks if not any(key.startswith(f"{name}.") for key in given)]
        of_added = tuple(f"{name}." for name in added)
        deployed = self.deploy().named_parameters()  # without ranges, which the tensors need not have
        expected = {name: t.shape for name, t in deployed if not name.startswith(of_added)}
        if given != expected:
            raise ConfigError(
                "the tensors do not fit this network; start from weights of the same NetworkConfig, or of one that has"
                " fewer blocks and is else the same"
            )
        rest = {name: t.float() for name, t in tensors.items()}
        for name, module in self.named_modules():
            if isinstance(module, MobileOneUnit) and f"{name}.weight" in rest:
                module.unfuse(rest.pop(f"{name}.weight"), rest.pop(f"{name}.bias"))
        for name in added:
            blocks[name].silence()
        self.load_state_dict(rest, strict=False)


def count_fused_parameters(network: RethinedNetwork) -> int:
    """Parameters of the deploy form."""
    return sum(p.numel() for p in network.deploy().parameters())


def _is_range(name: str) -> bool:
    """Whether a tensor of a network's state is that of a quantiser."""
    return "quantiser" in name


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def _unit(x: Tensor) -> Tensor:
    """Unit length along the channels. ``functional.normalize`` would leave a shape to be found in exported graphs."""
    length: Tensor = x.norm(dim=1, keepdim=True)
    return x / length.clamp(min=1e-12)


def _conv(layer: nn.Conv2d, x: Tensor, order: Tensor | None = None) -> Tensor:
    """The convolution in the dtype of ``x``, its output channels in ``order``."""
    weight, bias = layer.weight, layer.bias
    assert bias is not None  # noqa: S101 - both heads are built with a bias
    if order is not None:
        order = order.to(weight.device)
        weight, bias = weight[order], bias[order]
    return functional.conv2d(x, weight.to(x.dtype), bias.to(x.dtype))


__all__ = ["CellOutput", "FusedUnit", "NetworkConfig", "NetworkOutput", "RethinedNetwork", "count_fused_parameters"]
