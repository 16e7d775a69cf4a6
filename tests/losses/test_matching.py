from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from rethined.losses.matching import descriptor_distance, oracle_map, oracle_matching, token_windows
from rethined.nn.matching import corrupted_tokens
from rethined.nn.network import NetworkOutput

WARM = torch.tensor(0.1)
ROW, SOURCE = (2, 1), (5, 6)  # row and column on the 8 x 8 token grid of a 64 px picture
ROW_INDEX, SOURCE_INDEX = ROW[0] * 8 + ROW[1], SOURCE[0] * 8 + SOURCE[1]


def window_of(token: tuple[int, int]) -> tuple[slice, slice]:
    """The 16 x 16 px round a token."""
    y, x = (8 * place - 4 for place in token)
    return slice(y, y + 16), slice(x, x + 16)


def planted(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Patches of 4 px in which the surroundings of ROW repeat those of SOURCE, and a hole of one pixel inside ROW."""
    patches = torch.rand((1, 3, 16, 16), generator=generator) * 0.6
    target = patches.repeat_interleave(4, 2).repeat_interleave(4, 3)
    target[0, :, *window_of(ROW)] = target[0, :, *window_of(SOURCE)]
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 8 * ROW[0] + 5, 8 * ROW[1]] = 1
    return target, hole


def output(query: Tensor, key: Tensor) -> NetworkOutput:
    return NetworkOutput(torch.zeros(len(query), 3, 64, 64), query, key)


@pytest.mark.parametrize("tone", [0.0, 0.15, -0.15])
def test_oracle_prefers_the_same_patch_in_any_tone(tone: float, generator: torch.Generator) -> None:
    target, hole = planted(generator)
    target[0, :, *window_of(ROW)] += tone
    wanted = oracle_map(target, corrupted_tokens(hole), torch.tensor([[ROW_INDEX]]))
    assert wanted.argmax().item() == SOURCE_INDEX
    assert wanted[0, 0, SOURCE_INDEX] > 0.95


def test_oracle_prefers_the_same_tone_to_another(generator: torch.Generator) -> None:
    """Tone is forgiven in part only: of two copies the one of equal tone is better."""
    target, hole = planted(generator)
    darker = (2, 4)
    target[0, :, *window_of(darker)] = target[0, :, *window_of(ROW)] - 0.3
    wanted = oracle_map(target, corrupted_tokens(hole), torch.tensor([[ROW_INDEX]]))[0, 0]
    assert wanted[SOURCE_INDEX] > wanted[darker[0] * 8 + darker[1]]


def test_oracle_map_is_a_distribution_over_known_tokens(generator: torch.Generator, hole: Tensor) -> None:
    target = torch.rand((2, 3, 64, 64), generator=generator)
    corrupted = corrupted_tokens(hole)
    wanted = oracle_map(target, corrupted, torch.arange(64).expand(2, -1))
    torch.testing.assert_close(wanted.sum(2), torch.ones(2, 64))
    assert wanted.masked_select(corrupted[:, None].expand_as(wanted)).max() == 0


def test_flat_pictures_have_no_favourite(hole: Tensor) -> None:
    corrupted = corrupted_tokens(hole)
    wanted = oracle_map(torch.full((2, 3, 64, 64), 0.7), corrupted, torch.tensor([[20], [6]]))
    for row, is_hole in zip(wanted[:, 0], corrupted, strict=True):
        torch.testing.assert_close(
            row[~is_hole], torch.full_like(row[~is_hole], 1 / int((~is_hole).sum())), rtol=0.05, atol=0
        )


def test_windows_are_the_surroundings_of_tokens_in_reading_order() -> None:
    """A cell lights up the windows of the tokens within 4 px of it."""
    picture = torch.zeros(1, 3, 32, 48)
    picture[0, 1, 8:12, 16:20] = 1  # top left of token (1, 2)
    heard = (token_windows(picture)[0].abs().amax(1) > 0.5).view(4, 6)
    assert heard.nonzero().tolist() == [[0, 1], [0, 2], [1, 1], [1, 2]]
    assert token_windows(picture).shape == (1, 24, 48)


@pytest.mark.parametrize("unknown", [0, 1])
def test_loss_without_a_preference_is_the_logarithm_of_the_choices(
    unknown: int, generator: torch.Generator, hole: Tensor
) -> None:
    """A picture of which nothing is known has no choices and does not count."""
    hole = torch.cat([hole, torch.ones(unknown, 1, 64, 64)])
    target = torch.rand((2 + unknown, 3, 64, 64), generator=generator)
    same = torch.zeros(2 + unknown, 4, 8, 8)
    same[:, 0] = 1
    # 4 x 4 tokens of the first picture are hole and 2 x 2 of the second, each counted once.
    loss = oracle_matching(output(same, same), target, hole, WARM, generator)
    assert loss.item() == pytest.approx((16 * math.log(48) + 4 * math.log(60)) / 20, rel=1e-4)


def test_loss_rewards_the_planted_match(generator: torch.Generator) -> None:
    target, hole = planted(generator)
    key = torch.eye(64).view(1, 64, 8, 8)
    losses = {}
    for token in (SOURCE_INDEX, SOURCE_INDEX - 1, ROW_INDEX):
        query = torch.zeros(1, 64, 8, 8)
        query[0, token] = 1
        losses[token] = oracle_matching(output(query, key), target, hole, WARM, generator).item()
    assert losses[SOURCE_INDEX] < 0.6 < 3 < losses[ROW_INDEX] < losses[SOURCE_INDEX - 1]


def test_gradient_turns_descriptors_and_temperature_towards_the_match(generator: torch.Generator) -> None:
    target, hole = planted(generator)
    query, key = (
        torch.nn.functional.normalize(torch.randn((1, 8, 8, 8), generator=generator), dim=1) for _ in range(2)
    )
    leaves = [query.requires_grad_(), key.requires_grad_(), temperature := WARM.clone().requires_grad_()]
    loss = oracle_matching(output(query, key), target, hole, temperature, generator)
    loss.backward()
    assert all(leaf.grad is not None and torch.isfinite(leaf.grad).all() for leaf in leaves)
    touched = query.grad[0].abs().sum(0).flatten().nonzero().flatten().tolist()
    assert touched == [ROW_INDEX]
    with torch.no_grad():
        nearer = oracle_matching(output(query - 0.02 * query.grad, key), target, hole, temperature, generator)
    assert nearer < loss


@pytest.mark.parametrize("value", [0.0, 1.0], ids=["no hole", "nothing known"])
def test_nothing_to_match_costs_nothing(value: float, generator: torch.Generator) -> None:
    descriptors = torch.nn.functional.normalize(torch.randn((1, 8, 8, 8), generator=generator), dim=1).requires_grad_()
    target = torch.rand((1, 3, 64, 64), generator=generator)
    hole = torch.full((1, 1, 64, 64), value)
    loss = oracle_matching(output(descriptors, descriptors), target, hole, WARM, generator)
    loss.backward()
    assert loss.item() == 0
    assert descriptors.grad.abs().max() == 0


@pytest.mark.parametrize(
    ("query", "key", "expected"),
    [((1, 0), (0, 1), 0), ((-1, 0), (0, 1), 1), ((0, 1), (1, 0), 1), ((0.6, 0.8), (0, 1), 0.2)],
)
def test_distance_of_descriptors_is_that_of_their_directions(
    query: tuple[float, float], key: tuple[float, float], expected: float
) -> None:
    def everywhere(vector: tuple[float, float]) -> Tensor:
        return torch.tensor(vector, dtype=torch.float32).view(1, 2, 1, 1).expand(3, 2, 8, 8)

    found = descriptor_distance(
        output(everywhere(query), everywhere(key)), output(everywhere((1, 0)), everywhere((0, 1)))
    )
    assert found.item() == pytest.approx(expected, abs=1e-6)


def test_distance_of_descriptors_leads_to_them(generator: torch.Generator) -> None:
    wanted, start = torch.randn((2, 1, 4, 8, 8), generator=generator)
    found = start.clone().requires_grad_()
    descriptor_distance(
        output(torch.nn.functional.normalize(found, dim=1), wanted),
        output(torch.nn.functional.normalize(wanted, dim=1), wanted),
    ).backward()
    assert found.grad is not None
    assert (found.grad * (wanted - start)).sum() < 0
