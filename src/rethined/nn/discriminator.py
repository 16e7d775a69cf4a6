"""The network that tells fills from photographs, patch by patch; it is trained beside the other and never shipped."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

WIDTHS = (16, 48, 96, 96, 96)
"""Channels at 1/2, 1/4, ... of the input's resolution. Fewer than usual: with three layers, the passes of both sides
together still are more than a quarter of what the network itself computes."""
SLOPE = 0.2


class Verdict(NamedTuple):
    """What the discriminator says of a picture of H x W pixels.

    Attributes:
        scores: ``(N, 1, H / 2^n, W / 2^n)`` float32 for n layers; higher is more real.
        features: The maps before, a layer's each, ``(N, 16, H / 2, W / 2)`` first.
    """

    scores: Tensor
    features: list[Tensor]


class PatchDiscriminator(nn.Module):
    """Convolutions of stride 2 and one that scores, all with spectral normalisation.

    ``compute_dtype`` is the type of all activations but the scores.

    Args:
        layers: How many of stride 2, 1 to 5: a score sees 8, 18, 38, 78 or 158 px a side.

    References: patches: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
    section 3.2.2; spectral normalisation: Miyato et al., ICLR 2018.
    """

    def __init__(self, layers: int = 3) -> None:
        super().__init__()
        self.compute_dtype = torch.float32
        widths = WIDTHS[:layers]
        pairs = zip((3, *widths), widths, strict=False)
        self.layers = nn.ModuleList(spectral_norm(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in pairs)
        self.to_score = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, picture: Tensor) -> Verdict:
        """The verdict on ``(N, 3, H, W)`` in 0..1, sides multiples of two to the number of layers."""
        x = (2 * picture - 1).to(self.compute_dtype, memory_format=torch.channels_last)
        features = []
        for layer in self.layers:
            x = functional.leaky_relu(_conv(layer, x), SLOPE)
            features.append(x)
        return Verdict(_conv(self.to_score, x).float(), features)


def _conv(layer: nn.Module, x: Tensor) -> Tensor:
    assert isinstance(layer, nn.Conv2d)  # noqa: S101 - all of them are
    assert layer.bias is not None  # noqa: S101
    return functional.conv2d(x, layer.weight.to(x.dtype), layer.bias.to(x.dtype), layer.stride, layer.padding)
