from __future__ import annotations

import numpy as np
import pytest

from rethined.bench.cases import bench_case, hole_of_share


@pytest.mark.parametrize("share", [0.02, 0.07, 0.12, 0.5])
@pytest.mark.parametrize("side_px", [256, 600])
def test_holes_cover_what_they_should(side_px: int, share: float) -> None:
    hole = hole_of_share(side_px, share)
    assert hole.shape == (side_px, side_px)
    assert hole.mean() == pytest.approx(share, rel=0.06)


def test_the_smallest_share_is_one_ellipse() -> None:
    hole = hole_of_share(256, 1e-6)
    assert 0 < hole.mean() < 0.005


def test_the_same_case_twice_with_its_hole_blanked() -> None:
    (image, hole), (again, hole_again) = bench_case(256), bench_case(256)
    np.testing.assert_array_equal(image, again)
    np.testing.assert_array_equal(hole, hole_again)
    assert len(np.unique(image[hole], axis=0)) == 1
    assert image[~hole].std() > 20, "there is something to see"
