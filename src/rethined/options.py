"""Options of a fill, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from rethined.doors import option
from rethined.errors import OptionError

Preset = Literal["fast", "balanced", "best"]
Jpeg = Literal["lossless", "reencode"]
BUDGETS_PX: dict[Preset, float] = {"fast": 0, "balanced": 1.1e6, "best": 24e6}
"""How many pixels the network may see after its first look at the whole picture: a preset is a budget on one ladder. On
two cores a million takes some 90 ms."""
AGREE_ROUNDS: dict[Preset, int] = {"fast": 0, "balanced": 3, "best": 3}
"""Rounds in which copies are made to fit each other. Measured on 16 training photographs at 2048 px, `balanced`:
perceptual distance -1.6 to -2.3 %, hole PSNR 0 to +.06 dB; five rounds give no more. With `fast` two rounds would take
a seventh of its time."""
FIRST_PX = 512
"""Long side of the first look at the whole picture (paper: 512)."""
MOST_PX = 2048
"""Longest side of the grid that sources are matched on; beyond it detail comes from copying alone."""
MOST_GROW_PX = MOST_FEATHER_PX = 512


@dataclass(frozen=True, kw_only=True)
class InpaintOptions:
    """How a hole is filled, and how a photograph that is a file is written; the defaults suit photographs.

    Attributes:
        preset: How closely the network may look. ``fast`` looks at the whole picture once, at 512 px; ``balanced``
            looks closer as long as that takes some tenth of a second: at 1024 px where holes are scattered over the
            picture, at 2048 px where one small thing is to go, at a small photograph enlarged; ``best`` looks at 2048
            px wherever holes are, at smaller photographs in full, and enlarged. The latter two also make what is
            copied side by side fit together.
        working_px: Most pixels on the long side of the finest look at the photograph instead, whatever it costs: looks
            double from 512 px on as long as they stay within it. ``None`` for the preset.
        candidates: How many sources per token the learned descriptors name; near ones are ranked beside them.
        grow_px: Widens the hole by this many pixels first, for masks that cut too close.
        feather_px: Over this many pixels from its edge the hole keeps, ever less, of what the photograph shows there: a
            soft transition for masks whose edge lies on good pixels. What the hole is to hide shows through if it
            reaches so near to the edge. Known pixels never change.
        max_memory_mb: Most that a fill may take beside the picture, the mask and the loaded network, in MB (10^6
            bytes), as estimated before it starts. Where the fill would take more, ``working_px`` is lowered, down to
            512, and fewer threads copy; the result's plan says what was used. No limit when ``None``.
        strip: Of a photograph that is a file: leave out EXIF, colour profile, XMP, resolution and text. Without it
            they go into the file that is written.
        jpeg: How a JPEG becomes a JPEG. ``lossless`` changes only blocks that the hole touches and keeps every other
            coefficient bit for bit (extra ``jpeg``); ``reencode`` encodes all of it anew, with the tables and the
            subsampling it had. ``None`` is ``lossless`` where that can be done, else ``reencode`` with a warning.

    Raises:
        OptionError: A value outside its range.
    """

    preset: Preset = "balanced"
    working_px: int | None = None
    candidates: int = 2
    grow_px: int = 0
    feather_px: int = 0
    max_memory_mb: int | None = None
    strip: bool = False
    jpeg: Jpeg | None = None

    def __post_init__(self) -> None:
        if self.preset not in get_args(Preset):
            raise OptionError(f"{option('preset')} is {self.preset!r}; expected one of {', '.join(get_args(Preset))}")
        if self.working_px is not None:
            _expect_range("working-px", self.working_px, FIRST_PX, MOST_PX)
        _expect_range("candidates", self.candidates, 1, 64)
        _expect_range("grow", self.grow_px, 0, MOST_GROW_PX)
        _expect_range("feather", self.feather_px, 0, MOST_FEATHER_PX)
        if self.max_memory_mb is not None:
            _expect_range("max-memory", self.max_memory_mb, 1, 1_000_000)
        if not isinstance(self.strip, bool):
            raise OptionError(f"strip is {self.strip!r}; expected True or False")
        if self.jpeg is not None and self.jpeg not in get_args(Jpeg):
            raise OptionError(
                f"{option('jpeg')} is {self.jpeg!r}; expected one of {', '.join(get_args(Jpeg))}, or nothing"
            )

    @property
    def budget_px(self) -> float:
        """How many pixels the network may see after its first look."""
        return BUDGETS_PX[self.preset]

    @property
    def agree_rounds(self) -> int:
        """Rounds in which copies are made to fit each other."""
        return AGREE_ROUNDS[self.preset]


def _expect_range(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise OptionError(f"{option(name)} is {value!r}; expected a whole number from {low} to {high}")


def expect_threads(threads: object) -> None:
    """Checks a number of threads; ``None`` is all cores.

    Raises:
        OptionError: It is no whole number from 1.
    """
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise OptionError(
            f"{option('threads')} is {threads!r}; expected a whole number from 1, or nothing for all cores"
        )
