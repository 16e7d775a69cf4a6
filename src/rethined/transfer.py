"""Attention upscaling: real detail, copied from where the matching points, at the picture's own resolution.

The paper mixes high-frequency patches by the attention map. Here each token settles on one coherent offset, found from
its k sources, and every pixel of a hole blends what the offsets of the four nearest tokens point at. Offsets are whole
pixels at full resolution, so the factor between the network's picture and the full one may be any, also non-integer
and different per axis.

Steps, in order:

1. :func:`rethined.offsets.choose_offsets`: rank the candidates of each token by how well their surroundings agree,
   refine to single network pixels, let neighbours agree.
2. :class:`rethined.taps.Blend` takes the four copies of each hole pixel and their smooth weights, at network size and
   at full size.
3. :func:`bend_base` bends the low band of the copy so that it meets the known pixels round the hole (a membrane),
   with the network's fill as a second voice inside; :func:`detail_gate` says where the copy has to yield to the fill.
4. The copied detail is added as far as the gate allows, with the variance that blending takes away put back.
5. :func:`close_seam` spreads inwards what is still missing at the rim.

Steps 3 and 5 work on a sheet on which all holes are laid out side by side (:class:`rethined.sheet.PixelSheet`).

Reference: RETHINED, section 3.4; the variance-preserving blend follows Heitz and Neyret, "High-Performance By-Example
Noise using a Histogram-Preserving Blending Operator", HPG 2018, section 3.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from rethined.offsets import OffsetField
from rethined.regions import TOKEN_PX, HoleGroups, Piece, batches, group_cells, group_holes
from rethined.resample import sample_at, spread
from rethined.sheet import PixelSheet, lay_sheet
from rethined.taps import Blend
from rethined.types import Box, Float32, HoleMap, Image8, Ints, SizeHW
from rethined.workers import SERIAL, Workers

VOICE = 0.2
"""Weight of the network's fill against the membrane in the low band of the hole."""
VOICE_BLUR_PX = 3
"""The network's fill speaks in bands below this many of its pixels only; above, it would rub out copied detail."""
DETAIL_PX = 3
"""Side of the mean that detail is told from, in network pixels."""
DETAIL_TOLERANCE = 1.4
"""How much stronger than around a hole the copied detail may be. Measured at 2048 px: hole PSNR +.09 dB, perceptual
distance -.4 %, sharpness .97 to .92 of the truth's; with 1.0 they are +.20 dB, -1.1 % and .86, too soft in texture."""
DETAIL_FLOOR = 0.3
"""Grey levels of detail that are always allowed: noise."""
BASE_LEVELS = 3
"""Halvings of the pyramid that bends the base: the network's voice has full weight from the second on."""
SEAM_PX = 4
"""How far, in network pixels, the correction at full resolution reaches into the hole."""
SEAM_LEVELS = (3, 6)
"""Least and most halvings for it."""
BATCH_PX = 1 << 16
"""Area of the boxes of groups that are worked on together."""
CHUNK = 1 << 16
"""Pixels worked on at a time: what they need stays in the cache."""


def transfer(
    image: Image8,
    hole: HoleMap,
    filled: Float32,
    touched: HoleMap,
    field: OffsetField,
    *,
    workers: Workers = SERIAL,
) -> tuple[Ints, Ints, Float32]:
    """The full-resolution fill.

    Args:
        image: ``(H, W, 3)`` uint8.
        hole: ``(H, W)`` bool.
        filled: ``(h, w, 3)`` float32 in 0..255, the network's picture with its hole filled.
        touched: ``(h, w)`` bool, network pixels that hold any hole.
        field: Where tokens are copied from.
        workers: Threads to use; the result does not depend on them.

    Returns:
        Rows, columns and colours ``(N, 3)`` float32 of all hole pixels, each once.
    """
    scale_yx = (hole.shape[0] / touched.shape[0], hole.shape[1] / touched.shape[1])
    gate = detail_gate(filled, touched, field)
    copied, membrane = copy_small(filled, touched, field, gate, workers=workers)
    blend = Blend(image, hole, field, scale_yx, gate)
    levels = int(np.clip(round(np.log2(SEAM_PX * max(scale_yx))), *SEAM_LEVELS))
    groups = group_holes(touched)

    def fill(pieces: list[Piece]) -> tuple[Ints, Ints, Float32]:
        sheet, owned = _sheet_of(pieces, 2**levels, lambda piece: _hole_and_rim(hole, groups, piece))
        colours = np.empty((len(sheet.y), 3), np.float32)
        for start in range(0, len(colours), CHUNK):
            part = slice(start, start + CHUNK)
            colours[part] = _detailed(blend, copied, membrane, sheet.y[part], sheet.x[part], scale_yx)
        inside = hole.ravel().take(sheet.y * np.int32(hole.shape[1]) + sheet.x)
        rim = ~inside
        missing = np.zeros_like(colours)
        missing[rim] = image[sheet.y[rim], sheet.x[rim]] - colours[rim]
        colours += sheet.pick_up(close_seam(sheet.lay_out(missing), sheet.lay_out(rim), levels))
        inside &= owned
        return sheet.y[inside], sheet.x[inside], colours[inside]

    pieces = groups.pieces(hole.shape, margin_px=2 * 2**levels)
    parts = workers.map(fill, batches(pieces, BATCH_PX))
    y, x, colours = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return y, x, colours


