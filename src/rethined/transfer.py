"""Attention upscaling: real detail, copied from where the matching points, at the picture's own resolution.

The paper mixes high-frequency patches by the attention map. Here each token settles on one coherent offset, found from
its k sources, and every pixel of a hole blends what the offsets of the four nearest tokens point at. Offsets are whole
pixels at full resolution, so the factor between the network's picture and the full one may be any, also non-integer
and different per axis.

Steps, in order:

1. :func:`rethined.offsets.choose_offsets`: rank the candidates of each token by how well their surroundings agree
   and how near they are, refine to single network pixels.
2. :class:`rethined.taps.Blend` takes the four copies of each hole pixel and their weights, at network size and
   at full size.
3. :func:`bend_base` bends the low band of the copy so that it meets the known pixels round the hole (a membrane),
   with the network's fill as a second voice inside, lower in texture deep in a hole (:func:`voice_weight`);
   :func:`detail_gate` says where the copy has to yield to the fill.
4. The copied detail is added as far as the gate allows, with the variance that blending takes away put back. What is
   finer than the network's grid is detail; where nothing is, at the network's own size, its finest band is
   (:func:`contrast_share`).
5. :func:`rethined.fullsize.fill_pixels` spreads inwards what is still missing at the rim; the first ring of hole
   pixels takes what its own neighbours miss.

Compiled loops take steps 2, 3 and 5 hole by hole; without them all holes are laid out side by side on a sheet
(:class:`rethined.sheet.PixelSheet`).

Reference: RETHINED, section 3.4; the variance-preserving blend follows Heitz and Neyret, "High-Performance By-Example
Noise using a Histogram-Preserving Blending Operator", HPG 2018, section 3.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from rethined import native
from rethined.depth import WHITE
from rethined.detail import DETAIL_PX, DetailLevels, detail_levels
from rethined.distance import depth_share
from rethined.fullsize import CHUNK, Source, fill_pixels
from rethined.native import Between, Copying, Region, SmallPictures
from rethined.offsets import OffsetField
from rethined.pieces import in_numbers, sheet_of, token_pixels
from rethined.regions import TOKEN_PX, HoleGroups, Piece, batches, group_cells, group_holes
from rethined.resample import PULL_GAIN, halve_any, spread
from rethined.sheet import PixelSheet
from rethined.taps import Blend, in_channels
from rethined.types import Float32, HoleMap, Ints, Pixels
from rethined.workers import SERIAL, OnDone, Workers, parts, stretch

VOICE = 0.2
"""Weight of the network's fill against the membrane in the low band of the hole, near what is known."""
VOICE_FADES_PX = (4.0, 16.0)
"""Between these distances from that, in network pixels, the weight falls to a 256th: what lies deeper cannot be known,
the fill is a blur there, and copies of pebbles are more like pebbles. Measured against .2 everywhere, together with the
condition below, hole PSNR, perceptual distance and distance of statistics (`texture`): 512 px under LaMa medium
-.09 dB, -.5 and -15 %, 1024 px under DF8K blobs -.08 dB, -.3 and -10 %."""
VOICE_FADES_DETAIL = (1.0, 3.0)
"""It does so as far as the known pixels around have detail, from the first to the second of these grey levels: where
they are smooth, so is the truth, and copies of several tones lie in it like tiles."""
VOICE_FROM_DETAIL = (0.15, 0.4)
"""Below the first of these grey levels of detail around there is no weight at all, from the second on all of it. Where
nothing has any, in drawn pictures and clean skies, the membrane is right, and the fill has a tint. Measured under holes
of 130 x 230 px in a drawn sky: `balanced` 44.8 to 53.9 dB, `best` 40.6 to 49.3; photographs under LaMa thin and DF8K
blobs, perceptual distance +.1 (.1) and 0 (.2) %."""
VOICE_BLUR_PX = 3
"""The network's fill speaks in bands below this many of its pixels only; above, it would rub out copied detail."""
DETAIL_TOLERANCE = 1.4
"""How much stronger than around a hole the copied detail may be. Measured at 2048 px: hole PSNR +.09 dB, perceptual
distance -.4 %, sharpness .97 to .92 of the truth's; with 1.0 they are +.20 dB, -1.1 % and .86, too soft in texture."""
DETAIL_FLOOR = 0.3
"""Grey levels of detail that are always allowed: noise."""
BASE_LEVELS = 4
"""Halvings of the pyramid that bends the base. From one to the next what weighs less than a quarter weighs four times
as much: the network's voice has full weight from the second on where it is .2, and in the last alone, that is in bands
below 16 px, where it is ``4 ** -BASE_LEVELS``."""
BATCH_PX = 1 << 15
"""Area of the boxes of groups that are worked on together at the network's size. With four times as much a fill takes
as long and 30 MB more."""


