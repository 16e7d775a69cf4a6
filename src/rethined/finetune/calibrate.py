"""The ranges of activations that a file of integers needs, for weights that have been trained without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rethined.data.photos import Photo
from rethined.export.onnx import export_tensors
from rethined.train.config import TrainConfig
from rethined.train.loop import train
from rethined.train.run import make_sampler
from rethined.train.state import TrainState, new_state

SAMPLES_PER_STEP, STEPS = 16, 16
"""Those of configs/int8.toml. With a quarter of these samples the perceptual distance rises by twice as much."""


def calibrate(state: TrainState, photos: Sequence[Photo], settings: TrainConfig, work: Path) -> TrainState:
    """The averaged weights of a state, not moved, with ranges: what :func:`write_network` makes integers of.

    What the network does at 1/8 of the picture and below is to be computed in integers, as in the shipped file.

    Args:
        state: What was trained.
        photos: What to watch activations on.
        settings: Those it was trained with.
        work: Folder for what is written on the way.
    """
    config = replace(
        settings,
        network=replace(settings.network, quantised="coarse"),
        samples_per_step=SAMPLES_PER_STEP,
        steps=STEPS,
        warmup_steps=1,
        cooldown_steps=0,
        learning_rate=1e-12,  # next to nothing: activations are watched, weights stay
        weight_decay=0.0,
        feature_weight=0.0,
    )
    weights = work / "weights.safetensors"
    export_tensors(state.averaged_network(), weights)
    ranged = new_state(config, weights, state.device)
    train(ranged, config, make_sampler(photos, config), work / "calibration")
    ranged.step, ranged.position, ranged.minutes = state.step, state.position, state.minutes
    return ranged
