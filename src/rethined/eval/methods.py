"""What is measured: rethined and its peers behind one call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from rethined.climb import climb
from rethined.engine import Inpainter
from rethined.errors import MissingExtraError, OptionError
from rethined.eval.cases import blanked
from rethined.eval.learned import LEARNED_SUFFIXES, load_learned
from rethined.eval.worker import HOW_TO, WorkerPeer
from rethined.files import sha256_of
from rethined.ladder import plan_looks
from rethined.options import FIRST_PX, InpaintOptions, Preset
from rethined.regions import plan_rungs
from rethined.resample import pull_push, resize_linear, shrink_known
from rethined.session import OnnxSession, Runtime
from rethined.types import Float32, HoleMap, Image8
from rethined.weights import SHIPPED_NETWORK

TELEA_RADIUS_PX = 3


class Method(Protocol):
    """Fills holes: ``(H, W, 3)`` uint8 RGB and ``(H, W)`` bool (``True`` = fill) to ``(H, W, 3)`` uint8 RGB."""

    def __call__(self, image: Image8, hole: HoleMap, /) -> Image8:
        """The filled picture; the content of the hole must have no influence."""
        ...


@dataclass(frozen=True)
class Setup:
    """What methods are made with.

    Attributes:
        network: A rethined ONNX file for the methods that run one; the shipped one when ``None``.
        threads: Threads of rethined, of learned peers and of those in a process of their own; all cores when ``None``.
            The others take what OpenCV and NumPy are set to.
        peers_python: Interpreter for the peers whose packages clash with this environment's.
    """

    network: str | None = None
    threads: int | None = None
    peers_python: Path | None = None


def make_method(
    name: str, *, network: str | None = None, threads: int | None = None, peers_python: Path | None = None
) -> Method:
    """The method of that name, ready to be called many times.

    Args:
        name: One of :data:`METHODS`, or the path of a learned peer's file, see :mod:`rethined.eval.learned`.
        network, threads, peers_python: See :class:`Setup`.

    Raises:
        OptionError: An unknown name; the message lists the known ones. Or there is no ``peers_python``.
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
    return METHODS[name](Setup(network, threads, peers_python))


MakeMethod = Callable[[Setup], Method]


def is_learned(name: str) -> bool:
    """Whether a method is the path of a learned peer's file."""
    return Path(name).suffix.lower() in LEARNED_SUFFIXES


def label_of(name: str) -> str:
    """What a method is called in files and tables: a peer's file by its name and checksum."""
    if not is_learned(name):
        return name
    file = Path(name)
    return f"{file.stem}-{sha256_of(file)[:8]}" if file.is_file() else file.stem


def _rethined(preset: Preset, runtime: Runtime = "onnxruntime") -> MakeMethod:
    def make(setup: Setup) -> Method:
        options = InpaintOptions(preset=preset)
        return Inpainter(setup.network, options=options, threads=setup.threads, runtime=runtime)

    return make


def _coarse(setup: Setup) -> Method:
    """The network's first look alone, enlarged: what structure it recovers before any detail is copied."""
    session = _session(setup)

    def fill(image: Image8, hole: HoleMap) -> Image8:
        plan = plan_rungs(hole.shape, first_px=FIRST_PX, working_px=FIRST_PX)
        small = shrink_known(image, hole, plan.working_hw)
        return _pasted(image, hole, session.run(pull_push(small.image, small.hole), small.hole).fill)

    return fill


def _looks(setup: Setup) -> Method:
    """All looks of ``balanced``, enlarged: what the network makes of a hole where nothing is copied at all."""
    session = _session(setup)

    def fill(image: Image8, hole: HoleMap) -> Image8:
        plan = plan_looks(hole, budget_px=InpaintOptions().budget_px)
        return _pasted(image, hole, climb(session, image, hole, plan, lambda _: nullcontext()).rungs[-1].filled)

    return fill


