"""What each of two processes does in train/test_processes.py, which starts them as torchrun would."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rethined.cli import main
from rethined.data.photos import Photo
from rethined.data.samples import Sampler
from rethined.losses.features import FeatureDistance
from rethined.nn.network import NetworkConfig
from rethined.nn.processes import place
from rethined.train import loop
from rethined.train.config import TrainConfig
from rethined.train.device import CPU
from rethined.train.loop import train
from rethined.train.processes import joined
from rethined.train.state import new_state

CONFIG = TrainConfig(
    network=NetworkConfig((8, 16, 16, 16), (1, 1, 1), 1, (1, 1, 1), descriptor_size=8),
    crop_px=64,
    samples_per_step=4,
    steps=2,
    warmup_steps=1,
    cooldown_steps=0,
    optimizer="adamw",
    matching_weight=1.0,
    feature_weight=1.0,
    feature_px=64,
    varied_windows=True,
    transferred_share=0.5,
    frequency_weight=30.0,
    adversarial_weight=0.3,
    adversarial_features=3.0,
    adversarial_r1=1.0,
    use_bfloat16=False,
)
"""Losses that weigh alike, so that none hides behind another."""


def take_two_steps(pictures: list[NDArray[np.uint8]], out: Path) -> dict[str, Any]:
    """Gradients of the second step and weights after it."""
    photos = [Photo(str(n), (x, x[::2, ::2], x[::4, ::4])) for n, x in enumerate(pictures)]
    state = new_state(CONFIG)
    # As no photograph is like another, neither is the loss: gradients are far from nothing.
    for parameter in state.network.to_residual.parameters():
        torch.nn.init.normal_(parameter, std=0.5, generator=torch.Generator().manual_seed(0))
    # In bfloat16 the last bit of a fill may move a whole step, and a gradient by a thousandth.
    features = FeatureDistance().float()
    train(state, CONFIG, Sampler(photos, seed=0, crop_px=64), out, feature_loss=features)
    network = dict(state.network.named_parameters())
    return {
        "gradients": {name: p.grad for name, p in network.items()},
        "weights": {name: p.detach() for name, p in network.items()},
        "average": state.average,
        "position": state.position,
    }


def run(work: Path) -> None:
    torch.set_num_threads(1)
    loop.REPORT_EVERY = 1
    with joined(CPU):
        rank, _ = place()
        torch.save(take_two_steps(list(np.load(work / "pictures.npy")), work / "two-steps"), work / f"{rank}.pt")
        for out, steps in (("whole", 2), ("parts", 1), ("parts", 2)):
            options = ["--config", str(work / "run.toml"), "--steps", str(steps), "--cache", str(work / "cache")]
            assert main(["train", str(work / "photos"), "--out", str(work / out), *options]) == 0


if __name__ == "__main__":
    run(Path(sys.argv[1]))
