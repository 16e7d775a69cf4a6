"""Frame after frame filled from the same places, so that what is copied does not jump about."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from rethined.depth import in_levels
from rethined.engine import Inpainter
from rethined.errors import OptionError
from rethined.masking import MaskSource
from rethined.masks import grow_hole
from rethined.sources import SourceMap
from rethined.types import Float32, HoleMap, ImageLike, Pixels

THUMB_WH = (48, 32)
"""Size at which frames are compared: what moves a little stays in its pixel."""
CUT_LEVELS = 24
"""Mean difference from the frame before, in grey levels, from which on a frame begins another scene. Noise and light
that changes stay below 10, another photograph is some 40 to 100 away."""


@dataclass(frozen=True)
class Renewal:
    """When sources are searched anew; they always are where the hole or the size of frames changes.

    Attributes:
        at_cuts: Where another scene begins.
        frames: After so many frames as well; never when ``None``.

    Raises:
        OptionError: Fewer than 1.
    """

    at_cuts: bool = True
    frames: int | None = None

    def __post_init__(self) -> None:
        if self.frames is not None and self.frames < 1:
            raise OptionError(f"sources are to be renewed every {self.frames} frames; expected at least 1")


@dataclass(frozen=True)
class _Look:
    """What one frame is compared with the next by.

    Attributes:
        hole: ``(H, W)`` bool, what is filled of it.
        clear: ``(H, W)`` bool, what is fully transparent; ``None`` without alpha.
        thumb: Itself, small.
    """

    hole: HoleMap
    clear: HoleMap | None
    thumb: Float32

    def has_same_hole(self, other: _Look) -> bool:
        """Whether the same pixels are known and to be filled."""
        if self.hole is not other.hole and not np.array_equal(self.hole, other.hole):
            return False
        if self.clear is None or other.clear is None:
            return self.clear is other.clear
        return np.array_equal(self.clear, other.clear)

    def is_cut_from(self, other: _Look) -> bool:
        """Whether another scene began between the two."""
        return self.thumb.shape != other.thumb.shape or float(np.abs(self.thumb - other.thumb).mean()) > CUT_LEVELS


class SteadyFiller:
    """Fills frames; each copies from the same places as the one before, until that is due to be renewed.

    Args:
        inpainter: The engine.
        mask: What to fill of each frame. One that frames state themselves is read of each of them.
        forbid: What is never copied from.
        renewal: When sources are searched anew.

    Attributes:
        searches: How often they were.
    """

    def __init__(
        self,
        inpainter: Inpainter,
        mask: MaskSource,
        *,
        forbid: ImageLike | None = None,
        renewal: Renewal = Renewal(),
    ) -> None:
        self.searches = 0
        # Holes are widened here, once, not by each fill.
        self._grow_px = inpainter.options.grow_px
        self._inpainter = inpainter.with_options(replace(inpainter.options, grow_px=0))
        self._mask, self._forbid, self._renewal = mask, forbid, renewal
        self._last: _Look | None = None
        self._sources: SourceMap | None = None
        self._age = 0

    def __call__(self, frame: Pixels) -> Pixels:
        """Fills a frame in place, and gives it back.

        Args:
            frame: ``(H, W)`` or ``(H, W, C)`` in its own depth, C-contiguous; written to.

        Raises:
            MaskError: The mask does not fit.
            ImageError, FileError, MemoryBudgetError, InferenceError: As :meth:`Inpainter.fill`.
        """
        look = _Look(self._hole_of(frame), _clear(frame), _thumb(frame))
        sources = None if self._is_due(look) else self._sources
        result = self._inpainter.fill(frame, look.hole, forbid=self._forbid, inplace=True, sources=sources)
        if result.sources is not sources:
            self.searches += 1
            self._age = 0
        self._age += 1
        self._last, self._sources = look, result.sources
        self._mask.finish(frame, look.hole)
        return frame

    def _hole_of(self, frame: Pixels) -> HoleMap:
        last = self._last
        if last is not None and not self._mask.is_own and last.hole.shape == frame.shape[:2]:
            return last.hole
        return grow_hole(self._mask.hole(frame, grow_px=self._grow_px), self._grow_px)

    def _is_due(self, look: _Look) -> bool:
        """Whether the sources of the frame before are not to be used any more."""
        last, renewal = self._last, self._renewal
        if last is None or not look.has_same_hole(last):
            return True
        is_old = renewal.frames is not None and self._age >= renewal.frames
        return is_old or (renewal.at_cuts and look.is_cut_from(last))


def _clear(frame: Pixels) -> HoleMap | None:
    """What is fully transparent, and so not known."""
    return np.asarray(frame[..., -1] <= 0) if frame.ndim == 3 and frame.shape[2] in (2, 4) else None


def _thumb(frame: Pixels) -> Float32:
    """``(32, 48)`` or ``(32, 48, C)`` grey levels, without alpha."""
    small = in_levels(cv2.resize(frame, THUMB_WH, interpolation=cv2.INTER_AREA)).astype(np.float32)
    return small[..., :-1] if frame.ndim == 3 and frame.shape[2] in (2, 4) else small
