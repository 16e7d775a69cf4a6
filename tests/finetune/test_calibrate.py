from __future__ import annotations

from pathlib import Path

import onnx
import torch

from rethined.data.photos import open_files, picture_files
from rethined.export.onnx import expect_ranges
from rethined.export.run import write_network
from rethined.finetune.calibrate import calibrate
from rethined.nn.network import NetworkConfig
from rethined.train.config import TrainConfig
from rethined.train.state import new_state

TINY = NetworkConfig((8, 16, 16, 16), (1, 1, 1), 1, (1, 1, 1), descriptor_size=8)
SETTINGS = TrainConfig(
    network=TINY, crop_px=32, samples_per_step=2, steps=3, warmup_steps=1, cooldown_steps=0, use_bfloat16=False
)


def test_weights_that_were_trained_without_become_a_file_of_integers(photos: Path, tmp_path: Path) -> None:
    state = new_state(SETTINGS)
    state.step, state.position, state.minutes = 3, 6, 0.5
    found, _ = open_files(picture_files(photos), tmp_path / "cache", show_progress=False)
    ranged = calibrate(state, list(found.values()), SETTINGS, tmp_path)
    expect_ranges(ranged.averaged_network())
    before, after = (each.averaged_network().unquantised().deploy().state_dict() for each in (state, ranged))
    for name, weight in before.items():
        # Between the two they were kept in half precision.
        torch.testing.assert_close(after[name], weight, atol=1e-3, rtol=2e-3, msg=name)
    assert (ranged.step, ranged.position, ranged.minutes) == (3, 6, 0.5)
    write_network(ranged, tmp_path / "mine.onnx", precision="int8", facts={})
    kinds = {node.op_type for node in onnx.load(tmp_path / "mine.onnx").graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
