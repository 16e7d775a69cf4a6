"""Which pixels the pieces of a picture hold, side by side on a sheet."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined.regions import HoleGroups, Piece
from rethined.sheet import PixelSheet, lay_sheet
from rethined.types import Box, HoleMap, Ints, SizeHW


def sheet_of(
    pieces: list[Piece], cell_px: int, pixels_of: Callable[[Piece], tuple[Ints, Ints]]
) -> tuple[PixelSheet, HoleMap]:
    """Lays the pixels of some pieces on one sheet, and tells which of them their pieces answer for."""
    pixels = [(piece, pixels_of(piece)) for piece in pieces]
    pixels = [(piece, (y, x)) for piece, (y, x) in pixels if len(y)]
    sheet = lay_sheet(
        [places for _, places in pixels], cell_px=cell_px, corners=[piece.corner_yx for piece, _ in pixels]
    )
    owned = [piece.owns(y, x) for piece, (y, x) in pixels]
    return sheet, np.concatenate(owned) if owned else np.empty(0, bool)


def in_numbers(pieces: list[Piece]) -> NDArray[np.int64]:
    """Pieces as compiled loops take them; see :class:`rethined.native.Told`."""
    rows = [(piece.label, *piece.core.corners, *piece.around.corners, piece.is_tile) for piece in pieces]
    return np.array(rows, np.int64).reshape(-1, 10)


def hole_and_rim(hole: HoleMap, unknown: HoleMap, groups: HoleGroups, piece: Piece) -> tuple[Ints, Ints]:
    """Rows and columns of the hole pixels of a piece and of the known pixels next to them."""
    mine = hole[piece.around.slices] & groups.mask_of(piece.label, piece.around, hole.shape)
    rim = cv2.dilate(mine.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
    return _places(rim & (mine | ~unknown[piece.around.slices]), piece.around)


def token_pixels(groups: HoleGroups, piece: Piece, size_hw: SizeHW) -> tuple[Ints, Ints]:
    """Rows and columns of the network pixels of a piece."""
    return _places(groups.mask_of(piece.label, piece.around, size_hw), piece.around)


def _places(inside: HoleMap, box: Box) -> tuple[Ints, Ints]:
    """Rows and columns of the ``True`` pixels of a box, in the picture."""
    y, x = np.divmod(np.flatnonzero(inside).astype(np.int32), np.int32(box.width))
    return y + np.int32(box.top), x + np.int32(box.left)
