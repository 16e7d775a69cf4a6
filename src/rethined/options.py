"""Options of a fill, checked once."""

from __future__ import annotations

from dataclasses import dataclass

from rethined.errors import OptionError

FIRST_PX = 512
"""Long side of the first look at the whole picture (paper: 512)."""


@dataclass(frozen=True, kw_only=True)
class InpaintOptions:
    """How a hole is filled; the defaults suit photographs.

    Attributes:
        working_px: Long side, in pixels, of the finest look the network takes. It starts at 512 and doubles; 512 is
            fastest, larger values see finer structure in large photographs and cost time.
        candidates: How many sources per token are ranked; half of them learned, half by appearance.
        grow_px: Widens the hole by this many pixels first, for masks that cut too close.
        max_memory_mb: Most that a fill may take beside the picture, the mask and the loaded network, in MB (10^6
            bytes), as estimated before it starts. Where the fill would take more, ``working_px`` is lowered, down to
            512, and fewer threads copy; the result's plan says what was used. No limit when ``None``.

    Raises:
        OptionError: A value outside its range.
    """

    working_px: int = 1024
    candidates: int = 4
    grow_px: int = 0
    max_memory_mb: int | None = None

    def __post_init__(self) -> None:
        _expect_range("working_px", self.working_px, FIRST_PX, 8192)
        _expect_range("candidates", self.candidates, 2, 64)
        _expect_range("grow_px", self.grow_px, 0, 512)
        if self.max_memory_mb is not None:
            _expect_range("max_memory_mb", self.max_memory_mb, 1, 1_000_000)


def _expect_range(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise OptionError(f"{name} is {value!r}; expected a whole number from {low} to {high}")
