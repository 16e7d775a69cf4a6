from __future__ import annotations

import doctest
import json
import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePath

import cv2
import numpy as np
import pytest

from rethined import masking
from rethined.errors import FileError, ImageReadError, MaskError, OptionError
from rethined.imageio import write_image
from rethined.masking import AlphaMask, ColourMask, FileMask, MaskSource, Rectangle, ShapeMask
from rethined.masks import MaskWarning, grow_hole
from rethined.types import HoleMap, Image8

SIZE_HW = (64, 80)
PINK = (255, 0, 255)
BOX = Rectangle(30, 20, 50, 40)


@pytest.fixture
def photo(rng: np.random.Generator) -> Image8:
    return rng.integers(0, 200, (*SIZE_HW, 3), dtype=np.uint8)


@pytest.fixture
def hole() -> HoleMap:
    hole = np.zeros(SIZE_HW, bool)
    hole[20:40, 30:50] = True
    return hole


@pytest.fixture
def silent() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def sources(tmp_path: Path, hole: HoleMap, monkeypatch: pytest.MonkeyPatch) -> dict[str, MaskSource]:
    """Sources of each kind that mean the same hole, of a photograph painted pink there."""
    monkeypatch.chdir(tmp_path)
    write_image("mask.png", hole * np.uint8(255))
    shape = {"label": "x", "shape_type": "rectangle", "points": [[30, 20], [50, 40]]}
    Path("mask.JSON").write_text(json.dumps({"shapes": [shape], "imageHeight": 64, "imageWidth": 80}))
    return {
        "white in mask.png": FileMask(path=Path("mask.png")),
        "the annotations in mask.JSON": FileMask(path=Path("mask.JSON")),
        "the annotations labelled y or x in mask.JSON": FileMask(path=Path("mask.JSON"), labels=("y", "x")),
        "the colour #ff00ff": ColourMask(rgb=PINK),
        "the box at x 30 to 50, y 20 to 40": ShapeMask(shapes=(BOX,)),
        "2 shapes": ShapeMask(shapes=(BOX, BOX)),
        "its alpha up to half": AlphaMask(),
    }


def painted(photo: Image8, hole: HoleMap) -> Image8:
    return np.where(hole[..., None], np.uint8(PINK), photo)


# ---- all kinds ----


@pytest.mark.usefixtures("silent")
def test_every_kind_gives_the_hole_and_says_how(sources: dict[str, MaskSource], photo: Image8, hole: HoleMap) -> None:
    image = np.dstack([painted(photo, hole), ~hole * np.uint8(255)])
    image.flags.writeable = False
    for words, source in sources.items():
        np.testing.assert_array_equal(source.hole(image, name=PurePath("a.png")), hole)
        assert source.words() == words


@pytest.mark.filterwarnings("ignore:the mask marks 92%")
def test_every_kind_but_transparency_can_be_inverted(
    sources: dict[str, MaskSource], photo: Image8, hole: HoleMap
) -> None:
    inverted: list[MaskSource] = [
        FileMask(path=Path("mask.png"), invert=True),
        FileMask(path=Path("mask.JSON"), invert=True),
        ColourMask(rgb=PINK, invert=True),
        ShapeMask(shapes=(BOX,), invert=True),
    ]
    for source in inverted:
        np.testing.assert_array_equal(source.hole(painted(photo, hole)), ~hole)
    assert [source.words() for source in inverted] == [
        "black in mask.png",
        "all but the annotations in mask.JSON",
        "all but the colour #ff00ff",
        "all but the box at x 30 to 50, y 20 to 40",
    ]
    with pytest.raises(OptionError, match="invert goes with a mask, not with transparency"):
        AlphaMask(invert=True)
    assert len({str(source.facts()) for source in [*inverted, *sources.values()]}) == 4 + len(sources)


@pytest.mark.usefixtures("sources")
def test_facts_are_json_and_change_with_the_file() -> None:
    for name in ("mask.png", "mask.JSON"):
        source = FileMask(path=Path(name))
        before = source.facts()
        assert json.loads(json.dumps(before)) == before
        os.utime(name, ns=(1, 1))
        assert source.facts() != before
    with pytest.raises(OSError, match=r"missing\.png"):
        FileMask(path=Path("missing.png")).facts()
    facts = [
        source.facts()
        for source in (
            ColourMask(rgb=PINK),
            ColourMask(rgb=PINK, tolerance=1),
            ColourMask(rgb=(255, 0, 0)),
            ShapeMask(shapes=(BOX,)),
            ShapeMask(shapes=(Rectangle(30, 20, 50, 41),)),
        )
    ]
    assert json.loads(json.dumps(facts)) == facts
    assert len({str(fact) for fact in facts}) == 5


