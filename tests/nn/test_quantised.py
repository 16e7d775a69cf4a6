from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from rethined.errors import ConfigError
from rethined.nn.mobileone import FusedUnit, MobileOneUnit
from rethined.nn.network import NetworkConfig, Quantised, RethinedNetwork
from rethined.nn.quantised import (
    CALIBRATION_PASSES,
    ActivationQuantiser,
    is_rounding,
    round_weights,
    rounded,
    weight_steps,
)

TINY = NetworkConfig((8, 16, 16, 16), (1, 1, 1), 2, (1, 1, 1), descriptor_size=8, quantised="all")
BYTE = (0.0, 255.0)
"""A range whose steps are of size 1."""

Randomise = Callable[[nn.Module], RethinedNetwork]


def row(*values: float) -> Tensor:
    return torch.tensor(values).view(1, 1, 1, -1)


def calibrated(network: RethinedNetwork, generator: torch.Generator) -> RethinedNetwork:
    """The network after as many passes as it watches, in evaluation mode."""
    network.train()
    with torch.no_grad():
        for _ in range(CALIBRATION_PASSES):
            network(torch.rand((1, 3, 64, 64), generator=generator), torch.ones(1, 1, 64, 64))
    return network.eval()


# ---- activations ----


@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluation"])
def test_values_become_the_nearest_step_and_those_outside_the_last(mode: bool) -> None:
    quantiser = ActivationQuantiser(BYTE).train(mode)
    got = quantiser(row(-3, 0.4, 0.6, 100.2, 255.3, 300))
    assert got.tolist() == row(0, 0, 1, 100, 255, 255).tolist()


@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluation"])
def test_nothing_is_exactly_nothing_in_any_range(mode: bool) -> None:
    quantiser = ActivationQuantiser((-0.37, 1.9)).train(mode)
    size, zero = quantiser.steps
    assert size == pytest.approx(2.27 / 255)
    assert zero == round(0.37 / size)
    got = quantiser(row(0, size, -size, 10, -10))
    assert got[..., 0] == 0
    torch.testing.assert_close(got, row(0, size, -size, (255 - zero) * size, -zero * size))


def test_training_rounds_as_evaluation_does(generator: torch.Generator) -> None:
    quantiser = ActivationQuantiser((-1.3, 2.1))
    x = 2 * torch.randn((2, 8, 16, 16), generator=generator)
    torch.testing.assert_close(quantiser.train()(x), quantiser.eval()(x), atol=1e-6, rtol=0)


def test_steps_survive_bfloat16() -> None:
    quantiser = ActivationQuantiser((-100.0, 155.0)).train()
    x = torch.arange(-120, 170).view(1, 1, 1, -1).to(torch.bfloat16)
    got = quantiser(x)
    assert got.dtype == torch.bfloat16
    assert torch.equal(got, x.clamp(-100, 155))


