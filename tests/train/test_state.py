from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from rethined.errors import CheckpointError, ConfigError
from rethined.export.onnx import export_tensors
from rethined.nn.network import RethinedNetwork
from rethined.train import state as module
from rethined.train.config import TrainConfig
from rethined.train.state import TrainState, load_state, new_state, save_state

MakeConfig = Callable[..., TrainConfig]
Content = Callable[[TrainState], list[Any]]


def take_a_step(state: TrainState, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in state.network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    state.optimizer.step()
    state.step += 1
    state.position += 2
    state.update_average(0.9)


@pytest.fixture(params=["muon", "adamw"])
def config(request: pytest.FixtureRequest, make_config: MakeConfig) -> TrainConfig:
    return make_config(seed=4, optimizer=request.param)


@pytest.fixture
def state(config: TrainConfig) -> TrainState:
    state = new_state(config)
    take_a_step(state)
    state.minutes = 1.5
    return state


def test_new_states_follow_the_seed_and_average_what_they_start_from(make_config: MakeConfig, content: Content) -> None:
    first, again, other = (new_state(make_config(seed=seed)) for seed in (1, 1, 2))
    assert content(first) == content(again)
    assert content(first) != content(other)
    assert all(torch.equal(x, first.average[name]) for name, x in first.network.named_parameters())
    assert (first.step, first.position, first.minutes) == (0, 0, 0.0)


@torch.no_grad()
def test_a_run_may_begin_with_trained_weights(state: TrainState, make_config: MakeConfig, tmp_path: Path) -> None:
    torch.nn.init.normal_(state.network.to_residual.weight)
    export_tensors(state.network, tmp_path / "weights.safetensors")
    begun = new_state(make_config(seed=8), tmp_path / "weights.safetensors")
    picture, hole = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    # The file is in half precision.
    torch.testing.assert_close(begun.network(picture, hole).fill, state.network(picture, hole).fill, atol=2e-3, rtol=0)
    assert all(torch.equal(x, begun.average[name]) for name, x in begun.network.named_parameters())
    assert begun.step == 0


@pytest.mark.parametrize("content", [None, b"", b"no weights"], ids=["missing", "empty", "text"])
def test_unreadable_weights_are_refused(content: bytes | None, config: TrainConfig, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"weights\.safetensors cannot be read as \.safetensors weights"):
        new_state(config, path)


@pytest.mark.parametrize(
    ("use_bfloat16", "has_bfloat16", "dtype"),
    [(True, True, torch.bfloat16), (True, False, torch.float32), (False, True, torch.float32)],
)
def test_activations_only_are_bfloat16_and_only_where_that_is_fast(
    make_config: MakeConfig,
    use_bfloat16: bool,
    has_bfloat16: bool,
    dtype: torch.dtype,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rethined.train.device.has_bfloat16", lambda _: has_bfloat16)
    state = new_state(make_config(use_bfloat16=use_bfloat16))
    assert state.network.compute_dtype == dtype
    assert {p.dtype for p in state.network.parameters()} == {torch.float32}
    assert state.averaged_network().compute_dtype == torch.float32


def test_weights_decay_on_kernels_only(make_config: MakeConfig) -> None:
    state = new_state(make_config(weight_decay=0.3, optimizer="adamw"))
    decays = {id(p): group["weight_decay"] for group in state.optimizer.param_groups for p in group["params"]}
    assert {name: decays[id(p)] for name, p in state.network.named_parameters()} == {
        name: 0.3 if p.ndim > 1 else 0.0 for name, p in state.network.named_parameters()
    }


def test_saved_and_loaded_is_the_same_and_goes_on_the_same(
    state: TrainState, config: TrainConfig, tmp_path: Path, content: Content
) -> None:
    path = tmp_path / "state.pt"
    save_state(state, config, path)
    loaded = load_state(path, config)
    assert content(loaded) == content(state)
    assert loaded.minutes == 1.5
    assert loaded.network.compute_dtype == state.network.compute_dtype
    for going_on in (state, loaded):
        take_a_step(going_on, seed=1)
    assert content(loaded) == content(state)
    assert [file.name for file in tmp_path.iterdir()] == ["state.pt"]


def test_a_run_may_be_made_longer(state: TrainState, config: TrainConfig, tmp_path: Path, content: Content) -> None:
    save_state(state, config, tmp_path / "state.pt")
    assert content(load_state(tmp_path / "state.pt", replace(config, steps=99))) == content(state)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 5}, "made with seed = 4, this run has 5; use the same or a new --out"),
        ({"crop_px": 96}, "made with crop_px = 64, this run has 96"),
        ({"optimizer": "other"}, r"made with optimizer = (muon, this run has adamw|adamw, this run has muon)"),
        ({"network": "wider"}, r"made with network = NetworkConfig\(.*descriptor_size=8.*this run has .*=16"),
    ],
)
def test_states_of_other_runs_are_refused(
    changes: dict[str, Any], message: str, state: TrainState, config: TrainConfig, tmp_path: Path
) -> None:
    if "network" in changes:
        changes = {"network": replace(config.network, descriptor_size=16)}
    if "optimizer" in changes:
        changes = {"optimizer": "adamw" if config.optimizer == "muon" else "muon"}
    save_state(state, config, tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match=message):
        load_state(tmp_path / "state.pt", replace(config, **changes))


