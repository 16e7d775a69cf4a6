"""Sizes that a network takes."""

from __future__ import annotations

from rethined.errors import OptionError


def expect_multiple(what: str, value_px: int, multiple_px: int, *, least_px: int | None = None) -> None:
    """Refuses a side that is no multiple, and names the nearest two.

    Raises:
        OptionError: It is none, or below ``least_px`` (one multiple when ``None``).
    """
    least_px = multiple_px if least_px is None else least_px
    low = max(least_px, value_px // multiple_px * multiple_px)
    if value_px < least_px or value_px % multiple_px:
        raise OptionError(
            f"the {what} is {value_px} px; expected a multiple of {multiple_px}: {low} or {low + multiple_px}"
        )
