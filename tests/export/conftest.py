from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from rethined.export.artefact import write_artefact
from rethined.export.contract import Contract, Precision
from rethined.export.formats import FORMATS
from rethined.export.forms import Form, lr_form, pipeline_form
from rethined.export.network import Weights
from rethined.export.photos import Sample, feed_of
from rethined.nn.network import NetworkConfig, RethinedNetwork

SamplesOf = Callable[[Form], list[Sample]]
Write = Callable[..., tuple[Path, Contract]]

TINY = NetworkConfig((8, 16, 16, 16), (1, 1, 1), 1, (1, 1, 1), descriptor_size=8)


def tiny_weights(head_scale: float) -> Weights:
    """A small network of random weights; with a head of zero its fill is the prefill."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = RethinedNetwork(TINY)
        for parameter in network.to_residual.parameters():
            torch.nn.init.normal_(parameter, std=head_scale)
        torch.nn.init.constant_(network.log_temperature, -3)
    return Weights(network.deploy(), "c0ffee")


@pytest.fixture(scope="session")
def weights() -> Weights:
    return tiny_weights(0.3)


@pytest.fixture(scope="session")
def zero_head_weights() -> Weights:
    return tiny_weights(0)


@pytest.fixture(scope="session", params=["lr of any size", "lr", "pipeline"])
def form(request: pytest.FixtureRequest, weights: Weights) -> Form:
    if request.param == "pipeline":
        return pipeline_form(weights, (64, 64), 128)
    return lr_form(weights, None if request.param == "lr of any size" else (64, 64))


@pytest.fixture(scope="session")
def samples_of() -> SamplesOf:
    """Smooth random pictures under a box, at the size of the form or, where that is open, at two that differ."""

    def samples(form: Form) -> list[Sample]:
        rng = np.random.default_rng(5)
        found = []
        for index in range(2):
            height, width = form.inputs[0].shape[2:]
            size_hw = (64 + 32 * index, 96) if isinstance(height, str) else (height, int(width))
            coarse = rng.integers(0, 256, (size_hw[0] // 8, size_hw[1] // 8, 3), np.uint8)
            original = np.asarray(cv2.resize(coarse, size_hw[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)
            hole = np.zeros(size_hw, bool)
            hole[size_hw[0] // 3 : size_hw[0] // 2, size_hw[1] // 4 : size_hw[1] // 2] = True
            found.append(Sample(f"planted {index}", original, hole, feed_of(form, original, hole)))
        return found

    return samples


@pytest.fixture(scope="session")
def write(samples_of: SamplesOf) -> Write:
    """Writes a form into a folder."""

    def written(form: Form, format_name: str, folder: Path, precision: Precision = "fp32") -> tuple[Path, Contract]:
        made = FORMATS[format_name]
        out = folder / f"net{made.suffix}"
        calibration = [sample.feed for sample in samples_of(form)] if precision == "int8" else []
        return out, write_artefact(form, made, out, precision=precision, calibration=calibration)

    return written
