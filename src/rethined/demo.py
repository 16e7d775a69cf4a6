"""``rethined demo``: fills holes in sample photographs and in a generated scene, and shows what it took."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.data.scene import draw_scene
from rethined.engine import Inpainter, InpaintResult
from rethined.errors import ImageWriteError, MissingExtraError
from rethined.imageio import write_image
from rethined.types import Box, HoleMap, Image8

SCENE_PX = 4096
ZOOM_PX = 300
GAP_PX = 6
TELEA_RADIUS_PX = 3
HOLE_TINT = (255, 0, 255)
LABELS = ("hole", "OpenCV Telea", "rethined")


@dataclass(frozen=True)
class Case:
    """One picture with its hole, and where to look closely."""

    name: str
    image: Image8
    hole: HoleMap


def run_demo(out: Path, *, network: str | None = None, threads: int | None = None) -> None:
    """Fills every case, writes before/after/zoom pictures to ``out`` and prints timings.

    Args:
        out: Folder; made when missing.
        network: A rethined ONNX file; the shipped one when ``None``.
        threads: Threads of the network; ``None`` takes all cores.

    Raises:
        MissingExtraError: scikit-image, which carries the photographs, is not installed.
        ImageWriteError: ``out`` cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageWriteError(f"cannot make the folder {out}: {error.strerror}; give another --out") from error
    inpainter = Inpainter(network, threads=threads)
    inpainter.fill(np.zeros((64, 64, 3), np.uint8), _dot((64, 64)))  # the first run allocates; keep it out of the times
    print(f"{'picture':12s} {'size':>11s} {'hole':>6s} {'rethined':>10s} {'Telea':>10s}   stages in ms")
    zooms = []
    for case in [*sample_cases(), scene_case()]:
        result = inpainter.fill(case.image, case.hole)
        began = time.perf_counter()
        telea = cv2.inpaint(case.image, case.hole.view(np.uint8), TELEA_RADIUS_PX, cv2.INPAINT_TELEA)
        telea_ms = (time.perf_counter() - began) * 1e3
        _print_row(case, result, telea_ms)
        zooms.append(side_by_side(case, np.asarray(telea, np.uint8), result.image))
        write_image(out / f"{case.name}-before.png", _tinted(case))
        write_image(out / f"{case.name}-after.png", result.image)
        write_image(out / f"{case.name}-zoom.png", zooms[-1])
    write_image(out / "overview.jpg", stacked(zooms))
    print(f"\npictures in {out}: *-before.png, *-after.png, *-zoom.png and overview.jpg ({' | '.join(LABELS)})")


def sample_cases() -> list[Case]:
    """Photographs out of scikit-image's wheel, each with another kind of damage."""
    try:
        from skimage import data
    except ImportError as error:
        raise MissingExtraError(
            f"the demo takes its photographs from the package {error.name!r}: pip install 'rethined[demo]'"
        ) from error
    cat, coffee, astronaut = (_photograph(load) for load in (data.chelsea, data.coffee, data.astronaut))
    return [
        Case("cat", cat, scratches(cat.shape[:2], seed=3)),
        Case("coffee", coffee, blobs(coffee.shape[:2], seed=5)),
        Case("astronaut", astronaut, blobs(astronaut.shape[:2], seed=8)),
    ]


def scene_case() -> Case:
    """A generated landscape of 4096 x 4096 px with blobs cut out."""
    return Case("scene", draw_scene(SCENE_PX), blobs((SCENE_PX, SCENE_PX), seed=2))


def blobs(size_hw: tuple[int, int], *, seed: int) -> HoleMap:
    """Forty ellipses with radii of 0.8 to 3.5 % of the short side."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros(size_hw, np.uint8)
    for _ in range(40):
        radii = np.exp(rng.uniform(np.log(0.008), np.log(0.035), 2)) * min(size_hw)
        centre = rng.uniform((0, 0), (size_hw[1], size_hw[0]))
        cv2.ellipse(canvas, (tuple(centre), tuple(2 * radii), float(rng.uniform(0, 180))), 1, -1)
    return np.asarray(canvas > 0)


def scratches(size_hw: tuple[int, int], *, seed: int) -> HoleMap:
    """Thin lines across the picture, as on a scanned print."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros(size_hw, np.uint8)
    for _ in range(12):
        start_x, end_x = rng.uniform(0, size_hw[1], 2)
        x = np.linspace(start_x, end_x, 6) + rng.normal(0, 6, 6)
        y = np.linspace(-10, size_hw[0] + 10, 6)
        points = np.stack([x, y], 1).round().astype(np.int32)
        cv2.polylines(canvas, [points], False, 1, thickness=int(rng.integers(2, 6)))
    return np.asarray(canvas > 0)


def side_by_side(case: Case, telea: Image8, filled: Image8) -> Image8:
    """Hole, Telea and our fill at 1:1, cut where much hole lies in much detail."""
    height, width = case.hole.shape
    side_y, side_x = min(ZOOM_PX, height), min(ZOOM_PX, width)
    area = (side_x, side_y)
    luma = cv2.cvtColor(case.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    density = cv2.blur(case.hole.astype(np.float32), area, borderType=cv2.BORDER_CONSTANT)
    detail = cv2.blur(np.abs(cv2.Laplacian(luma, cv2.CV_32F)), area, borderType=cv2.BORDER_CONSTANT)
    y, x = np.unravel_index(int((density * detail).argmax()), density.shape)
    top = int(np.clip(y - side_y // 2, 0, height - side_y))
    left = int(np.clip(x - side_x // 2, 0, width - side_x))
    box = Box(top, left, top + side_y, left + side_x).slices
    gap = np.full((side_y, GAP_PX, 3), 255, np.uint8)
    before = _tinted(case)
    return np.concatenate([before[box], gap, telea[box], gap, filled[box]], 1)


def stacked(pictures: Sequence[Image8]) -> Image8:
    """Pictures below each other on white."""
    width = max(picture.shape[1] for picture in pictures)
    rows = [
        np.pad(picture, ((0, GAP_PX), (0, width - picture.shape[1]), (0, 0)), constant_values=255)
        for picture in pictures
    ]
    return np.concatenate(rows)[:-GAP_PX]


def _photograph(load: Callable[[], NDArray[Any]]) -> Image8:
    return np.asarray(load(), np.uint8)


def _print_row(case: Case, result: InpaintResult, telea_ms: float) -> None:
    height, width = case.hole.shape
    stages = "  ".join(f"{name} {milliseconds:.1f}" for name, milliseconds in result.stages_ms.items())
    total_ms = sum(result.stages_ms.values())
    print(
        f"{case.name:12s} {f'{width} x {height}':>11s} {result.hole_share:6.1%} {total_ms:7.1f} ms {telea_ms:7.1f} ms"
        f"   {stages}",
        flush=True,
    )


def _tinted(case: Case) -> Image8:
    before = case.image.copy()
    before[case.hole] = HOLE_TINT
    return before


def _dot(size_hw: tuple[int, int]) -> HoleMap:
    hole = np.zeros(size_hw, bool)
    hole[size_hw[0] // 2, size_hw[1] // 2] = True
    return hole
