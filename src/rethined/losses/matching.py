"""Oracle supervision of the matching: the truth says which known tokens a hole token should have found."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rethined.nn.matching import corrupted_tokens, match_logits, sample_rows
from rethined.nn.network import TOKEN_PX, CellOutput, NetworkOutput
from rethined.nn.processes import mean_of_all

ROWS_PER_PICTURE = 48
"""Hole tokens supervised per picture; all of them would take most of a training step and teach no more."""
WINDOW_POOL = 4
"""Windows are compared at a quarter of their size: finer ones take longer and prefer no others."""
MEAN_FORGIVEN = 0.5
"""Share of the difference in mean colour that does not count: the transfer corrects tone."""
FLAT = 2.5e-3
"""Squared distance of windows below which all sources are as good as equal."""
SOFTNESS = 0.15
"""How much worse than the best source, relative to it, still counts as a good one."""


def oracle_matching(
    output: CellOutput | NetworkOutput, target: Tensor, hole: Tensor, temperature: Tensor, generator: torch.Generator
) -> Tensor:
    """Cross-entropy between the soft attention map and the sources that the truth prefers.

    Args:
        output: What the network gave.
        target: ``(N, 3, H, W)`` float, the true picture.
        hole: ``(N, 1, H, W)`` float, 1 = fill.
        temperature: The network's temperature.
        generator: Chooses the supervised tokens.
    """
    corrupted = corrupted_tokens(hole)
    rows, is_real = sample_rows(corrupted, ROWS_PER_PICTURE, generator)
    is_real &= (~corrupted).any(1, keepdim=True)
    query = output.query.flatten(2).transpose(1, 2)
    picked = torch.gather(query, 1, rows[..., None].expand(-1, -1, query.shape[2]))
    logits = match_logits(picked, output.key.flatten(2), corrupted, temperature)
    with torch.no_grad():
        wanted = oracle_map(target, corrupted, rows)
    loss = -(wanted * logits.log_softmax(2)).sum(2)
    return mean_of_all((loss * is_real).sum(), is_real.sum(), at_least=1)


def descriptor_distance(output: CellOutput | NetworkOutput, wanted: CellOutput | NetworkOutput) -> Tensor:
    """How far descriptors are from those of another network: 1 less their cosine, mean over tokens, of both kinds."""
    cosines = ((a * b).sum(1).mean() for a, b in ((output.query, wanted.query), (output.key, wanted.key)))
    return 1 - sum(cosines, start=torch.zeros((), device=output.query.device)) / 2


def oracle_map(target: Tensor, corrupted: Tensor, rows: Tensor) -> Tensor:
    """``(N, R, T)`` probabilities over known tokens by the distance of true windows round both tokens."""
    windows = token_windows(target)
    picked = torch.gather(windows, 1, rows[..., None].expand(-1, -1, windows.shape[2]))
    distance = torch.cdist(picked, windows).square()
    distance = distance.masked_fill(corrupted[:, None], torch.inf)
    best = distance.amin(2, keepdim=True)
    # A floor keeps flat areas, where every source is perfect, from picking one at random.
    scale = SOFTNESS * best.clamp(FLAT, 1e6)
    return torch.nan_to_num(((best - distance) / scale).softmax(2))


def token_windows(picture: Tensor) -> Tensor:
    """``(N, 3, H, W)`` to ``(N, T, 48)``: 16 x 16 px round each token at a quarter of that size, partly mean-free."""
    small = functional.avg_pool2d(picture, WINDOW_POOL)
    step = TOKEN_PX // WINDOW_POOL
    padded = functional.pad(small, [step // 2] * 4, mode="replicate")
    windows = functional.unfold(padded, 2 * step, stride=step)
    n, _, tokens = windows.shape
    windows = windows.view(n, 3, 4 * step**2, tokens)
    windows = windows - MEAN_FORGIVEN * windows.mean(2, keepdim=True)
    return windows.flatten(1, 2).transpose(1, 2)
