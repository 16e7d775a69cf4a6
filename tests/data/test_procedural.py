from __future__ import annotations

import numpy as np
import pytest

from rethined.data import procedural as module
from rethined.data.procedural import draw_structures
from rethined.types import Image8


def pictures(count: int, side_px: int) -> list[Image8]:
    return [draw_structures(side_px, np.random.default_rng(seed)) for seed in range(count)]


@pytest.mark.parametrize("side_px", [64, 130])
def test_equal_generators_give_equal_pictures_others_others(side_px: int) -> None:
    first, second = pictures(2, side_px)
    assert first.shape == (side_px, side_px, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, draw_structures(side_px, np.random.default_rng(0)))
    assert (first != second).mean() > 0.5


def test_pictures_are_dark_and_bright_with_edges_and_without_clipping() -> None:
    drawn = pictures(30, 128)
    means = [picture.mean() for picture in drawn]
    assert min(means) < 80
    assert max(means) > 180
    steps = np.concatenate([np.abs(np.diff(picture.astype(int), axis=1)).max(2).ravel() for picture in drawn])
    assert np.median(steps) < 8, "most of it is smooth"
    assert np.percentile(steps, 99.5) > 40, "some of it is edges"
    assert np.mean([((picture == 0) | (picture == 255)).mean() for picture in drawn]) < 0.1


def test_stripes_have_their_period_and_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PERIOD_PX", (16.0, 16.0 + 1e-9))

    class Flat:
        """No tilt, half of it dark."""

        def uniform(self, low: float, high: float, size: int | None = None) -> object:
            middle = (low + high) / 2
            return middle if size is None else np.full(size, middle)

        def random(self) -> float:
            return 0.25

    stripes = module._stripes(128, 0.0, Flat())  # type: ignore[arg-type]
    np.testing.assert_array_equal(stripes, stripes[:1].repeat(128, 0))
    spectrum = np.abs(np.fft.rfft(stripes[0] - stripes[0].mean()))
    assert spectrum.argmax() == 128 // 16
    assert stripes.mean() == pytest.approx(0.5, abs=0.02)
    assert stripes.min() == 0
    assert stripes.max() == 1


def test_colours_between_two() -> None:
    share = np.array([[0, 0.5, 1]], np.float32)
    drawn = module._between(np.array([0.0, 100, 200]), np.array([100.0, 100, 0]), share)
    np.testing.assert_allclose(drawn[0], [[0, 100, 200], [50, 100, 100], [100, 100, 0]], atol=1)
