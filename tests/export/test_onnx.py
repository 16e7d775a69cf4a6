from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto
from safetensors import safe_open
from safetensors.torch import load_file

from rethined import __version__
from rethined.bounds import write_within_rim
from rethined.errors import CheckpointError, ExportParityError
from rethined.export import onnx as module
from rethined.export.onnx import HALF_FROM_SIZE, PARITY_TOLERANCE, export_onnx, export_tensors
from rethined.export.run import export_run
from rethined.nn.network import RESIDUAL_SCALE, NetworkConfig, RethinedNetwork, count_fused_parameters
from rethined.session import OnnxSession
from rethined.train.config import TrainConfig
from rethined.train.state import TrainState, new_state, save_state

TINY = NetworkConfig((16, 32, 64, 128), (1, 1, 1), 1, (1, 1, 1), descriptor_size=16)


@pytest.fixture(scope="module")
def network() -> RethinedNetwork:
    torch.manual_seed(3)
    network = RethinedNetwork(TINY)
    torch.nn.init.normal_(network.to_residual.weight, std=0.3)
    torch.nn.init.normal_(network.to_residual.bias, std=0.3)
    torch.nn.init.constant_(network.log_temperature, -1.7)
    return network


@pytest.fixture(scope="module")
def rounded(network: RethinedNetwork) -> RethinedNetwork:
    """The deploy form with the weights that the file holds."""
    deployed = network.deploy()
    for parameter in deployed.parameters():
        if parameter.numel() >= HALF_FROM_SIZE:
            parameter.copy_(parameter.half())
    return deployed


