from __future__ import annotations

import json
import os
from pathlib import Path, PurePath
from typing import Any

import pytest

from rethined.errors import FileError, MaskError
from rethined.masking import Circle, Polygon, Rectangle
from rethined.masking.annotations import annotated_shapes

SIZE_HW = (60, 80)
SQUARE = [1, 2, 11, 2, 11, 12, 1, 12]


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(content: object, name: str = "marks.json") -> Path:
    path = Path(name)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def coco(*annotations: dict[str, Any], **changes: object) -> dict[str, Any]:
    content: dict[str, Any] = {
        "images": [
            {"id": 7, "file_name": "beach.jpg", "height": 60, "width": 80},
            {"id": 8, "file_name": "2020/hill.jpg"},
            {"id": 9, "file_name": "2021\\hill.jpg"},
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "dog"}],
        "annotations": [{"id": i, "category_id": 1, **annotation} for i, annotation in enumerate(annotations)],
    }
    return content | changes


def labelme(*shapes: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {"imagePath": "beach.jpg", "imageHeight": 60, "imageWidth": 80, "shapes": list(shapes)} | changes


# ---- COCO ----


def test_of_a_coco_file_the_annotations_of_the_picture_of_this_name_are_taken() -> None:
    path = write(
        coco(
            {"image_id": 7, "bbox": [5, 6, 10, 20], "segmentation": [SQUARE, [0, 0, 3, 0, 0, 3.5]]},
            {"image_id": 8, "bbox": [1, 1, 1, 1]},
            {"image_id": 7, "category_id": 2, "bbox": [5.5, 6, 10, 20], "segmentation": []},
        )
    )
    square = Polygon(((1, 2), (11, 2), (11, 12), (1, 12)))
    triangle = Polygon(((0, 0), (3, 0), (0, 3.5)))
    box = Rectangle(5.5, 6, 15.5, 26)
    assert annotated_shapes(path, SIZE_HW, picture=PurePath("beach.jpg")) == [square, triangle, box]
    assert annotated_shapes(path, SIZE_HW, picture=PurePath("some/where/beach.jpg"), labels=["dog"]) == [box]
    assert annotated_shapes(path, SIZE_HW, picture=PurePath("beach.jpg"), labels=["dog", "person"])[0] == square


@pytest.mark.parametrize(("picture", "found"), [("2020/hill.jpg", [8]), ("/photos/2021/hill.jpg", [9])])
def test_pictures_of_one_name_are_told_apart_by_their_folders(picture: str, found: list[int]) -> None:
    boxes = {8: [1, 1, 8, 8], 9: [1, 1, 9, 9]}
    path = write(coco(*({"image_id": number, "bbox": box} for number, box in boxes.items())))
    shapes = annotated_shapes(path, SIZE_HW, picture=PurePath(picture))
    assert shapes == [Rectangle(1, 1, 1 + number, 1 + number) for number in found]


def test_without_a_name_the_only_picture_is_taken() -> None:
    one = [{"id": 7, "file_name": "beach.jpg"}]
    path = write(coco({"image_id": 7, "bbox": [1, 1, 2, 2]}, images=one))
    assert annotated_shapes(path, SIZE_HW) == [Rectangle(1, 1, 3, 3)]
    with pytest.raises(MaskError, match="it is about 3 pictures"):
        annotated_shapes(write(coco(), "three.json"), SIZE_HW)


def test_a_picture_without_annotations_marks_nothing() -> None:
    assert annotated_shapes(write(coco()), SIZE_HW, picture=PurePath("beach.jpg")) == []


def test_a_file_that_was_changed_is_read_again() -> None:
    path = write(coco({"image_id": 7, "bbox": [1, 1, 2, 2]}))
    beach = PurePath("beach.jpg")
    assert len(annotated_shapes(path, SIZE_HW, picture=beach)) == 1
    write(coco())
    os.utime(path, ns=(1, 1))
    assert annotated_shapes(path, SIZE_HW, picture=beach) == []


# ---- LabelMe ----


def test_of_a_labelme_file_rectangles_polygons_and_circles_are_taken() -> None:
    path = write(
        labelme(
            {"label": "cat", "shape_type": "rectangle", "points": [[20, 30], [10, 5]]},
            {"label": "dog", "shape_type": "rectangle", "points": [[1, 1], [3, 1], [3, 5], [1, 5]]},
            {"label": "cat", "points": [[1, 2], [11, 2], [11, 12.5]]},
            {"label": "fly", "shape_type": "circle", "points": [[30, 30], [33, 34]]},
            imageData="x" * 100,
        )
    )
    cat, dog, outline, fly = (
        Rectangle(10, 5, 20, 30),
        Rectangle(1, 1, 3, 5),
        Polygon(((1, 2), (11, 2), (11, 12.5))),
        Circle(30, 30, 5),
    )
    for picture in (None, PurePath("another.jpg")):
        assert annotated_shapes(path, SIZE_HW, picture=picture) == [cat, dog, outline, fly]
    assert annotated_shapes(path, SIZE_HW, labels=["cat"]) == [cat, outline]
    assert annotated_shapes(path, SIZE_HW, labels=["bird"]) == []


def test_sizes_that_are_not_stated_are_not_compared() -> None:
    path = write(labelme(imageHeight=None, imageWidth=None))
    assert annotated_shapes(path, (3, 4)) == []


# ---- what cannot be used ----

OTHER = coco(images=[{"id": 7, "file_name": "beach.jpg", "height": 60, "width": 81}])
LYING = coco(images=[{"id": 7, "file_name": "beach.jpg", "height": 80, "width": 60}])


def one(**annotation: object) -> dict[str, Any]:
    return coco({"image_id": 7, **annotation})


def mark(form: str | None, *points: object) -> dict[str, Any]:
    return labelme({"label": "x", "shape_type": form, "points": list(points)})


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ([], "neither in the form of COCO"),
        ({"images": []}, "neither in the form of COCO"),
        (coco(images={}), "a list was expected"),
        (coco(images=["beach.jpg"]), "something else than objects"),
        (coco(images=[{"id": 1}]), "KeyError: 'file_name'"),
        (coco(images=[{"id": [], "file_name": "beach.jpg"}]), "TypeError: unhashable"),
        (coco(images=[{"id": 1, "file_name": 5}]), "AttributeError"),
        (coco(images=[{"id": i, "file_name": f"{i}.jpg"} for i in range(7)]), "no picture called 'beach.jpg'; .*more"),
        (coco(images=2 * [{"id": 1, "file_name": "beach.jpg"}]), "has several pictures called 'beach.jpg'"),
        (OTHER, "about a picture 60 high and 81 wide, the picture is 60 high and 80 wide; .*scale"),
        (LYING, "about a picture 80 high and 60 wide, .*upright"),
        (one(bbox=[1, 1, 2, 2], segmentation={"counts": "abc", "size": [60, 80]}), r"annotation 0 is run-length .*RLE"),
        (one(), "annotation 0: a list was expected, not 'None'"),
        (one(bbox=[1, 1, 2]), "3 numbers are given, 4 expected"),
        (one(bbox=[1, 1, 0, 2]), "annotation 0: a box is 0 px wide"),
        (one(bbox=[1, 1, True, 2]), "a list of numbers was expected"),
        (one(bbox=[1, 1, 10**400, 2]), "a coordinate is inf"),
        (one(bbox=[float("nan"), 1, 1, 1]), "a coordinate is nan"),
        (one(segmentation=[[1, 2, 3, 4, 5]]), "a polygon has 5 numbers"),
        (one(segmentation=[[1, 2, 3, 4]]), "a polygon has 2 points"),
        (one(segmentation=[5]), "a list was expected, not '5'"),
        (mark("line", [1, 1], [2, 2]), "labelled 'x' is a line of 2 points"),
        (mark("mask", [1, 1], [2, 2]), "is a mask of 2 points"),
        (mark("circle", [1, 1]), "is a circle of 1 points"),
        (mark("rectangle", [1, 1], [1, 5]), "a box is 0 px wide"),
        (mark("polygon", [1, 1], [1, 5, 3], [3, 4]), "3 numbers are given, 2 expected"),
        (mark(None, [1, 1], "ab"), "a list was expected, not 'ab'"),
        (labelme(imageHeight=80, imageWidth=60), "upright"),
        ({"shapes": "none"}, "a list was expected"),
        (one(bbox=[1, 1, 2, 2], category_id=[1]), "breaks the form of its kind: TypeError"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 60 else "",
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_its_file(content: object, says: str) -> None:
    with pytest.raises(MaskError, match=rf"^marks.json: .*{says}"):
        annotated_shapes(write(content), SIZE_HW, picture=PurePath("beach.jpg"))


def test_an_unknown_category_is_refused_with_those_there_are() -> None:
    with pytest.raises(MaskError, match=r"there is no category 'cat'; expected one of person, dog"):
        annotated_shapes(write(coco()), SIZE_HW, picture=PurePath("beach.jpg"), labels=["person", "cat"])


def test_what_is_left_out_need_not_be_readable() -> None:
    path = write(coco({"image_id": 7, "segmentation": {"counts": []}}, {"image_id": 8, "bbox": "?"}))
    assert annotated_shapes(path, SIZE_HW, picture=PurePath("beach.jpg"), labels=["dog"]) == []


def test_a_missing_file_is_a_file_error() -> None:
    with pytest.raises(FileError, match=r"there is no annotation file at 'none.json'"):
        annotated_shapes(Path("none.json"), SIZE_HW)
