from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from rethined.errors import OptionError
from rethined.eval.published import TILE_PX, InceptionFeatures, Lpips, load_published

LPIPS, VGG16, INCEPTION = "lpips.pth", "vgg16.pth", "inception.pth"
FIDELITY = "torch_fidelity"


class MeanGap:
    """A distance one can compute by hand, and how large the tiles were."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def __call__(self, ours: Tensor, theirs: Tensor) -> Tensor:
        assert ours.dtype == theirs.dtype == torch.uint8
        assert ours.shape == theirs.shape
        self.sizes.append(tuple(ours.shape))
        return (ours.float() - theirs.float()).abs().mean()[None]


def pair(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    original = np.zeros((height, width, 3), np.uint8)
    return original.copy(), original, np.ones((height, width), bool)


def test_lpips_of_a_small_picture_is_that_of_one_tile() -> None:
    net = MeanGap()
    result, original, hole = pair(40, 60)
    result[:20] = 8
    assert Lpips(net)(result, original, hole) == pytest.approx(4)
    assert net.sizes == [(1, 3, 40, 60)]


def test_lpips_weighs_tiles_by_their_area() -> None:
    net = MeanGap()
    height, width = 17, 2 * TILE_PX + 1
    result, original, hole = pair(height, width)
    result[:] = np.linspace(0, 200, width).astype(np.uint8)[:, None]
    expected = float(result.mean(dtype=np.float64))
    assert Lpips(net)(result, original, hole) == pytest.approx(expected)
    assert sorted(size[3] for size in net.sizes) == [683, 683, 683], "no tile above the limit, no sliver"


def test_lpips_runs_no_network_where_nothing_differs() -> None:
    net = MeanGap()
    result, original, hole = pair(TILE_PX + 100, 64)
    result[-1, -1] = 255
    assert Lpips(net)(result, original, hole) == pytest.approx(255 / hole.size)
    assert net.sizes == [(1, 3, 562, 64)]


def test_lpips_is_not_defined_below_what_vgg16_can_halve() -> None:
    result, original, hole = pair(15, 200)
    assert np.isnan(Lpips(MeanGap())(result + 1, original, hole))


def test_features_come_from_bytes_in_planes(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (30, 50, 3), np.uint8)

    def net(planes: Tensor) -> tuple[Tensor]:
        assert planes.dtype == torch.uint8
        return (planes.float().mean((2, 3)),)

    features = InceptionFeatures(net)(picture)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, picture.reshape(-1, 3).mean(0), rtol=1e-5)


def module(name: str, **names: object) -> ModuleType:
    made = ModuleType(name)
    made.__dict__.update(names)
    return made


@pytest.fixture
def fidelity(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch-fidelity as it loads its files: through torch.hub, which would download what it lacks."""

    def refuse(url: str, *_: object, **__: object) -> None:
        raise AssertionError(f"a download of {url}")

    def hub(name: str) -> dict[str, Tensor]:
        return torch.hub.load_state_dict_from_url(f"https://example.org/v1/{name}", progress=False)

    class FakeLpips:
        def __init__(self, name: str) -> None:
            assert name
            self.scale = hub(LPIPS)["x"] * hub(VGG16)["x"]

        def __call__(self, ours: Tensor, theirs: Tensor) -> Tensor:
            return self.scale * (ours.float() - theirs.float()).abs().mean()[None]

    class FakeInception:
        def __init__(self, name: str, features: list[str]) -> None:
            assert (bool(name), features) == (True, ["2048"])
            self.feature = hub(INCEPTION)["x"]

        def __call__(self, _planes: Tensor) -> tuple[Tensor]:
            return (self.feature[None],)

    url = "https://example.org/v1/"
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    weights = SimpleNamespace(IMAGENET1K_V1=SimpleNamespace(url=url + VGG16))
    for made in (
        module(FIDELITY),
        module(f"{FIDELITY}.sample_similarity_lpips", URL_VGG16_LPIPS=url + LPIPS, SampleSimilarityLPIPS=FakeLpips),
        module(
            f"{FIDELITY}.feature_extractor_inceptionv3",
            URL_INCEPTION_V3=url + INCEPTION,
            FeatureExtractorInceptionV3=FakeInception,
        ),
        module("torchvision"),
        module("torchvision.models", VGG16_Weights=weights),
    ):
        monkeypatch.setitem(sys.modules, made.__name__, made)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    for value, name in enumerate((LPIPS, VGG16, INCEPTION), 2):
        torch.save({"x": torch.tensor([float(value)])}, folder / name)
    return folder


