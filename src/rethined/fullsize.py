"""The colours of all hole pixels at the picture's own size, and what they miss where they meet what is known.

The low band comes from the network's grid, the detail from where the four nearest tokens point. Known pixels beside the
hole are copied as well, to be compared with what they are.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from rethined import native
from rethined.depth import in_levels
from rethined.native import Between, FilledPixels, Loops, Region, SmallPictures
from rethined.pieces import hole_and_rim, in_numbers, sheet_of
from rethined.regions import HoleGroups, Piece, batches
from rethined.resample import on_grid, sample_at
from rethined.sheet import PixelSheet
from rethined.taps import Blend, in_channels
from rethined.types import Float32, HoleMap, Ints, Pixels
from rethined.workers import SERIAL, OnDone, Workers

RIM_PX = 1
"""Known pixels round a piece that it looks at."""
BATCH_PX = 1 << 17
"""Area of the boxes of groups that are worked on together."""
DIAGONAL = 0.3
"""What a known pixel beside a corner of a hole pixel counts, one beside an edge counting 1, where the first ring takes
what its neighbours miss. One neighbour alone would give the step across the seam exactly that of the source; a mean of
many adds what each of them misses by chance. Measured on training photographs at 2048 px under ellipses: seam ratio 1.08
with all alike, 1.00 with this, .98 with none; perceptual distance -.15 % and hole PSNR +.01 dB."""
CHUNK = 1 << 16
"""Pixels worked on at a time: what they need stays in the cache."""


@dataclass(frozen=True)
class Source:
    """What colours at full size are made of.

    Attributes:
        blend: The copies.
        small: The copy at the network's size, and what bends it.
    """

    blend: Blend
    small: SmallPictures

    def at(self, y: Ints, x: Ints) -> Float32:
        """Colours ``(N, C)`` at N pixels, ``(N,)`` int32 each, hole or not."""
        colours = np.empty((len(y), self.small.copied.shape[2]), np.float32)
        for start in range(0, len(colours), CHUNK):
            part = slice(start, start + CHUNK)
            colours[part] = self._at(y[part], x[part])
        return colours

    def _at(self, y: Ints, x: Ints) -> Float32:
        taps = self.blend.at(y, x)
        small_y, small_x = on_grid(y, x, self.small.between.scale_yx)
        low = sample_at(self.small.copied, small_y, small_x, linear=True)
        colours = taps.mean - low
        colours *= in_channels(taps.gate / taps.norm, colours.shape[1])
        colours += low
        colours += sample_at(self.small.membrane, small_y, small_x, linear=True)
        return colours


def fill_pixels(
    source: Source,
    image: Pixels,
    hole: HoleMap,
    unknown: HoleMap,
    groups: HoleGroups,
    *,
    on_done: OnDone | None = None,
    workers: Workers = SERIAL,
) -> FilledPixels:
    """Fills all holes, group by group.

    Args:
        source: What with.
        image: ``(H, W, C)`` in its own depth.
        hole: ``(H, W)`` bool.
        unknown: ``(H, W)`` bool, the hole and all other pixels whose colours mean nothing.
        groups: The holes on the network's grid.
        on_done: Called between batches with the share that is done, 0..1; an error it raises ends the work.
        workers: Threads to use; the result does not depend on them.
    """
    pieces = batches(groups.pieces(hole.shape, margin_px=RIM_PX), BATCH_PX)
    loops = native.loops()
    if loops:
        return _fill_compiled(loops, source, Region(hole, unknown, groups.labels), list(pieces), on_done, workers)

    def fill(batch: list[Piece]) -> FilledPixels:
        sheet, owned = sheet_of(batch, 2, lambda piece: hole_and_rim(hole, unknown, groups, piece))
        return _filled(image, hole, sheet, owned, source.at(sheet.y, sheet.x))

    return _joined(workers.map(fill, pieces, on_done=on_done))


def _fill_compiled(
    loops: Loops, source: Source, region: Region, batches: list[list[Piece]], on_done: OnDone | None, workers: Workers
) -> FilledPixels:
    """:func:`fill_pixels` in one pass over each piece, straight into what holds all pixels."""
    told = workers.map(lambda batch: loops.tell(region, in_numbers(batch)), batches)
    starts = np.cumsum([np.zeros(4, np.int64), *(each.counts.sum(0) for each in told)], 0)[:, (0, 1, 3)].tolist()
    hole_px, ring_px, rim_px = starts.pop()
    pixels = FilledPixels.empty(hole_px, ring_px, rim_px, source.small.copied.shape[2])

    def fill(number: int) -> None:
        loops.fill(source.blend.tables, source.small, told[number], pixels, starts[number], DIAGONAL)

    workers.map(fill, range(len(told)), on_done=on_done)
    return pixels


def _joined(parts: list[FilledPixels]) -> FilledPixels:
    starts = np.cumsum([0, *(len(part.y) for part in parts)])
    rings = [part.ring + start for part, start in zip(parts, starts[:-1], strict=True)]
    parts = [replace(part, ring=ring) for part, ring in zip(parts, rings, strict=True)]
    return FilledPixels(
        *(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(FilledPixels))
    )


def _filled(image: Pixels, hole: HoleMap, sheet: PixelSheet, owned: HoleMap, colours: Float32) -> FilledPixels:
    """Tells hole from rim and compares the rim with the picture."""
    place = sheet.y * np.int32(hole.shape[1]) + sheet.x
    inside = hole.ravel().take(place)
    rim = np.flatnonzero(~inside)
    missing = in_levels(image.reshape(-1, image.shape[2]).take(place.take(rim), axis=0)) - colours.take(rim, axis=0)
    ring, ring_missing = _ring(sheet, inside, rim, missing)
    inside &= owned
    kept = np.flatnonzero(inside)
    ring_kept = owned.take(ring)
    number = np.cumsum(inside) - 1
    own_rim = np.flatnonzero(owned.take(rim))
    rim = rim.take(own_rim)
    return FilledPixels(
        sheet.y.take(kept),
        sheet.x.take(kept),
        colours.take(kept, axis=0),
        number.take(ring[ring_kept]),
        ring_missing[ring_kept],
        sheet.y.take(rim),
        sheet.x.take(rim),
        missing.take(own_rim, axis=0),
    )


def _ring(
    sheet: PixelSheet, inside: HoleMap, rim: NDArray[np.intp], missing: Float32
) -> tuple[NDArray[np.intp], Float32]:
    """The hole pixels with rim pixels among their eight neighbours, and the mean of what those miss; see DIAGONAL."""
    width = sheet.sheet_hw[1]
    is_rim = sheet.lay_out((~inside).view(np.uint8))
    near = cv2.dilate(is_rim, np.ones((3, 3), np.uint8)).ravel().take(sheet.place)
    ring = np.flatnonzero(inside & (near > 0))
    slot = np.zeros(is_rim.size, np.int32)  # 0 stands for none
    slot[sheet.place.take(rim)] = np.arange(1, len(rim) + 1, dtype=np.int32)
    channels = missing.shape[1]
    values = np.concatenate([np.zeros((1, channels), np.float32), missing])
    place = sheet.place.take(ring)
    total, count = np.zeros((len(ring), channels), np.float32), np.zeros(len(ring), np.float32)
    beside, corners = (-width, -1, 1, width), (-width - 1, -width + 1, width - 1, width + 1)
    for weight, steps in ((np.float32(1), beside), (np.float32(DIAGONAL), corners)):
        for step in steps:
            number = slot.take(place + np.int32(step))
            total += weight * values.take(number, axis=0)
            count += weight * (number > 0)
    return ring, total / count[:, None]


def correct(
    pixels: FilledPixels,
    seam: Float32,
    between: Between,
    *,
    on_done: OnDone | None = None,
    workers: Workers = SERIAL,
) -> None:
    """Adds the seam's correction to colours; the first ring takes what its own neighbours miss.

    Args:
        pixels: Whose colours are changed.
        seam: ``(h, w, C)`` float32.
        between: Where the picture's pixels lie between its cells.
        on_done: Called between parts with the share that is done, 0..1.
        workers: Threads to use.
    """
    loops = native.loops()
    corrected = pixels.colours.take(pixels.ring, axis=0) + pixels.ring_missing

    def add(start: int) -> None:
        part = slice(start, start + CHUNK)
        y, x, colours = pixels.y[part], pixels.x[part], pixels.colours[part]
        if loops:
            loops.add_grid(seam, between, y, x, colours)
        else:
            colours += sample_at(seam, *on_grid(y, x, between.scale_yx), linear=True)

    workers.map(add, range(0, len(pixels.y), CHUNK), on_done=on_done)
    pixels.colours[pixels.ring] = corrected
