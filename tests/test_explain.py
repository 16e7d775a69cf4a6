from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rethined import engine
from rethined.engine import Inpainter
from rethined.explain import DIMMED, UNCOPIED, Explanation, explain_fill
from rethined.matching import Matches, corrupted_tokens
from rethined.offsets import OffsetField
from rethined.options import InpaintOptions
from rethined.regions import Plan
from rethined.sources import SourceMap
from rethined.types import Float32, HoleMap, Image8, SizeHW


@pytest.fixture(scope="module")
def inpainter(zero_head_network_path: Path) -> Inpainter:
    return Inpainter(zero_head_network_path, threads=1)


def block(size_hw: SizeHW, top: int, left: int, bottom: int, right: int) -> HoleMap:
    hole = np.zeros(size_hw, bool)
    hole[top:bottom, left:right] = True
    return hole


def noise(size_hw: SizeHW) -> Image8:
    return np.random.default_rng(4).integers(0, 256, (*size_hw, 3), np.uint8)


# ---- it says what the fill does ----


@pytest.mark.parametrize(
    ("size_hw", "rungs", "rung"), [((150, 190), 1, 1), ((600, 1100), 2, 2), ((500, 900), 2, 2)], ids=str
)
def test_offsets_and_gate_are_those_of_the_fill(
    inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch, size_hw: SizeHW, rungs: int, rung: int
) -> None:
    seen: list[tuple[Float32, HoleMap, OffsetField]] = []
    transfer = engine.transfer

    def watch(image: Image8, hole: HoleMap, filled: Float32, touched: HoleMap, field: OffsetField, **more: object):  # type: ignore[no-untyped-def]  # noqa: ANN202
        seen.append((filled, touched, field))
        return transfer(image, hole, filled, touched, field, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "transfer", watch)
    image, hole = noise(size_hw), block(size_hw, 40, 50, 97, 121)
    forbid = block(size_hw, 0, 0, size_hw[0], 30)
    inpainter.fill(image, hole, forbid=forbid)
    explained = inpainter.explain(image, hole, forbid=forbid)
    ((_, touched, field),) = seen
    corrupted = corrupted_tokens(touched)
    scale_yx = np.array(size_hw) / touched.shape
    assert explained.plan is not None
    assert len(explained.plan.rungs_hw) == rungs
    assert (explained.rung == rung).all(), "the photograph enlarged"
    np.testing.assert_array_equal(explained.is_copied, field.is_set[corrupted])
    np.testing.assert_array_equal(explained.offset_yx, np.rint(field.offset_yx[corrupted] * scale_yx))
    np.testing.assert_allclose(explained.side_yx, 8 * scale_yx)
    np.testing.assert_allclose(explained.corner_yx, np.argwhere(corrupted) * 8 * scale_yx, rtol=1e-6)
    assert explained.image is image


def test_copying_by_hand_what_it_says_gives_the_fill(inpainter: Inpainter) -> None:
    """In the middle of a token its own source counts for all but 2 %; of noise, the low band that is bent is little."""
    size_hw = (192, 256)
    image, hole = noise(size_hw), block(size_hw, 64, 80, 128, 160)
    filled = inpainter(image, hole)
    explained = inpainter.explain(image, hole)
    assert explained.is_copied.all()
    middle = (explained.corner_yx + np.array(explained.side_yx) / 2).astype(int)
    inside = hole[tuple(middle.T)] & (explained.gate == 1)
    assert inside.sum() > 20
    source = middle + explained.offset_yx
    result = filled[tuple(middle[inside].T)].ravel()
    by_hand, beside = (image[tuple((source[inside] + step).T)].ravel() for step in (0, 1))
    assert np.corrcoef(result, by_hand)[0, 1] > 0.9
    assert abs(np.corrcoef(result, beside)[0, 1]) < 0.4


@pytest.mark.parametrize("size_hw", [(150, 190), (600, 1100)])
def test_sources_it_names_are_neither_hole_nor_forbidden(inpainter: Inpainter, size_hw: SizeHW) -> None:
    image, hole = noise(size_hw), block(size_hw, 40, 50, 97, 121)
    forbid = np.random.default_rng(1).random(size_hw) > 0.9995
    forbid[:, -40:] = True
    explained = inpainter.explain(image, hole, forbid=forbid)
    assert explained.is_copied.any()
    for (top, left), offset in zip(explained.corner_yx, explained.offset_yx, strict=True):
        # Network pixels that only touch a forbidden pixel are refused too, so one pixel less on each side is safe.
        y, x = np.rint((top + offset[0], left + offset[1])).astype(int)
        height, width = (int(side) for side in explained.side_yx)
        assert not (hole | forbid)[y + 1 : y + height - 1, x + 1 : x + width - 1].any()


