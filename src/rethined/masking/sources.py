"""What says which pixels of a photograph are to be filled: a file, or the photograph itself, or shapes.

All end in one hole map, by :meth:`MaskSource.hole`, which also names the classic mistakes: a mask that is inverted,
grey, of another size or cut too tight.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, ClassVar

import cv2
import numpy as np

from rethined.depth import LEVELS, WHITE, in_levels
from rethined.doors import option
from rethined.errors import MaskError, OptionError
from rethined.masking.annotations import ANNOTATION_SUFFIX, annotated_shapes
from rethined.masking.checks import warn_if_tight
from rethined.masking.shapes import Shape, cover
from rethined.masks import MaskWarning, as_hole, grow_hole
from rethined.places import Location, stamp
from rethined.types import Float32, HoleMap, ImageLike, Pixels, SizeHW

NEAR_LEVELS = 48
"""Grey levels from a colour key, in the worst channel, up to which a pixel is nearly of that colour."""
NEAR_SHARE = 0.1
"""Share of the pixels next to the hole that may be so."""


@dataclass(frozen=True, kw_only=True)
class MaskSource(ABC):
    """Says which pixels of a picture are to be filled.

    Attributes:
        is_own: Whether the picture states it itself, so that it may be another in each picture of the same size.
        is_transparency: Whether it is the picture's own transparency.
        invert: Fill what it does not mark, and keep what it marks.
    """

    is_own: ClassVar[bool] = False
    is_transparency: ClassVar[bool] = False
    invert: bool = False

    def hole(self, image: Pixels, *, name: PurePath | None = None, grow_px: int = 0) -> HoleMap:
        """What to fill of a picture, before it is widened: a new ``(H, W)`` bool array.

        Args:
            image: The picture, upright, as :func:`rethined.imageio.read_image` gives it as stored. Not changed.
            name: Its name, for files that hold masks of several pictures.
            grow_px: By how many pixels the hole will be widened: it is looked at like that, and given as it is.

        Raises:
            MaskError: The mask cannot be used, does not fit the picture, or marks all of it.
            FileError, ImageReadError: Its file cannot be read.

        Warns:
            MaskWarning: As :func:`rethined.masks.as_hole`; or it marks nothing; or it seems to be cut too tight.
        """
        hole = as_hole(self._mask_of(image, name), _size_hw(image), invert=self.invert)
        if hole.any():
            self._check_edge(image, grow_hole(hole, grow_px) if grow_px else hole)
        else:
            _warn(f"the mask marks nothing: {self.words()}{self._why_nothing(image)}; nothing is filled")
        return hole

    @abstractmethod
    def words(self) -> str:
        """How it is understood, in a few words that follow on "is filled:"."""

    @abstractmethod
    def facts(self) -> list[Any]:
        """All that its hole depends on besides the picture, as JSON can hold it.

        Raises:
            OSError: Its file is not there.
        """

    def finish(self, filled: Pixels, hole: HoleMap) -> None:
        """Makes what was filled opaque, in place, where its transparency said that it was to be filled.

        Args:
            filled: The filled picture.
            hole: ``(H, W)`` bool, what was filled, widened as it was.
        """
        if self.is_transparency:
            filled[..., -1][hole] = WHITE[filled.dtype]

    @abstractmethod
    def _mask_of(self, image: Pixels, name: PurePath | None) -> ImageLike:
        """The mask, before it is inverted."""

    def _check_edge(self, image: Pixels, hole: HoleMap) -> None:
        warn_if_tight(image, hole)

    def _why_nothing(self, _image: Pixels) -> str:
        return ""


@dataclass(frozen=True, kw_only=True)
class FileMask(MaskSource):
    """A file: a picture whose white is filled, or annotations in the form of COCO or LabelMe (``.json``).

    Attributes:
        path: The file.
        labels: Of annotations, the categories or labels to take; all when empty.
        most_corners: Of annotations, how many corners all shapes may have together; no limit when ``None``. For files
            of strangers: what is to be drawn takes time.

    Raises:
        OptionError: There are labels, and the file is a picture.
    """

    path: Location
    labels: tuple[str, ...] = ()
    most_corners: int | None = None

    def __post_init__(self) -> None:
        if self.labels and not self.is_annotation:
            raise OptionError(
                f"{option('mask-label')} goes with annotations, and {self.path.name!r} is a picture; give a file of"
                " annotations (.json), or leave the label out"
            )

    @property
    def is_annotation(self) -> bool:
        """Whether the file holds annotations."""
        return self.path.suffix.lower() == ANNOTATION_SUFFIX

    def words(self) -> str:
        """See :class:`MaskSource`."""
        if not self.is_annotation:
            return f"{'black' if self.invert else 'white'} in {self.path.name}"
        of = f" labelled {' or '.join(self.labels)}" if self.labels else ""
        return f"{'all but ' if self.invert else ''}the annotations{of} in {self.path.name}"

    def facts(self) -> list[Any]:
        """See :class:`MaskSource`."""
        return [*stamp(self.path), list(self.labels), self.invert]

    def _mask_of(self, image: Pixels, name: PurePath | None) -> ImageLike:
        if not self.is_annotation:
            return self.path
        size_hw = _size_hw(image)
        shapes = annotated_shapes(Path(self.path), size_hw, picture=name, labels=self.labels)
        corners = sum(shape.corners for shape in shapes)
        if self.most_corners is not None and corners > self.most_corners:
            raise MaskError(
                f"{self.path.name}: its shapes have {corners} corners together; at most {self.most_corners} are drawn"
                " here, so draw them with fewer, or save the mask as a picture"
            )
        return cover(shapes, size_hw)


@dataclass(frozen=True, kw_only=True)
class AlphaMask(MaskSource):
    """The picture's own transparency: alpha up to half is filled, and becomes opaque.

    Raises:
        OptionError: It is to be inverted; what is transparent is not known.
    """

    is_own: ClassVar[bool] = True
    is_transparency: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.invert:
            raise OptionError("invert goes with a mask, not with transparency: what is transparent is not known")

    def words(self) -> str:
        """See :class:`MaskSource`."""
        return "its alpha up to half"

    def facts(self) -> list[Any]:
        """See :class:`MaskSource`."""
        return ["alpha"]

    def _mask_of(self, image: Pixels, _name: PurePath | None) -> HoleMap:
        if image.ndim == 2 or image.shape[2] not in (2, 4):
            raise MaskError(
                "it has no alpha channel that says what to fill; give a mask or boxes, or save it as grey or RGB with"
                " alpha"
            )
        return np.asarray(image[..., -1] <= WHITE[image.dtype] / 2)

    def _check_edge(self, image: Pixels, hole: HoleMap) -> None:
        """Colours below alpha mean nothing."""


@dataclass(frozen=True, kw_only=True)
class ColourMask(MaskSource):
    """A colour key: the pixels painted in one colour are filled.

    Attributes:
        rgb: The colour, 0..255 each; of grey pictures the pixels of this grey, if it is one.
        tolerance: How far each channel may be from it, in levels of 0..255, whatever the depth of the picture.

    Raises:
        OptionError: A value outside its range.
    """

    is_own: ClassVar[bool] = True
    rgb: tuple[int, int, int]
    tolerance: int = 0

    def __post_init__(self) -> None:
        if not all(0 <= value <= LEVELS for value in self.rgb):
            raise OptionError(f"the colour of the mask is {self.rgb}; expected red, green and blue from 0 to {LEVELS}")
        if not 0 <= self.tolerance <= LEVELS:
            raise OptionError(f"the tolerance is {self.tolerance}; expected a whole number from 0 to {LEVELS}")

    def words(self) -> str:
        """See :class:`MaskSource`."""
        within = f" within {self.tolerance} levels" if self.tolerance else ""
        return f"{'all but ' if self.invert else ''}the colour #{bytes(self.rgb).hex()}{within}"

    def facts(self) -> list[Any]:
        """See :class:`MaskSource`."""
        return ["colour", *self.rgb, self.tolerance, self.invert]

    def _mask_of(self, image: Pixels, _name: PurePath | None) -> HoleMap:
        white = WHITE[image.dtype]
        channels = 1 if image.ndim == 2 else image.shape[2]
        colour, within = np.array(self.rgb, np.float64), self.tolerance + 0.5
        low, high = ((colour + side * within) * (white / LEVELS) for side in (-1, 1))
        if image.dtype.kind == "u":
            low, high = np.ceil(low).clip(0), np.floor(high).clip(None, white)
        if channels < 3:
            low, high = low.max(keepdims=True), high.min(keepdims=True)
        if channels in (2, 4):  # any alpha
            low, high = np.append(low, 0), np.append(high, np.inf if image.dtype.kind == "f" else white)
        return np.asarray(cv2.inRange(image, low, high) > 0)

    def _distance(self, pixels: Pixels) -> Float32:
        """How far ``(N,)`` or ``(N, C)`` pixels are from the colour, in the worst channel: ``(N,)`` levels."""
        colours = in_levels(pixels.reshape(len(pixels), -1)).astype(np.float32)
        colours = colours[:, : 1 if colours.shape[1] < 3 else 3]
        return np.asarray(np.abs(colours - np.array(self.rgb, np.float32)).max(1))

    def _why_nothing(self, image: Pixels) -> str:
        if self.invert:
            return ""
        nearest = min(float(self._distance(row).min()) for row in image)
        allow = option("mask-tolerance", f"{nearest:.0f}")
        return f"; the nearest colour is {nearest:.0f} levels from it, so allow for that with {allow}"

    def _check_edge(self, image: Pixels, hole: HoleMap) -> None:
        """Lossy formats and soft brushes leave pixels around that are nearly of the colour."""
        if self.invert:
            return
        ring = (cv2.dilate(hole.view(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~hole
        if not ring.any():
            return
        share = np.mean(self._distance(image[ring]) <= max(NEAR_LEVELS, 2 * self.tolerance))
        if share > NEAR_SHARE:
            _warn(
                f"the mask seems to be cut too tight: {share:.0%} of the pixels next to the hole are nearly of its"
                f" colour; raise {option('mask-tolerance')} (now {self.tolerance}), or widen it ({option('grow', 2)})"
            )


@dataclass(frozen=True, kw_only=True)
class ShapeMask(MaskSource):
    """Boxes, polygons and circles, the same for every picture.

    Attributes:
        shapes: What is filled, at least one.

    Raises:
        OptionError: There is none.
    """

    shapes: tuple[Shape, ...]

    def __post_init__(self) -> None:
        if not self.shapes:
            raise OptionError("no shape is given; expected at least one box, polygon or circle")

    def words(self) -> str:
        """See :class:`MaskSource`."""
        what = str(self.shapes[0]) if len(self.shapes) == 1 else f"{len(self.shapes)} shapes"
        return f"{'all but ' if self.invert else ''}{what}"

    def facts(self) -> list[Any]:
        """See :class:`MaskSource`."""
        return ["shapes", *map(repr, self.shapes), self.invert]

    def _mask_of(self, image: Pixels, _name: PurePath | None) -> HoleMap:
        return cover(self.shapes, _size_hw(image))


def _size_hw(image: Pixels) -> SizeHW:
    return image.shape[0], image.shape[1]


def _warn(text: str) -> None:
    warnings.warn(text, MaskWarning, stacklevel=3)