@pytest.mark.usefixtures("sources")
def test_classic_mistakes_are_named(photo: Image8, hole: HoleMap) -> None:
    write_image("inverted.png", ~hole * np.uint8(255))
    write_image("grey.png", hole * np.uint8(150))
    write_image("empty.png", np.zeros(SIZE_HW, np.uint8))
    for name, says in {
        "inverted.png": "marks 92% as hole; .*if it is inverted",
        "grey.png": "100% of the non-zero mask pixels are grey",
        "empty.png": "the mask marks nothing: white in empty.png; nothing is filled",
    }.items():
        with pytest.warns(MaskWarning, match=says):
            FileMask(path=Path(name)).hole(photo)
    with pytest.raises(MaskError, match="the mask is 64 high and 80 wide, the picture 63 high"):
        FileMask(path=Path("mask.png")).hole(photo[1:])
    with pytest.raises(MaskError, match=r"mask.JSON: it is about a picture 64 high and 80 wide"):
        FileMask(path=Path("mask.JSON")).hole(photo[1:])
    with pytest.raises(MaskError, match="lies beyond the picture"):
        ShapeMask(shapes=(BOX,)).hole(photo[:10])
    with pytest.raises(MaskError, match="marks every pixel as hole"):
        ShapeMask(shapes=(Rectangle(0, 0, 80, 64),)).hole(photo)


@pytest.mark.parametrize("kind", ["file", "annotations", "shape"])
def test_a_mask_that_is_cut_too_tight_is_named_unless_it_is_widened(tmp_path: Path, kind: str, hole: HoleMap) -> None:
    image = np.where(grow_hole(hole, 3)[..., None], np.uint8((200, 30, 30)), np.uint8((90, 120, 100)))
    write_image(tmp_path / "mask.png", hole * np.uint8(255))
    points = [[30, 20], [50, 40]]
    shapes = {"shapes": [{"label": "x", "shape_type": "rectangle", "points": points}]}
    (tmp_path / "mask.json").write_text(json.dumps(shapes))
    source = {
        "file": FileMask(path=tmp_path / "mask.png"),
        "annotations": FileMask(path=tmp_path / "mask.json"),
        "shape": ShapeMask(shapes=(BOX,)),
    }[kind]
    with pytest.warns(MaskWarning, match="cut too tight"):
        source.hole(image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(source.hole(image, grow_px=4), hole)


@pytest.mark.usefixtures("sources")
def test_files_that_are_missing_or_something_else(photo: Image8) -> None:
    with pytest.raises(ImageReadError):
        FileMask(path=Path("missing.png")).hole(photo)
    with pytest.raises(FileError, match="no annotation file"):
        FileMask(path=Path("missing.json")).hole(photo)
    with pytest.raises(OptionError, match=r"labels goes with annotations, and 'mask.png' is a picture"):
        FileMask(path=Path("mask.png"), labels=("x",))
    with pytest.raises(OptionError, match="no shape is given"):
        ShapeMask(shapes=())


def test_annotations_of_strangers_may_have_so_many_corners(tmp_path: Path, photo: Image8) -> None:
    shapes = [
        {"label": "a", "points": [[1, 1], [9, 1], [9, 9]]},
        {"label": "b", "points": [[1, 1], [9, 9]], "shape_type": "rectangle"},
        {"label": "c", "points": [[5, 5], [9, 5]], "shape_type": "circle"},
    ]
    (tmp_path / "mask.json").write_text(json.dumps({"shapes": shapes}))
    mask = FileMask(path=tmp_path / "mask.json")
    assert mask.hole(photo).any()
    np.testing.assert_array_equal(replace(mask, most_corners=11).hole(photo), mask.hole(photo))
    with pytest.raises(MaskError, match=r"mask\.json: its shapes have 11 corners together; at most 10 are drawn here"):
        replace(mask, most_corners=10).hole(photo)
    assert replace(mask, most_corners=3, labels=("a",)).hole(photo).any()


# ---- transparency ----


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_up_to_half_is_hole_and_becomes_opaque(hole: HoleMap, dtype: type, white: float, channels: int) -> None:
    image = np.full((*SIZE_HW, channels), white / 4, dtype)
    image[..., -1] = np.where(hole, white // 2 if white > 1 else 0.5, white // 2 + 1 if white > 1 else 0.51)
    np.testing.assert_array_equal(AlphaMask().hole(image), hole)
    before = image.copy()
    AlphaMask().finish(image, grow_hole(hole, 2))
    np.testing.assert_array_equal(image[..., -1] == white, grow_hole(hole, 2))
    np.testing.assert_array_equal(image[..., :-1], before[..., :-1])
    ShapeMask(shapes=(BOX,)).finish(before, hole)
    assert not (before[..., -1] == white).any()


def test_without_alpha_there_is_nothing_to_go_by(photo: Image8) -> None:
    for image in (photo, photo[..., 0]):
        with pytest.raises(MaskError, match="it has no alpha channel"):
            AlphaMask().hole(image)


# ---- colour ----


@pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1), (np.uint16, 257), (np.float32, 1 / 255)])
def test_pixels_within_the_tolerance_are_hole_in_any_depth(dtype: type, scale: float) -> None:
    levels = np.full((9, 9, 3), 60)
    levels[4, 1:6] = (200, 10, 90)
    levels[4, 2, 0] += 10
    levels[4, 3, 2] -= 11
    image = (levels * scale).astype(dtype)
    source = ColourMask(rgb=(200, 10, 90), tolerance=10)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaskWarning)  # 11 levels away is near
        for picture in (image, np.dstack([image, image[..., 0]])):
            assert np.argwhere(source.hole(picture)).tolist() == [[4, 1], [4, 2], [4, 4], [4, 5]]


