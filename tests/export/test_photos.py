from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rethined.errors import DatasetError, MissingExtraError
from rethined.export.forms import Form, lr_form, pipeline_form
from rethined.export.network import Weights
from rethined.export.photos import feed_of, make_samples, picture_of
from rethined.resample import pull_push


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    for name, size_hw in (("b", (90, 200)), ("a", (700, 600)), ("c", (64, 64))):
        Image.fromarray(rng.integers(0, 256, (*size_hw, 3), np.uint8)).save(tmp_path / f"{name}.png")
    return tmp_path


def test_photographs_of_a_folder_at_the_size_of_the_form(folder: Path, weights: Weights) -> None:
    samples = make_samples(pipeline_form(weights, (64, 64), 192), folder, most=2)
    assert [sample.name for sample in samples] == ["a.png", "b.png"]
    assert {sample.original.shape for sample in samples} == {(192, 192, 3)}
    assert all(0 < np.count_nonzero(sample.hole) < sample.hole.size / 2 for sample in samples)
    assert (samples[0].hole != samples[1].hole).any()


def test_the_middle_is_cut_out(tmp_path: Path, weights: Weights) -> None:
    photo = np.zeros((64, 160, 3), np.uint8)
    photo[:, 48:112] = 200
    Image.fromarray(photo).save(tmp_path / "a.png")
    (sample,) = make_samples(lr_form(weights, (64, 64)), tmp_path)
    assert (sample.original == 200).all()


def test_open_sizes_take_turns(folder: Path, weights: Weights) -> None:
    shapes = [sample.feed["prefilled"].shape for sample in make_samples(lr_form(weights), folder)]
    assert shapes == [(1, 3, 512, 512), (1, 3, 384, 512), (1, 3, 512, 512)]


@pytest.mark.parametrize("name", ["lr", "pipeline"])
def test_no_truth_is_in_the_inputs(name: str, weights: Weights, rng: np.random.Generator) -> None:
    form: Form = lr_form(weights) if name == "lr" else pipeline_form(weights, (64, 64), 64)
    original = rng.integers(0, 256, (64, 64, 3), np.uint8)
    hole = rng.random((64, 64)) > 0.8
    picture, mask = (feed_of(form, original, hole)[port.name] for port in form.inputs)
    np.testing.assert_array_equal(mask[0, 0] > 0, hole)
    assert (picture.dtype, mask.dtype) == (np.float32, np.float32)
    known = original.astype(np.float32) / 255
    expected = pull_push(known, hole) if name == "lr" else np.where(hole[..., None], 0, known)
    np.testing.assert_allclose(picture[0].transpose(1, 2, 0), expected, atol=1e-6)
    other = np.where(hole[..., None], 255 - original, original).astype(np.uint8)
    np.testing.assert_array_equal(feed_of(form, other, hole)[form.inputs[0].name], picture)


def test_pictures_are_rounded_then_clipped() -> None:
    planes = np.array([-0.1, 0.4 / 255, 0.6 / 255, 1.2], np.float32).reshape(1, 1, 2, 2).repeat(3, 1)
    assert picture_of({"filled": planes})[..., 0].tolist() == [[0, 0], [1, 255]]


def test_scikit_images_photographs(weights: Weights) -> None:
    pytest.importorskip("skimage")
    (sample,) = make_samples(lr_form(weights, (64, 64)), most=1)
    assert sample.name == "astronaut"
    assert sample.original.std() > 20


def test_without_photographs(tmp_path: Path, weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DatasetError, match=r"holds no picture files; give a folder of photographs"):
        make_samples(lr_form(weights), tmp_path)
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(MissingExtraError, match=r"in the package 'skimage': pip install 'rethined\[export\]', or give"):
        make_samples(lr_form(weights))
