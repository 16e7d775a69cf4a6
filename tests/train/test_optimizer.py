from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from rethined.nn.mobileone import MobileOneUnit
from rethined.nn.network import RethinedNetwork
from rethined.train.config import TrainConfig
from rethined.train.device import has_bfloat16
from rethined.train.optimizer import MixedOptimizer, _take_muon_step, make_optimizer

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture(params=[1, 3], ids=["one branch", "three branches"])
def network(request: pytest.FixtureRequest, make_config: MakeConfig) -> RethinedNetwork:
    torch.manual_seed(0)
    return RethinedNetwork(replace(make_config().network, branches=request.param))


def give_gradients(network: RethinedNetwork) -> None:
    generator = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def mixing_kernels(network: RethinedNetwork) -> list[torch.nn.Parameter]:
    return [unit.kernels for unit in network.modules() if isinstance(unit, MobileOneUnit) and unit.groups == 1]


def test_matrices_move_along_nearly_orthogonal_directions(network: RethinedNetwork, make_config: MakeConfig) -> None:
    kernels = mixing_kernels(network)
    before = [kernel.detach().clone() for kernel in kernels]
    optimizer = make_optimizer(network, make_config(learning_rate=1e-2, weight_decay=0.0))
    give_gradients(network)
    optimizer.step()
    for was, now in zip(before, kernels, strict=True):
        for branch in (now.detach() - was).flatten(2):
            singular = torch.linalg.svdvals(branch)
            # Five Newton-Schulz steps leave singular values within a factor of about two of each other; those of the
            # random gradients themselves differ by far more.
            assert singular.max() < 3 * singular.min()
            # The rate is matched to AdamW's: root mean square of the step .2 times the rate.
            assert branch.square().mean().sqrt() == pytest.approx(2e-3, rel=0.3)


def test_every_weight_is_moved_by_one_of_the_two(network: RethinedNetwork, make_config: MakeConfig) -> None:
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimizer = make_optimizer(network, make_config())
    give_gradients(network)
    optimizer.step()
    assert all(not torch.equal(p, before[name]) for name, p in network.named_parameters())
    optimizer.zero_grad()
    assert all(p.grad is None for p in network.parameters())


def test_all_weights_but_mixing_kernels_move_as_by_adamw(network: RethinedNetwork, make_config: MakeConfig) -> None:
    twin = RethinedNetwork(network.config)
    twin.load_state_dict(network.state_dict())
    for one, name in ((network, "muon"), (twin, "adamw")):
        optimizer = make_optimizer(one, make_config(optimizer=name))
        give_gradients(one)
        optimizer.step()
    mixing = {id(kernel) for kernel in mixing_kernels(network)}
    for ours, theirs in zip(network.parameters(), twin.parameters(), strict=True):
        assert torch.equal(ours, theirs) == (id(ours) not in mixing)


def test_the_rate_of_both_can_be_set(network: RethinedNetwork, make_config: MakeConfig) -> None:
    optimizer = make_optimizer(network, make_config())
    assert isinstance(optimizer, MixedOptimizer)
    before = [p.detach().clone() for p in network.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    give_gradients(network)
    optimizer.step()
    assert all(torch.equal(p, was) for p, was in zip(network.parameters(), before, strict=True))


@pytest.mark.parametrize(("has_bfloat16", "tolerance"), [(True, 2e-3), (False, 0.03)])
def test_a_step_of_muon_is_that_of_torch(has_bfloat16: bool, tolerance: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's is rounded to bfloat16 on the way, so that in single precision it is the same by and large only."""
    monkeypatch.setattr("rethined.train.device.has_bfloat16", lambda _: has_bfloat16)
    generator = torch.Generator().manual_seed(5)
    shapes = [(8, 24), (24, 8), (8, 24), (16, 16)]
    start = [torch.randn(shape, generator=generator) for shape in shapes]
    ours, theirs = ([torch.nn.Parameter(x.clone()) for x in start] for _ in range(2))
    one, other = (
        torch.optim.Muon(parameters, lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
        for parameters in (ours, theirs)
    )
    for _ in range(3):
        for mine, its in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            its.grad = mine.grad.clone()
        ours[2].grad = theirs[2].grad = None  # has not been used
        _take_muon_step(one)
        other.step()
    for before, mine, its in zip(start, ours, theirs, strict=True):
        assert (mine - its).norm() <= tolerance * (its - before).norm()
    assert torch.equal(ours[2], start[2])
    assert one.state_dict().keys() == other.state_dict().keys()
    for mine, its in zip(ours, theirs, strict=True):
        assert one.state.get(mine, {}).keys() == other.state.get(its, {}).keys()


@pytest.mark.parametrize(
    ("capability", "expected"), [("AVX2", False), ("DEFAULT", False), ("AVX512", True), ("AVX512_VNNI", True)]
)
def test_processors_without_avx512_are_spared_bfloat16(
    capability: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    assert has_bfloat16(torch.device("cpu")) is expected
    assert has_bfloat16(torch.device("cuda", 0))
