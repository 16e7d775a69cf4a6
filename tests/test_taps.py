from __future__ import annotations

import numpy as np
import pytest

from planted import field_of, square_hole
from rethined.offsets import OffsetField
from rethined.taps import Blend, Taps
from rethined.types import Box

pytestmark = pytest.mark.usefixtures("each_loops")


def taps_at(picture: np.ndarray, hole: np.ndarray, y: np.ndarray, x: np.ndarray, field: OffsetField) -> Taps:
    """At the network's own size, with an open gate."""
    return Blend(picture, hole, field, (1.0, 1.0), np.ones(field.is_set.shape, np.float32)).at(y, x)


def test_taps_that_agree_keep_their_contrast_and_others_do_not(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (64, 64, 3)).astype(np.float32)
    hole = np.zeros((64, 64), bool)
    # The corner where four tokens meet: all weights are 1/4.
    y = x = np.array([15, 16], np.int32)
    is_set = np.ones((8, 8), bool)
    agree = taps_at(picture, hole, y, x, field_of((8, 8), is_set))
    np.testing.assert_allclose(agree.norm, 1, atol=1e-6)
    np.testing.assert_allclose(agree.mean, picture[y + 8, x + 8], atol=1e-3)
    offsets = np.arange(64, dtype=np.int32).reshape(8, 8)
    differ = taps_at(picture, hole, y, x, OffsetField(np.stack([offsets % 5, offsets % 7], -1), is_set))
    assert (differ.norm > 0.49).all()
    assert (differ.norm < 0.52).all()


def test_taps_never_read_the_hole_or_beyond_the_picture() -> None:
    picture = np.zeros((32, 32, 3), np.float32)
    hole = square_hole((32, 32), Box(0, 0, 16, 32))
    picture[hole] = 1e6
    y, x = (axis.astype(np.int32) for axis in np.nonzero(hole))
    taps = taps_at(picture, hole, y, x, field_of((8, 0), np.ones((4, 4), bool)))
    assert taps.mean.max() == 0
    # Eight pixels down is still hole for the upper half.
    np.testing.assert_array_equal(taps.is_valid, y >= 8)