def detail_gate(filled: Float32, touched: HoleMap, field: OffsetField) -> Float32:
    """How much of the detail that each token copies is to be used: less where it is stronger than what is around.

    A source with an edge fits a smooth place as soon as its low band does, and leaves ripples there. So the detail of
    a token (mean absolute difference from the mean of 3 x 3 network pixels) is scaled down to 1.4 times what the known
    pixels around make one expect.

    Args:
        filled: ``(H, W, 3)`` float32 in 0..255, the network's picture with its hole filled.
        touched: ``(H, W)`` bool, pixels that hold any hole.
        field: Where tokens are copied from.

    Returns:
        ``(H / 8, W / 8)`` float32 in 0..1; 1 for tokens without a source.
    """
    luma = cv2.cvtColor(filled, cv2.COLOR_RGB2GRAY)
    detail = cv2.absdiff(luma, cv2.blur(luma, (DETAIL_PX, DETAIL_PX), borderType=cv2.BORDER_REPLICATE))
    # The mean over the patch whose top left is there: what a source offers.
    offered = cv2.blur(detail, (TOKEN_PX, TOKEN_PX), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE)
    known = np.subtract(1, touched, dtype=np.float32)
    grid_wh = field.is_set.shape[::-1]
    share = np.asarray(cv2.resize(known, grid_wh, interpolation=cv2.INTER_AREA), np.float32)
    detail = cv2.multiply(detail, known, dst=detail)
    amount = cv2.resize(detail, grid_wh, interpolation=cv2.INTER_AREA) / np.maximum(share, np.float32(1e-6))
    expected = spread(np.asarray(cv2.merge([amount] * 3), np.float32), share)[..., 0][field.is_set]
    corners = np.argwhere(field.is_set) * TOKEN_PX + field.offset_yx[field.is_set]
    corners = np.clip(corners, 0, np.array(touched.shape) - TOKEN_PX)
    source = offered[corners[:, 0], corners[:, 1]]
    gate = np.ones(field.is_set.shape, np.float32)
    ratio = (expected + DETAIL_FLOOR) / (source + DETAIL_FLOOR)
    gate[field.is_set] = np.minimum(DETAIL_TOLERANCE * ratio, 1)
    return gate


def copy_small(
    filled: Float32, touched: HoleMap, field: OffsetField, gate: Float32, *, workers: Workers = SERIAL
) -> tuple[Float32, Float32]:
    """The copy at network resolution, and what bends it; arguments as in :func:`transfer`.

    Returns:
        Two pictures ``(h, w, 3)`` float32: the copy in 0..255, equal to ``filled`` where no token has a source, and
        the membrane to be added to it, zero there. It bends the low band alone where the gate is open, and gives the
        network's fill where it is closed.
    """
    copied, membrane = filled.copy(), np.zeros_like(filled)
    blend = Blend(filled, touched, field, (1.0, 1.0), gate)
    groups = group_cells(field.is_set)

    def copy(pieces: list[Piece]) -> None:
        sheet, owned = _sheet_of(pieces, 2**BASE_LEVELS, lambda piece: _token_pixels(groups, piece, touched.shape))
        y, x = sheet.y, sheet.x
        taps = blend.at(y, x)
        own = filled[y, x]
        values = np.where(taps.is_valid[:, None], taps.mean, own)
        error = own - values
        bent = sheet.pick_up(
            bend_base(sheet.lay_out(error), sheet.lay_out(touched[y, x]), sheet.lay_out(taps.is_valid), BASE_LEVELS)
        )
        error += (bent - error) * taps.gate[:, None]
        # No two pieces answer for one pixel.
        y, x = y[owned], x[owned]
        copied[y, x] = values[owned]
        membrane[y, x] = error[owned]

    workers.map(copy, batches(groups.pieces(touched.shape, margin_px=4 * 2**BASE_LEVELS), BATCH_PX))
    return copied, membrane


