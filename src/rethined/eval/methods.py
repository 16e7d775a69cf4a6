"""What is measured: rethined and its peers behind one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from rethined.engine import Inpainter
from rethined.errors import MissingExtraError, OptionError
from rethined.eval.learned import LEARNED_SUFFIXES, load_learned
from rethined.files import sha256_of
from rethined.options import FIRST_PX, InpaintOptions
from rethined.regions import plan_rungs
from rethined.resample import pull_push, resize_linear, shrink_known
from rethined.session import OnnxSession
from rethined.types import HoleMap, Image8
from rethined.weights import SHIPPED_NETWORK

TELEA_RADIUS_PX = 3


class Method(Protocol):
    """Fills holes: ``(H, W, 3)`` uint8 RGB and ``(H, W)`` bool (``True`` = fill) to ``(H, W, 3)`` uint8 RGB."""

    def __call__(self, image: Image8, hole: HoleMap, /) -> Image8:
        """The filled picture; the content of the hole must have no influence."""
        ...


def make_method(name: str, *, network: str | None = None, threads: int | None = None) -> Method:
    """The method of that name, ready to be called many times.

    Args:
        name: One of :data:`METHODS`, or the path of a learned peer's file, see :mod:`rethined.eval.learned`.
        network: A rethined ONNX file for the methods that run one; the shipped one when ``None``.
        threads: Threads of rethined; the others take what OpenCV and NumPy are set to.

    Raises:
        OptionError: An unknown name; the message lists the known ones.
        MissingExtraError: The method's package is not installed.
        ModelNotFoundError, ModelSignatureError: The file is missing or follows no known contract.
    """
    if is_learned(name):
        return load_learned(Path(name), threads=threads)
    if name not in METHODS:
        raise OptionError(
            f"the method is {name!r}; expected the path of a file that ends in {', '.join(sorted(LEARNED_SUFFIXES))} or"
            f" one of {', '.join(METHODS)}"
        )
    return METHODS[name](network, threads)


def is_learned(name: str) -> bool:
    """Whether a method is the path of a learned peer's file."""
    return Path(name).suffix.lower() in LEARNED_SUFFIXES


def label_of(name: str) -> str:
    """What a method is called in files and tables: a peer's file by its name and checksum."""
    if not is_learned(name):
        return name
    file = Path(name)
    return f"{file.stem}-{sha256_of(file)[:8]}" if file.is_file() else file.stem


def _rethined(working_px: int | None) -> Callable[[str | None, int | None], Method]:
    def make(network: str | None, threads: int | None) -> Method:
        options = InpaintOptions() if working_px is None else InpaintOptions(working_px=working_px)
        return Inpainter(network, options=options, threads=threads)

    return make


def _coarse(network: str | None, threads: int | None) -> Method:
    """The network's first look alone, enlarged: what structure it recovers before any detail is copied."""
    session = OnnxSession(SHIPPED_NETWORK if network is None else Path(network), threads=threads)

    def fill(image: Image8, hole: HoleMap) -> Image8:
        plan = plan_rungs(hole.shape, first_px=FIRST_PX, working_px=FIRST_PX)
        small = shrink_known(image, hole, plan.working_hw)
        result = session.run(pull_push(small.image, small.hole), small.hole)
        large = np.rint(resize_linear(result.fill, hole.shape))
        return np.where(hole[..., None], np.clip(large, 0, 255).astype(np.uint8), image)

    return fill


def _opencv(flag: int) -> Callable[[str | None, int | None], Method]:
    def fill(image: Image8, hole: HoleMap) -> Image8:
        return np.asarray(cv2.inpaint(image, hole.view(np.uint8), TELEA_RADIUS_PX, flag), np.uint8)

    return lambda _network, _threads: fill


def _pull_push(_network: str | None, _threads: int | None) -> Method:
    def fill(image: Image8, hole: HoleMap) -> Image8:
        return np.asarray(np.rint(pull_push(image.astype(np.float32), hole)), np.uint8)

    return fill


def _biharmonic(_network: str | None, _threads: int | None) -> Method:
    try:
        from skimage.restoration import inpaint_biharmonic
    except ImportError as error:
        raise _missing(error) from error

    def fill(image: Image8, hole: HoleMap) -> Image8:
        filled = inpaint_biharmonic(image, hole, channel_axis=2, split_into_regions=True)
        return np.asarray(np.rint(np.clip(filled, 0, 1) * 255), np.uint8)

    return fill


def _patchmatch(_network: str | None, _threads: int | None) -> Method:
    try:
        from patchmatch_cython import inpaint_pyramid
    except ImportError as error:
        raise _missing(error) from error

    def fill(image: Image8, hole: HoleMap) -> Image8:
        return np.asarray(inpaint_pyramid(image, hole, seed=0), np.uint8)

    return fill


def _missing(error: ImportError) -> MissingExtraError:
    return MissingExtraError(f"this method needs the package {error.name!r}: pip install 'rethined[bench]'")


METHODS: dict[str, Callable[[str | None, int | None], Method]] = {
    "rethined": _rethined(None),
    "rethined-512": _rethined(512),
    "rethined-coarse": _coarse,
    "telea": _opencv(cv2.INPAINT_TELEA),
    "ns": _opencv(cv2.INPAINT_NS),
    "pull-push": _pull_push,
    "biharmonic": _biharmonic,
    "patchmatch": _patchmatch,
}
"""Every method by name; called with a network file and a number of threads."""
