from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from rethined.losses.windows import hole_windows
from rethined.nn import processes as module
from rethined.nn.matching import sample_rows
from rethined.nn.processes import (
    Place,
    any_of_all,
    average_,
    copy_first_,
    draw_rows,
    gather,
    mean_of_all,
    means_of_all,
    place,
    wait_for_all,
)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Makes this process one of several."""
    return lambda rank, count: monkeypatch.setattr(module, "place", lambda: Place(rank, count))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def test_a_process_alone_leaves_everything_as_it_is() -> None:
    assert place() == (0, 1)
    tensor = torch.tensor([0.1, 0.7])
    average_([tensor])
    copy_first_([tensor])
    assert torch.equal(tensor, torch.tensor([0.1, 0.7]))
    assert gather("x") == ["x"]
    wait_for_all()
    assert [any_of_all(says_so) for says_so in (True, False)] == [True, False]
    assert means_of_all({"a": 0.1}) == {"a": 0.1}
    assert torch.equal(
        draw_rows(lambda rows: torch.rand(rows, generator=seeded()), 3), torch.rand(3, generator=seeded())
    )


@pytest.mark.parametrize(("weight", "mean"), [(8.0, 0.75), (0.0, 12.0)])
def test_means_divide_by_no_less_than_told(weight: float, mean: float) -> None:
    assert mean_of_all(torch.tensor(6.0), torch.tensor(weight), at_least=0.5).item() == mean


def test_means_count_the_weights_of_all_processes(
    plant: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Totals 6 and 2, weights 2 and 6: the mean of all is 1, which no mean of the processes' own means is."""

    monkeypatch.setattr(module.dist, "all_reduce", lambda weight: weight.fill_(2 + 6))
    plant(0, 2)
    parts = [mean_of_all(torch.tensor(t), torch.tensor(w), at_least=0) for t, w in ((6.0, 2.0), (2.0, 6.0))]
    assert torch.stack(parts).mean().item() == 1.0


def test_each_process_draws_its_rows_of_the_whole(plant: Callable[[int, int], None]) -> None:
    """Whatever is drawn in a step, the processes' parts are together what one process draws."""
    hole = torch.zeros(6, 1, 64, 96)
    for number, picture in enumerate(hole):
        picture[0, 8 * number :, : 12 * number + 12] = 1
    corrupted = torch.rand(6, 40, generator=seeded()) > 0.4

    def draw(rows: slice) -> tuple[Tensor, Tensor]:
        generator = seeded()
        return hole_windows(hole[rows], 32, generator), sample_rows(corrupted[rows], 5, generator)[0]

    windows, rows = draw(slice(0, 6))
    for rank in range(3):
        plant(rank, 3)
        own = slice(2 * rank, 2 * rank + 2)
        own_windows, own_rows = draw(own)
        assert torch.equal(own_windows, windows[own])
        assert torch.equal(own_rows, rows[own])
    assert len(windows.unique(dim=0)) > 3
