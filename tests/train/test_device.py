"""No test has a GPU. The meta device stands in for one: it computes nothing, and refuses what lies on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

from rethined.data.samples import Batch, Sample
from rethined.errors import ConfigError
from rethined.losses.features import FeatureDistance
from rethined.losses.fill import masked_huber
from rethined.losses.frequency import focal_frequency
from rethined.losses.matching import oracle_matching
from rethined.losses.windows import hole_windows
from rethined.nn.cells import from_cells, to_cells
from rethined.nn.squares import cut_squares
from rethined.train.batches import stack
from rethined.train.config import TrainConfig
from rethined.train.device import CPU, choose_device
from rethined.train.state import load_state, new_state, save_state
from rethined.train.views import coarse_view, fine_view

MakeConfig = Callable[..., TrainConfig]
ELSEWHERE = torch.device("meta")


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def plant(count: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    monkeypatch.delenv("LOCAL_RANK", raising=False)
    return plant


@pytest.mark.parametrize(
    ("name", "count", "chosen"),
    [
        ("auto", 0, CPU),
        ("auto", 2, torch.device("cuda", 0)),
        ("cpu", 2, CPU),
        ("cuda", 1, torch.device("cuda", 0)),
    ],
)
def test_the_device_of_a_name(name: str, count: int, chosen: torch.device, gpus: Callable[[int], None]) -> None:
    gpus(count)
    assert choose_device(name) == chosen


def test_each_process_of_a_machine_has_a_device_of_its_own(
    gpus: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    gpus(2)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert choose_device("auto") == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ConfigError, match=r"the device is 'auto' number 2, .* sees 2 of them: start fewer processes"):
        choose_device("auto")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda", r"the device is 'cuda' number 0, .* sees 0 of them: .* --device cpu"),
        ("tpu", "the device is 'tpu'; expected one of auto, cpu, cuda"),
    ],
)
def test_devices_that_are_not_there_are_refused(name: str, message: str, gpus: Callable[[int], None]) -> None:
    gpus(0)
    with pytest.raises(ConfigError, match=message):
        choose_device(name)


def test_all_that_a_step_computes_stays_on_the_device(make_config: MakeConfig, rng: np.random.Generator) -> None:
    hole = np.zeros((64, 64), bool)
    hole[8:40, 16:30] = True
    truth = rng.integers(0, 256, (64, 64, 3), np.uint8)
    sample = Sample(truth, hole, hole, truth, truth, hole, (8, 16))
    batch = stack(Batch((sample, sample), 2))
    state = new_state(make_config(use_bfloat16=True, adversarial_weight=0.1), device=ELSEWHERE)
    assert state.adversary is not None
    coarse = coarse_view(batch, state.device)
    output = state.network.in_cells(coarse.prefilled, coarse.hole)
    fill = coarse.prefilled + from_cells(output.residual)
    fine = fine_view(batch, fill.detach())
    wanted = to_cells((coarse.target - coarse.prefilled) * coarse.hole)
    loss = masked_huber(output.residual, wanted, to_cells(coarse.hole), inner_weight=0.1)
    generator = torch.Generator().manual_seed(0)
    loss = loss + oracle_matching(output, coarse.target, coarse.hole, state.network.temperature, generator)
    for term in (FeatureDistance().to(state.device), focal_frequency, state.adversary.fill_loss):
        loss = loss + term(fill, coarse.target, coarse.hole)
    loss.backward()
    state.update_average(0.9)
    windows = cut_squares(fill, hole_windows(coarse.hole, 32, generator), 32)
    views = (vars(coarse), vars(fine), windows)
    made = (views, output, loss, [p.grad for p in state.network.parameters()], state.average)
    assert {x.device for x in pytree.tree_leaves(made)} == {ELSEWHERE}


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_a_state_goes_on_on_another_device(optimizer: str, make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(optimizer=optimizer)
    state = new_state(config)
    for parameter in state.network.parameters():
        parameter.grad = torch.ones_like(parameter)
    state.optimizer.step()
    save_state(state, config, tmp_path / "state.pt")
    moved = load_state(tmp_path / "state.pt", config, ELSEWHERE)
    parts = (moved.network.state_dict(), moved.average, moved.optimizer.state_dict())
    tensors = [x for x in pytree.tree_leaves(parts) if isinstance(x, torch.Tensor)]
    assert {x.device for x in tensors} == {ELSEWHERE}
    assert len(tensors) > 3 * len(moved.average)
    assert moved.device == ELSEWHERE
