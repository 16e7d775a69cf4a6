from __future__ import annotations

import pytest
import torch

from rethined.nn.cells import cell_order, from_cells, to_cells


@pytest.mark.parametrize("channels", [1, 3])
def test_a_cell_holds_its_pixels_row_by_row(channels: int) -> None:
    picture = torch.arange(2 * channels * 8 * 12).view(2, channels, 8, 12)
    cells = to_cells(picture)
    assert cells.shape == (2, 16 * channels, 2, 3)
    assert cells[1, :, 1, 2].tolist() == picture[1, :, 4:8, 8:12].permute(1, 2, 0).flatten().tolist()
    assert torch.equal(from_cells(cells, channels), picture)


def test_both_are_channels_last() -> None:
    picture = torch.rand(2, 3, 8, 8)
    for form in (picture, picture.contiguous(memory_format=torch.channels_last)):
        cells = to_cells(form)
        assert cells.is_contiguous(memory_format=torch.channels_last)
        assert from_cells(cells).is_contiguous(memory_format=torch.channels_last)


def test_order_turns_torchs_cells_into_these() -> None:
    picture = torch.rand(1, 3, 8, 8)
    theirs = torch.nn.functional.pixel_unshuffle(picture, 4)
    assert torch.equal(theirs[:, cell_order()], to_cells(picture))