def transfer(
    image: Pixels,
    hole: HoleMap,
    filled: Float32,
    touched: HoleMap,
    field: OffsetField,
    *,
    gate: Float32 | None = None,
    asked: Float32 | None = None,
    unknown: HoleMap | None = None,
    forbidden: HoleMap | None = None,
    small_forbidden: HoleMap | None = None,
    voice: float = VOICE,
    base_levels: int = BASE_LEVELS,
    on_done: OnDone | None = None,
    workers: Workers = SERIAL,
) -> tuple[Ints, Ints, Float32]:
    """The full-resolution fill.

    Args:
        image: ``(H, W, 3)`` or ``(H, W, 1)`` in its own depth.
        hole: ``(H, W)`` bool.
        filled: ``(h, w, 3)`` float32 in 0..255, the network's picture with its hole filled.
        touched: ``(h, w)`` bool, network pixels that hold anything unknown.
        field: Where tokens are copied from.
        gate, asked: See :func:`detail_gate` and :class:`rethined.detail.DetailLevels`; those of ``filled`` where either
            is ``None``.
        unknown: ``(H, W)`` bool, the hole and all other pixels whose colours mean nothing; the hole when ``None``.
        forbidden: ``(H, W)`` bool, known pixels that no copy is taken from; none when ``None``.
        small_forbidden: ``(h, w)`` bool, network pixels that hold any of them.
        voice: Weight of ``filled`` in the low band, see :func:`voice_weight`.
        base_levels: Halvings of the pyramid that bends the base.
        on_done: Called between batches with the share that is done, 0..1; an error it raises ends the transfer.
        workers: Threads to use; the result does not depend on them.

    Returns:
        Rows, columns and colours ``(N, C)`` float32 in about 0..255 of all hole pixels, each once.
    """
    unknown = hole if unknown is None else unknown
    channels = image.shape[2]
    if channels == 1:  # the network may have seen colour in it
        filled = np.asarray(cv2.merge([cv2.cvtColor(filled, cv2.COLOR_RGB2GRAY)] * 3), np.float32)
    size_hw, small_hw = (hole.shape[0], hole.shape[1]), (touched.shape[0], touched.shape[1])
    between = Between(size_hw, small_hw)
    if gate is None or asked is None:
        detail = detail_levels(filled, touched, workers=workers)
        gate, asked = detail_gate(detail, field), detail.asked
    barred = unknown if forbidden is None else unknown | forbidden
    small_barred = touched if small_forbidden is None else touched | small_forbidden
    copied, membrane = copy_small(
        filled,
        touched,
        field,
        gate,
        asked,
        barred=small_barred,
        contrast=contrast_share(between.scale_yx),
        voice=voice,
        base_levels=base_levels,
        on_done=stretch(on_done, 0, 0.2),
        workers=workers,
    )
    if channels == 1:  # what is worked on at full size is grey
        copied, membrane = copied[..., :1].copy(), membrane[..., :1].copy()
    blend = Blend(image, barred, field, between.scale_yx, gate, white=WHITE[image.dtype])
    groups = group_holes(touched)
    source = Source(blend, SmallPictures(copied, membrane, between))
    found = fill_pixels(source, image, hole, unknown, groups, on_done=stretch(on_done, 0.2, 1), workers=workers)
    return found.y, found.x, found.colours


