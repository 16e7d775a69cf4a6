from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from rethined.errors import ImageReadError, MaskError, OptionError
from rethined.masking import AlphaMask, ColourMask, FileMask, MaskRule, MaskSource, Rectangle, ShapeMask
from rethined.masking.rules import MaskFinder

BOX = Rectangle(1, 2, 3, 4)


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m").mkdir()
    for name in ("a.jpg", "a.json", "a_mask.png", "all.json", "all.png", "m/a.json", "m/b.png", "m/.c.png"):
        Path(name).touch()


def find(rule: MaskRule, photo: str) -> MaskSource | MaskError:
    return MaskFinder(rule).find(Path(photo), PurePath(photo))


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({}, "no mask is given; expected one of file, folder, suffix, alpha, rgb or shapes"),
        ({"alpha": True, "suffix": "_m"}, "suffix and alpha are given; one of them says what is filled"),
        ({"file": Path("all.png"), "folder": Path("m")}, "file and folder are given; "),
        ({"rgb": (0, 0, 0), "shapes": (BOX,), "alpha": True}, "alpha and rgb and shapes are given; "),
    ],
)
def test_exactly_one_rule_is_needed(rules: dict[str, object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        MaskRule(**rules)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"file": Path("none.png")}, "there is no mask file at 'none.png'"),
        ({"folder": Path("a.jpg")}, "there is no folder of masks at 'a.jpg'"),
        ({"suffix": ""}, "expected part of a file name"),
        ({"suffix": "m/x"}, "expected part of a file name"),
        ({"alpha": True, "tolerance": 3}, "tolerance goes with rgb; give the colour"),
        ({"alpha": True, "invert": True}, "invert goes with a mask, not with transparency"),
        ({"shapes": (BOX,), "labels": ("x",)}, "labels goes with annotations in a file; give that as file"),
        ({"file": Path("all.png"), "labels": ("x",)}, "'all.png' is a picture"),
        ({"rgb": (0, 0, 256)}, "expected red, green and blue"),
    ],
)
def test_rules_that_cannot_be_used_are_refused(rule: dict[str, object], says: str) -> None:
    with pytest.raises((ImageReadError, OptionError), match=says):
        MaskRule(**rule)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "mask"),
    [
        (MaskRule(alpha=True), AlphaMask()),
        (MaskRule(rgb=(1, 2, 3), tolerance=4, invert=True), ColourMask(rgb=(1, 2, 3), tolerance=4, invert=True)),
        (MaskRule(shapes=(BOX,), invert=True), ShapeMask(shapes=(BOX,), invert=True)),
    ],
)
def test_a_rule_without_names_is_the_same_for_every_photograph(rule: MaskRule, mask: MaskSource) -> None:
    assert rule.fixed() == find(rule, "a.jpg") == find(rule, "b.jpg") == mask


def test_one_file_is_the_same_for_every_photograph() -> None:
    rule = MaskRule(file=Path("all.json"), labels=("x",), invert=True)
    assert rule.fixed() == find(rule, "b.jpg") == FileMask(path=Path("all.json"), labels=("x",), invert=True)


def test_masks_by_name_are_pictures_or_annotations() -> None:
    assert find(MaskRule(folder=Path("m")), "a.jpg") == FileMask(path=Path("m/a.json"))
    assert find(MaskRule(folder=Path("m")), "b.jpg") == FileMask(path=Path("m/b.png"))
    assert find(MaskRule(suffix="_mask"), "a.jpg") == FileMask(path=Path("a_mask.png"))
    for rule, photo, says in [
        (MaskRule(folder=Path("m")), "c.jpg", "has no mask: there is no picture m/c.*"),
        (MaskRule(suffix="_x"), "a.jpg", "has no mask: there is no picture a_x.*"),
    ]:
        assert str(find(rule, photo)) == says


def test_a_suffix_with_an_ending_is_the_rest_of_the_name() -> None:
    assert find(MaskRule(suffix=".json", labels=("x",)), "a.jpg") == FileMask(path=Path("a.json"), labels=("x",))
    assert find(MaskRule(suffix="_mask.png"), "a.jpg") == FileMask(path=Path("a_mask.png"))
    assert str(find(MaskRule(suffix=".json"), "b.jpg")) == "has no mask: there is no file b.json"
    rule = MaskRule(suffix="_mask.png")
    assert [rule.is_mask_name(Path(name)) for name in ("a_mask.png", "a_mask.jpg", "a.png")] == [True, False, False]
    rule = MaskRule(suffix="_mask")
    assert [rule.is_mask_name(Path(name)) for name in ("a_mask.png", "a_mask.jpg", "a.png")] == [True, True, False]


def test_where_there_are_no_names_masks_cannot_be_found_by_them() -> None:
    for rule in (MaskRule(folder=Path("m")), MaskRule(suffix="_m")):
        assert rule.by_name
        with pytest.raises(OptionError, match="masks cannot be found by name here; expected file, alpha"):
            rule.fixed()
