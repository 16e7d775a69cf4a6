"""JPEG without generation loss: only blocks that the hole touches change, all other coefficients stay bit for bit.

A JPEG holds each 8 x 8 block of each component as integer coefficients of a cosine transform. Decoding and encoding the
whole picture anew rounds all of them again. Here they are read as they are, those of touched blocks are computed from
what they stood for and from the fill, with the same tables, and all are written back.

The coefficients are read and written by jpegio (https://github.com/dwgoon/jpegio; libjpeg-turbo), of the extra `jpeg`.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import JpegImagePlugin

from rethined.containers import Segment, jpeg_layout, jpeg_with
from rethined.doors import option
from rethined.errors import ImageWriteError, MissingExtraError
from rethined.files import private_folder
from rethined.types import HoleMap, Ints, Pixels

INSTALL = "pip install 'rethined[jpeg]'"
BLOCK_PX = 8
MOST = 1023
"""Largest coefficient that 8-bit JPEG can code, of either sign."""

_GREY, _RGB, _YCBCR = 1, 2, 3  # libjpeg's numbers
_SHIFT = 128
_TO_YCBCR = np.array(
    [[0.299, 0.587, 0.114], [-0.299 / 1.772, -0.587 / 1.772, 0.5], [0.5, -0.587 / 1.402, -0.114 / 1.402]]
)
"""From RGB to components around 0 (JFIF 1.02, https://www.w3.org/Graphics/JPEG/jfif3.pdf); luma still has its 128."""


class CannotPatchError(ImageWriteError):
    """A JPEG whose blocks cannot be kept, most often because it is coded in a way that is not understood here."""


@dataclass(frozen=True)
class Coding:
    """How a JPEG is coded.

    Attributes:
        tables: Quantisation tables by their numbers, of 64 values each.
        subsampling: Pillow's number: 0 for 4:4:4, 1 for 4:2:2, 2 for 4:2:0; others, which it cannot write, are 0.
        is_progressive: Whether it comes in several scans, from coarse to fine.
        is_rgb: Whether red, green and blue are stored, not luma and chroma.
    """

    tables: dict[int, list[int]]
    subsampling: int
    is_progressive: bool
    is_rgb: bool

    def save_options(self) -> dict[str, Any]:
        """The same as arguments of Pillow's ``save``."""
        # Pillow numbers tables by their order, and asks for no gaps.
        tables = [self.tables[number] for number in sorted(self.tables)]
        return {
            "quality": -1,  # of the default, by which tables would be scaled
            "qtables": tables,
            "subsampling": self.subsampling,
            "progressive": self.is_progressive,
            "keep_rgb": self.is_rgb,
        }


def coding_of(image: JpegImagePlugin.JpegImageFile) -> Coding:
    """How the JPEG that Pillow has opened is coded."""
    # As libjpeg decides it (default_decompress_parms).
    is_named_rgb = bytes(layer[0] for layer in image.layer) == b"RGB"
    return Coding(
        {number: list(table) for number, table in image.quantization.items()},
        max(JpegImagePlugin.get_sampling(image), 0),
        bool(image.info.get("progressive")),
        "jfif" not in image.info and image.info.get("adobe_transform", 1 - is_named_rgb) == 0,
    )


def is_installed() -> bool:
    """Whether coefficients can be read and written."""
    return importlib.util.find_spec("jpegio") is not None


def expect_installed() -> None:
    """Checks that coefficients can be read and written.

    Raises:
        MissingExtraError: They cannot.
    """
    if not is_installed():
        raise MissingExtraError(
            f"a JPEG without generation loss needs the package 'pyjpegio': {INSTALL}; or choose"
            f" {option('jpeg', 'reencode')}"
        )


def patched(content: bytes, picture: Pixels, hole: HoleMap, segments: Iterable[Segment]) -> bytes:
    """A JPEG with other pixels in the hole.

    The result is decoded and compared before it is given back: away from touched blocks it shows the same, bit for bit.

    Args:
        content: The JPEG.
        picture: ``(H, W)`` grey or ``(H, W, 3)`` RGB uint8, turned as it is stored: outside the hole what Pillow
            decodes of it, in the hole what is to be there.
        hole: ``(H, W)`` bool, pixels that changed.
        segments: What it is to say beside its pixels.

    Raises:
        MissingExtraError: jpegio is not installed.
        CannotPatchError: It is coded in a way that is not understood here, or the folder for temporary files, which
            jpegio needs, cannot be used.
    """
    expect_installed()
    try:
        layout = jpeg_layout(content)
    except ValueError as error:
        raise CannotPatchError(f"its segments are damaged: {error}") from error
    if layout.redefines_tables:
        raise CannotPatchError("it changes its quantisation tables between scans, which cannot be kept block by block")
    try:
        with private_folder() as folder:
            place = folder / "photo.jpg"
            place.write_bytes(content[: layout.end])
            coded = _with_new_blocks(place, layout.table_numbers, picture, hole)
    except OSError as error:
        raise CannotPatchError(
            f"the folder for temporary files cannot be used: {error}; set TMPDIR to another"
        ) from error
    result = jpeg_with(coded, segments)
    _expect_same_outside(result, picture, hole)
    return result


def _with_new_blocks(place: Path, table_numbers: Sequence[int], picture: Pixels, hole: HoleMap) -> bytes:
    """What jpegio makes of the file at ``place``, which it overwrites: it takes paths alone."""
    import jpegio

    try:
        stored = jpegio.read(str(place))
        for component in _components(stored, table_numbers):
            _renew(component, picture, hole)
        stored.optimize_coding = 1  # tables made for the old coefficients may lack a code for a new one
        jpegio.write(stored, str(place))
    except (LookupError, RuntimeError, ValueError) as error:  # a table that is missing; all that jpegio raises
        raise CannotPatchError(f"its coefficients cannot be read or written: {error}") from error
    return place.read_bytes()


@dataclass(frozen=True)
class _Component:
    """One plane of a JPEG.

    Attributes:
        coefficients: ``(8 * rows of blocks, 8 * columns)`` int32, quantised; written to.
        table: ``(8, 8)`` quantisation table.
        step_yx: Pixels of the picture a sample stands for, along each axis.
        weights: What of red, green and blue it holds; ``None`` where the picture is grey.
        centre: What its samples are stored less.
    """

    coefficients: Ints
    table: NDArray[np.float64]
    step_yx: tuple[int, int]
    weights: NDArray[np.float64] | None
    centre: float


class _Stored(Protocol):
    """What jpegio gives."""

    jpeg_color_space: int
    comp_info: list[Any]
    coef_arrays: list[Ints]
    quant_tables: list[Ints]


def _components(stored: _Stored, table_numbers: Sequence[int]) -> list[_Component]:
    space, infos = stored.jpeg_color_space, stored.comp_info
    weights: list[NDArray[np.float64] | None]
    if space == _GREY and len(infos) == 1:
        weights, centres = [None], [_SHIFT]
    elif space == _YCBCR and len(infos) == 3:
        weights, centres = list(_TO_YCBCR), [_SHIFT, 0, 0]
    elif space == _RGB and len(infos) == 3:
        weights, centres = list(np.eye(3)), [_SHIFT] * 3
    else:
        raise CannotPatchError(
            f"it has {len(infos)} components in libjpeg's colour space {space}; expected grey or RGB"
        )
    # A single component is stored block by block, whatever its factors say.
    most_y, most_x = (max(getattr(info, name) for info in infos) for name in ("v_samp_factor", "h_samp_factor"))
    components = []
    for info, coefficients, weight, centre in zip(infos, stored.coef_arrays, weights, centres, strict=True):
        if most_y % info.v_samp_factor or most_x % info.h_samp_factor:
            raise CannotPatchError("its colour is subsampled by a fraction, which cannot be kept block by block")
        step_yx = most_y // info.v_samp_factor, most_x // info.h_samp_factor
        table = np.asarray(stored.quant_tables[table_numbers.index(info.quant_tbl_no)], np.float64)
        components.append(_Component(coefficients, table, step_yx, weight, centre))
    if not all(component.table.all() for component in components):
        raise CannotPatchError("one of its quantisation tables holds 0, by which nothing can be divided")
    return components


def _renew(component: _Component, picture: Pixels, hole: HoleMap) -> None:
    """Writes new coefficients of all blocks that the hole touches, one row of blocks after the other."""
    rows, columns = (size // BLOCK_PX for size in component.coefficients.shape)
    step_y, step_x = component.step_yx
    blocks = component.coefficients.reshape(rows, BLOCK_PX, columns, BLOCK_PX)
    cosines = _cosines()
    # Beyond the picture its last row and column go on: an encoder fills its last blocks that way.
    y_of_block = np.minimum(np.arange(rows * BLOCK_PX * step_y), hole.shape[0] - 1).reshape(rows, -1)
    x_of_block = np.minimum(np.arange(columns * BLOCK_PX * step_x), hole.shape[1] - 1).reshape(columns, -1)
    for row, y in enumerate(y_of_block):
        band = slice(y[0], y[-1] + 1)
        is_hole_column = np.asarray(hole[band].any(axis=0))
        if not is_hole_column.any():
            continue
        touched = np.flatnonzero(is_hole_column[x_of_block].any(axis=1))
        place = np.ix_(y, x_of_block[touched].ravel())
        samples_hw = (BLOCK_PX, step_y, len(touched), BLOCK_PX, step_x)
        is_new = hole[place]
        new = np.where(is_new, _plane(component, picture[place]), 0).reshape(samples_hw).mean(axis=(1, 4))
        share = is_new.reshape(samples_hw).mean(axis=(1, 4))
        # (8, blocks, 8) to (blocks, 8, 8)
        new, share = new.swapaxes(0, 1), share.swapaxes(0, 1)
        old = cosines.T @ (blocks[row][:, touched].swapaxes(0, 1) * component.table) @ cosines
        # A sample that stands for several pixels keeps of the old what is known of them, not the object's colour.
        mixed = cosines @ (old * (1 - share) + new) @ cosines.T
        quantised = np.clip(np.rint(mixed / component.table), -MOST, MOST).astype(np.int32)
        blocks[row][:, touched] = quantised.swapaxes(0, 1)


def _plane(component: _Component, pixels: Pixels) -> NDArray[np.float64]:
    """What a component holds of pixels of any shape, around 0."""
    values = pixels.astype(np.float64)
    return (values if component.weights is None else values @ component.weights) - component.centre


def _cosines() -> NDArray[np.float64]:
    """``(8, 8)``: the transform along one axis, a frequency a row."""
    frequency, place = np.mgrid[:BLOCK_PX, :BLOCK_PX]
    waves = np.cos((2 * place + 1) * frequency * np.pi / (2 * BLOCK_PX)) / 2
    waves[0] /= np.sqrt(2)
    return np.asarray(waves)


def _expect_same_outside(content: bytes, picture: Pixels, hole: HoleMap) -> None:
    """Checks that decoders see no pixel change but those of touched units of blocks and of the units around them.

    Around them, since subsampled colour is interpolated between blocks.
    """
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(content))
    factors_yx = [(v, h) for _, h, v, _ in image.layer] if len(image.layer) > 1 else [(1, 1)]
    unit_y, unit_x = (BLOCK_PX * max(along) for along in zip(*factors_yx, strict=True))
    height, width = hole.shape
    touched = hole.astype(np.uint8)
    for axis, size, unit in ((0, height, unit_y), (1, width, unit_x)):
        touched = np.maximum.reduceat(touched, np.arange(0, size, unit), axis=axis)
    is_near = np.asarray(cv2.dilate(touched, np.ones((3, 3), np.uint8)), bool)
    decoded = np.asarray(image)
    for row, near in enumerate(is_near):
        band = slice(row * unit_y, (row + 1) * unit_y)
        far = ~np.repeat(near, unit_x)[:width]
        if not np.array_equal(decoded[band, far], picture[band, far]):
            raise CannotPatchError("pixels far from the hole would have changed: its coding is not understood here")