@pytest.fixture(scope="module")
def exported(network: RethinedNetwork, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    path = tmp_path_factory.mktemp("export") / "tiny.onnx"
    return path, export_onnx(network, path, metadata={"training_data": "none", "size": "said by the caller"})


def test_difference_is_measured_and_small(exported: tuple[Path, float]) -> None:
    path, difference = exported
    assert 0 < difference < 1e-4 < PARITY_TOLERANCE
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("shape", [(1, 32, 32), (1, 96, 64), (3, 64, 160)], ids=str)
@torch.no_grad()
def test_file_says_what_torch_says_at_any_size(
    shape: tuple[int, int, int], exported: tuple[Path, float], rounded: RethinedNetwork, rng: np.random.Generator
) -> None:
    count, *size_hw = shape
    prefilled = rng.random((count, 3, *size_hw), np.float32)
    hole = (rng.random((count, 1, *size_hw)) > 0.6).astype(np.float32)
    session = ort.InferenceSession(exported[0], providers=["CPUExecutionProvider"])
    got = session.run(None, {"prefilled": prefilled, "hole": hole})
    expected = rounded(torch.from_numpy(prefilled), torch.from_numpy(hole))
    assert np.abs(got[0] - prefilled).mean() > 1e-2
    for ours, theirs in zip(got, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-4, rtol=0)


@torch.no_grad()
def test_engine_accepts_the_file(
    exported: tuple[Path, float], network: RethinedNetwork, rounded: RethinedNetwork, rng: np.random.Generator
) -> None:
    session = OnnxSession(exported[0], threads=1)
    assert session.temperature == pytest.approx(network.temperature.item())
    prefilled = rng.uniform(0, 255, (64, 96, 3)).astype(np.float32)
    hole = rng.random((64, 96)) > 0.6
    result = session.run(prefilled, hole)
    expected = rounded(
        torch.from_numpy(prefilled).permute(2, 0, 1)[None] / 255, torch.from_numpy(hole)[None, None].float()
    )
    composed = prefilled.copy()
    write_within_rim(composed, hole, expected.fill[0].contiguous().numpy())
    np.testing.assert_allclose(result.fill, composed, atol=0.03, rtol=0)
    np.testing.assert_allclose(result.query, expected.query[0].numpy(), atol=1e-4)
    np.testing.assert_allclose(result.key, expected.key[0].numpy(), atol=1e-4)


def test_contract_and_facts_are_in_the_file(exported: tuple[Path, float], network: RethinedNetwork) -> None:
    model = onnx.load(exported[0])
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts.keys() == {"contract", "inputs", "outputs", "size", "temperature", "training_data"}
    assert facts["contract"] == "1"
    assert facts["training_data"] == "none"
    assert facts["size"] == "said by the caller"
    assert float(facts["temperature"]) == network.temperature.item()
    assert "(N, 16, H/8, W/8)" in facts["outputs"]
    assert (model.producer_name, model.producer_version) == ("rethined", __version__)
    assert [x.name for x in model.graph.input] == ["prefilled", "hole"]
    assert [x.name for x in model.graph.output] == ["fill", "query", "key"]


def test_weights_are_stored_in_half_precision(exported: tuple[Path, float], network: RethinedNetwork) -> None:
    initializers = onnx.load(exported[0]).graph.initializer
    large = [x for x in initializers if np.prod(x.dims) >= HALF_FROM_SIZE and x.data_type != TensorProto.INT64]
    assert {x.data_type for x in large} == {TensorProto.FLOAT16}
    parameters = count_fused_parameters(network)
    assert sum(int(np.prod(x.dims)) for x in large) > 0.9 * parameters
    assert exported[0].stat().st_size < 2 * parameters + 40_000


@pytest.mark.parametrize("was_there", [False, True], ids=["no file before", "a file before"])
def test_a_file_that_differs_is_not_left_behind(
    was_there: bool, network: RethinedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PARITY_TOLERANCE", -1)
    path = tmp_path / "tiny.onnx"
    if was_there:
        path.write_text("the file before")
    with pytest.raises(ExportParityError, match=r"differs from torch by .*; allowed are -1"):
        export_onnx(network, path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [
        ("tiny.onnx", "the file before")
    ] * was_there


def test_a_file_of_other_weights_is_noticed(
    network: RethinedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_rounded", lambda value: value * 1.1)
    monkeypatch.setattr(module, "_trace", lambda _, path, trace=module._trace: trace(network.deploy(), path))
    with pytest.raises(ExportParityError, match=r"differs from torch by"):
        export_onnx(network, tmp_path / "tiny.onnx")
    assert not list(tmp_path.iterdir())


def test_tensors_for_fine_tuning(network: RethinedNetwork, tmp_path: Path) -> None:
    path = tmp_path / "tiny.safetensors"
    checksum = export_tensors(network, path)
    assert checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.safetensors"]
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"rethined": __version__, "form": "deploy"}
    tensors = load_file(path)
    assert {x.dtype for x in tensors.values()} == {torch.float16}
    deployed = network.deploy()
    for name, x in deployed.state_dict().items():
        torch.testing.assert_close(tensors[name].float(), x, atol=1e-6, rtol=2**-11)
    assert deployed.load_state_dict(tensors).missing_keys == []


# ---- from a run ----


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run whose averaged weights brighten every pixel by a tenth, and whose raw ones do nothing."""
    config = TrainConfig(network=TINY, crop_px=32, steps=9, cooldown_steps=0)
    state: TrainState = new_state(config)
    state.step, state.position, state.minutes = 7, 56, 12.4
    state.average["to_residual.bias"].fill_(0.1 / RESIDUAL_SCALE)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    save_state(state, config, folder / "state.pt")
    return folder


@pytest.mark.parametrize("name", ["", "state.pt"])
def test_averaged_weights_of_a_run_with_its_facts(run: Path, name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    export_run(run / name, out / "net.onnx", training_data="a few photographs")
    assert {file.name for file in out.iterdir()} == {"net.onnx", "net.safetensors"}
    session = OnnxSession(out / "net.onnx", threads=1)
    facts: dict[str, Any] = {
        "weights_sha256": hashlib.sha256((out / "net.safetensors").read_bytes()).hexdigest(),
        "training_data": "a few photographs",
        "training_steps": "7",
        "training_samples": "56",
        "training_minutes": "12",
    }
    assert facts.items() <= session.metadata.items()
    result = session.run(np.full((32, 32, 3), 100, np.float32), np.ones((32, 32), bool))
    np.testing.assert_allclose(result.fill, 125.5, atol=0.05)


@pytest.mark.parametrize(
    ("place", "name", "message"),
    [
        ("run", "net.pt", r"the file to write is .*net\.pt; expected a name that ends in \.onnx"),
        ("nowhere", "net.onnx", r"config\.json is not the settings of a run"),
    ],
)
def test_refused_exports_write_nothing(run: Path, place: str, name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        export_run(run.parent / place, tmp_path / name)
    assert [file.name for file in tmp_path.iterdir()] == ["run"]
