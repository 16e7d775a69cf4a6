"""Masks in: whatever marks pixels becomes one ``(H, W)`` bool map. What counts as marked is decided here, once."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rethined.distance import distance_px
from rethined.doors import is_through, option
from rethined.errors import MaskError, OptionError
from rethined.imageio import decode, open_picture
from rethined.types import HoleMap, ImageLike, SizeHW

__all__ = ["MaskWarning", "as_forbidden", "as_hole", "grow_hole"]

GREY_SHARE_LIMIT = 0.05
"""Share of the non-zero pixels that may be grey before we warn; soft brush edges stay below it, photographs do not."""


COLOURED, COLOURED_SHARE = 0.1, 0.001
"""By how much of the brightest value a pixel's channels have to differ for it to have a colour, and the share of a
mask's pixels that have to, of those that are not black: lossy files give grey ones a tint of a level or two."""

NOT_BLACK, BLACK = 0.125, 0.0157
"""Share of the brightest value from which on a pixel of a coloured mask is not black: what lossy files leave around red
is less, and the darkest colours that label maps are painted with are a quarter. And the share of the range, four levels
of 255, up to which it is black whatever the brightest is."""

DILATED_PX = 16
"""Up to this radius holes grow by a disc that is laid on every pixel: 24 megapixels by 1, 3 and 8 px in 13, 14 and 48
ms. Its cost grows with the square; the exact distance, 500 to 900 ms, costs the same for every radius."""

SAME_RATIO, SCALED = 0.01, 0.05
"""By how much ratios of a mask and a picture may differ, and sizes have to, for one to be the other scaled."""


class MaskWarning(UserWarning):
    """A mask that can be used but probably marks something else than was meant."""


@dataclass(frozen=True)
class _Kind:
    """The words for a mask of one kind: what it is called, and what its marked pixels are."""

    name: str
    marked: str


_HOLE = _Kind("mask", "hole")
_FORBIDDEN = _Kind("forbid mask", "forbidden")


def as_hole(mask: ImageLike, size_hw: SizeHW, *, invert: bool = False) -> HoleMap:
    """The hole map that a mask means: a ``(H, W)`` bool array, C-contiguous, ``True`` = fill. The mask is not changed.

    The rule: a pixel is hole if its value is above half of the range. The range is 0..1 if no value is above 1
    (bool, 0/1 integers, floats), else 0..255 if no value is above 255 (in the wide integer types as well), else
    0..65535 for integers. An int8 array ends at 127.

    Args:
        mask: Array of shape ``(H, W)``, ``(H, W, 1)``, ``(H, W, 3)`` or ``(H, W, 4)`` and bool, integer or float
            dtype; a PIL image (its pixels as they lie, no EXIF turn); or the path of a picture file (EXIF turn
            applied, as for pictures). Of three channels the brightest follows the rule, unless the mask is coloured:
            where channels differ by more than a tenth of its brightest value in more than a thousandth of what is not
            black, every pixel is hole that is not black, that is brighter than an eighth of that and than 4 of 255.
            A fourth channel is alpha: where the colour is one and the same everywhere and alpha varies, transparent
            pixels (alpha not above half of its range) are hole; otherwise alpha is ignored.
        size_hw: Height and width of the picture in pixels; the mask has to have the same.
        invert: Fill what the mask marks as kept and keep what it marks as hole.

    Raises:
        MaskError: Another type, dtype, shape or size, no pixels, NaN or infinite or negative values, floats above
            255, integers above 65535, or a map that is all hole, because then nothing is known.
        ImageReadError: A mask file that is missing or cannot be read.

    Warns:
        MaskWarning: More than 5 % of the non-zero pixels are grey (strictly between 10 % and 90 % of the range);
            or there are non-zero pixels and none reaches the hole level; or more than half of the picture is hole.
    """
    hole = _read(mask, size_hw, _HOLE)
    if invert:
        hole = ~hole
    share = np.count_nonzero(hole) / hole.size
    if share == 1.0:
        raise MaskError(
            "the mask marks every pixel as hole, so nothing is known to fill from; "
            "white = fill, black = keep: leave some pixels black, or invert the mask"
        )
    if share > 0.5:
        turned = "255 - mask" if is_through("python") else option("invert", True)
        _warn(f"the mask marks {share:.0%} as hole; white = fill; if it is inverted pass {turned}")
    return hole


