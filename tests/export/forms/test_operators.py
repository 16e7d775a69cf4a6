from __future__ import annotations

import warnings

import pytest
import torch
from torch.nn import functional

from rethined.export.forms import lr_form, pipeline_form
from rethined.export.forms.operators import PLAIN, TORCH, Operators
from rethined.export.network import Weights
from rethined.nn.network import NetworkConfig, RethinedNetwork

TINY = NetworkConfig((16, 32, 64, 128), (1, 1, 1), 1, (1, 1, 1), descriptor_size=16)
BOTH = pytest.mark.parametrize("operators", [TORCH, PLAIN], ids=["torch", "plain"])
LACKING = {"topk", "sort", "argmax", "gather", "index_select", "index", "where", "masked_fill"} | {
    "gt",
    "lt",
    "ge",
    "le",
    "eq",
    "ne",
}


@pytest.fixture(scope="module")
def weights() -> Weights:
    torch.manual_seed(5)
    network = RethinedNetwork(TINY)
    torch.nn.init.normal_(network.to_residual.weight, std=0.3)
    return Weights(network.deploy(), "0" * 64)


@BOTH
def test_the_best_come_in_order_with_where_they_are(operators: Operators) -> None:
    values, places = operators.best(torch.tensor([[[0.5, -1e4, 2.0, 1.5], [3.0, 1.0, -7.0, 2.0]]]), 3)
    assert values.tolist() == [[[2.0, 1.5, 0.5], [3.0, 2.0, 1.0]]]
    assert places.tolist() == [[[2, 3, 0], [0, 3, 1]]]
    assert operators.best_place(torch.tensor([[[0.5, 2.0], [3.0, 1.0]]])).tolist() == [[[1], [0]]]


def test_of_equal_ones_each_is_chosen_once() -> None:
    assert PLAIN.best(torch.tensor([[[1.0, 5.0, 5.0, -1e4, -1e4]]]), 5)[1].tolist() == [[[1, 2, 0, 3, 4]]]


def test_neighbours_in_float32_are_told_apart() -> None:
    x = torch.full((1, 1, 4096), 12.0)
    x[..., 4001] = torch.nextafter(torch.tensor(12.0), torch.tensor(13.0))
    assert PLAIN.best_place(x).item() == 4001


@BOTH
def test_comparisons_say_0_and_1(operators: Operators) -> None:
    a = torch.tensor([0.0, 0.5, 1e-6, 3.0])
    assert operators.is_more(a, 0).tolist() == [0, 1, 1, 1]
    assert operators.is_more(a, torch.tensor([1.0, 0.25, 0.0, 3.0])).tolist() == [0, 1, 1, 0]
    numbers = torch.tensor([4, 7, 0]) if operators is TORCH else torch.tensor([4.0, 7.0, 0.0])
    assert operators.is_same(numbers, numbers.roll(1)).tolist() == [0, 0, 0]
    assert operators.is_same(numbers, numbers).tolist() == [1, 1, 1]
    assert operators.either(torch.tensor([1.0, 0.0, 1.0]), numbers, numbers + 1).tolist() == [4, 8, 0]


@BOTH
def test_lines_of_a_grid(operators: Operators) -> None:
    index = operators.count(4096, torch.zeros(1))
    assert torch.equal(operators.line_of(index, 7).long(), torch.arange(4096) // 7)


@BOTH
def test_cells_are_cut_taken_and_joined_bit_for_bit(operators: Operators) -> None:
    layout = operators.cells((3, 5), 4)
    planes = torch.rand(1, 4, 8, 16)
    cells = layout.cut(planes)
    assert torch.equal(layout.join(cells), planes)
    # One cell to the right and one down: by 4 px.
    place = torch.arange(15).reshape(1, 1, 3, 5) + 6
    place[:, :, -1] = place[:, :, :, -1] = 0
    moved = layout.join(layout.take(cells, place if operators is TORCH else place.float()))
    assert torch.equal(moved[..., :6, :14], functional.pad(planes, [0, 4, 0, 4])[..., 4:10, 4:18])
    colours, last = layout.split(cells)
    assert torch.equal(layout.join(colours), planes[:, :3])
    assert torch.equal(layout.join(colours * 0 + layout.thrice(last)), planes[:, 3:].expand_as(planes[:, :3]))


@BOTH
def test_cells_are_weighted_by_cell_and_by_pixel(operators: Operators) -> None:
    layout = operators.cells((3, 3), 4)
    by_cell, by_pixel = torch.rand(1, 1, 3, 3), torch.rand(4, 4)
    got = layout.join(layout.cut(torch.ones(1, 1, 8, 8)) * layout.by_cell(by_cell) * layout.by_pixel(by_pixel))
    expected = torch.kron(by_cell[0, 0], by_pixel)[2:-2, 2:-2]
    assert torch.equal(got[0, 0], expected)


@pytest.mark.parametrize("name", ["lr", "pipeline"])
def test_the_plain_form_says_the_same(name: str, weights: Weights) -> None:
    form = lr_form(weights, (96, 128)) if name == "lr" else pipeline_form(weights, (64, 64), 256)
    inputs = dict(zip((port.name for port in form.inputs), form.example, strict=True))
    expected, got = form.outputs_of(inputs), form.plain().outputs_of(inputs)
    assert max(form.module.differences(inputs, expected, got).values()) < 1e-5
    assert expected["filled"].std() > 0.1


@pytest.mark.parametrize("name", ["lr", "pipeline"])
def test_the_plain_form_uses_none_of_what_is_lacking(name: str, weights: Weights) -> None:
    form = lr_form(weights, (64, 64)) if name == "lr" else pipeline_form(weights, (64, 64), 128)
    asked = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # shapes become constants; TorchScript is old
        for kind, module in (("plain", form.plain().module), ("torch", form.module)):
            traced = torch.jit.trace(module, form.example, check_trace=False)
            asked[kind] = {node.kind().removeprefix("aten::") for node in traced.inlined_graph.nodes()}
    assert not asked["plain"] & LACKING
    assert asked["torch"] & LACKING
