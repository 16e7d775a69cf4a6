from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rethined.engine import Inpainter
from rethined.errors import MaskError, OptionError
from rethined.imageio import write_image
from rethined.masking import AlphaMask, ColourMask, FileMask, Rectangle, ShapeMask
from rethined.options import InpaintOptions
from rethined.pipe.steady import Renewal, SteadyFiller
from rethined.types import Image8, Pixels

SIZE_HW = (64, 80)
MASK = ShapeMask(shapes=(Rectangle(30, 20, 50, 40),))

# Edges of the planted blocks may lie along those of the mask.
pytestmark = pytest.mark.filterwarnings("ignore:the mask seems to be cut too tight")


@pytest.fixture(scope="module")
def inpainter(tiny_network_path: Path) -> Inpainter:
    return Inpainter(tiny_network_path, threads=1)


def scene(seed: int) -> Image8:
    """Coarse blocks: another seed is another scene."""
    blocks = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), np.uint8))


def noisy(image: Image8, seed: int, levels: float = 5) -> Image8:
    noise = np.random.default_rng(seed).normal(0, levels, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def test_a_still_picture_comes_out_the_same_every_time_and_as_without_a_stream(inpainter: Inpainter) -> None:
    fill, image = SteadyFiller(inpainter, MASK), scene(1)
    expected = inpainter(image, MASK.hole(image))
    for _ in range(3):
        np.testing.assert_array_equal(fill(image.copy()), expected)
    assert fill.searches == 1


def test_frames_are_filled_in_place_and_keep_what_is_known(inpainter: Inpainter) -> None:
    fill, image = SteadyFiller(inpainter, MASK), scene(1)
    hole = MASK.hole(image)
    for i in range(3):
        frame = noisy(image, i)
        before = frame.copy()
        assert fill(frame) is frame
        np.testing.assert_array_equal(frame[~hole], before[~hole])
        assert (frame[hole] != before[hole]).any()


def test_noise_and_changing_light_keep_the_sources(inpainter: Inpainter) -> None:
    fill, image = SteadyFiller(inpainter, MASK), scene(1)
    for i in range(8):
        fill((noisy(image, i) * (1 - 0.05 * i)).astype(np.uint8))
    assert fill.searches == 1


def test_moving_a_little_keeps_the_sources(inpainter: Inpainter) -> None:
    fill = SteadyFiller(inpainter, MASK)
    wide = np.kron(scene(3), np.ones((2, 2, 1), np.uint8))
    for i in range(6):
        fill(wide[:64, i : 80 + i].copy())
    assert fill.searches == 1


def counts(inpainter: Inpainter, renewal: Renewal, frames: list[Image8]) -> list[int]:
    """How many searches there were after each frame."""
    fill = SteadyFiller(inpainter, MASK, renewal=renewal)
    found = []
    for frame in frames:
        fill(frame.copy())
        found.append(fill.searches)
    return found


def test_sources_are_renewed_when_they_are_due(inpainter: Inpainter) -> None:
    frames = [scene(1), scene(1), scene(1), scene(2), scene(2)]
    assert counts(inpainter, Renewal(), frames) == [1, 1, 1, 2, 2]
    assert counts(inpainter, Renewal(at_cuts=False), frames) == [1, 1, 1, 1, 1]
    assert counts(inpainter, Renewal(frames=2), frames) == [1, 1, 2, 3, 3]
    assert counts(inpainter, Renewal(frames=1), frames) == [1, 2, 3, 4, 5]
    with pytest.raises(OptionError, match="every 0 frames; expected at least 1"):
        Renewal(frames=0)


def test_after_a_cut_a_frame_is_filled_as_if_it_were_alone(inpainter: Inpainter) -> None:
    fill = SteadyFiller(inpainter, MASK)
    fill(scene(1))
    np.testing.assert_array_equal(fill(scene(2)), inpainter(scene(2), MASK.hole(scene(2))))


def test_the_mask_file_is_read_once(inpainter: Inpainter, tmp_path: Path) -> None:
    write_image(tmp_path / "mask.png", MASK.hole(scene(1)) * np.uint8(255))
    fill = SteadyFiller(inpainter, FileMask(path=tmp_path / "mask.png"))
    first = fill(scene(1))
    (tmp_path / "mask.png").unlink()
    np.testing.assert_array_equal(fill(scene(1)), first)
    with pytest.raises(MaskError, match="lies beyond the picture"):
        SteadyFiller(inpainter, MASK)(scene(1)[:10].copy())


def test_frames_of_another_size_get_the_mask_anew(inpainter: Inpainter) -> None:
    fill = SteadyFiller(inpainter, MASK)
    for image in (scene(1), np.ascontiguousarray(scene(1)[:60]), scene(1)):
        np.testing.assert_array_equal(fill(image.copy()), inpainter(image, MASK.hole(image)))
    assert fill.searches == 3


def test_holes_are_widened_and_sources_forbidden(inpainter: Inpainter) -> None:
    forbid = np.zeros(SIZE_HW, bool)
    forbid[:, 55:] = True
    grown = inpainter.with_options(InpaintOptions(grow_px=3))
    fill = SteadyFiller(grown, MASK, forbid=forbid)
    expected = grown(scene(1), MASK.hole(scene(1)), forbid=forbid)
    for _ in range(2):
        np.testing.assert_array_equal(fill(scene(1)), expected)


def test_a_colour_key_is_looked_for_in_each_frame(inpainter: Inpainter) -> None:
    def painted(left: int) -> Image8:
        frame = scene(1) // 2
        frame[20:30, left : left + 10] = (255, 0, 255)
        return frame

    fill = SteadyFiller(inpainter, ColourMask(rgb=(255, 0, 255)))
    for left in (30, 30, 45):
        filled = fill(painted(left))
        assert not (filled == (255, 0, 255)).all(2).any()
    assert fill.searches == 2


def test_what_was_transparent_becomes_opaque_and_other_transparency_is_searched_anew(inpainter: Inpainter) -> None:
    def clear(top: int) -> Pixels:
        alpha = np.full(SIZE_HW, 255, np.uint8)
        alpha[top : top + 10, 20:30] = 0
        return np.dstack([scene(1), alpha])

    fill = SteadyFiller(inpainter, AlphaMask())
    assert (fill(clear(10))[..., 3] == 255).all()
    fill(clear(10))
    fill(clear(20))
    assert fill.searches == 2
    steady = SteadyFiller(inpainter, MASK)
    for top in (0, 0, 50):
        steady(clear(top))
    assert steady.searches == 2


def test_frames_without_a_hole_are_passed_on(inpainter: Inpainter) -> None:
    fill = SteadyFiller(inpainter, AlphaMask())
    opaque = np.dstack([scene(1), np.full(SIZE_HW, 255, np.uint8)])
    with pytest.warns(match="the mask marks nothing"):
        np.testing.assert_array_equal(fill(opaque.copy()), opaque)
    assert fill.searches == 0


@pytest.mark.parametrize("shape", [SIZE_HW, (*SIZE_HW, 1), (*SIZE_HW, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_depth(inpainter: Inpainter, shape: tuple[int, ...], dtype: type) -> None:
    fill = SteadyFiller(inpainter, MASK)
    scale = dtype(257 if dtype == np.uint16 else 1)
    grey = (scene(1)[..., 0] | np.uint8(1)).astype(dtype) * scale
    frame = np.broadcast_to(grey.reshape(*SIZE_HW, *[1] * (len(shape) - 2)), shape).copy()
    other = frame[::-1, ::-1].copy() if len(shape) < 3 or shape[2] < 2 else frame.copy()
    hole = MASK.hole(frame)
    np.testing.assert_array_equal(fill(frame.copy()), inpainter(frame, hole))
    fill(other)
    assert fill.searches == (1 if shape[-1] == 2 else 2)
