"""Fills that a loss sees as the transfer leaves them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from rethined.losses import transferred as module
from rethined.losses.transferred import Transferred, transfer_fills
from rethined.nn.upscale import upscale
from rethined.offsets import OffsetField
from rethined.options import InpaintOptions

SIDE = 96


def descriptors(count: int) -> Tensor:
    """Of 8 numbers for each token of pictures of :data:`SIDE`."""
    numbers = torch.randn(count, 8, SIDE // 8, SIDE // 8, generator=torch.Generator().manual_seed(3))
    return functional.normalize(numbers, dim=1)


@pytest.fixture
def target(generator: torch.Generator) -> Tensor:
    """Three pictures in whole grey levels: tones that drift, and grain."""
    tones = torch.rand(3, 3, 4, 4, generator=generator) * 160 + 40
    drifting = functional.interpolate(tones, size=SIDE, mode="bicubic")
    grain = torch.randint(-20, 21, (3, 1, SIDE, SIDE), generator=generator)
    return (drifting.round() + grain).clamp(0, 255) / 255


@pytest.fixture
def hole() -> Tensor:
    """One off the token grid, one on the border, and a few pixels."""
    hole = torch.zeros(3, 1, SIDE, SIDE)
    hole[0, :, 30:61, 21:66] = 1
    hole[1, :, 50:, :30] = 1
    hole[2, :, 40:42, 40:90] = 1
    return hole


@pytest.fixture
def fill(target: Tensor, hole: Tensor) -> Tensor:
    """What a network might make of the holes: a blur, and something of its own outside."""
    return torch.where(hole > 0.5, functional.avg_pool2d(target, 9, 1, 4), torch.tensor(3.0))


def transferred(fill: Tensor, target: Tensor, hole: Tensor, threads: int = 1) -> Transferred:
    tokens = descriptors(len(hole))
    return transfer_fills(fill, target, hole, tokens, tokens, temperature=0.1, threads=threads)


def test_values_and_gradients_are_those_of_the_torch_twin(
    fill: Tensor, target: Tensor, hole: Tensor, generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields: list[OffsetField] = []
    search = module.find_sources

    def heard(*args: object, **options: object) -> object:
        users = InpaintOptions()
        assert (options["candidates"], options["agree_rounds"]) == (users.candidates, users.agree_rounds)
        found = search(*args, **options)  # type: ignore[arg-type]
        fields.append(found[0])
        return found

    monkeypatch.setattr(module, "find_sources", heard)
    result = transferred(fill, target, hole)

    def twin(filled: Tensor) -> Tensor:
        wholes = [
            upscale(
                target[n] * 255,
                hole[n, 0] > 0.5,
                torch.where(hole[n] > 0.5, filled[n], target[n]) * 255,
                hole[n, 0] > 0.5,
                torch.from_numpy(field.offset_yx).long(),
                torch.from_numpy(field.is_set),
            )
            for n, field in enumerate(fields)
        ]
        return torch.stack(wholes) / 255

    wanted = functional.avg_pool2d(torch.randn(3, 3, SIDE, SIDE, generator=generator), 5, 1, 2) * hole
    values, gradients = [], []
    for way in (twin, lambda filled: result.follow(filled, hole)):
        filled = fill.clone().requires_grad_()
        whole = way(filled)
        (whole * wanted).sum().backward()
        assert filled.grad is not None
        values.append(whole.detach())
        gradients.append(filled.grad)
    assert (values[0] - values[1]).abs().max() < 1e-5
    assert ((values[1] - target) * (1 - hole)).abs().max() < 1e-6
    for exact, ours in zip(*gradients, strict=True):
        assert (ours != 0).any()
        assert functional.cosine_similarity(exact.flatten(), ours.flatten(), dim=0) > 0.997
        assert abs(ours.norm() / exact.norm() - 1) < 0.02, "all but what the seam does"
    assert (gradients[1] * (1 - hole) == 0).all(), "what the network says of known pixels is no matter"


def test_copies_are_what_is_seen(fill: Tensor, target: Tensor, hole: Tensor) -> None:
    def grain(picture: Tensor) -> Tensor:
        return ((picture - functional.avg_pool2d(picture, 3, 1, 1)) * hole).abs().sum((1, 2, 3))

    alone = torch.where(hole > 0.5, fill, target)
    ours, blurred, true = (grain(x) for x in (transferred(fill, target, hole).fill, alone, target))
    assert (ours > 0.6 * true).all()
    assert (blurred < 0.4 * true).all()


def test_what_is_faded_or_gated_comes_from_the_copies_or_the_network(fill: Tensor, target: Tensor) -> None:
    hole = torch.zeros(3, 1, SIDE, SIDE)
    hole[:, :, 16:80, 16:80] = 1
    result = transferred(fill, target, hole)
    assert ((result.gate >= 0) & (result.gate <= 1)).all()
    assert (result.gate[:, :, :16] == 0).all(), "nothing is copied there"
    assert (result.voice[:, :, :16] == 0).all()
    rim, deep = result.voice[:, :, 17, 48], result.voice[:, :, 48, 48]
    assert (rim > 10 * deep).all()
    assert (deep > 0).all()
    shut = Transferred(result.fill, torch.zeros_like(result.gate), result.voice)
    filled = fill.clone().requires_grad_()
    shut.follow(filled, hole).sum().backward()
    assert torch.equal(filled.grad, hole.expand_as(fill)), "all of it is the network's"


def test_threads_change_nothing(fill: Tensor, target: Tensor, hole: Tensor) -> None:
    one, two = (transferred(fill, target, hole, threads) for threads in (1, 2))
    for name in ("fill", "gate", "voice"):
        assert torch.equal(getattr(one, name), getattr(two, name))


def test_windows_are_cut_from_all(fill: Tensor, target: Tensor, hole: Tensor) -> None:
    result = transferred(fill, target, hole)
    corners = torch.tensor([[0, 8], [32, 0], [16, 40]])
    cut = result.cut(corners, 48)
    for n, (top, left) in enumerate(corners.tolist()):
        for name in ("fill", "gate", "voice"):
            whole = getattr(result, name)[n, :, top : top + 48, left : left + 48]
            assert torch.equal(getattr(cut, name)[n], whole)


def test_nothing_to_fill_and_nothing_to_copy(fill: Tensor, target: Tensor) -> None:
    hole = torch.zeros(3, 1, SIDE, SIDE)
    hole[1] = 1
    hole[2, :, ::8, ::8] = 1  # no token is known
    result = transferred(fill, target, hole)
    assert torch.allclose(result.fill[0], target[0])
    for n in (1, 2):
        assert torch.allclose(result.fill[n], torch.where(hole[n] > 0.5, fill[n].clamp(0, 1), target[n]))
    filled = fill.clone().requires_grad_()
    result.follow(filled, hole).sum().backward()
    assert torch.equal(filled.grad, hole.expand_as(fill))


def test_inputs_stay_as_they_are(fill: Tensor, target: Tensor, hole: Tensor) -> None:
    given = [x.clone() for x in (fill, target, hole)]
    transferred(fill, target, hole)
    for before, after in zip(given, (fill, target, hole), strict=True):
        assert torch.equal(before, after)
