"""LPIPS and the features behind FID, the scores of published tables, through torch-fidelity.

Neither package nor weights come with rethined, and nothing is downloaded here: where one is missing, the score cannot
be had, and :func:`load_published` says why. torch-fidelity would fetch a missing file by itself, so it is only asked
once all files are there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlparse

import numpy as np
import torch
from torch import Tensor

from rethined.errors import OptionError
from rethined.eval.fid import FEATURES, Extractor
from rethined.files import sha256_of
from rethined.types import Float32, HoleMap, Image8

TILE_PX = 1024
"""Largest side of what LPIPS sees at once: VGG16 keeps 64 maps of full size."""
MIN_PX = 16
"""VGG16 halves four times before its last layer."""

PairDistance = Callable[[Tensor, Tensor], Tensor]


class _UnavailableError(Exception):
    """Why a score cannot be had and what to do, in one line."""


@dataclass(frozen=True)
class Published:
    """What of LPIPS and FID can be computed here.

    Attributes:
        lpips: What gives LPIPS, or ``None``.
        features: What gives Inception features for FID, or ``None``.
        unavailable: Why not, and what to do about it, by the name of the score.
        weights: SHA-256 of the files that are used, by name.
    """

    lpips: Lpips | None = None
    features: Extractor | None = None
    unavailable: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)


def load_published(folder: Path | None = None) -> Published:
    """Loads LPIPS and Inception v3, as far as package and weights are there.

    Args:
        folder: Holds the files of weights under the names of their URLs; ``None`` stands for torch.hub's own folder.

    Raises:
        OptionError: ``folder`` is none.
    """
    if folder is not None and not folder.is_dir():
        raise OptionError(f"{folder} is not a folder; give the folder that holds the weights of LPIPS and FID")
    place = Path(torch.hub.get_dir()) / "checkpoints" if folder is None else folder
    loaded: dict[str, Any] = {}
    unavailable: dict[str, str] = {}
    weights: dict[str, str] = {}
    for name, load in (("lpips", _load_lpips), ("fid", _load_inception)):
        try:
            loaded[name], files = load(place)
        except _UnavailableError as reason:
            unavailable[name] = str(reason)
        else:
            weights |= {file.name: sha256_of(file) for file in files}
    return Published(loaded.get("lpips"), loaded.get("fid"), unavailable, weights)


class Lpips:
    """LPIPS over the whole picture: the mean over tiles of at most 1024 px a side, weighted by their area.

    Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018; VGG16 and the
    linear weights of version 0.1. 0 = the same; lower is better. What is known is the same in both pictures and counts
    as no distance, so that values grow with the share of the hole.
    """

    def __init__(self, net: PairDistance) -> None:
        """Takes the network: two ``(1, 3, H, W)`` uint8 tensors to their distance."""
        self._net = net

    def __call__(self, result: Image8, original: Image8, hole: HoleMap) -> float:
        """The distance of two ``(H, W, 3)`` uint8 RGB pictures; not a number where a side is below 16 px."""
        height, width = hole.shape
        if min(height, width) < MIN_PX:
            return float("nan")
        total = 0.0
        for rows in _parts(height):
            for columns in _parts(width):
                ours, theirs = (np.ascontiguousarray(picture[rows, columns]) for picture in (result, original))
                # The distance of equal pictures is 0 by construction: no need for two runs of VGG16.
                if not np.array_equal(ours, theirs):
                    with torch.inference_mode():
                        distance = float(self._net(_planes(ours), _planes(theirs)))
                    total += distance * ours.shape[0] * ours.shape[1]
        return float(total / hole.size)


class InceptionFeatures:
    """Features of Inception v3 before its last layer, of the 2015 graph that FID is defined on."""

    def __init__(self, net: Callable[[Tensor], tuple[Tensor, ...]]) -> None:
        """Takes the network: a ``(1, 3, H, W)`` uint8 tensor to ``(1, 2048)``."""
        self._net = net

    @torch.inference_mode()
    def __call__(self, picture: Image8) -> Float32:
        """``(2048,)`` float32 of a ``(H, W, 3)`` uint8 RGB picture of any size; the network resizes it to 299 x 299."""
        (features,) = self._net(_planes(picture))
        return np.asarray(features[0].numpy(), np.float32)


def _parts(side_px: int) -> list[slice]:
    """As few parts of at most ``TILE_PX`` as there can be, all about equal: no slivers."""
    count = -(-side_px // TILE_PX)
    return [slice(first, end) for first, end in pairwise(side_px * i // count for i in range(count + 1))]


def _planes(picture: Image8) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None]))


def _load_lpips(place: Path) -> tuple[Lpips, list[Path]]:
    _import_fidelity()
    from torch_fidelity.sample_similarity_lpips import URL_VGG16_LPIPS, SampleSimilarityLPIPS
    from torchvision.models import VGG16_Weights

    files = _expect_files(place, [URL_VGG16_LPIPS, VGG16_Weights.IMAGENET1K_V1.url])
    return Lpips(_loaded(place, files, lambda: SampleSimilarityLPIPS("lpips-vgg16"))), files


def _load_inception(place: Path) -> tuple[InceptionFeatures, list[Path]]:
    _import_fidelity()
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3, FeatureExtractorInceptionV3

    files = _expect_files(place, [URL_INCEPTION_V3])
    return InceptionFeatures(
        _loaded(place, files, lambda: FeatureExtractorInceptionV3("inception-v3", [str(FEATURES)]))
    ), files


def _import_fidelity() -> None:
    try:
        import torch_fidelity  # noqa: F401 - only whether it can be
    except ModuleNotFoundError as error:
        if error.name in ("torch_fidelity", "torchvision"):
            package = error.name.replace("_", "-")
            raise _UnavailableError(f"{package} is not installed; pip install 'rethined[published]'") from error
        raise _UnavailableError(f"torch-fidelity cannot be imported ({_line(error)}); install it again") from error
    except Exception as error:
        # A torchvision made for another torch fails in ways of its own: RuntimeError, AttributeError, OSError.
        raise _UnavailableError(
            f"torch-fidelity cannot be imported beside torch {torch.__version__} ({_line(error)}); install the"
            " torchvision that belongs to this torch"
        ) from error


def _expect_files(place: Path, urls: list[str]) -> list[Path]:
    files = {url: place / PurePosixPath(urlparse(url).path).name for url in urls}
    missing = {url: file.name for url, file in files.items() if not file.is_file()}
    if missing:
        sources = ", ".join(f"{name} (from {url})" for url, name in missing.items())
        them = "it" if len(missing) == 1 else "them"
        raise _UnavailableError(
            f"{_shown(place)} lacks {sources}; put {them} there, or name another folder with --metric-weights"
        )
    return list(files.values())


def _loaded(place: Path, files: list[Path], make: Callable[[], Any]) -> Any:  # noqa: ANN401
    try:
        with _hub_at(place):
            return make()
    except Exception as error:
        # A damaged file fails wherever unpickling stumbles over it.
        names = " or ".join(file.name for file in files)
        raise _UnavailableError(
            f"{names} in {_shown(place)} cannot be loaded ({_line(error)}); fetch it again"
        ) from error


@contextmanager
def _hub_at(place: Path) -> Iterator[None]:
    """torch.hub looks for files in ``place``."""
    before = torch.hub.get_dir()
    with tempfile.TemporaryDirectory() as home:
        (Path(home) / "checkpoints").symlink_to(place.resolve(), target_is_directory=True)
        torch.hub.set_dir(home)
        try:
            yield
        finally:
            torch.hub.set_dir(before)


def _shown(place: Path) -> str:
    """The folder without the user's name, which reports have no need of."""
    return f"~/{place.relative_to(Path.home())}" if place.is_relative_to(Path.home()) else str(place)


def _line(error: Exception) -> str:
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}"
