from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rethined.errors import MissingExtraError, OptionError
from rethined.eval.methods import METHODS, label_of, make_method


@pytest.mark.parametrize("name", [name for name in METHODS if not name.startswith("xphoto")])
def test_every_method_fills_the_hole_and_keeps_the_rest(name: str, tiny_network_path: Path) -> None:
    y, x = np.mgrid[:72, :90]
    original = np.stack([y * 2 + 20, x * 2 + 10, y + x], -1).astype(np.uint8)
    hole = np.zeros((72, 90), bool)
    hole[30:40, 40:52] = True
    method = make_method(name, network=str(tiny_network_path), threads=1)
    damaged = [np.where(hole[..., None], np.uint8(value), original) for value in (0, 255)]
    before = damaged[0].copy()
    results = [method(picture, hole) for picture in damaged]
    for result in results:
        assert result.shape == original.shape
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(result[~hole], original[~hole])
        assert np.abs(result.astype(int) - original)[hole].mean() < 25
    np.testing.assert_array_equal(results[0], results[1], "the content of the hole leaks")
    np.testing.assert_array_equal(damaged[0], before, "the input was changed")


def test_unknown_methods_are_refused_with_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"method is 'magic'; expected the path of .* or one of rethined, .*telea"):
        make_method("magic")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.restoration", None)
    with pytest.raises(
        MissingExtraError, match=r"needs the package 'skimage\.restoration': pip install 'rethined\[bench\]'"
    ):
        make_method("biharmonic")
    monkeypatch.setitem(sys.modules, "object_remove", None)
    with pytest.raises(MissingExtraError, match=r"needs the package 'object_remove': pip install 'rethined\[bench\]'"):
        make_method("object-remove")


def test_object_remove_sees_nothing_of_the_hole_and_keeps_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []

    class Job:
        """Changes everything, beyond 1 as well."""

        def __init__(self, image: np.ndarray, *, device: None) -> None:
            assert device is None, "plain NumPy"
            seen.append(image)

        def run(self, mask: np.ndarray, *, tier: str) -> SimpleNamespace:
            assert tier == "auto"
            return SimpleNamespace(image=np.dstack([np.full(mask.shape, value) for value in (0.5, -0.1, 1.2)]))

    module = SimpleNamespace(RemoveObjectJob=Job, EngineTier=SimpleNamespace(AUTO="auto"))
    monkeypatch.setitem(sys.modules, "object_remove", module)
    image = np.full((20, 30, 3), 90, np.uint8)
    hole = np.zeros((20, 30), bool)
    hole[5:9, 7:12] = True
    image[hole] = 255
    result = make_method("object-remove")(image, hole)
    assert np.unique(seen[0]).tolist() == [90]
    assert np.unique(result[hole], axis=0).tolist() == [[128, 0, 255]]
    np.testing.assert_array_equal(result[~hole], image[~hole])


def test_labels_can_be_names_of_files(tmp_path: Path) -> None:
    file = tmp_path / "big-lama.PT"
    file.write_bytes(b"abc")
    assert label_of("telea") == "telea"
    assert label_of(str(file)) == "big-lama-ba7816bf"
    assert label_of(str(tmp_path / "none.onnx")) == "none"
