from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from rethined.errors import CheckpointError
from rethined.export.network import load_weights
from rethined.export.onnx import export_tensors
from rethined.nn.network import NetworkConfig, RethinedNetwork
from rethined.train.config import TrainConfig
from rethined.train.state import new_state, save_state
from rethined.weights import SHIPPED_TENSORS

TINY = NetworkConfig((8, 16, 16, 16), (1, 1, 1), 1, (1, 1, 1), descriptor_size=8)


def test_the_shipped_weights() -> None:
    weights = load_weights()
    assert weights.sha256 == hashlib.sha256(SHIPPED_TENSORS.read_bytes()).hexdigest()
    assert {x.dtype for x in weights.network.parameters()} == {torch.float32}
    assert not any(x.requires_grad for x in weights.network.parameters())


def test_a_file(tmp_path: Path) -> None:
    network = RethinedNetwork(TINY)
    checksum = export_tensors(network, tmp_path / "net.safetensors")
    weights = load_weights(tmp_path / "net.safetensors", TINY)
    assert weights.sha256 == checksum
    for name, x in network.deploy().state_dict().items():
        torch.testing.assert_close(weights.network.state_dict()[name], x.half().float())


@pytest.mark.parametrize("name", ["", "state.pt"])
def test_the_averaged_weights_of_a_run(name: str, tmp_path: Path) -> None:
    config = TrainConfig(network=TINY, crop_px=32, steps=9, cooldown_steps=0)
    state = new_state(config)
    state.average["to_residual.bias"].fill_(0.25)
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    save_state(state, config, tmp_path / "state.pt")
    weights = load_weights(tmp_path / name)
    assert weights.network.to_residual.bias.tolist() == [0.25] * 48
    tensors = {key: x.half().contiguous() for key, x in state.averaged_network().deploy().state_dict().items()}
    assert weights.sha256 == hashlib.sha256(save(tensors)).hexdigest()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, r"net\.safetensors cannot be read as \.safetensors weights"),
        ("no weights", r"net\.safetensors cannot be read as \.safetensors weights"),
        ("other", r"net\.safetensors holds another network than NetworkConfig"),
    ],
)
def test_files_that_hold_none(text: str | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    if text == "other":
        export_tensors(RethinedNetwork(TINY), path)
    elif text is not None:
        path.write_text(text)
    with pytest.raises(CheckpointError, match=says):
        load_weights(path)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json is not the settings of a run"):
        load_weights(tmp_path / "nowhere")