def as_forbidden(mask: ImageLike, size_hw: SizeHW) -> HoleMap:
    """The pixels that are never to be copied from: a new ``(H, W)`` bool array, ``True`` = forbidden.

    Args:
        mask: As in :func:`as_hole`, by the same rule; it may mark any number of pixels, none and all as well.
        size_hw: Height and width of the picture in pixels; the mask has to have the same.

    Raises:
        MaskError: As :func:`as_hole`, but for a map that is all marked.
        ImageReadError: A mask file that is missing or cannot be read.

    Warns:
        MaskWarning: As :func:`as_hole`, but for how much is marked.
    """
    return _read(mask, size_hw, _FORBIDDEN)


def grow_hole(hole: HoleMap, px: int) -> HoleMap:
    """The hole map with every pixel added whose centre is at most ``px`` pixels from the centre of a hole pixel.

    Args:
        hole: ``(H, W)`` bool, ``True`` = fill. Not changed.
        px: Radius in pixels, 0 or more; 0 gives an equal copy.

    Returns:
        A new ``(H, W)`` bool array.

    Raises:
        OptionError: ``px`` is negative.
    """
    if px < 0:
        raise OptionError(f"the hole was to grow by {px} px; expected 0 or more, and a hole cannot be shrunk here")
    if px == 0 or not hole.any():  # without a hole pixel the distance would have nothing to refer to
        return hole.copy()
    if px <= DILATED_PX:
        y, x = np.mgrid[-px : px + 1, -px : px + 1]
        disc = (y * y + x * x <= px * px).astype(np.uint8)
        return np.asarray(cv2.dilate(np.ascontiguousarray(hole).view(np.uint8), disc)).view(bool)
    grown: HoleMap = distance_px(~hole, px + 1) <= px
    return grown


def _read(mask: ImageLike, size_hw: SizeHW, kind: _Kind) -> HoleMap:
    values = _as_array(mask, kind)
    _check_form(values, size_hw, kind)
    # One way to lie in memory, as pictures have: a transposed mask gives a transposed map.
    return np.ascontiguousarray(_marked(values.reshape(*size_hw, -1), kind))


def _as_array(mask: ImageLike, kind: _Kind) -> NDArray[Any]:
    if isinstance(mask, np.ndarray):
        return np.asarray(mask)  # a matrix cannot be laid out as anything else
    if isinstance(mask, Image.Image):
        return _pil_values(decode(mask), kind)
    if isinstance(mask, (str, os.PathLike)):
        return _pil_values(open_picture(mask), kind)
    raise MaskError(
        f"a {kind.name} was expected, got {type(mask).__name__}; pass a NumPy array (H, W), a PIL image or a path"
    )


def _pil_values(image: Image.Image, kind: _Kind) -> NDArray[Any]:
    if image.mode in ("1", "L", "F", "RGB", "RGBA") or image.mode.startswith("I"):
        return np.asarray(image)
    if image.mode in ("La", "RGBa"):  # premultiplied: Pillow only converts them to their plain twins
        image = image.convert({"La": "LA", "RGBa": "RGBA"}[image.mode])
    try:
        return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    except Exception as error:  # as for pictures
        raise MaskError(
            f"the {kind.name} is a PIL image of mode {image.mode}, which Pillow cannot turn into RGB;"
            " convert it to mode L"
        ) from error


def _check_form(values: NDArray[Any], size_hw: SizeHW, kind: _Kind) -> None:
    if values.size == 0:
        raise MaskError(f"the {kind.name} has shape {values.shape}, no pixels at all; expected {_size_text(size_hw)}")
    if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] not in (1, 3, 4)):
        raise MaskError(
            f"the {kind.name} has shape {values.shape}; expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4),"
            " channels last"
        )
    if values.dtype.kind not in "buif":
        raise MaskError(
            f"the {kind.name} has dtype {values.dtype}; expected bool, an integer or a float type, so convert it"
        )
    if values.shape[:2] != tuple(size_hw):
        turned = values.shape[1::-1] == tuple(size_hw)
        todo = "pass a mask of the size of the picture"
        if turned:
            todo = "it looks transposed: turn it so that it lies as the picture does"
        elif _are_alike(values.shape[:2], size_hw):
            todo = "its sides have the same ratio: scale it to the size of the picture, without smoothing"
        raise MaskError(f"the {kind.name} is {_size_text(values.shape[:2])}, the picture {_size_text(size_hw)}; {todo}")