def test_gradients_pass_but_where_a_value_was_clipped() -> None:
    x = row(-3, 0.4, 100.2, 300).requires_grad_()
    (ActivationQuantiser(BYTE).train()(x) * row(1, 2, 3, 4)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == row(0, 2, 3, 0).tolist()


def test_first_passes_go_through_and_tell_the_range() -> None:
    quantiser = ActivationQuantiser().train()
    for index in range(CALIBRATION_PASSES):
        assert not is_rounding(quantiser)
        x = row(-1, 0.123, 2) * (index + 1)
        assert torch.equal(quantiser(x), x)
    assert is_rounding(quantiser)
    mean = (CALIBRATION_PASSES + 1) / 2
    assert (quantiser.low.item(), quantiser.high.item()) == pytest.approx((-mean, 2 * mean))
    quantiser(row(100))
    assert quantiser.high.item() == pytest.approx(2 * mean)
    assert quantiser(row(100)).item() == pytest.approx(2 * mean, abs=3 * mean / 255)


def test_a_few_large_values_do_not_widen_the_range() -> None:
    quantiser = ActivationQuantiser().train()
    x = torch.linspace(-1, 1, 1 << 17).view(1, 1, 256, 512).clone()
    x[0, 0, 0, 0], x[0, 0, 1, 1] = -50, 50
    quantiser(x)
    assert (quantiser.low.item(), quantiser.high.item()) == pytest.approx((-1, 1), abs=1e-3)


def test_before_any_pass_evaluation_changes_nothing() -> None:
    quantiser = ActivationQuantiser().eval()
    x = row(0.1, -7, 3)
    assert quantiser(x) is x
    assert quantiser.passes == 0
    with pytest.raises(
        ConfigError, match=r"watched for 0 passes; its ranges are known after 32: train it for 16 steps"
    ):
        _ = quantiser.steps


def test_a_range_is_saved_and_another_one_forgotten() -> None:
    wide, narrow = ActivationQuantiser((0.0, 510.0)), ActivationQuantiser(BYTE)
    assert narrow(row(300)).item() == 255
    narrow.load_state_dict(wide.state_dict())
    assert not narrow.is_in_use
    assert narrow(row(301)).item() in (300, 302)
    assert narrow.is_in_use
    narrow.load_state_dict(ActivationQuantiser().state_dict())
    assert not is_rounding(narrow)


def test_where_there_is_no_quantiser_nothing_is_copied() -> None:
    x = row(0.3)
    assert rounded(x, None) is x
    assert not is_rounding(None)


# ---- weights ----


def test_weights_of_each_channel_become_127_steps(generator: torch.Generator) -> None:
    weight = torch.randn((5, 7, 3, 3), generator=generator) * torch.tensor([1e-3, 1, 10, 0, 5]).view(-1, 1, 1, 1)
    got = round_weights(weight)
    step = weight.abs().amax((1, 2, 3)) / 63
    torch.testing.assert_close(weight_steps(weight)[[0, 1, 2, 4]], step[[0, 1, 2, 4]])
    for channel in (0, 1, 2, 4):
        whole = got[channel] / step[channel]
        torch.testing.assert_close(whole, whole.round(), atol=1e-4, rtol=0)
        assert whole.abs().max().item() == pytest.approx(63)
        assert (got[channel] - weight[channel]).abs().max() <= step[channel] * 0.501
    assert torch.equal(got[3], weight[3])


def test_gradients_of_weights_pass() -> None:
    weight = torch.tensor([0.3, -1.0]).view(2, 1, 1, 1).requires_grad_()
    (round_weights(weight) * torch.tensor([2.0, 3.0]).view(2, 1, 1, 1)).sum().backward()
    assert weight.grad is not None
    assert weight.grad.flatten().tolist() == [2, 3]


# ---- units ----


@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluation"])
def test_a_unit_rounds_its_kernel_and_what_it_gives(mode: bool) -> None:
    unit = MobileOneUnit(1, 1, kernel_size=1, skip=False, quantised=True)
    assert unit.quantiser is not None
    unit.quantiser.load_state_dict(ActivationQuantiser(BYTE).state_dict())
    unit.unfuse(torch.full((1, 1, 1, 1), 10.0), torch.tensor([0.2]))
    x = row(-4, 0, 3.02, 6.07, 40)
    for form in (unit.train(mode), unit.fuse().train(mode)):
        assert form(x.clone()).flatten().tolist() == [0, 0, 30, 61, 255]
    unit = MobileOneUnit(4, 4, quantised=True)
    weight = unit.fuse().weight
    assert torch.equal(weight, round_weights(weight))
    assert len(weight[0].unique()) > 10


def test_only_online_units_are_quantised() -> None:
    with pytest.raises(ConfigError, match="form is 'batchnorm'; only a network of form 'online' can be quantised"):
        MobileOneUnit(4, 4, form="batchnorm", quantised=True)


# ---- the network ----


@torch.no_grad()
def test_a_network_that_has_watched_nothing_rounds_its_kernels_alone(
    randomise: Randomise, generator: torch.Generator
) -> None:
    network = randomise(RethinedNetwork(TINY)).eval()
    plain = network.unquantised().eval()
    assert plain.config == replace(TINY, quantised="nothing")
    assert {name: x.shape for name, x in plain.state_dict().items()} == {
        name: x.shape for name, x in RethinedNetwork(plain.config).state_dict().items()
    }
    assert all(torch.equal(x, network.state_dict()[name]) for name, x in plain.state_dict().items())
    deployed = plain.deploy()
    for module in deployed.modules():
        if isinstance(module, FusedUnit):
            module.weight.copy_(round_weights(module.weight))
    # Eight-bit pictures are in steps already.
    prefilled, hole = torch.randint(256, (1, 3, 64, 64), generator=generator) / 255, torch.ones(1, 1, 64, 64)
    for ours, theirs in zip(network(prefilled, hole), deployed(prefilled, hole), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)


# Input, stem, blocks (two units and a sum each), ways down, ways up, sums with what came down.
PLACES = {"all": 1 + 1 + 3 * 8 + 2 * 3 + 3 + 3, "coarse": 1 + 3 * 6 + 5 + 2 + 2}


@pytest.mark.parametrize("quantised", ["coarse", "all"])
@torch.no_grad()
def test_deploy_form_rounds_as_train_form_does(
    quantised: Quantised, randomise: Randomise, generator: torch.Generator
) -> None:
    network = calibrated(randomise(RethinedNetwork(replace(TINY, quantised=quantised))), generator)
    quantisers = [module for module in network.modules() if isinstance(module, ActivationQuantiser)]
    assert len(quantisers) == PLACES[quantised]
    assert all(is_rounding(quantiser) for quantiser in quantisers)
    prefilled, hole = torch.rand((1, 3, 64, 64), generator=generator), torch.ones(1, 1, 64, 64)
    expected, got = network(prefilled, hole), network.deploy()(prefilled, hole)
    for name, ours, theirs in zip(got._fields, got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, msg=name)
    off = network.unquantised().eval()(prefilled, hole)
    assert 1e-5 < (got.fill - off.fill).abs().mean() < 0.1 * (off.fill - prefilled).abs().mean()


@torch.no_grad()
def test_coarse_leaves_what_works_at_a_quarter_alone(randomise: Randomise, generator: torch.Generator) -> None:
    network = calibrated(randomise(RethinedNetwork(replace(TINY, quantised="coarse"))), generator)
    plain = network.unquantised().eval()
    x = torch.rand((1, 4, 64, 64), generator=generator)
    at4 = plain.encode4(plain.stem(x))
    assert torch.equal(network.encode4(network.stem(x)), at4)
    assert torch.equal(network.down8[0](at4), plain.down8[0](at4))
    assert torch.equal(network.decode4(at4), plain.decode4(at4))
    assert not torch.equal(network.down8(at4), plain.down8(at4))


def test_other_words_are_refused() -> None:
    with pytest.raises(ConfigError, match="quantised is 'fine'; expected one of nothing, coarse, all"):
        RethinedNetwork(replace(TINY, quantised="fine"))  # type: ignore[arg-type]


def test_quantised_networks_begin_with_weights_of_plain_ones(randomise: Randomise) -> None:
    plain = randomise(RethinedNetwork(replace(TINY, quantised="nothing")))
    network = RethinedNetwork(TINY)
    network.load_fused(plain.deploy().state_dict())
    theirs = dict(plain.deploy().named_parameters())
    for name, x in network.unquantised().deploy().named_parameters():
        torch.testing.assert_close(x, theirs[name], atol=1e-6, rtol=1e-5)
    # And the other way round, from what a network with ranges says of itself.
    again = RethinedNetwork(replace(TINY, quantised="nothing"))
    again.load_fused(network.deploy().state_dict())
    assert not [name for name, _ in again.named_buffers() if "quantiser" in name]


def test_all_that_mixes_learns_in_steps(randomise: Randomise, generator: torch.Generator) -> None:
    network = calibrated(randomise(RethinedNetwork(TINY)), generator).train()
    output = network(torch.rand((1, 3, 64, 64), generator=generator), torch.ones(1, 1, 64, 64))
    (output.fill.square().mean() + output.query[:, 0].mean() + output.key[:, 0].mean()).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == ["log_temperature"]
