"""The file of integers of a network that was trained to be one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import TensorProto, numpy_helper
from safetensors.torch import load_file

from rethined.cli import main
from rethined.errors import ExportError, ExportParityError
from rethined.export import onnx as module
from rethined.export.network import load_weights
from rethined.export.onnx import export_onnx, export_tensors
from rethined.export.run import export_run
from rethined.nn.mobileone import FusedUnit
from rethined.nn.network import NetworkConfig, RethinedNetwork, count_fused_parameters
from rethined.nn.quantised import CALIBRATION_PASSES
from rethined.session import OnnxSession
from rethined.train.config import TrainConfig
from rethined.train.state import new_state, save_state

TINY = NetworkConfig((16, 32, 64, 128), (1, 1, 1), 1, (1, 1, 1), descriptor_size=16, quantised="all")


def watch(network: RethinedNetwork, passes: int) -> None:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for _ in range(passes):
            network(torch.rand((1, 3, 64, 64), generator=generator), torch.ones(1, 1, 64, 64))


@pytest.fixture(scope="module", params=["coarse", "all"])
def network(request: pytest.FixtureRequest) -> RethinedNetwork:
    """Random weights, and ranges of what they make of noise."""
    torch.manual_seed(3)
    network = RethinedNetwork(replace(TINY, quantised=request.param))
    torch.nn.init.normal_(network.to_residual.weight, std=0.3)
    torch.nn.init.normal_(network.to_residual.bias, std=0.3)
    for name, parameter in network.named_parameters():
        if name.endswith(".bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    watch(network, CALIBRATION_PASSES)
    return network


def integer_units(network: RethinedNetwork) -> dict[str, FusedUnit]:
    """Units that become integers, by name."""
    units = {name: unit for name, unit in network.deploy().named_modules() if isinstance(unit, FusedUnit)}
    fine = ("stem", "encode4.", "down8.0", "up4", "decode4.")
    return {name: x for name, x in units.items() if network.config.quantised == "all" or not name.startswith(fine)}


@pytest.fixture(scope="module")
def exported(network: RethinedNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("integers") / "tiny.onnx"
    difference = export_onnx(network, path, precision="int8", metadata={"training_data": "none"})
    assert 0 < difference < 1e-3
    return path


@pytest.mark.parametrize("shape", [(1, 32, 32), (2, 96, 64)], ids=str)
@torch.no_grad()
def test_file_rounds_as_the_network_did_while_it_was_trained(
    shape: tuple[int, int, int], exported: Path, network: RethinedNetwork, rng: np.random.Generator
) -> None:
    count, *size_hw = shape
    prefilled = rng.random((count, 3, *size_hw), np.float32)
    hole = (rng.random((count, 1, *size_hw)) > 0.6).astype(np.float32)
    got = ort.InferenceSession(exported, providers=["CPUExecutionProvider"]).run(
        None, {"prefilled": prefilled, "hole": hole}
    )
    inputs = torch.from_numpy(prefilled), torch.from_numpy(hole)
    # In training mode it rounds by code of ours, which no file ever saw.
    expected, off = network.train()(*inputs), network.unquantised().eval()(*inputs)
    for ours, theirs, plain in zip(got, expected, off, strict=True):
        # Biases in steps let a few sums fall to the other side of a half; what follows is then rounded otherwise.
        assert np.abs(ours - theirs.numpy()).mean() < 0.4 * np.abs(plain.numpy() - theirs.numpy()).mean()


def test_kernels_are_integers_of_seven_bits(exported: Path, network: RethinedNetwork) -> None:
    stored = {x.name: numpy_helper.to_array(x) for x in onnx.load(exported).graph.initializer}
    units = integer_units(network)
    kernels = {name: x for name, x in stored.items() if name.endswith(".weight.whole")}
    assert len(kernels) == len(units)
    for name, unit in units.items():
        whole, steps = kernels[f"{name}.weight.whole"], stored[f"{name}.weight.steps"]
        assert whole.dtype == np.int8
        assert np.abs(whole).reshape(len(whole), -1).max(1).tolist() == [63] * len(whole)
        np.testing.assert_allclose(whole * steps[:, None, None, None], unit.weight.numpy(), atol=1e-6)
        bias = stored[f"{name}.bias.whole"]
        assert bias.dtype == np.int32
        np.testing.assert_allclose(bias * stored[f"{name}.bias.steps"], unit.bias.numpy(), atol=1e-3)


def test_file_is_small_and_its_steps_exact(exported: Path, network: RethinedNetwork) -> None:
    assert exported.stat().st_size < 1.2 * count_fused_parameters(network) + 130_000
    model = onnx.load(exported)
    kinds = {x.name: x.data_type for x in model.graph.initializer}
    assert {kind for name, kind in kinds.items() if name.endswith(".steps")} == {TensorProto.FLOAT}
    assert [x.name for x in model.graph.input] == ["prefilled", "hole"]
    assert [x.name for x in model.graph.output] == ["fill", "query", "key"]


def test_runtime_computes_in_integers_from_end_to_end(exported: Path, network: RethinedNetwork, tmp_path: Path) -> None:
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    ort.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("QLinearConv") == len(integer_units(network))
    assert kinds.count("QuantizeLinear") == 1  # where integers begin; nothing goes back and forth
    assert kinds.count("DequantizeLinear") == 2  # what the heads take, or the head and the way up to 1/4
    assert kinds.count("QLinearAdd") >= 7


def test_engine_accepts_the_file(exported: Path, network: RethinedNetwork) -> None:
    session = OnnxSession(exported, threads=1)
    assert session.temperature == pytest.approx(network.temperature.item())
    assert session.metadata["training_data"] == "none"
    prefilled = np.full((32, 64, 3), 100, np.float32)
    result = session.run(prefilled, np.ones((32, 64), bool))
    assert result.query.shape == (16, 4, 8)
    assert np.abs(result.fill - prefilled).mean() > 1


def test_in_single_precision_the_same_network_rounds_nothing(network: RethinedNetwork, tmp_path: Path) -> None:
    export_onnx(network, tmp_path / "quantised.onnx")
    export_onnx(network.unquantised(), tmp_path / "plain.onnx")
    assert (tmp_path / "quantised.onnx").read_bytes() == (tmp_path / "plain.onnx").read_bytes()
    export_tensors(network, tmp_path / "quantised.safetensors")
    export_tensors(network.unquantised(), tmp_path / "plain.safetensors")
    tensors, plain = (load_file(tmp_path / f"{name}.safetensors") for name in ("quantised", "plain"))
    assert tensors.keys() == plain.keys()
    assert all(torch.equal(x, plain[name]) for name, x in tensors.items())


def test_networks_that_know_no_ranges_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"trained without quantisation; int8 is for .* quantised = 'coarse'"):
        export_onnx(RethinedNetwork(replace(TINY, quantised="nothing")), tmp_path / "net.onnx", precision="int8")
    young = RethinedNetwork(TINY)
    watch(young, 8)
    with pytest.raises(ExportError, match="has been trained for 4 steps; expected 16 or more"):
        export_onnx(young, tmp_path / "net.onnx", precision="int8")
    assert not list(tmp_path.iterdir())


def test_a_file_of_other_steps_is_noticed(
    network: RethinedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rethined.export.integers.WEIGHT_LEVELS", 3)
    with pytest.raises(ExportParityError, match=r"differs from torch by .*; allowed are 0\.02"):
        export_onnx(network, tmp_path / "net.onnx", precision="int8")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(module, "INTEGER_TOLERANCE", 1e9)
    export_onnx(network, tmp_path / "net.onnx", precision="int8")


# ---- from a run ----


def write_run(folder: Path, network: NetworkConfig, passes: int = CALIBRATION_PASSES) -> Path:
    config = TrainConfig(network=network, crop_px=32, steps=9, cooldown_steps=0)
    state = new_state(config)
    if network.quantised != "nothing":
        watch(state.network, passes)
    state.average["to_residual.bias"].fill_(0.5)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    save_state(state, config, folder / "state.pt")
    return folder


def test_the_command_writes_integers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", TINY)
    out = tmp_path / "net.onnx"
    assert main(["export", "engine", str(run), "-o", str(out), "--precision", "int8", "--training-data", "none"]) == 0
    assert capsys.readouterr().out.startswith(f"{out}: mean difference from torch ")
    assert any(x.data_type == TensorProto.INT8 for x in onnx.load(out).graph.initializer)
    session = OnnxSession(out, threads=1)
    assert session.metadata["training_data"] == "none"
    # The head is not rounded: .5 in units of .1 is a twentieth of the range.
    result = session.run(np.full((32, 32, 3), 100, np.float32), np.ones((32, 32), bool))
    np.testing.assert_allclose(result.fill, 100 + 255 * 0.05, atol=0.05)
    assert main(["export", "engine", str(run), "-o", str(tmp_path / "plain.onnx")]) == 0
    assert "largest difference" in capsys.readouterr().out
    assert (tmp_path / "plain.safetensors").read_bytes()[:8] == (tmp_path / "net.safetensors").read_bytes()[:8]
    assert load_weights(run).network.config.quantised == "nothing"


def test_refused_runs_leave_what_was_there(tmp_path: Path) -> None:
    plain, young = (
        write_run(tmp_path / "plain", replace(TINY, quantised="nothing")),
        write_run(tmp_path / "young", TINY, 2),
    )
    (tmp_path / "net.safetensors").write_text("weights of before")
    for run in (plain, young):
        with pytest.raises(ExportError, match=r"the network (was|has been) trained"):
            export_run(run, tmp_path / "net.onnx", precision="int8")
    assert (tmp_path / "net.safetensors").read_text() == "weights of before"
    assert not (tmp_path / "net.onnx").exists()
