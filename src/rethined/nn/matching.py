"""NeuralPatchMatch: which known tokens a hole token should be copied from.

A token is an 8 x 8 patch of the network's input. It is corrupted if any pixel of it is to be filled. Corrupted tokens
look at known tokens only, and only their rows of the attention map are ever computed.

Reference: RETHINED, section 3.3 and Figure 4. Differences: descriptors have unit length, the mask acts before the
softmax (so rows sum to one), and there are no rows for known tokens, which the paper keeps as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from rethined.nn.network import TOKEN_PX
from rethined.nn.processes import uniform_rows

MASKED_LOGIT = -1e4
"""Stands for minus infinity; finite in half precision, so a row without known tokens gives no NaN."""


class SparseMatch(NamedTuple):
    """The k best known tokens of each corrupted token of one picture.

    Attributes:
        rows: ``(R,)`` int, indices of the corrupted tokens in reading order.
        sources: ``(R, k)`` int, token indices, best first.
        weights: ``(R, k)`` float, softmax over the k; rows sum to one.
    """

    rows: Tensor
    sources: Tensor
    weights: Tensor


def corrupted_tokens(hole: Tensor) -> Tensor:
    """``(N, 1, H, W)`` hole map (1 = fill) to ``(N, H W / 64)`` bool: whether any pixel of the token is hole."""
    return (functional.max_pool2d(hole, TOKEN_PX) > 0).flatten(1)


def match_logits(query: Tensor, key: Tensor, corrupted: Tensor, temperature: Tensor) -> Tensor:
    """Similarity of some hole tokens with all tokens, masked to the known ones.

    Args:
        query: ``(N, R, d)``, rows to match, unit length.
        key: ``(N, d, T)``, descriptors of all tokens, unit length.
        corrupted: ``(N, T)`` bool.
        temperature: Positive scalar.

    Returns:
        ``(N, R, T)`` logits; a softmax over the last axis gives the soft attention map.
    """
    logits = torch.bmm(query, key) / temperature
    return logits.masked_fill(corrupted[:, None], MASKED_LOGIT)


def match_sparse(query: Tensor, key: Tensor, corrupted: Tensor, temperature: Tensor, *, k: int) -> SparseMatch:
    """The k best sources of one picture's corrupted tokens; twin of :func:`rethined.matching.match_tokens`.

    Args:
        query: ``(d, h, w)``, unit length.
        key: ``(d, h, w)``, unit length.
        corrupted: ``(h w,)`` bool.
        temperature: Positive scalar.
        k: How many sources; at most the number of known tokens.
    """
    rows = corrupted.nonzero().flatten()
    picked = query.flatten(1)[:, rows].T[None]
    logits = match_logits(picked, key.flatten(1)[None], corrupted[None], temperature)[0]
    best, sources = logits.topk(min(k, int((~corrupted).sum())), dim=1)
    return SparseMatch(rows, sources, best.softmax(1))


def sample_rows(corrupted: Tensor, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """``count`` corrupted tokens of each picture, with how many of them are real (fewer holes repeat none).

    Args:
        corrupted: ``(N, T)`` bool.
        count: How many.
        generator: Source of randomness; nothing is waited for when it is on the device of ``corrupted``.

    Returns:
        ``(N, count)`` int token indices and ``(N, count)`` bool, ``False`` where a picture had no more.
    """
    tokens = corrupted.shape[1]
    chance = uniform_rows(len(corrupted), tokens, generator, corrupted.device) + corrupted
    best, rows = chance.topk(min(count, tokens), dim=1)
    return rows, best >= 1
