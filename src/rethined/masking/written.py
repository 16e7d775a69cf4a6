"""Masks that are written down in a word, as the command line and HTTP take them: a box, a colour."""

from __future__ import annotations

import re

from rethined.doors import option
from rethined.errors import OptionError
from rethined.masking.shapes import Rectangle

_NUMBER = r"-?[0-9]{1,7}(\.[0-9]{1,6})?"
BOX_PATTERN = rf"^{_NUMBER}(,{_NUMBER}){{3}}$"
"""How a box is written: left, top, width and height in pixels."""
COLOUR_PATTERN = "^#?[0-9a-fA-F]{6}$"
"""How a colour is written: red, green and blue, two hexadecimal digits each."""


def box_of(text: str) -> Rectangle:
    """``10,20,300,40`` as a box.

    Raises:
        OptionError: It is written in another way.
        MaskError: It has no area, or lies too far away.
    """
    numbers = text.replace(" ", "")
    if not re.fullmatch(BOX_PATTERN, numbers):
        raise OptionError(f"{option('box')} is {text!r}; expected X,Y,W,H in pixels, such as 10,20,300,40")
    left, top, width, height = (float(part) for part in numbers.split(","))
    return Rectangle(left, top, left + width, top + height)


def colour_of(text: str) -> tuple[int, int, int]:
    """``ff00ff`` as red, green and blue, 0..255 each.

    Raises:
        OptionError: It is written in another way.
    """
    if not re.fullmatch(COLOUR_PATTERN, text):
        raise OptionError(f"{option('mask-colour')} is {text!r}; expected six hexadecimal digits, such as ff00ff")
    red, green, blue = bytes.fromhex(text.removeprefix("#"))
    return red, green, blue
