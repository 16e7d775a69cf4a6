from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from rethined.errors import ConfigError
from rethined.nn.mobileone import BranchForm, FusedUnit, MobileOneUnit
from rethined.nn.network import NetworkConfig, ResidualBlock, RethinedNetwork, count_fused_parameters

TINY = NetworkConfig((8, 16, 16, 16), (1, 1, 1), 2, (1, 1, 1), descriptor_size=8, branches=2)
SIZES_HW = [(32, 32), (64, 96), (256, 160)]

Randomise = Callable[[nn.Module], RethinedNetwork]


def picture(size_hw: tuple[int, int], generator: torch.Generator, count: int = 1) -> tuple[Tensor, Tensor]:
    prefilled = torch.rand((count, 3, *size_hw), generator=generator)
    return prefilled, (torch.rand((count, 1, *size_hw), generator=generator) > 0.7).float()


@pytest.mark.parametrize("form", ["online", "batchnorm"])
@pytest.mark.parametrize("size_hw", SIZES_HW, ids=str)
@torch.no_grad()
def test_deploy_form_equals_train_form(
    form: BranchForm, size_hw: tuple[int, int], randomise: Randomise, generator: torch.Generator
) -> None:
    network = randomise(RethinedNetwork(replace(TINY, form=form))).eval()
    prefilled, hole = picture(size_hw, generator)
    expected, got = network(prefilled, hole), network.deploy()(prefilled, hole)
    assert got.fill.shape == (1, 3, *size_hw)
    assert got.query.shape == got.key.shape == (1, 8, size_hw[0] // 8, size_hw[1] // 8)
    assert (got.fill - prefilled).abs().mean() > 1e-2
    for name, ours, theirs in zip(got._fields, got, expected, strict=True):
        assert (ours - theirs).abs().max() <= 1e-4, name


def test_deploy_form_is_single_convolutions_that_do_not_learn(randomise: Randomise) -> None:
    network = randomise(RethinedNetwork(TINY))
    before = {name: x.clone() for name, x in network.state_dict().items()}
    deployed = network.deploy()
    convolutions = [m for m in deployed.modules() if isinstance(m, MobileOneUnit | FusedUnit | nn.Conv2d)]
    units = sum(isinstance(m, MobileOneUnit) for m in network.modules())
    heads = {deployed.to_residual, deployed.to_descriptors}
    assert {type(m) for m in set(convolutions) - heads} == {FusedUnit}
    assert len(convolutions) == units + len(heads)
    assert not deployed.training
    assert not any(p.requires_grad for p in deployed.parameters())
    # The original is left as it was.
    assert network.training
    assert all(torch.equal(x, before[name]) for name, x in network.state_dict().items())


def test_default_network_is_small() -> None:
    assert count_fused_parameters(RethinedNetwork()) <= 4_300_000


@pytest.mark.parametrize("branches", [1, 3])
@pytest.mark.parametrize("form", ["online", "batchnorm"])
def test_branches_cost_nothing_once_fused(form: BranchForm, branches: int) -> None:
    network = RethinedNetwork(replace(TINY, form=form, branches=branches))
    assert count_fused_parameters(network) == count_fused_parameters(RethinedNetwork(TINY))


@torch.no_grad()
def test_pictures_of_a_batch_do_not_meet(randomise: Randomise, generator: torch.Generator) -> None:
    network = randomise(RethinedNetwork(TINY)).eval()
    prefilled, hole = picture((64, 96), generator, count=3)
    together = network(prefilled, hole)
    alone = network(prefilled[1:2], hole[1:2])
    for ours, theirs in zip(alone, together, strict=True):
        torch.testing.assert_close(ours, theirs[1:2], atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@torch.no_grad()
def test_untrained_network_returns_the_prefill(dtype: torch.dtype, generator: torch.Generator) -> None:
    network = RethinedNetwork(TINY)
    network.compute_dtype = dtype
    prefilled, hole = picture((64, 32), generator)
    fill = network(prefilled, hole).fill
    assert fill.dtype == torch.float32
    assert torch.equal(fill, prefilled)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@torch.no_grad()
def test_outputs_are_float32_and_descriptors_have_unit_length(
    dtype: torch.dtype, randomise: Randomise, generator: torch.Generator
) -> None:
    network = randomise(RethinedNetwork(TINY)).eval()
    prefilled, hole = picture((64, 64), generator, count=2)
    exact = network(prefilled, hole)
    network.compute_dtype = dtype
    output = network(prefilled, hole)
    assert {x.dtype for x in output} == {torch.float32}
    for descriptors in (output.query, output.key):
        torch.testing.assert_close(descriptors.norm(dim=1), torch.ones(2, 8, 8))
    # The picture itself never passes through the coarser type.
    assert (output.fill - exact.fill).abs().max() < 0.05


@torch.no_grad()
def test_the_hole_map_and_the_picture_both_count(randomise: Randomise, generator: torch.Generator) -> None:
    network = randomise(RethinedNetwork(TINY)).eval()
    prefilled, hole = picture((32, 32), generator)
    base, other_hole, other_picture = (
        network(*x) for x in ((prefilled, hole), (prefilled, 1 - hole), (1 - prefilled, hole))
    )
    assert (other_hole.fill - base.fill).abs().max() > 1e-3
    assert (other_picture.query - base.query).abs().max() > 1e-3


def test_temperature_is_positive_and_learned() -> None:
    network = RethinedNetwork(TINY)
    assert 0.05 < network.temperature.item() < 0.2
    network.temperature.backward()
    assert network.log_temperature.grad is not None


def test_training_can_go_on_from_fused_weights() -> None:
    torch.manual_seed(3)
    trained, fresh = RethinedNetwork(), RethinedNetwork()
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    fresh.load_fused(trained.deploy().state_dict())
    prefilled, hole = torch.rand(1, 3, 64, 64), (torch.rand(1, 1, 64, 64) > 0.5).float()
    for ours, theirs in zip(fresh(prefilled, hole), trained(prefilled, hole), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


def test_added_blocks_change_nothing_and_learn() -> None:
    torch.manual_seed(3)
    shorter, longer = RethinedNetwork(TINY), RethinedNetwork(replace(TINY, middle_blocks=4, decoder_blocks=(1, 2, 1)))
    with torch.no_grad():
        for parameter in shorter.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    longer.load_fused(shorter.deploy().state_dict())
    prefilled, hole = torch.rand(1, 3, 64, 64), (torch.rand(1, 1, 64, 64) > 0.5).float()
    got = longer(prefilled, hole)
    for ours, theirs in zip(got, shorter(prefilled, hole), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    (got.fill * torch.rand_like(got.fill)).sum().backward()
    for block in (*list(longer.middle)[2:], longer.decode8[1]):
        assert isinstance(block, ResidualBlock)
        assert block.pointwise.kernels.grad is not None
        assert block.pointwise.kernels.grad.abs().max() > 0


def test_blocks_that_normalise_cannot_be_added() -> None:
    longer = RethinedNetwork(replace(TINY, middle_blocks=3, form="batchnorm"))
    with pytest.raises(ConfigError, match="use form 'online'"):
        longer.load_fused(RethinedNetwork(TINY).deploy().state_dict())


@pytest.mark.parametrize("missing", ["middle.0.depthwise.weight", "stem.weight"])
def test_a_part_of_a_network_is_refused(missing: str) -> None:
    network = RethinedNetwork(TINY)
    tensors = network.deploy().state_dict()
    del tensors[missing]
    with pytest.raises(ConfigError, match="do not fit this network"):
        network.load_fused(tensors)


def test_fused_weights_of_another_network_are_refused() -> None:
    other = RethinedNetwork(NetworkConfig(descriptor_size=8))
    with pytest.raises(ConfigError, match="do not fit this network"):
        RethinedNetwork().load_fused(other.deploy().state_dict())
