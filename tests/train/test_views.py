from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rethined.data.photos import Photo
from rethined.data.samples import Batch, Sampler
from rethined.resample import pull_push
from rethined.train.batches import stack
from rethined.train.views import coarse_view, fine_view

CROP_PX = 64


@pytest.fixture
def batch(rng: np.random.Generator) -> Batch:
    pixels = rng.integers(0, 256, (160, 200, 3), np.uint8)
    return Sampler([Photo("noise", (pixels,))], seed=0, crop_px=CROP_PX).batch(0, 3)


def test_the_coarse_view_is_prefilled_as_the_runtime_does(batch: Batch) -> None:
    view = coarse_view(stack(batch))
    assert {x.dtype for x in (view.prefilled, view.hole, view.target)} == {torch.float32}
    for i, sample in enumerate(batch.samples):
        known = sample.coarse_known / np.float32(255)
        np.testing.assert_array_equal(view.hole[i, 0] > 0, sample.coarse_hole)
        np.testing.assert_allclose(view.prefilled[i].permute(1, 2, 0), pull_push(known, sample.coarse_hole), atol=1e-5)
        np.testing.assert_allclose(view.target[i].permute(1, 2, 0) * 255, sample.coarse_target, atol=1e-4)
    assert set(view.hole.unique().tolist()) == {0.0, 1.0}


def test_copies_count_as_known_for_the_prefill_alone(batch: Batch) -> None:
    sample = batch.samples[0]
    still_open, known = sample.coarse_hole.copy(), sample.coarse_known.copy()
    y, x = np.argwhere(sample.coarse_hole)[0]
    still_open[y, x], known[y, x] = False, 200
    view = coarse_view(stack(Batch((replace(sample, coarse_open=still_open, coarse_known=known),), 1)))
    np.testing.assert_array_equal(view.hole[0, 0] > 0, sample.coarse_hole)
    wanted = pull_push(known / np.float32(255), still_open)
    np.testing.assert_allclose(view.prefilled[0].permute(1, 2, 0), wanted, atol=1e-5)
    np.testing.assert_allclose(view.prefilled[0, :, y, x], 200 / 255, atol=1e-5)


def test_the_fine_view_is_prefilled_with_what_the_coarse_one_gave(batch: Batch) -> None:
    grey = torch.full((3, 3, CROP_PX, CROP_PX), 0.25)
    view = fine_view(stack(batch), grey)
    for i, sample in enumerate(batch.samples):
        np.testing.assert_array_equal(view.hole[i, 0] > 0, sample.fine_hole)
        np.testing.assert_allclose(view.target[i].permute(1, 2, 0) * 255, sample.fine_target, atol=1e-4)
    known = (view.hole == 0).expand_as(view.target)
    assert torch.equal(view.prefilled[known], view.target[known])
    torch.testing.assert_close(view.prefilled[~known], grey[~known])
