from __future__ import annotations

import copy

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from rethined.errors import OptionError
from rethined.export.forms import pipeline_form
from rethined.export.forms.form import Form
from rethined.export.forms.operators import PLAIN, TORCH, Operators
from rethined.export.forms.pipeline import Pipeline
from rethined.export.network import Weights
from rethined.nn import upscale
from rethined.nn.network import RESIDUAL_SCALE
from rethined.nn.prefill import spread
from rethined.resample import pull_push, shrink_known

SIDE, FACTOR = 64, 4
HR = SIDE * FACTOR
BOX = np.s_[..., 96:136, 60:112]
"""On the small grid's lines."""


@pytest.fixture(scope="module")
def form(weights: Weights) -> Form:
    return pipeline_form(weights, (SIDE, SIDE), HR)


@pytest.fixture(scope="module")
def zero_head_form(zero_head_weights: Weights) -> Form:
    return pipeline_form(zero_head_weights, (SIDE, SIDE), HR)


def module_of(form: Form) -> Pipeline:
    assert isinstance(form.module, Pipeline)
    return form.module


def hole_at(where: tuple[object, ...] = BOX) -> Tensor:
    hole = torch.zeros(1, 1, HR, HR)
    hole[where] = 1
    return hole


def fill(form: Form, picture: Tensor, hole: Tensor) -> Tensor:
    return form.outputs_of({"picture": picture, "hole": hole})["filled"]


@pytest.fixture
def picture(rng: np.random.Generator) -> Tensor:
    """Structure at all sizes."""
    layers = [
        cv2.resize(rng.random((side, side, 3), np.float32), (HR, HR), interpolation=cv2.INTER_LINEAR)
        for side in (4, 16, 64, 256)
    ]
    return torch.from_numpy(np.mean(layers, 0).transpose(2, 0, 1)[None])


def test_known_pixels_are_bit_exact_and_the_hole_does_not_count(form: Form, picture: Tensor) -> None:
    hole = hole_at()
    filled = fill(form, picture, hole)
    is_hole = hole.expand_as(picture) > 0
    assert torch.equal(filled[~is_hole], picture[~is_hole])
    assert (filled - picture)[is_hole].abs().mean() > 1e-2
    assert 0 <= filled.min() <= filled.max() <= 1
    assert torch.equal(fill(form, torch.where(is_hole, 0.9, picture), hole), filled)


