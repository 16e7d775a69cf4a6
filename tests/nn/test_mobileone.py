from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from rethined.errors import ConfigError
from rethined.nn.mobileone import BranchForm, FusedUnit, MobileOneUnit

FORMS: tuple[BranchForm, ...] = ("online", "batchnorm")
SIZE_HW = (16, 24)

# in, out, settings
UNITS: dict[str, tuple[int, int, dict[str, Any]]] = {
    "dense 3 x 3": (8, 8, {}),
    "dense 3 x 3, wider": (6, 10, {}),
    "dense 3 x 3, stride 2": (8, 8, {"stride": 2}),
    "dense 5 x 5": (4, 4, {"kernel_size": 5}),
    "dense 1 x 1": (8, 8, {"kernel_size": 1}),
    "dense 1 x 1, no skip, linear": (8, 8, {"kernel_size": 1, "skip": False, "activation": False}),
    "dense 1 x 1, stride 2": (8, 12, {"kernel_size": 1, "stride": 2}),
    "stem": (4, 8, {"kernel_size": 6, "stride": 4}),
    "depthwise": (8, 8, {"groups": 8}),
    "depthwise, linear": (8, 8, {"groups": 8, "activation": False}),
    "depthwise, stride 2": (8, 8, {"groups": 8, "stride": 2}),
    "depthwise, two out per in": (4, 8, {"groups": 4}),
    "grouped": (8, 8, {"groups": 2}),
    "grouped, stride 2": (8, 12, {"groups": 4, "stride": 2}),
}


@pytest.mark.parametrize("branches", [1, 2, 4])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("unit", UNITS)
def test_train_form_equals_fused_form(
    unit: str, form: BranchForm, branches: int, randomise: Callable[[nn.Module], nn.Module], generator: torch.Generator
) -> None:
    in_channels, out_channels, settings = UNITS[unit]
    trained = randomise(MobileOneUnit(in_channels, out_channels, form=form, branches=branches, **settings)).eval()
    fused = trained.fuse()
    x = torch.randn((2, in_channels, *SIZE_HW), generator=generator)
    with torch.no_grad():
        expected, got = trained(x.clone()), fused(x.clone())
    stride = settings.get("stride", 1)
    assert got.shape == (2, out_channels, SIZE_HW[0] // stride, SIZE_HW[1] // stride)
    assert got.std() > 0.05
    assert (got - expected).abs().max() <= 1e-4
    assert [name for name, _ in fused.named_parameters()] == ["weight", "bias"]


@pytest.mark.parametrize("form", FORMS)
def test_branches_are_a_skip_a_pointwise_and_k_kernels(form: BranchForm, generator: torch.Generator) -> None:
    unit = MobileOneUnit(2, 2, branches=2, form=form, activation=False).eval()
    x = torch.randn((1, 2, 5, 5), generator=generator)
    gain = 1.0
    with torch.no_grad():
        for parameter in (unit.kernels, unit.pointwise):
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
        if form == "online":
            gain = unit.gain[0].item()
    branches = [functional.conv2d(x, kernel, padding=1) for kernel in unit.kernels]
    expected = x + gain * (branches[0] + branches[1] + functional.conv2d(x, unit.pointwise))
    # A fresh BatchNorm divides by the root of 1 + 1e-5.
    torch.testing.assert_close(unit(x), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("groups", "out_channels"), [(8, 8), (4, 12), (1, 8)], ids=["depthwise", "grouped", "dense"])
@pytest.mark.parametrize("size_hw", [(16, 24), (15, 9)], ids=str)
def test_strided_shortcut_equals_a_strided_convolution(
    groups: int,
    out_channels: int,
    size_hw: tuple[int, int],
    randomise: Callable[[nn.Module], nn.Module],
    generator: torch.Generator,
) -> None:
    unit = randomise(MobileOneUnit(8, out_channels, stride=2, groups=groups, branches=2, activation=False))
    x = torch.randn((2, 8, *size_hw), generator=generator)
    weight = (unit.kernels.sum(0) + functional.pad(unit.pointwise, [1] * 4)) * unit.gain.view(-1, 1, 1, 1)
    expected = functional.conv2d(x, weight, unit.bias, stride=2, padding=1, groups=groups)
    torch.testing.assert_close(unit(x), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_every_weight_learns(
    form: BranchForm, randomise: Callable[[nn.Module], nn.Module], generator: torch.Generator
) -> None:
    unit = randomise(MobileOneUnit(4, 4, groups=4, branches=2, form=form))
    unit(torch.randn((2, 4, 8, 8), generator=generator)).square().sum().backward()
    for name, parameter in unit.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_online_units_start_near_the_identity(generator: torch.Generator) -> None:
    torch.manual_seed(0)
    unit = MobileOneUnit(8, 8, activation=False)
    x = torch.randn((1, 8, 16, 16), generator=generator)
    assert (unit(x) - x).std() < 0.6


@pytest.mark.parametrize("form", FORMS)
def test_activations_stay_in_their_type(form: BranchForm, generator: torch.Generator) -> None:
    unit = MobileOneUnit(4, 4, form=form)
    x = torch.randn((1, 4, 8, 8), generator=generator).bfloat16()
    assert unit(x).dtype == torch.bfloat16
    assert unit.fuse()(x).dtype == torch.bfloat16
    assert unit.kernels.dtype == torch.float32


def test_fused_unit_keeps_its_own_weights() -> None:
    weight, bias = torch.ones(2, 1, 1, 1), torch.zeros(2)
    fused = FusedUnit(weight, bias, stride=1, padding=0, groups=2, activation=True)
    weight.mul_(5)
    assert fused(torch.tensor([-1.0, 2.0]).view(1, 2, 1, 1)).flatten().tolist() == [0.0, 2.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"branches": 0}, "branches is 0; a unit needs at least 1"),
        ({"branches": -2}, "branches is -2"),
        ({"form": "inline"}, "form is 'inline'; expected one of online, batchnorm"),
    ],
)
def test_refused_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MobileOneUnit(4, 4, **settings)


def test_batchnorm_units_cannot_start_from_a_fused_kernel() -> None:
    with pytest.raises(ConfigError, match="form 'batchnorm' cannot start from fused weights; use form 'online'"):
        MobileOneUnit(4, 4, form="batchnorm").unfuse(torch.zeros(4, 4, 3, 3), torch.zeros(4))


@pytest.mark.parametrize("unit", UNITS)
@torch.no_grad()
def test_unfused_unit_says_what_the_fused_one_says(
    unit: str, randomise: Callable[[nn.Module], nn.Module], generator: torch.Generator
) -> None:
    in_channels, out_channels, settings = UNITS[unit]
    fused, fresh = (randomise(MobileOneUnit(in_channels, out_channels, branches=2, **settings)) for _ in range(2))
    fused = fused.fuse()
    fresh.unfuse(fused.weight, fused.bias)
    x = torch.randn((2, in_channels, *SIZE_HW), generator=generator)
    assert (fresh(x.clone()) - fused(x.clone())).abs().max() <= 1e-4


def test_norms_without_statistics_cannot_be_fused() -> None:
    unit = MobileOneUnit(4, 4, form="batchnorm")
    unit.branch_norms[0] = unit.norms[0] = nn.BatchNorm2d(4, track_running_stats=False)
    with pytest.raises(ConfigError, match="without running statistics cannot be fused; train with track_running_stats"):
        unit.fuse()