def detail_gate(detail: DetailLevels, field: OffsetField) -> Float32:
    """How much of the detail that each token copies is to be used: less where it is stronger than what is around.

    A source with an edge fits a smooth place as soon as its low band does, and leaves ripples there. So the detail of
    a token (mean absolute difference from the mean of 3 x 3 network pixels) is scaled down to 1.4 times what the known
    pixels around make one expect.

    Args:
        detail: Of the network's picture with its hole filled.
        field: Where tokens are copied from.

    Returns:
        ``(H / 8, W / 8)`` float32 in 0..1; 1 for tokens without a source.
    """
    expected = detail.asked[field.is_set]
    corners = np.argwhere(field.is_set) * TOKEN_PX + field.offset_yx[field.is_set]
    corners = np.clip(corners, 0, np.array(detail.offered.shape) - TOKEN_PX)
    source = detail.offered[corners[:, 0], corners[:, 1]]
    gate = np.ones(field.is_set.shape, np.float32)
    ratio = (expected + DETAIL_FLOOR) / (source + DETAIL_FLOOR)
    gate[field.is_set] = np.minimum(DETAIL_TOLERANCE * ratio, 1)
    return gate


def voice_weight(touched: HoleMap, asked: Float32, levels: int = BASE_LEVELS, voice: float = VOICE) -> Float32:
    """What the network's fill weighs against the membrane in the low band, ``(h, w)`` float32.

    Args:
        touched: ``(h, w)`` bool, pixels that hold any hole; sides multiples of 8.
        asked: See :class:`rethined.detail.DetailLevels`.
        levels: Halvings of the pyramid in which it is weighed: where it has faded it is heard in the last one alone.
        voice: Near what is known and where that is smooth; it fades with depth and detail, see :data:`VOICE_FADES_PX`
            and :data:`VOICE_FADES_DETAIL`, and there is none where there is no detail at all, see
            :data:`VOICE_FROM_DETAIL`. All is 0 where it is.
    """
    if not voice:
        return np.zeros(touched.shape, np.float32)
    # Distances are measured in cells of 4 x 4 px, in a fraction of the time; the rim lies half a cell nearer than the
    # middle of what is known.
    begins, ends = ((px + 2) / 4 for px in VOICE_FADES_PX)
    faded = depth_share(halve_any(halve_any(touched)), begins, ends)
    smooth, rough = VOICE_FADES_DETAIL
    texture = np.clip((asked - np.float32(smooth)) / np.float32(rough - smooth), 0, 1)
    faded *= cv2.resize(texture, faded.shape[::-1], interpolation=cv2.INTER_LINEAR)
    weight = np.float32(voice) * np.exp(faded * np.float32(math.log(PULL_GAIN**-levels / voice)))
    none, full = VOICE_FROM_DETAIL
    heard = np.clip((asked - np.float32(none)) / np.float32(full - none), 0, 1)
    weight *= cv2.resize(heard, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.resize(weight, touched.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def contrast_share(scale_yx: tuple[float, float]) -> float:
    """How much of the contrast that blending takes from the finest band of the network's grid is put back, 0..1.

    All of it at the network's own size, where no finer band gets any back; none from twice that size on. Measured at
    1024 px: sharpness .67 to .86 of the truth's, perceptual distance +1.6 %, hole PSNR -.17 dB; at 2048 px, where the
    finer band does it, .95 to .97, +.5 % and -.14 dB.
    """
    return float(np.clip(2 - max(scale_yx), 0, 1))


def copy_small(
    filled: Float32,
    touched: HoleMap,
    field: OffsetField,
    gate: Float32,
    asked: Float32,
    *,
    barred: HoleMap,
    contrast: float = 0,
    voice: float = VOICE,
    base_levels: int = BASE_LEVELS,
    on_done: OnDone | None = None,
    workers: Workers = SERIAL,
) -> tuple[Float32, Float32]:
    """The copy at network resolution, and what bends it.

    Args:
        filled, touched, field, on_done, workers: As in :func:`transfer`.
        gate, asked: See :func:`detail_gate` and :class:`rethined.detail.DetailLevels`.
        barred: ``(h, w)`` bool, network pixels that no copy is taken from: those touched and those forbidden.
        contrast: See :func:`contrast_share`.
        voice, base_levels: As in :func:`transfer`.

    Returns:
        Two pictures ``(h, w, 3)`` float32: the copy in 0..255, equal to ``filled`` where no token has a source, and
        the membrane to be added to it, zero there. It bends the low band alone where the gate is open, and gives the
        network's fill where it is closed; and it puts contrast back.
    """
    weight = voice_weight(touched, asked, base_levels, voice)
    copying = Copying(touched, weight, filled.copy(), np.zeros_like(filled), contrast, PULL_GAIN, base_levels)
    blend = Blend(filled, barred, field, (1.0, 1.0), gate)
    groups = group_cells(field.is_set)
    loops, region = native.loops(), Region(touched, touched, groups.labels)

    def copy(pieces: list[Piece]) -> None:
        if loops:
            loops.copy(blend.tables, copying, region, in_numbers(pieces))
        else:
            _copy(blend, copying, groups, pieces)

    pieces = batches(groups.pieces(touched.shape, margin_px=4 << base_levels), BATCH_PX)
    workers.map(copy, pieces, on_done=on_done)
    return copying.copied, copying.membrane


def _copy(blend: Blend, copying: Copying, groups: HoleGroups, pieces: list[Piece]) -> None:
    """What the loop does."""
    touched, levels = copying.touched, copying.levels
    sheet, owned = sheet_of(pieces, 1 << levels, lambda piece: token_pixels(groups, piece, touched.shape))
    place = sheet.y * np.int32(touched.shape[1]) + sheet.x
    values = np.asarray(blend.tables.colours.reshape(-1, 3).take(place, axis=0), np.float32)
    error, amount = np.zeros_like(values), np.zeros(len(values), np.float32)
    is_valid, norm = np.zeros(len(values), bool), np.ones(len(values), np.float32)
    for part in parts(len(values), CHUNK):
        taps = blend.at(sheet.y[part], sheet.x[part])
        is_valid[part], amount[part], norm[part] = taps.is_valid, taps.gate, taps.norm
        error[part] = (values[part] - taps.mean) * in_channels(taps.is_valid.astype(np.float32), 3)
    values -= error
    inside, voice = (sheet.lay_out(each.ravel()[place]) for each in (touched, copying.voice))
    bent = sheet.pick_up(bend_base(sheet.lay_out(error), inside, sheet.lay_out(is_valid), levels, voice))
    error += (bent - error) * in_channels(amount, 3)
    if copying.contrast:
        lost = np.float32(copying.contrast) * amount * (1 / norm - 1)
        error += _finest_band(sheet, values) * in_channels(lost.astype(np.float32), 3)
    # No two pieces answer for one pixel.
    own = np.flatnonzero(owned)
    place = place.take(own)
    copying.copied.reshape(-1, 3)[place] = values.take(own, axis=0)
    copying.membrane.reshape(-1, 3)[place] = error.take(own, axis=0)


def _finest_band(sheet: PixelSheet, values: Float32) -> Float32:
    """What ``(N, C)`` values of the pixels of a sheet differ from their mean over 3 x 3 pixels of it."""
    area, share = (DETAIL_PX, DETAIL_PX), sheet.lay_out(np.ones(len(values), np.float32))
    mean = sheet.pick_up(cv2.blur(sheet.lay_out(values), area, borderType=cv2.BORDER_CONSTANT))
    share = sheet.pick_up(cv2.blur(share, area, borderType=cv2.BORDER_CONSTANT))
    return np.asarray(values - mean / in_channels(share, values.shape[1]), np.float32)


def bend_base(error: Float32, touched: HoleMap, is_copied: HoleMap, levels: int, voice: Float32) -> Float32:
    """What to add to a copy at network resolution, so that it meets the known pixels and follows the fill.

    Args:
        error: ``(h, w, 3)`` float32, known pixels and, in the hole, the network's fill, minus the copy.
        touched: ``(h, w)`` bool, pixels that hold any hole.
        is_copied: ``(h, w)`` bool, where there is a copy.
        levels: How far it reaches, as in :func:`rethined.resample.spread`.
        voice: ``(h, w)`` float32, weight of the network's fill against the membrane.

    Returns:
        ``(h, w, 3)`` float32.
    """
    share = is_copied.astype(np.float32)
    error = error * share[..., None]
    area = (VOICE_BLUR_PX, VOICE_BLUR_PX)
    low_share = cv2.blur(share, area, borderType=cv2.BORDER_CONSTANT)
    low_error = cv2.blur(error, area, borderType=cv2.BORDER_CONSTANT) / np.maximum(low_share, 1e-6)[..., None]
    weight = np.where(touched, voice, np.float32(1)) * share
    values = np.where(touched[..., None], low_error, error)
    return spread(values.astype(np.float32), weight.astype(np.float32), levels=levels)