def _detailed(
    blend: Blend, copied: Float32, membrane: Float32, y: Ints, x: Ints, scale_yx: tuple[float, float]
) -> Float32:
    """Colours at full-size pixels: the low band from the network's grid, the detail from the taps."""
    taps = blend.at(y, x)
    # The same pixels on the network's grid.
    small_y = (y + np.float32(0.5)) / np.float32(scale_yx[0]) - np.float32(0.5)
    small_x = (x + np.float32(0.5)) / np.float32(scale_yx[1]) - np.float32(0.5)
    low = sample_at(copied, small_y, small_x, linear=True)
    colours = taps.mean - low
    colours *= (taps.gate / taps.norm)[:, None]
    colours += low
    colours += sample_at(membrane, small_y, small_x, linear=True)
    return colours


def bend_base(error: Float32, touched: HoleMap, is_copied: HoleMap, levels: int) -> Float32:
    """What to add to a copy at network resolution, so that it meets the known pixels and follows the fill.

    Args:
        error: ``(h, w, 3)`` float32, known pixels and, in the hole, the network's fill, minus the copy.
        touched: ``(h, w)`` bool, pixels that hold any hole.
        is_copied: ``(h, w)`` bool, where there is a copy.
        levels: How far it reaches, as in :func:`rethined.resample.spread`.

    Returns:
        ``(h, w, 3)`` float32.
    """
    share = is_copied.astype(np.float32)
    error = error * share[..., None]
    area = (VOICE_BLUR_PX, VOICE_BLUR_PX)
    low_share = cv2.blur(share, area, borderType=cv2.BORDER_CONSTANT)
    low_error = cv2.blur(error, area, borderType=cv2.BORDER_CONSTANT) / np.maximum(low_share, 1e-6)[..., None]
    weight = np.where(touched, np.float32(VOICE), np.float32(1)) * share
    values = np.where(touched[..., None], low_error, error)
    return spread(values.astype(np.float32), weight.astype(np.float32), levels=levels)


def close_seam(missing: Float32, rim: HoleMap, levels: int) -> Float32:
    """Spreads what the result misses at the rim's known pixels into the hole.

    Args:
        missing: ``(h, w, 3)`` float32, true minus copied colour at the rim, zero elsewhere.
        rim: ``(h, w)`` bool, known pixels next to the hole.
        levels: How far it reaches, as in :func:`rethined.resample.spread`.

    Returns:
        ``(h, w, 3)`` float32, what to add.
    """
    weight = rim.astype(np.float32)
    membrane = spread(missing, weight, levels=levels)
    # The pyramid smooths along the rim; the first ring of the hole takes what its own neighbours miss.
    share = cv2.blur(weight, (3, 3), borderType=cv2.BORDER_CONSTANT)
    ring = np.flatnonzero((share > 1e-6) & ~rim)
    nearest = cv2.blur(missing, (3, 3), borderType=cv2.BORDER_CONSTANT)
    membrane.reshape(-1, 3)[ring] = nearest.reshape(-1, 3)[ring] / share.ravel()[ring, None]
    return membrane


def _sheet_of(
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


def _hole_and_rim(hole: HoleMap, groups: HoleGroups, piece: Piece) -> tuple[Ints, Ints]:
    """Rows and columns of the hole pixels of a piece and of the known pixels next to them."""
    around = hole[piece.around.slices]
    mine = around & groups.mask_of(piece.label, piece.around, hole.shape)
    rim = cv2.dilate(mine.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
    return _places(rim & (mine | ~around), piece.around)


def _token_pixels(groups: HoleGroups, piece: Piece, size_hw: SizeHW) -> tuple[Ints, Ints]:
    """Rows and columns of the network pixels of a piece."""
    return _places(groups.mask_of(piece.label, piece.around, size_hw), piece.around)


def _places(inside: HoleMap, box: Box) -> tuple[Ints, Ints]:
    """Rows and columns of the ``True`` pixels of a box, in the picture."""
    y, x = np.divmod(np.flatnonzero(inside).astype(np.int32), np.int32(box.width))
    return y + np.int32(box.top), x + np.int32(box.left)