def _session(setup: Setup) -> OnnxSession:
    return OnnxSession(SHIPPED_NETWORK if setup.network is None else Path(setup.network), threads=setup.threads)


def _pasted(image: Image8, hole: HoleMap, fill: Float32) -> Image8:
    """The picture with a fill of any size in its hole."""
    large = np.rint(resize_linear(fill, (hole.shape[0], hole.shape[1])))
    return np.where(hole[..., None], np.clip(large, 0, 255).astype(np.uint8), image)


def _opencv(flag: int) -> MakeMethod:
    def fill(image: Image8, hole: HoleMap) -> Image8:
        return np.asarray(cv2.inpaint(image, hole.view(np.uint8), TELEA_RADIUS_PX, flag), np.uint8)

    return lambda _: fill


def _pull_push(_: Setup) -> Method:
    def fill(image: Image8, hole: HoleMap) -> Image8:
        return np.asarray(np.rint(pull_push(image.astype(np.float32), hole)), np.uint8)

    return fill


def _biharmonic(_: Setup) -> Method:
    try:
        from skimage.restoration import inpaint_biharmonic
    except ImportError as error:
        raise _missing(error) from error

    def fill(image: Image8, hole: HoleMap) -> Image8:
        filled = inpaint_biharmonic(image, hole, channel_axis=2, split_into_regions=True)
        return np.asarray(np.rint(np.clip(filled, 0, 1) * 255), np.uint8)

    return fill


def _patchmatch(_: Setup) -> Method:
    try:
        from patchmatch_cython import inpaint_pyramid
    except ImportError as error:
        raise _missing(error) from error

    def fill(image: Image8, hole: HoleMap) -> Image8:
        return np.asarray(inpaint_pyramid(image, hole, seed=0), np.uint8)

    return fill


def _object_remove(_: Setup) -> Method:
    try:
        from object_remove import EngineTier, RemoveObjectJob
    except ImportError as error:
        raise _missing(error) from error

    def fill(image: Image8, hole: HoleMap) -> Image8:
        # Blanked: its pyramids mix what lies in the hole into what they compare. Without a device it runs plain NumPy,
        # the same everywhere; its own choice falls on a GPU where there is one.
        job = RemoveObjectJob(blanked(image, hole), device=None)
        filled = np.rint(np.clip(job.run(hole, tier=EngineTier.AUTO).image, 0, 1) * 255).astype(np.uint8)
        # It grows what it is given, and blends beyond.
        return np.where(hole[..., None], filled, image)

    return fill


def _xphoto(algorithm: str) -> MakeMethod:
    def make(setup: Setup) -> Method:
        if setup.peers_python is None:
            raise MissingExtraError(f"the method 'xphoto-{algorithm}' needs a Python of its own; {HOW_TO}")
        return WorkerPeer(setup.peers_python, algorithm, threads=setup.threads)

    return make


def _missing(error: ImportError) -> MissingExtraError:
    return MissingExtraError(f"this method needs the package {error.name!r}: pip install 'rethined[bench]'")


METHODS: dict[str, MakeMethod] = {
    "rethined": _rethined("balanced"),
    "rethined-fast": _rethined("fast"),
    "rethined-best": _rethined("best"),
    "rethined-openvino": _rethined("balanced", "openvino"),
    "rethined-fast-openvino": _rethined("fast", "openvino"),
    "rethined-best-openvino": _rethined("best", "openvino"),
    "rethined-coarse": _coarse,
    "rethined-looks": _looks,
    "telea": _opencv(cv2.INPAINT_TELEA),
    "ns": _opencv(cv2.INPAINT_NS),
    "pull-push": _pull_push,
    "biharmonic": _biharmonic,
    "patchmatch": _patchmatch,
    "object-remove": _object_remove,
    "xphoto-shiftmap": _xphoto("shiftmap"),
    "xphoto-fsr-fast": _xphoto("fsr-fast"),
    "xphoto-fsr-best": _xphoto("fsr-best"),
}
"""Every method by name."""
