"""Everything that defines a training run."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal, get_args

from rethined.errors import ConfigError
from rethined.losses.adversarial import AdversarialForm
from rethined.nn.network import SIZE_MULTIPLE, NetworkConfig

OptimizerName = Literal["muon", "adamw"]

_SOME_STRIDES = {strides for count in range(1, 6) for strides in combinations((2, 4, 8, 16, 32), count)}
_ABOVE_ZERO = (
    "samples_per_step",
    "samples_per_photo",
    "steps",
    "warmup_steps",
    "learning_rate",
    "clip_norm",
    "feature_every",
    "discriminator_learning_rate",
)
_NOT_BELOW_ZERO = (
    "window_photos",
    "inner_weight",
    "frequency_weight",
    "adversarial_weight",
    "adversarial_features",
    "adversarial_r1",
)
_NUMBERS: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (("crop_px", "feature_px"), lambda x: x > 0 and x % SIZE_MULTIPLE == 0, f"a positive multiple of {SIZE_MULTIPLE}"),
    (_ABOVE_ZERO, lambda x: x > 0, "more than 0"),
    (_NOT_BELOW_ZERO, lambda x: x >= 0, "0 or more"),
    (("procedural_share", "copied_share", "enlarged_share", "transferred_share"), lambda x: 0 <= x <= 1, "0 to 1"),
    (("discriminator_layers",), lambda x: 1 <= x <= 5, "1 to 5"),
    (("ema_decay",), lambda x: 0 <= x < 1, "at least 0 and below 1"),
)
"""Settings, what their numbers have to be like, and that in words."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a run; two runs with equal settings and photographs give equal weights on the same machine.

    The learning rate rises over ``warmup_steps``, stays, and falls to nothing over the last ``cooldown_steps``. A run
    can be made longer later by raising ``steps``, as long as its cooldown has not begun.

    Attributes:
        network: Shape of the network.
        seed: Start of all randomness.
        crop_px: Side of the training crops; a multiple of 32.
        samples_per_step: Samples of a step; each gives a coarse and a fine crop.
        window_photos: Photographs that are kept decoded at a time and drawn from; 0 keeps all of them.
        samples_per_photo: Samples after which that window moves on to the next photograph.
        procedural_share: Share of samples, 0..1, that see a drawn picture of edges and repeated things in place of a
            photograph.
        copied_share: Share of samples, 0..1, whose coarse view is prefilled with copies where the hole is deep, as the
            engine prefills its first look.
        enlarged_share: Share of samples, 0..1, whose fine view is the coarse one enlarged, as the engine's last look at
            a small picture is.
        steps: Length of the run.
        warmup_steps: Steps of rising learning rate.
        cooldown_steps: Steps of falling learning rate at the end.
        optimizer: ``muon`` (for kernels that mix channels; AdamW for the rest) or ``adamw``.
        learning_rate: Peak rate.
        weight_decay: Weight decay, on convolution kernels only.
        clip_norm: Largest norm of the gradient.
        ema_decay: Decay of the averaged weights per step.
        inner_weight: Weight of the fill's error far inside a hole, at the rim being 1; what cannot be known there is
            noise to the training.
        matching_weight: Weight of the oracle supervision of the matching.
        feature_weight: Weight of the feature distance; 0 leaves it out.
        feature_every: The feature distance is taken in one of this many steps.
        feature_px: Side of the window round a hole pixel that it and the next two look at in each crop; a multiple of
            32.
        varied_windows: Whether these windows are mirrored, turned, shifted by pixels and shrunk by chance
            (:mod:`rethined.losses.variants`); else the network learns patterns that only the loss takes for detail.
        transferred_share: Share of fills, 0..1, that these losses see as the transfer leaves them, with copies in them
            (:mod:`rethined.losses.transferred`), not as the network does.
        feature_strides: Which feature maps it compares: the last ones at these strides, some of 2, 4, 8, 16, 32.
        frequency_weight: Weight of the focal frequency loss; 0 leaves it out.
        adversarial_weight: Weight of the adversarial term; 0 leaves it out, and the discriminator with it.
        adversarial_form: ``hinge`` or ``non-saturating``.
        adversarial_features: Weight of the distance of the discriminator's features, in units of
            ``adversarial_weight``.
        adversarial_r1: Weight of the R1 penalty on the discriminator; 0 leaves it out.
        discriminator_layers: Its convolutions of stride 2, 1 to 5; with 3 it sees 38 px a side, with 4 78, with 5 158.
        discriminator_learning_rate: Peak rate of the discriminator; it rises and falls with the other.
        taught: Whether the network learns to give what the weights it began with give, not what the photograph shows:
            their fill in place of the truth, their descriptors in place of the oracle's supervision. What is lost by
            rounding can so be won back without learning anything else.
        use_bfloat16: Whether activations are bfloat16, where there are instructions for it.
    """

    network: NetworkConfig = field(default_factory=NetworkConfig)
    seed: int = 0
    crop_px: int = 256
    samples_per_step: int = 8
    window_photos: int = 0
    samples_per_photo: int = 16
    procedural_share: float = 0.0
    copied_share: float = 0.0
    enlarged_share: float = 0.0
    steps: int = 100_000
    warmup_steps: int = 200
    cooldown_steps: int = 4_000
    optimizer: OptimizerName = "muon"
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    ema_decay: float = 0.999
    inner_weight: float = 0.1
    matching_weight: float = 0.02
    feature_weight: float = 0.0
    feature_every: int = 1
    feature_px: int = 128
    varied_windows: bool = True
    transferred_share: float = 0.0
    feature_strides: tuple[int, ...] = (2, 4, 8)
    frequency_weight: float = 0.0
    adversarial_weight: float = 0.0
    adversarial_form: AdversarialForm = "hinge"
    adversarial_features: float = 10.0
    adversarial_r1: float = 0.0
    discriminator_layers: int = 3
    discriminator_learning_rate: float = 4e-4
    taught: bool = False
    use_bfloat16: bool = True

    def __post_init__(self) -> None:
        for names, is_right, expected in _NUMBERS:
            for name in names:
                if not is_right(getattr(self, name)):
                    raise ConfigError(f"{name} is {getattr(self, name)}; expected {expected}")
        for name, known in (("optimizer", get_args(OptimizerName)), ("adversarial_form", get_args(AdversarialForm))):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(known)}")
        if self.feature_strides not in _SOME_STRIDES:
            raise ConfigError(
                f"feature_strides is {list(self.feature_strides)}; expected some of 2, 4, 8, 16, 32 in this order"
            )
        if self.taught and self.transferred_share:
            raise ConfigError(
                f"transferred_share is {self.transferred_share} while taught is set; expected 0: the teacher's fill,"
                " which stands for the truth then, has no copies in it"
            )
        if not 0 <= self.cooldown_steps <= self.steps:
            raise ConfigError(f"cooldown_steps is {self.cooldown_steps}; expected 0 to steps ({self.steps})")

    def learning_rate_at(self, step: int) -> float:
        """Rate of step number ``step``, the first being 0."""
        rise = min(1.0, (step + 1) / self.warmup_steps)
        left = self.steps - step
        fall = min(1.0, left / self.cooldown_steps) if self.cooldown_steps else 1.0
        return self.learning_rate * rise * fall

    def to_dict(self) -> dict[str, object]:
        """All settings as plain values, for a file."""
        return dataclasses.asdict(self)
