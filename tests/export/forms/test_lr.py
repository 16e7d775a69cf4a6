from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rethined.errors import OptionError
from rethined.export.forms import lr_form
from rethined.export.forms.form import Form
from rethined.export.network import Weights
from rethined.matching import corrupted_tokens, match_tokens

SIZE_HW = (64, 96)
K = 4


@pytest.fixture
def form(weights: Weights) -> Form:
    return lr_form(weights, k=K)


def inputs(generator: torch.Generator, *boxes: tuple[int, int, int, int]) -> dict[str, Tensor]:
    """A picture each, under a box from top left to bottom right."""
    hole = torch.zeros(len(boxes), 1, *SIZE_HW)
    for index, (top, left, bottom, right) in enumerate(boxes):
        hole[index, 0, top:bottom, left:right] = 1
    return {"prefilled": torch.rand((len(boxes), 3, *SIZE_HW), generator=generator), "hole": hole}


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


@pytest.mark.parametrize(
    ("box", "known"), [((9, 17, 30, 50), 81), ((0, 0, 64, 80), 16), ((0, 0, 64, 95), 0), ((0, 0, 57, 90), 0)], ids=str
)
def test_sources_are_those_of_the_engines_matching(
    box: tuple[int, int, int, int], known: int, form: Form, generator: torch.Generator
) -> None:
    given = inputs(generator, box)
    got = form.outputs_of(given)
    corrupted = corrupted_tokens(given["hole"][0, 0].numpy() > 0)
    assert np.count_nonzero(~corrupted) == known
    network = form.module.network(given["prefilled"], given["hole"])
    expected = match_tokens(
        network.query[0].numpy(),
        network.key[0].numpy(),
        corrupted,
        temperature=network_temperature(form),
        k=K,
    )
    sources, weights = (got[name][0].flatten(1).T.numpy() for name in ("sources", "weights"))
    assert got["sources"].dtype == torch.int32
    found = expected.sources.shape[1]
    assert found == min(K, known)
    np.testing.assert_array_equal(sources[expected.rows, :found], expected.sources)
    np.testing.assert_allclose(weights[expected.rows, :found], expected.weights, atol=1e-5)
    # Where there are no more, it is the token itself, with no weight.
    np.testing.assert_array_equal(sources[expected.rows, found:], np.repeat(expected.rows[:, None], K - found, 1))
    assert not weights[expected.rows, found:].any()
    assert not corrupted.ravel()[sources[weights > 0]].any()


def network_temperature(form: Form) -> float:
    return float(form.facts["temperature"])


def test_fewer_known_tokens_than_sources(form: Form, generator: torch.Generator) -> None:
    given = inputs(generator, (0, 0, 64, 96))
    given["hole"][..., 8:16, 16:24] = 0
    given["hole"][..., 56:64, 0:8] = 0
    got = form.outputs_of(given)
    tokens = SIZE_HW[1] // 8
    sources, weights = (got[name][0].flatten(1).T for name in ("sources", "weights"))
    assert {tuple(sorted(row)) for row in sources[:, :2].tolist()} == {(tokens + 2, 7 * tokens)}
    torch.testing.assert_close(weights[:, :2].sum(1), torch.ones(len(weights)))
    assert sources[:, 2:].tolist() == [[row, row] for row in range(len(sources))]
    assert not weights[:, 2:].any()


@pytest.mark.parametrize("half", [False, True], ids=["single precision", "half precision"])
def test_nothing_known_is_defined(half: bool, form: Form, generator: torch.Generator) -> None:
    got = (form.halved() if half else form).outputs_of(inputs(generator, (0, 0, *SIZE_HW)))
    assert torch.equal(got["sources"][0, 0].flatten(), torch.arange(96, dtype=torch.int32))
    assert not got["weights"].any()
    assert torch.isfinite(got["filled"]).all()


