from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from rethined.ablate.measure import KINDS, Result, Ruler, to_markdown
from rethined.data.photos import Photo
from rethined.nn.network import NetworkConfig
from rethined.train.config import TrainConfig
from rethined.train.state import TrainState, new_state


@pytest.fixture(scope="module")
def ruler() -> Ruler:
    pixels = np.random.default_rng(0).integers(0, 256, (25, 25, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    return Ruler([Photo("noise", (pixels, pixels[::2, ::2], pixels[::4, ::4]))])


@pytest.fixture
def state() -> TrainState:
    network = NetworkConfig((8, 16, 16, 16), (1, 1, 1), 1, (1, 1, 1), descriptor_size=8)
    state = new_state(TrainConfig(network=network))
    state.step, state.position, state.minutes = 40, 320, 10.0
    return state


def test_an_untrained_network_gains_nothing_and_a_bad_one_loses(
    ruler: Ruler, state: TrainState, tmp_path: Path
) -> None:
    plain = ruler.measure("plain", state, tmp_path / "log.jsonl")
    assert (plain.name, plain.minutes, plain.steps, plain.crops) == ("plain", 10.0, 40, 640)
    assert plain.gains_db == {kind: pytest.approx(0, abs=1e-3) for kind in KINDS}
    assert math.isnan(plain.coarse_loss)
    torch.nn.init.constant_(state.average["to_residual.bias"], 3.0)
    bad = ruler.measure("bad", state, tmp_path / "log.jsonl")
    assert max(bad.gains_db.values()) < -2
    assert len(set(bad.gains_db.values())) == 3
    assert bad.feature_distance > plain.feature_distance > 0


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([10, 31, 32, 36], (0.35, 0.45, 3.5)),  # the last two of forty steps
        ([10, 20, 25, 31], (0.4, 0.5, 4.0)),  # none so late: the last there is
    ],
)
def test_final_losses_are_those_of_the_last_fifth(
    steps: list[int], expected: tuple[float, float, float], ruler: Ruler, state: TrainState, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    rows = [
        # Time stands for nothing: a run may have been held up at any step.
        {"step": at, "minutes": 9.9, "coarse_fill": n / 10, "fine_fill": n / 10 + 0.1, "coarse_matching": float(n)}
        for n, at in enumerate(steps, 1)
    ]
    # The last was reported before, by a run that was cut off.
    again = {**rows[-1], "coarse_fill": 99.0}
    log.write_text("".join(json.dumps(row) + "\n" for row in (*rows[:-1], again, rows[-1])))
    result = ruler.measure("x", state, log)
    assert (result.coarse_loss, result.fine_loss, result.matching_loss) == pytest.approx(expected)


def test_the_table() -> None:
    gains = dict(zip(KINDS, (1.234, -0.1, 0.0), strict=True))
    results = [
        Result("plain", 12.34, 1200, 19_200, 0.05, 0.0412, 4.3219, gains, 0.87654),
        Result("short", 0.1, 3, 6, math.nan, math.nan, math.nan, gains, 1.0),
    ]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in to_markdown(results).splitlines()]
    kinds = ["lama-thin, dB", "lama-medium, dB", "df8k-blobs, dB"]
    assert rows[0] == [
        "variant",
        "minutes",
        "steps",
        "crops",
        "loss, coarse",
        "loss, fine",
        "matching",
        *kinds,
        "features",
    ]
    assert rows[2:] == [
        ["plain", "12.3", "1,200", "19,200", "0.0500", "0.0412", "4.322", "+1.23", "-0.10", "+0.00", "0.8765"],
        ["short", "0.1", "3", "6", "n/a", "n/a", "n/a", "+1.23", "-0.10", "+0.00", "1.0000"],
    ]