def test_candidates_are_known_tokens_with_weights_that_sum_to_one(inpainter: Inpainter) -> None:
    size_hw = (600, 1100)
    image, hole = noise(size_hw), block(size_hw, 200, 320, 300, 440)
    explained = inpainter.with_options(InpaintOptions(candidates=3)).explain(image, hole)
    count = len(explained.gate)
    assert explained.candidate_yx.shape == (count, 3, 2)
    assert explained.weight.shape == (count, 3)
    np.testing.assert_allclose(explained.weight.sum(1), 1, rtol=1e-5)
    assert (np.diff(explained.weight, axis=1) <= 0).all()
    assert explained.plan is not None
    first = np.array(size_hw) / explained.plan.rungs_hw[0]
    # The token of the coarse grid that the finer one lies in, moved by what is said, is a token clear of the hole.
    parents = np.floor(explained.corner_yx / (8 * first) + 1e-4) * 8 * first
    for parent, offsets in zip(parents, explained.candidate_yx, strict=True):
        for y, x in np.rint(parent + offsets).astype(int):
            assert 0 <= y < size_hw[0]
            assert 0 <= x < size_hw[1]
            assert not hole[y + 1 : y + int(8 * first[0]) - 1, x + 1 : x + int(8 * first[1]) - 1].any()


def test_by_hand() -> None:
    """Four tokens of two network pixels' worth: one copied from the right, one without a source."""
    image = np.zeros((32, 64, 3), np.uint8)
    touched = np.zeros((16, 32), bool)
    touched[3, 9] = touched[12, 17] = True
    is_set = np.zeros((2, 4), bool)
    is_set[0, 1] = True
    offsets = np.zeros((2, 4, 2), np.int32)
    offsets[0, 1], offsets[1, 2] = (0, 13), (5, 5)
    learned = Matches(np.array([1, 6]), np.array([[3], [0]]), np.ones((2, 1), np.float32))
    gate = np.full((2, 4), 0.5, np.float32)
    sources = SourceMap(Plan((32, 64), ((16, 32),)), touched, OffsetField(offsets, is_set), gate, gate)
    explained = explain_fill(image, sources, learned)
    assert explained.side_yx == (16, 16)
    assert explained.corner_yx.tolist() == [[0, 16], [16, 32]]
    assert explained.is_copied.tolist() == [True, False]
    assert explained.offset_yx.tolist() == [[0, 26], [0, 0]]
    assert explained.gate.tolist() == [0.5, 0]
    assert explained.candidate_yx.tolist() == [[[0, 32]], [[-16, -32]]]


def test_nothing_to_fill_explains_nothing(inpainter: Inpainter) -> None:
    image = noise((64, 80))
    explained = inpainter.explain(image, np.zeros((64, 80), bool))
    assert explained.plan is None
    assert len(explained.gate) == len(explained.offset_yx) == len(explained.candidate_yx) == 0
    np.testing.assert_array_equal(explained.picture(), np.rint(image * np.float32(DIMMED)).astype(np.uint8))


# ---- the picture ----


def explanation_of(offset_yx: tuple[int, int], *, gate: float = 1, is_copied: bool = True) -> Explanation:
    """One token of 16 x 16 px in the middle of a white picture."""
    return Explanation(
        image=np.full((160, 240, 3), 255, np.uint8),
        plan=None,
        corner_yx=np.array([[64, 112]], np.float32),
        side_yx=(16, 16),
        is_copied=np.array([is_copied]),
        offset_yx=np.array([offset_yx], np.int32),
        gate=np.array([gate], np.float32),
        rung=np.zeros(1, np.int32),
        candidate_yx=np.zeros((1, 1, 2), np.int32),
        weight=np.ones((1, 1), np.float32),
    )


@pytest.mark.parametrize(
    ("offset_yx", "strong"), [((0, 90), "red"), ((0, -90), "cyan"), ((60, 0), "green"), ((-60, 0), "violet")]
)
def test_the_colour_is_the_direction(offset_yx: tuple[int, int], strong: str) -> None:
    drawn = explanation_of(offset_yx).picture()
    red, green, blue = drawn[66, 114].astype(int)
    above = {
        "red": red > max(green, blue) + 60,
        "cyan": min(green, blue) > red + 60,
        "green": green > blue + 60 and green > red,
        "violet": blue > green + 60 and blue > red,
    }
    assert [name for name, is_so in above.items() if is_so] == [strong]


def test_an_arrow_ends_at_the_source_and_the_rest_is_the_photograph_dimmed() -> None:
    drawn = explanation_of((0, 90)).picture()
    assert drawn[72, 208].min() > 200
    assert (drawn[:50] == round(255 * DIMMED)).all()
    assert (drawn[100:] == round(255 * DIMMED)).all()


def test_brightness_is_the_gate_and_grey_was_not_copied() -> None:
    peaks = [explanation_of((0, 90), gate=gate).picture()[66, 114].max() for gate in (0, 0.5, 1)]
    assert peaks == sorted(set(peaks))
    assert peaks[-1] == 255
    drawn = explanation_of((0, 0), gate=0, is_copied=False).picture()
    assert drawn[66, 114].tolist() == list(UNCOPIED)
    assert drawn[72, 119:121].max() == max(UNCOPIED), "no arrow"