def test_known_pixels_come_back_and_holes_are_filled_within_range(form: Form, generator: torch.Generator) -> None:
    given = inputs(generator, (9, 17, 30, 50), (0, 0, 8, 8))
    got = form.outputs_of(given)["filled"]
    is_hole = given["hole"].expand_as(got) > 0
    assert torch.equal(got[~is_hole], given["prefilled"][~is_hole])
    fill = form.module.network(given["prefilled"], given["hole"]).fill.clamp(0, 1)
    assert torch.equal(got[is_hole], fill[is_hole])
    assert (got - given["prefilled"])[is_hole].abs().mean() > 1e-2
    assert 0 <= got.min() <= got.max() <= 1


def test_pictures_of_a_batch_do_not_mix(form: Form, generator: torch.Generator) -> None:
    given = inputs(generator, (9, 17, 30, 50), (0, 0, 8, 8))
    both = form.outputs_of(given)
    for index in range(2):
        alone = form.outputs_of({name: x[index : index + 1] for name, x in given.items()})
        for name, x in alone.items():
            torch.testing.assert_close(both[name][index : index + 1], x, atol=1e-5, rtol=0)


def test_differences_count_sources_by_what_they_are_worth(form: Form, generator: torch.Generator) -> None:
    given = inputs(generator, (9, 17, 30, 50))
    expected = form.outputs_of(given)
    assert form.module.differences(given, expected, expected) == pytest.approx(
        {"filled": 0, "weights": 0, "sources": 0}, abs=1e-6
    )
    # Another order of the same sources is as wrong as their weights differ.
    swapped = {**expected, "sources": expected["sources"][:, [1, 0, 2, 3]]}
    gap = (expected["weights"][:, 0] - expected["weights"][:, 1]).max().item()
    assert form.module.differences(given, expected, swapped)["sources"] == pytest.approx(gap, abs=1e-5)
    corrupted = corrupted_tokens(given["hole"][0, 0].numpy() > 0)
    into_hole = expected["sources"].clone()
    into_hole[0, 0] = int(np.flatnonzero(corrupted)[0])
    assert form.module.differences(given, expected, {**expected, "sources": into_hole})["sources"] > 0.5
    nothing = inputs(generator, (0, 0, *SIZE_HW))
    expected = form.outputs_of(nothing)
    astray = {**expected, "sources": expected["sources"].flip(3)}
    assert form.module.differences(nothing, expected, astray)["sources"] == 1


@pytest.mark.parametrize(
    ("size_hw", "says"),
    [
        ((100, 64), r"the height is 100 px; expected a multiple of 32: 96 or 128"),
        ((64, 16), r"the width is 16 px; expected a multiple of 32: 32 or 64"),
        ((64, -32), r"the width is -32 px; expected a multiple of 32: 32 or 64"),
    ],
)
def test_sizes_that_cannot_be(size_hw: tuple[int, int], says: str, weights: Weights) -> None:
    with pytest.raises(OptionError, match=says):
        lr_form(weights, size_hw)


@pytest.mark.parametrize("k", [0, 17])
def test_as_many_sources_as_the_smallest_picture_has_tokens(k: int, weights: Weights) -> None:
    with pytest.raises(OptionError, match=rf"the number of sources is {k}; expected 1 to 16"):
        lr_form(weights, k=k)


def test_ports_say_what_is_open(weights: Weights) -> None:
    shapes = [port.shape for port in (*lr_form(weights).inputs, *lr_form(weights).outputs)]
    assert shapes == [
        ("N", 3, "H", "W"),
        ("N", 1, "H", "W"),
        ("N", 3, "H", "W"),
        ("N", 4, "H/8", "W/8"),
        ("N", 4, "H/8", "W/8"),
    ]
    fixed = lr_form(weights, (64, 96))
    assert [port.shape for port in fixed.outputs] == [(1, 3, 64, 96), (1, 4, 8, 12), (1, 4, 8, 12)]
    assert (lr_form(weights).is_dynamic, fixed.is_dynamic) == (True, False)
