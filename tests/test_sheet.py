from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rethined.sheet import lay_sheet


@given(data=st.data(), cell_px=st.sampled_from([1, 4, 16]))
def test_groups_on_a_sheet_keep_clear_of_each_other(data: st.DataObject, cell_px: int) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    pixels = []
    for _ in range(data.draw(st.integers(1, 9))):
        inside = rng.random(rng.integers(1, 40, 2)) < 0.5
        inside.flat[0] = True
        corner = rng.integers(0, 1000, 2)
        pixels.append(
            tuple((axis + start).astype(np.int32) for axis, start in zip(np.nonzero(inside), corner, strict=True))
        )
    sheet = lay_sheet(pixels, cell_px=cell_px)
    np.testing.assert_array_equal(sheet.y, np.concatenate([y for y, _ in pixels]))
    np.testing.assert_array_equal(sheet.x, np.concatenate([x for _, x in pixels]))
    assert len(np.unique(sheet.place)) == len(sheet.place)
    number = np.repeat(np.arange(1, len(pixels) + 1), [len(y) for y, _ in pixels])
    laid = sheet.lay_out(number)
    np.testing.assert_array_equal(sheet.pick_up(laid), number)
    assert np.count_nonzero(laid) == len(number)
    assert all(side % cell_px == 0 for side in laid.shape)
    for label in range(1, len(pixels) + 1):
        rows, columns = np.nonzero(laid == label)
        top, left, bottom, right = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
        assert top % cell_px == left % cell_px == 0
        assert top >= cell_px <= left
        assert laid.shape[0] - bottom >= cell_px <= laid.shape[1] - right
        around = laid[top - cell_px : bottom + cell_px, left - cell_px : right + cell_px]
        assert set(np.unique(around)) <= {0, label}
        # Neighbours in the picture are neighbours on the sheet.
        np.testing.assert_array_equal(rows - rows[0], np.sort(pixels[label - 1][0]) - pixels[label - 1][0].min())


def test_an_empty_sheet_has_no_pixels() -> None:
    sheet = lay_sheet([], cell_px=8)
    assert len(sheet.y) == len(sheet.x) == len(sheet.place) == 0
    assert sheet.lay_out(np.empty((0, 3), np.float32)).shape == (8, 8, 3)