@torch.no_grad()
def test_a_teacher_is_what_the_run_began_with(make_config: MakeConfig, tmp_path: Path) -> None:
    weights = RethinedNetwork(make_config().network)
    torch.nn.init.normal_(weights.to_residual.weight)
    export_tensors(weights, tmp_path / "weights.safetensors")
    config = make_config(taught=True, use_bfloat16=True)
    config = replace(config, network=replace(config.network, quantised="all"))
    state = new_state(config, tmp_path / "weights.safetensors")
    for parameter in state.network.parameters():
        parameter += 1
    state.step = 1
    save_state(state, config, tmp_path / "state.pt")
    picture, hole = torch.rand(1, 3, 32, 32), torch.ones(1, 1, 32, 32)
    expected = weights(picture, hole)
    for taught in (state, load_state(tmp_path / "state.pt", config)):
        assert taught.teacher is not None
        assert taught.teacher.compute_dtype == torch.float32
        assert not any(p.requires_grad for p in taught.teacher.parameters())
        # The file is in half precision.
        torch.testing.assert_close(taught.teacher(picture, hole).fill, expected.fill, atol=2e-3, rtol=0)
        assert not torch.allclose(taught.network(picture, hole).fill, expected.fill, atol=2e-3)
    with pytest.raises(CheckpointError, match="made with taught = True, this run has False"):
        load_state(tmp_path / "state.pt", replace(config, taught=False))
    with pytest.raises(ConfigError, match="no weights to learn from; begin the run with --start-from FILE"):
        new_state(config)


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "cut"])
def test_unreadable_states_are_refused(damage: str, state: TrainState, config: TrainConfig, tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state(state, config, path)
    whole = path.read_bytes()
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("no state")
        case "cut":
            path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(
        CheckpointError, match=r"(?s)state\.pt cannot be read as a training state \(.*start with another --out"
    ):
        load_state(path, config)


def test_states_of_another_format_are_refused(config: TrainConfig, tmp_path: Path) -> None:
    torch.save({"format": 0}, tmp_path / "state.pt")
    with pytest.raises(CheckpointError, match=r"has format 0; this version reads 2"):
        load_state(tmp_path / "state.pt", config)


def test_interrupted_saving_keeps_the_state_before(
    state: TrainState, config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Content
) -> None:
    path = tmp_path / "state.pt"
    save_state(state, config, path)
    before = content(state)

    def interrupted(_: object, file: Path) -> None:
        Path(file).write_bytes(b"half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(module.torch, "save", interrupted)
    take_a_step(state)
    with pytest.raises(KeyboardInterrupt):
        save_state(state, config, path)
    assert content(load_state(path, config)) == before


@pytest.mark.parametrize(
    ("step", "decay", "kept"), [(0, 0.9, 0.1), (1, 0.9, 2 / 11), (10_000, 0.9, 0.9), (5, 0.0, 0.0)]
)
def test_average_moves_by_its_decay_and_faster_at_the_start(
    make_config: MakeConfig, step: int, decay: float, kept: float
) -> None:
    state = new_state(make_config())
    state.step = step
    with torch.no_grad():
        for parameter in state.network.parameters():
            parameter.fill_(1.0)
        for average in state.average.values():
            average.fill_(0.0)
    state.update_average(decay)
    for name, average in state.average.items():
        torch.testing.assert_close(average, torch.full_like(average, 1 - kept), msg=name)
    averaged = state.averaged_network().state_dict()
    assert all(torch.equal(averaged[name], x) for name, x in state.average.items())
    assert all((p == 1).all() for p in state.network.parameters())


def test_a_changed_weight_decay_holds_after_a_resume(state: TrainState, config: TrainConfig, tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    save_state(state, config, path)
    resumed = load_state(path, replace(config, weight_decay=0.5))
    *kernels, others = resumed.optimizer.param_groups
    assert {group["weight_decay"] for group in kernels} == {0.5}
    assert others["weight_decay"] == 0.0