def test_deep_values_count_for_the_nearest_of_255_levels() -> None:
    image = np.full((5, 5, 3), 1000, np.uint16)
    image[2, 1:4] = 200 * 257 + np.array([[-128], [128], [129]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MaskWarning)
        assert np.argwhere(ColourMask(rgb=(200, 200, 200)).hole(image)).tolist() == [[2, 1], [2, 2]]


def test_of_grey_pictures_the_pixels_of_a_grey_are_hole() -> None:
    grey = np.full((9, 9), 100, np.uint8)
    grey[3:5, 3:6] = (7, 8, 90)
    for picture in (grey, grey[..., None], np.dstack([grey, grey])):
        assert np.argwhere(ColourMask(rgb=(7, 7, 7), tolerance=1).hole(picture))[:, 1].tolist() == [3, 4, 3, 4]
        with pytest.warns(
            MaskWarning, match="the mask marks nothing: the colour #070807; the nearest colour is 1 levels"
        ):
            assert not ColourMask(rgb=(7, 8, 7)).hole(picture).any()


def test_a_colour_that_is_not_there_is_told_with_the_nearest(photo: Image8) -> None:
    photo[0, 0], photo[5:, 5] = (250, 12, 255), (255, 40, 240)
    with pytest.warns(MaskWarning, match=r"the colour #ff00ff; the nearest colour is 12 levels from it, .*tolerance"):
        assert not ColourMask(rgb=PINK).hole(photo).any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ColourMask(rgb=PINK, tolerance=12).hole(photo).sum() == 1


def test_what_a_lossy_file_leaves_of_the_colour_around_is_named(photo: Image8, hole: HoleMap) -> None:
    grey = cv2.blur(photo, (9, 9))
    content = cv2.imencode(".jpg", painted(grey, hole)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    lossy = cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1]
    with pytest.warns(
        MaskWarning, match=r"too tight: \d+% of the pixels next to the hole are nearly of its colour; .*20"
    ):
        ColourMask(rgb=PINK, tolerance=20).hole(lossy)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ColourMask(rgb=PINK, tolerance=20).hole(lossy, grow_px=3)


@pytest.mark.parametrize(("rgb", "tolerance"), [((256, 0, 0), 0), ((0, -1, 0), 0), (PINK, 256), (PINK, -1)])
def test_colours_and_tolerances_lie_within_a_byte(rgb: tuple[int, int, int], tolerance: int) -> None:
    with pytest.raises(OptionError, match=r"expected .* 0 to 255"):
        ColourMask(rgb=rgb, tolerance=tolerance)


def test_the_example_of_the_package_runs() -> None:
    assert doctest.testmod(masking).attempted > 0
    assert doctest.testmod(masking).failed == 0
