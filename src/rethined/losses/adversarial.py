"""A fill that a discriminator takes for real: the terms of both sides.

A score belongs to a patch; it counts by the share of hole in the cell that the patch is centred on, on either side:
what is known is the truth in both pictures and teaches nothing.

References: hinge: Lim, Ye, "Geometric GAN", arXiv 1705.02894; non-saturating: Goodfellow et al., "Generative
Adversarial Nets", NeurIPS 2014, section 3; feature matching: Wang et al., "High-Resolution Image Synthesis and Semantic
Manipulation with Conditional GANs" (pix2pixHD), CVPR 2018, equation 4; R1: Mescheder, Geiger, Nowozin, "Which Training
Methods for GANs do actually Converge?", ICML 2018, equation 9.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from rethined.nn.discriminator import PatchDiscriminator, Verdict
from rethined.nn.processes import mean_of_all

AdversarialForm = Literal["hinge", "non-saturating"]


def fooling(fake: Tensor, hole: Tensor, form: AdversarialForm) -> Tensor:
    """What the network pays for fills that are recognised.

    Args:
        fake: ``(N, 1, h, w)`` float, scores of filled pictures; higher is more real.
        hole: ``(N, 1, H, W)`` float, 1 = fill.
        form: Of the game.
    """
    return _mean_in_hole(-fake if form == "hinge" else functional.softplus(-fake), hole)


def recognising(real: Tensor, fake: Tensor, hole: Tensor, form: AdversarialForm) -> Tensor:
    """What the discriminator pays for not telling fills from the truth; arguments as in :func:`fooling`."""
    if form == "hinge":
        return _mean_in_hole(functional.relu(1 - real) + functional.relu(1 + fake), hole)
    return _mean_in_hole(functional.softplus(-real) + functional.softplus(fake), hole)


def feature_matching(fake: Sequence[Tensor], real: Sequence[Tensor], hole: Tensor) -> Tensor:
    """Mean distance of the discriminator's features of a fill from those of the truth, over the hole and over layers.

    Args:
        fake: A feature map ``(N, C, h, w)`` of each layer.
        real: The same of the truth.
        hole: ``(N, 1, H, W)`` float, 1 = fill.
    """
    layers = [
        _mean_in_hole((ours.float() - theirs.float()).abs().mean(1, keepdim=True), hole)
        for ours, theirs in zip(fake, real, strict=True)
    ]
    return torch.stack(layers).mean()


def gradient_penalty(discriminator: PatchDiscriminator, target: Tensor) -> Tensor:
    """Half the squared length of the gradient of all scores of a true picture, mean over pictures (R1)."""
    target = target.detach().requires_grad_()
    verdict: Verdict = discriminator(target)
    (slope,) = torch.autograd.grad(verdict.scores.sum(), target, create_graph=True)
    return slope.square().sum((1, 2, 3)).mean() / 2


def _mean_in_hole(values: Tensor, hole: Tensor) -> Tensor:
    height, width = values.shape[2:]
    weight = functional.adaptive_avg_pool2d(hole, (height, width))
    return mean_of_all((values * weight).sum(), weight.sum(), at_least=1e-3)
