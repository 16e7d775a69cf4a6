from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rethined import matching as runtime
from rethined.nn.matching import corrupted_tokens, match_logits, match_sparse, sample_rows

WARM, COLD = torch.tensor(0.1), torch.tensor(0.01)


def unit_vectors(shape: tuple[int, ...], generator: torch.Generator, dim: int) -> Tensor:
    return torch.nn.functional.normalize(torch.randn(shape, generator=generator), dim=dim)


@pytest.mark.parametrize(
    ("pixel_yx", "token"), [((0, 0), 0), ((7, 7), 0), ((0, 8), 1), ((7, 23), 2), ((8, 0), 3), ((15, 23), 5)]
)
def test_one_hole_pixel_corrupts_its_token_alone(pixel_yx: tuple[int, int], token: int) -> None:
    hole = torch.zeros(2, 1, 16, 24)
    hole[1, 0, *pixel_yx] = 1
    expected = torch.zeros(2, 6, dtype=torch.bool)
    expected[1, token] = True
    assert torch.equal(corrupted_tokens(hole), expected)


def test_soft_map_looks_at_known_tokens_only_and_rows_sum_to_one(generator: torch.Generator) -> None:
    query, key = unit_vectors((2, 5, 8), generator, 2), unit_vectors((2, 8, 12), generator, 1)
    corrupted = torch.rand((2, 12), generator=generator) > 0.5
    soft = match_logits(query, key, corrupted, WARM).softmax(2)
    assert soft.shape == (2, 5, 12)
    torch.testing.assert_close(soft.sum(2), torch.ones(2, 5))
    assert soft.masked_select(corrupted[:, None].expand_as(soft)).max() == 0
    assert soft.masked_select(~corrupted[:, None].expand_as(soft)).min() > 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_nothing_known_gives_no_nan(dtype: torch.dtype, generator: torch.Generator) -> None:
    query, key = unit_vectors((1, 3, 4), generator, 2), unit_vectors((1, 4, 6), generator, 1)
    everything = torch.ones(1, 6, dtype=torch.bool)
    soft = match_logits(query.to(dtype), key.to(dtype), everything, WARM.to(dtype)).softmax(2)
    assert torch.isfinite(soft).all()
    sparse = match_sparse(query[0].T.reshape(4, 1, 3), key[0, :, :3].reshape(4, 1, 3), everything[0, :3], WARM, k=2)
    assert sparse.rows.tolist() == [0, 1, 2]
    assert sparse.sources.shape == sparse.weights.shape == (3, 0)


def test_planted_matches_are_found() -> None:
    """Token 1 looks like 7, token 4 like 2; token 5, the best of all for token 1, is hole itself."""
    key = torch.eye(12)[:, :9].clone()
    key[:, 5] = key[:, 7]
    query = torch.zeros(12, 9)
    query[7, 1], query[2, 4], query[:, 5] = 1, 1, torch.eye(12)[3]
    corrupted = torch.zeros(9, dtype=torch.bool)
    corrupted[[1, 4, 5]] = True
    match = match_sparse(query.view(12, 3, 3), key.view(12, 3, 3), corrupted, COLD, k=1)
    assert match.rows.tolist() == [1, 4, 5]
    assert match.sources.tolist() == [[7], [2], [3]]
    assert match.weights.tolist() == [[1.0]] * 3
    soft = match_logits(query.T[None, [1, 4, 5]], key[None], corrupted[None], COLD).softmax(2)
    one_hot = torch.eye(9)[[7, 2, 3]]
    torch.testing.assert_close(soft[0], one_hot, atol=1e-6, rtol=0)


@pytest.mark.parametrize("k", [1, 4, 64])
def test_sparse_match_is_the_soft_map_cut_off_and_the_runtimes_twin(k: int, generator: torch.Generator) -> None:
    query, key = (unit_vectors((8, 6, 7), generator, 0) for _ in range(2))
    corrupted = torch.rand(42, generator=generator) > 0.6
    known = int((~corrupted).sum())
    match = match_sparse(query, key, corrupted, WARM, k=k)
    assert match.sources.shape == (42 - known, min(k, known))
    assert not corrupted[match.sources].any()
    torch.testing.assert_close(match.weights.sum(1), torch.ones(42 - known))
    assert (match.weights.diff(dim=1) <= 0).all()
    if k >= known:
        soft = match_logits(query.flatten(1).T[None, match.rows], key.flatten(1)[None], corrupted[None], WARM).softmax(
            2
        )
        torch.testing.assert_close(soft[0].gather(1, match.sources), match.weights)

    twin = runtime.match_tokens(query.numpy(), key.numpy(), corrupted.view(6, 7).numpy(), temperature=WARM.item(), k=k)
    np.testing.assert_array_equal(match.rows, twin.rows)
    np.testing.assert_array_equal(match.sources, twin.sources)
    np.testing.assert_allclose(match.weights, twin.weights, atol=1e-5)


def test_sampled_rows_are_corrupted_and_different(generator: torch.Generator) -> None:
    corrupted = torch.zeros(3, 50, dtype=torch.bool)
    corrupted[0, 10:40] = True
    corrupted[1, [3, 30]] = True
    rows, is_real = sample_rows(corrupted, 8, generator)
    assert rows.shape == is_real.shape == (3, 8)
    assert is_real.sum(1).tolist() == [8, 2, 0]
    assert torch.equal(corrupted.gather(1, rows), is_real)
    assert all(len(set(row)) == 8 for row in rows.tolist())
    assert set(rows[1, is_real[1]].tolist()) == {3, 30}


def test_sampled_rows_follow_the_generator() -> None:
    corrupted = torch.ones(1, 200, dtype=torch.bool)
    first, again, other = (sample_rows(corrupted, 20, torch.Generator().manual_seed(s))[0] for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_fewer_tokens_than_asked_for(generator: torch.Generator) -> None:
    rows, is_real = sample_rows(torch.ones(1, 4, dtype=torch.bool), 48, generator)
    assert sorted(rows[0].tolist()) == [0, 1, 2, 3]
    assert is_real.all()