def test_a_texture_of_one_small_pixel_is_restored(zero_head_form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every small pixel is one period, so the small picture is flat and all structure has to be copied."""
    module = module_of(zero_head_form)
    below = torch.arange(64).add(2 * 8).clamp(max=63).view(1, 1, 8, 8)
    attend = module._attend
    monkeypatch.setattr(module, "_attend", lambda *given: (below, attend(*given)[1]))
    tile = torch.rand((1, 3, FACTOR, FACTOR), generator=torch.Generator().manual_seed(2))
    texture = tile.repeat(1, 1, SIDE, SIDE)
    hole = hole_at(np.s_[..., 96:140, 52:96])
    filled = fill(zero_head_form, texture * (1 - hole), hole)
    torch.testing.assert_close(filled, texture, atol=1e-4, rtol=0)


def test_with_nothing_to_copy_from_the_fill_is_the_networks(zero_head_form: Form) -> None:
    colour = torch.tensor([0.2, 0.5, 0.7]).view(1, 3, 1, 1).expand(1, 3, HR, HR)
    hole = torch.ones(1, 1, HR, HR)
    hole[..., ::32, ::32] = 0
    torch.testing.assert_close(fill(zero_head_form, colour * (1 - hole), hole), colour, atol=1e-4, rtol=0)


def test_a_fill_that_is_too_bright_meets_the_rim(zero_head_weights: Weights) -> None:
    network = copy.deepcopy(zero_head_weights.network)
    assert network.to_residual.bias is not None
    network.to_residual.bias.fill_(0.1 / RESIDUAL_SCALE)
    form = pipeline_form(Weights(network, ""), (SIDE, SIDE), HR)
    hole = hole_at()
    error = (fill(form, torch.full((1, 3, HR, HR), 0.5), hole) - 0.5)[0, 0]
    core = torch.nn.functional.max_pool2d(1 - hole, 33, stride=1, padding=16)[0, 0] == 0
    ring = (torch.nn.functional.max_pool2d(1 - hole, 3, stride=1, padding=1) * hole)[0, 0] > 0
    # Enlarging alone leaves .0625 in the ring.
    assert 0 < error[ring].mean() < 0.03
    assert 0.07 < error[core].mean() < 0.1


def test_a_ramp_is_closed_without_a_seam(zero_head_form: Form) -> None:
    ramp = torch.linspace(0.2, 0.8, HR).expand(1, 3, HR, HR)
    filled = fill(zero_head_form, ramp, hole_at())
    steps = (filled[..., 1:] - filled[..., :-1]).abs()
    assert steps.max() < 0.04
    assert (filled - ramp).abs().max() < 0.12


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_shrinking_and_prefilling_are_the_engines(factor: int, weights: Weights, rng: np.random.Generator) -> None:
    module = Pipeline(weights.network, (SIDE, SIDE), factor)
    side = SIDE * factor
    image = rng.uniform(0, 255, (side, side, 3)).astype(np.float32)
    hole = cv2.resize((rng.random((12, 12)) > 0.6).astype(np.float32), (side, side)) > 0.5
    planes = torch.from_numpy(image.transpose(2, 0, 1)[None] / 255)
    known = 1 - torch.from_numpy(hole[None, None].astype(np.float32))
    small, small_hole, small_known, touched = module._shrink(planes * known, known)
    expected = shrink_known(image / 255, hole, (SIDE, SIDE))
    np.testing.assert_array_equal(small_hole[0, 0] > 0, expected.hole)
    assert torch.equal(small_known, 1 - small_hole)
    np.testing.assert_array_equal(touched[0, 0] > 0, expected.touched)
    np.testing.assert_allclose(small[0].permute(1, 2, 0) * 255, expected.image, atol=0.02)
    prefilled = spread(small, small_known)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(prefilled, pull_push(expected.image / 255, expected.hole), atol=1e-4)


def test_where_all_is_barely_known_it_is_used_all_the_same(form: Form, picture: Tensor) -> None:
    module = module_of(form)
    known = torch.zeros(1, 1, HR, HR)
    known[..., ::FACTOR, ::FACTOR] = 1
    _, small_hole, _, touched = module._shrink(picture * known, known)
    assert not small_hole.any()
    assert touched.all()
    assert torch.isfinite(fill(form, picture, 1 - known)).all()


def test_the_best_known_token_is_chosen(form: Form) -> None:
    module = module_of(form)
    generator = torch.Generator().manual_seed(1)
    query, key = (
        torch.nn.functional.normalize(torch.randn((1, 8, 8, 8), generator=generator), dim=1) for _ in range(2)
    )
    touched = torch.zeros(1, 1, SIDE, SIDE)
    touched[..., 17, 17] = touched[..., 30:50, 9:40] = 1
    source, is_set = module._attend(query, key, touched)
    corrupted = torch.nn.functional.max_pool2d(touched, 8).flatten().bool()
    assert torch.equal(is_set.flatten() > 0, corrupted)
    products = (query.flatten(2)[0].T @ key.flatten(2)[0]).numpy()
    products[:, corrupted.numpy()] = -np.inf
    np.testing.assert_array_equal(source.flatten(), products.argmax(1))
    _, none = module._attend(query, key, torch.ones_like(touched))
    assert not none.any()


@pytest.mark.parametrize("operators", [TORCH, PLAIN], ids=["torch", "plain"])
@pytest.mark.parametrize("factor", [1, 3, 4])
def test_copies_are_those_of_the_transfers_twin(factor: int, operators: Operators, weights: Weights) -> None:
    """Random sources: some copies leave the picture, some read the hole, some agree."""
    module = Pipeline(weights.network, (SIDE, SIDE), factor)
    module.operators = operators
    side, tokens = SIDE * factor, SIDE // 8
    generator = torch.Generator().manual_seed(4)
    hole = torch.zeros(1, 1, side, side)
    hole[..., side // 4 : side // 2, side // 8 : side // 2 + 3] = 1
    hole[..., : side // 10, -side // 6 :] = 1
    detail = torch.randn((1, 3, side, side), generator=generator) * (1 - hole)
    corrupted = torch.nn.functional.max_pool2d(hole, 8 * factor).flatten()
    source = torch.randint(tokens, (tokens**2,), generator=generator)
    source[1::2] = source[::2] + 1
    grid = (1, 1, tokens, tokens)
    got = module._copy(detail, 1 - hole, source.view(grid), corrupted.view(grid))[0]

    place = torch.stack(torch.meshgrid(torch.arange(tokens), torch.arange(tokens), indexing="ij"), -1)
    offset = (place.view(-1, 2)[source].view_as(place) - place) * 8
    is_set = corrupted.view(tokens, tokens) > 0
    mean, norm, is_valid, _ = upscale._gather_taps(
        detail[0], hole[0, 0] > 0, offset, is_set, torch.ones(tokens, tokens), (factor, factor)
    )
    assert is_valid.any()
    assert (norm[is_valid] < 0.8).any(), "some copies differ"
    torch.testing.assert_close(got[:, is_valid], (mean / norm)[:, is_valid], atol=2e-4, rtol=1e-3)
    assert not got[:, ~torch.nn.functional.max_pool2d(is_valid[None, None].float(), 3, 1, 1)[0, 0].bool()].any()


def test_half_precision_is_the_networks_alone(form: Form, picture: Tensor) -> None:
    half, hole = form.halved(), hole_at()
    assert {x.dtype for x in half.module.network.parameters()} == {torch.float16}
    assert {x.dtype for x in form.module.network.parameters()} == {torch.float32}, "the form itself is left alone"
    filled = fill(half, picture, hole)
    assert filled.dtype == torch.float32
    known = hole.expand_as(picture) == 0
    assert torch.equal(filled[known], picture[known])


@pytest.mark.parametrize(
    ("size_hw", "hr_px", "says"),
    [
        ((100, 100), None, r"the height is 100 px; expected a multiple of 32: 96 or 128"),
        ((64, 96), None, r"the size is 64 x 96; the pipeline is square: expected equal sides"),
        ((64, 64), 200, r"\(--hr\) is 200 px; expected a multiple of 64: 192 or 256"),
        ((64, 64), 32, r"\(--hr\) is 32 px; expected a multiple of 64: 64 or 128"),
    ],
)
def test_sizes_that_cannot_be(size_hw: tuple[int, int], hr_px: int | None, says: str, weights: Weights) -> None:
    with pytest.raises(OptionError, match=says):
        pipeline_form(weights, size_hw, hr_px)


def test_sizes_when_nothing_is_said(weights: Weights) -> None:
    form = pipeline_form(weights)
    assert (form.size_hw, form.inputs[0].shape) == ((512, 512), (1, 3, 2048, 2048))