@pytest.mark.usefixtures("fidelity")
@pytest.mark.parametrize("is_usual", [False, True], ids=["a given folder", "torch.hub's own"])
def test_files_are_found_where_they_lie(
    is_usual: bool, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "hub"
    if is_usual:
        home.mkdir()
        weights.rename(home / "checkpoints")
    monkeypatch.setattr(torch.hub, "_hub_dir", str(home))
    published = load_published(None if is_usual else weights)
    assert published.unavailable == {}
    assert torch.hub.get_dir() == str(home), "as it was"
    assert set(published.weights) == {LPIPS, VGG16, INCEPTION}
    assert all(len(digest) == 64 for digest in published.weights.values())
    result, original, hole = pair(20, 20)
    assert published.lpips is not None
    assert published.lpips(result + 5, original, hole) == pytest.approx(2 * 3 * 5)
    assert published.features is not None
    assert published.features(original).tolist() == [4]


@pytest.mark.usefixtures("fidelity")
@pytest.mark.parametrize(
    ("missing", "names"), [([VGG16], {"lpips"}), ([INCEPTION], {"fid"}), ([LPIPS, VGG16, INCEPTION], {"lpips", "fid"})]
)
def test_a_missing_file_is_named_with_where_to_get_it(missing: list[str], names: set[str], weights: Path) -> None:
    for name in missing:
        (weights / name).unlink()
    published = load_published(weights)
    assert set(published.unavailable) == names
    assert (published.lpips is None, published.features is None) == ("lpips" in names, "fid" in names)
    said = " ".join(published.unavailable.values())
    for name in missing:
        assert f"{name} (from https://example.org/v1/{name})" in said
    assert str(weights) in said
    assert "--metric-weights" in said
    assert not set(missing) & set(published.weights)


@pytest.mark.usefixtures("fidelity")
def test_a_damaged_file_is_told_and_not_fetched(weights: Path) -> None:
    (weights / INCEPTION).write_bytes(b"half")
    published = load_published(weights)
    assert list(published.unavailable) == ["fid"]
    assert f"{INCEPTION} in {weights} cannot be loaded (" in published.unavailable["fid"]
    assert published.lpips is not None


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, weights: Path) -> None:
    monkeypatch.setitem(sys.modules, FIDELITY, None)
    published = load_published(weights)
    assert published.lpips is published.features is None
    reason = "torch-fidelity is not installed; pip install 'rethined[published]'"
    assert published.unavailable == {"lpips": reason, "fid": reason}


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ("raise RuntimeError('operator torchvision::nms does not exist\\nmore')", "nms does not exist); install the"),
        ("raise AttributeError('partially initialized module')", "(AttributeError: partially initialized module)"),
        ("raise ImportError('cannot import name x')", "(ImportError: cannot import name x)"),
        ("import torchvision", "torchvision is not installed; pip install 'rethined[published]'"),
    ],
)
def test_a_torchvision_that_cannot_be_loaded_is_told_in_one_line(
    failure: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weights: Path
) -> None:
    (tmp_path / f"{FIDELITY}.py").write_text(failure)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, FIDELITY, raising=False)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    published = load_published(weights)
    assert set(published.unavailable) == {"lpips", "fid"}
    for reason in published.unavailable.values():
        assert said in reason
        assert "\n" not in reason


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="nowhere is not a folder"):
        load_published(tmp_path / "nowhere")
