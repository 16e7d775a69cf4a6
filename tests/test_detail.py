from __future__ import annotations

import numpy as np

from planted import square_hole
from rethined.detail import detail_levels, no_detail
from rethined.types import Box


def test_a_hole_asks_for_what_is_around_it_and_patches_offer_what_they_have(rng: np.random.Generator) -> None:
    picture = np.full((96, 192, 3), 120, np.float32)
    picture[:, 96:] += rng.uniform(-60, 60, (96, 96, 1)).astype(np.float32)
    touched = square_hole((96, 192), Box(40, 32, 56, 48)) | square_hole((96, 192), Box(40, 136, 56, 152))
    picture[touched] = rng.uniform(0, 255, 3)  # what the network made of it has no say
    offered, asked = detail_levels(picture, touched)
    assert offered.shape == (96, 192)
    assert asked.shape == (12, 24)
    assert offered[8, 8] < 1e-3
    rough = offered[8:24, 112:160].mean()
    assert rough > 20
    assert asked[6, 5] < 2, "smooth surroundings"
    assert 0.7 * rough < asked[6, 18] < 1.3 * rough, "rough ones"


def test_a_smooth_picture_has_no_detail() -> None:
    y, x = np.mgrid[:64, :64]
    ramp = np.stack([y, x, y + x], -1).astype(np.float32)
    offered, asked = detail_levels(ramp, square_hole((64, 64), Box(24, 24, 40, 40)))
    assert offered[8:48, 8:48].max() < 0.01
    assert asked.max() < 0.2


def test_no_detail_has_the_shapes_of_a_picture_that_has_none() -> None:
    flat = detail_levels(np.zeros((64, 96, 3), np.float32), square_hole((64, 96), Box(24, 24, 40, 40)))
    for none, wanted in zip(no_detail((64, 96)), flat, strict=True):
        np.testing.assert_array_equal(none, wanted)
        assert none.dtype == wanted.dtype
