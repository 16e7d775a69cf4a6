from __future__ import annotations

import json
from typing import Any

import pytest

from rethined.errors import ConfigError
from rethined.train.config import TrainConfig


def test_rate_rises_stays_and_falls_to_nothing() -> None:
    config = TrainConfig(steps=10, warmup_steps=4, cooldown_steps=3, learning_rate=1.2)
    rates = [config.learning_rate_at(step) for step in range(11)]
    assert rates == pytest.approx([0.3, 0.6, 0.9, 1.2, 1.2, 1.2, 1.2, 1.2, 0.8, 0.4, 0.0])


@pytest.mark.parametrize(("cooldown_steps", "last"), [(0, 1.0), (1, 1.0), (100, 0.01)])
def test_rate_of_the_last_step(cooldown_steps: int, last: float) -> None:
    config = TrainConfig(steps=100, warmup_steps=1, cooldown_steps=cooldown_steps, learning_rate=1.0)
    assert config.learning_rate_at(99) == pytest.approx(last)


def test_longer_runs_are_the_same_until_the_cooldown() -> None:
    short, long = (TrainConfig(steps=steps, warmup_steps=5, cooldown_steps=10) for steps in (40, 80))
    assert [short.learning_rate_at(s) for s in range(31)] == [long.learning_rate_at(s) for s in range(31)]
    assert short.learning_rate_at(31) < long.learning_rate_at(31)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop_px": 0}, "crop_px is 0; expected a positive multiple of 32"),
        ({"crop_px": 100}, "crop_px is 100; expected a positive multiple of 32"),
        *(
            ({name: value}, rf"{name} is {value}; expected more than 0")
            for name in (
                "samples_per_step",
                "samples_per_photo",
                "steps",
                "warmup_steps",
                "learning_rate",
                "clip_norm",
                "feature_every",
                "discriminator_learning_rate",
            )
            for value in (0, -1)
        ),
        *(
            ({name: -1}, f"{name} is -1; expected 0 or more")
            for name in (
                "window_photos",
                "frequency_weight",
                "adversarial_weight",
                "adversarial_features",
                "adversarial_r1",
            )
        ),
        ({"adversarial_form": "wgan"}, "adversarial_form is 'wgan'; expected one of hinge, non-saturating"),
        *(
            ({"feature_strides": strides}, r"feature_strides is \[.*\]; expected some of 2, 4, 8, 16, 32 in this order")
            for strides in ((), (4, 2), (2, 2), (3,), (64,))
        ),
        ({"feature_px": 0}, "feature_px is 0; expected a positive multiple of 32"),
        ({"feature_px": 48}, "feature_px is 48; expected a positive multiple of 32"),
        ({"discriminator_layers": 0}, "discriminator_layers is 0; expected 1 to 5"),
        ({"discriminator_layers": 6}, "discriminator_layers is 6; expected 1 to 5"),
        ({"optimizer": "sgd"}, "optimizer is 'sgd'; expected one of muon, adamw"),
        ({"procedural_share": 1.5}, r"procedural_share is 1\.5; expected 0 to 1"),
        ({"enlarged_share": 2.0}, r"enlarged_share is 2\.0; expected 0 to 1"),
        ({"copied_share": -0.5}, r"copied_share is -0\.5; expected 0 to 1"),
        ({"transferred_share": 1.5}, r"transferred_share is 1\.5; expected 0 to 1"),
        (
            {"transferred_share": 0.5, "taught": True},
            r"transferred_share is 0\.5 while taught is set; expected 0: the teacher's fill",
        ),
        ({"ema_decay": 1.0}, r"ema_decay is 1\.0; expected at least 0 and below 1"),
        ({"ema_decay": -0.1}, r"ema_decay is -0\.1"),
        ({"steps": 10, "cooldown_steps": 11}, r"cooldown_steps is 11; expected 0 to steps \(10\)"),
        ({"cooldown_steps": -1}, "cooldown_steps is -1"),
    ],
)
def test_refused_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**settings)


def test_plain_values_for_a_file() -> None:
    values = TrainConfig(seed=3).to_dict()
    assert json.loads(json.dumps(values))["seed"] == 3
    assert values["network"]["descriptor_size"] == 64  # type: ignore[index]
