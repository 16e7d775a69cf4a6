from __future__ import annotations

import numpy as np
import pytest

from rethined.data.scene import draw_scene


@pytest.mark.parametrize("side_px", [64, 300])
def test_a_landscape_with_detail_below_and_a_smooth_sky(side_px: int) -> None:
    scene = draw_scene(side_px)
    assert scene.shape == (side_px, side_px, 3)
    assert scene.dtype == np.uint8
    np.testing.assert_array_equal(scene, draw_scene(side_px))
    rough = np.abs(np.diff(scene.astype(int), axis=1)).mean((1, 2))
    assert rough[: side_px // 8].mean() < rough[-side_px // 8 :].mean() / 3
