"""Annotation files: the boxes, polygons and circles that a COCO or LabelMe file has for a picture.

COCO is one file for many pictures, told apart by ``file_name`` (https://cocodataset.org/#format-data); LabelMe is one
file a picture (https://github.com/wkentaro/labelme).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from rethined.doors import option
from rethined.errors import FileError, MaskError
from rethined.files import stamp
from rethined.masking.shapes import Circle, PointXY, Polygon, Rectangle, Shape
from rethined.types import SizeHW

ANNOTATION_SUFFIX = ".json"
"""Ending of annotation files."""
MOST_NAMED = 5
"""How many names a message lists."""

Json = dict[str, Any]


def annotated_shapes(
    path: Path, size_hw: SizeHW, *, picture: PurePath | None = None, labels: Sequence[str] = ()
) -> list[Shape]:
    """What an annotation file marks of a picture.

    A COCO annotation counts with its polygons, and with its ``bbox`` where it has none.

    Args:
        path: A JSON file in the form of COCO or of LabelMe.
        size_hw: Height and width of the picture, upright, in pixels; where the file states a size, it has to be that.
        picture: Name of the picture, with as many of its folders as are known: which of a COCO file's pictures is
            meant. ``None`` takes the only one. What a LabelMe file holds is taken for any picture.
        labels: Categories or labels to take; all when empty.

    Raises:
        FileError: The file cannot be read.
        MaskError: It holds something else, another size, another picture, no such category, or run lengths (RLE) and
            other marks that are neither box nor polygon nor circle.
    """
    try:
        facts = stamp(path)
    except OSError as error:
        raise FileError(f"there is no annotation file at {str(path)!r}; check the path") from error
    try:
        return list(_read(*facts).shapes(picture, size_hw, labels))
    except MaskError as error:
        raise MaskError(f"{path}: {error}") from error


def forget() -> None:
    """Lets go of the files that were read last; where they are sent by strangers none is asked for twice."""
    _read.cache_clear()


@dataclass(frozen=True)
class _Coco:
    """A COCO file.

    Attributes:
        images: Pictures by their name without folders.
        annotations: Annotations by the number of their picture.
        categories: Names by number.
    """

    images: dict[str, list[Json]]
    annotations: dict[Any, list[Json]]
    categories: dict[Any, str]

    def shapes(self, picture: PurePath | None, size_hw: SizeHW, labels: Sequence[str]) -> Iterator[Shape]:
        image = self._only_image() if picture is None else self._image_of(picture)
        _expect_size(image.get("height"), image.get("width"), size_hw)
        if unknown := [label for label in labels if label not in self.categories.values()]:
            raise MaskError(f"there is no category {unknown[0]!r}; expected one of {_listed(self.categories.values())}")
        for annotation in self.annotations[image["id"]]:
            if not labels or self.categories.get(annotation.get("category_id")) in labels:
                yield from _coco_shapes(annotation)

    def _only_image(self) -> Json:
        images = [image for same in self.images.values() for image in same]
        if len(images) != 1:
            raise MaskError(
                f"it is about {len(images)} pictures, and which of them is meant cannot be told without a file name;"
                " give a file about one"
            )
        return images[0]

    def _image_of(self, picture: PurePath) -> Json:
        same = self.images.get(picture.name, [])
        if len(same) > 1:  # folders tell
            same = [image for image in same if _is_tail(_posix(image["file_name"]), PurePosixPath(picture.as_posix()))]
        if len(same) == 1:
            return same[0]
        if picture.name in self.images:
            raise MaskError(f"it has several pictures called {picture.name!r}; give their folders in file_name")
        raise MaskError(f"it has no picture called {picture.name!r}; its file_name are {_listed(self.images)}")


@dataclass(frozen=True)
class _LabelMe:
    """A LabelMe file: what it holds of the picture it is about."""

    height: Any
    width: Any
    marks: list[Json]

    def shapes(self, _picture: PurePath | None, size_hw: SizeHW, labels: Sequence[str]) -> Iterator[Shape]:
        _expect_size(self.height, self.width, size_hw)
        for mark in self.marks:
            if not labels or mark.get("label") in labels:
                yield _labelme_shape(mark)


@lru_cache(maxsize=2)
def _read(path: str, _size_bytes: int, _changed_ns: int) -> _Coco | _LabelMe:
    """A file taken apart; kept, since a COCO file may be large and is asked for each of its pictures."""
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise FileError(f"cannot read the annotations {path}: {error.strerror}; check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise MaskError(f"it is no JSON: {error}; expected annotations in the form of COCO or LabelMe") from error
    keys = set(content) if isinstance(content, dict) else set()
    try:
        if {"images", "annotations"} <= keys:
            return _coco(content)
        if "shapes" in keys:
            return _LabelMe(content.get("imageHeight"), content.get("imageWidth"), _objects(content["shapes"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise MaskError(f"it breaks the form of its kind: {type(error).__name__}: {error}") from error
    raise MaskError(
        "it is neither in the form of COCO (an object with images and annotations) nor of LabelMe (an object with"
        " shapes); export it in one of them"
    )


def _coco(content: Json) -> _Coco:
    images: dict[str, list[Json]] = {}
    annotations: dict[Any, list[Json]] = {}
    for image in _objects(content["images"]):
        images.setdefault(_posix(image["file_name"]).name, []).append(image)
        annotations[image["id"]] = []
    for annotation in _objects(content["annotations"]):
        annotations.setdefault(annotation["image_id"], []).append(annotation)
        hash(annotation.get("category_id"))  # a number or a name: what is neither breaks the form
    categories = {category["id"]: str(category["name"]) for category in _objects(content.get("categories", []))}
    return _Coco(images, annotations, categories)


def _coco_shapes(annotation: Json) -> Iterator[Shape]:
    which = f"annotation {annotation.get('id')!r}"
    outline = annotation.get("segmentation")
    if isinstance(outline, dict):
        raise MaskError(
            f"{which} is run-length encoded (RLE), which is not read; save it as a picture and give that as the mask,"
            f" or leave it out by naming the categories to take ({option('mask-label')})"
        )
    try:
        if outline:
            for polygon in _items(outline):
                numbers = _numbers(polygon)
                if len(numbers) % 2:
                    raise MaskError(f"a polygon has {len(numbers)} numbers; expected x and y in turn")
                yield Polygon(tuple(zip(numbers[::2], numbers[1::2], strict=True)))
            return
        left, top, width, height = _numbers(annotation.get("bbox"), count=4)
        yield Rectangle(left, top, left + width, top + height)
    except MaskError as error:
        raise MaskError(f"{which}: {error}") from error


def _labelme_shape(mark: Json) -> Shape:
    which, form = f"the shape labelled {mark.get('label')!r}", mark.get("shape_type") or "polygon"
    try:
        points: list[PointXY] = []
        for point in _items(mark.get("points")):
            x, y = _numbers(point, count=2)
            points.append((x, y))
        if form == "polygon":
            return Polygon(tuple(points))
        if form == "rectangle" and len(points) > 1:  # two opposite corners, or all four
            x_all, y_all = zip(*points, strict=True)
            return Rectangle(min(x_all), min(y_all), max(x_all), max(y_all))
        if form == "circle" and len(points) == 2:  # the middle and a point of the line
            return Circle(*points[0], radius=math.dist(*points))
    except MaskError as error:
        raise MaskError(f"{which}: {error}") from error
    raise MaskError(
        f"{which} is a {form} of {len(points)} points; expected a rectangle, a polygon or a circle, so draw it as one"
        f" or leave it out by naming the labels to take ({option('mask-label')})"
    )


def _expect_size(height: Any, width: Any, size_hw: SizeHW) -> None:  # noqa: ANN401 - whatever the file holds
    if height is None or width is None or (height, width) == size_hw:
        return
    todo = "annotate the picture that is to be filled, or scale the annotations"
    if (width, height) == size_hw:
        todo = "coordinates have to be those of the upright picture, as its orientation tag turns it"
    raise MaskError(
        f"it is about a picture {height} high and {width} wide, the picture is {size_hw[0]} high and {size_hw[1]} wide;"
        f" {todo}"
    )


def _objects(value: object) -> list[Json]:
    items = _items(value)
    if not all(isinstance(item, dict) for item in items):
        raise MaskError("it breaks the form of its kind: a list holds something else than objects")
    return items


def _items(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise MaskError(f"a list was expected, not {str(value)[:40]!r}")
    return value


def _numbers(value: object, *, count: int | None = None) -> list[float]:
    numbers = _items(value)
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in numbers):
        raise MaskError(f"a list of numbers was expected, not {str(value)[:40]!r}")
    if count is not None and len(numbers) != count:
        raise MaskError(f"{len(numbers)} numbers are given, {count} expected")
    # JSON's numbers may be longer than a float holds.
    return [math.inf if abs(number) > 1e300 else float(number) for number in numbers]


def _posix(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


def _is_tail(shorter: PurePosixPath, longer: PurePosixPath) -> bool:
    """Whether one of two paths ends as the whole other one."""
    count = min(len(shorter.parts), len(longer.parts))
    return shorter.parts[-count:] == longer.parts[-count:]


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more if names else "none"