def _are_alike(one_hw: tuple[int, ...], other_hw: SizeHW) -> bool:
    """Whether sizes that differ by more than a border have the same ratio, but for rounding."""
    across, along = one_hw[0] * other_hw[1], one_hw[1] * other_hw[0]
    return abs(across - along) <= SAME_RATIO * along and abs(one_hw[0] - other_hw[0]) > SCALED * other_hw[0]


def _size_text(size_hw: tuple[int, ...]) -> str:
    height, width = size_hw
    return f"{height} high and {width} wide"


def _marked(values: NDArray[Any], kind: _Kind) -> HoleMap:
    """The hole map of ``(H, W, C)`` numbers: alpha, colour or grey decides."""
    colour = values[..., :3]
    if values.shape[2] == 4:
        alpha = values[..., 3]
        if (colour == colour[0, 0]).all() and (alpha != alpha[0, 0]).any():
            return ~_above_half(alpha, kind)
    grey = colour[..., 0]
    if colour.shape[2] == 1 or (colour == grey[..., np.newaxis]).all():
        return _above_half(grey, kind)
    full = _full_scale(colour, kind)  # refuses NaN and the like, which would count as not black
    if colour.dtype == np.bool_:
        return np.asarray(colour.any(axis=2))
    brightest = colour.max(axis=2)
    most = float(brightest.max())
    is_light = brightest > max(NOT_BLACK * most, BLACK * full)
    is_coloured = brightest - colour.min(axis=2) > max(COLOURED * most, BLACK * full)
    if np.count_nonzero(is_coloured) > COLOURED_SHARE * np.count_nonzero(is_light):
        return np.asarray(is_light)
    return _above_half(brightest, kind)


def _above_half(values: NDArray[Any], kind: _Kind) -> HoleMap:
    """Where ``(H, W)`` values are above half of their range; warns if they do not look like a mask."""
    if values.dtype == np.bool_:
        # True may be any byte but 0 (255 in Pillow's bitmaps, or in a view of a mask); from here on it is 1.
        return np.asarray(values.view(np.uint8) != 0)
    full = _full_scale(values, kind)
    marked: HoleMap = values > full / 2
    nonzero = int(np.count_nonzero(values))
    grey = int(np.count_nonzero((values > 0.1 * full) & (values < 0.9 * full)))
    rule = f"values above {full / 2:g} on the scale 0..{full} are {kind.marked}, the others are kept"
    if grey > GREY_SHARE_LIMIT * nonzero:
        _warn(f"{grey / nonzero:.0%} of the non-zero {kind.name} pixels are grey: {rule}; pass pure black and white")
    elif nonzero and not marked.any():
        _warn(
            f"the {kind.name} has {nonzero} non-zero pixels but marks nothing as {kind.marked}: {rule};"
            f" multiply it so that white is {full}"
        )
    return marked


def _full_scale(values: NDArray[Any], kind: _Kind) -> int:
    """The value that means white, after a check that the values fit a scale at all."""
    low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):  # NaN anywhere makes both of them NaN
        bad = "NaN" if np.isnan(values).any() else "infinite values"
        raise MaskError(
            f"the {kind.name} contains {bad}; expected finite values, so use np.nan_to_num or repair its source"
        )
    if high <= 1 and low >= 0:
        return 1
    is_float = values.dtype.kind == "f"
    if low < 0 or high > (255 if is_float else 65535):
        wanted = "0..1 or 0..255" if is_float else "0..1, 0..255 or 0..65535"
        raise MaskError(f"the {kind.name} has values from {low} to {high}; expected {wanted}, so clip or scale it")
    if high > 255:
        return 65535
    return 255 if is_float else min(255, int(np.iinfo(values.dtype).max))


def _warn(text: str) -> None:
    warnings.warn(text, MaskWarning, stacklevel=3)
