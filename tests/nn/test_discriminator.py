from __future__ import annotations

import pytest
import torch

from rethined.nn.discriminator import PatchDiscriminator


@pytest.fixture
def discriminator() -> PatchDiscriminator:
    torch.manual_seed(0)
    return PatchDiscriminator().eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shapes_and_types(discriminator: PatchDiscriminator, dtype: torch.dtype) -> None:
    discriminator.compute_dtype = dtype
    verdict = discriminator(torch.rand(2, 3, 64, 96))
    assert (verdict.scores.shape, verdict.scores.dtype) == ((2, 1, 8, 12), torch.float32)
    assert [tuple(x.shape) for x in verdict.features] == [(2, 16, 32, 48), (2, 48, 16, 24), (2, 96, 8, 12)]
    assert {x.dtype for x in verdict.features} == {dtype}


@pytest.mark.parametrize(("layers", "patch_px"), [(1, 8), (2, 18), (3, 38), (4, 78), (5, 158)])
def test_a_score_sees_its_patch_and_no_more(layers: int, patch_px: int) -> None:
    picture = torch.rand(1, 3, 384, 64, requires_grad=True)
    verdict = PatchDiscriminator(layers).eval()(picture)
    cell_px = 2**layers
    row = verdict.scores.shape[2] // 2
    assert verdict.scores.shape == (1, 1, 384 // cell_px, 64 // cell_px)
    verdict.scores[0, 0, row, 0].backward()
    assert picture.grad is not None
    rows = picture.grad[0].abs().sum((0, 2)).nonzero().flatten()
    middle_px = row * cell_px + cell_px // 2
    assert (int(rows[0]), int(rows[-1])) == (middle_px - patch_px // 2, middle_px + patch_px // 2 - 1)


def test_no_layer_stretches(discriminator: PatchDiscriminator) -> None:
    """The largest singular value of each kernel, as a matrix, is about 1 whatever the weights are."""
    discriminator.train()
    for layer in (*discriminator.layers, discriminator.to_score):
        with torch.no_grad():
            layer.parametrizations.weight.original.mul_(50)
            for _ in range(30):
                weight = layer.weight
        assert torch.linalg.matrix_norm(weight.flatten(1), 2).item() == pytest.approx(1, abs=0.05)
