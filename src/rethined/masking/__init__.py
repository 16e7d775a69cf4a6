"""Masks as people have them: files, transparency, a colour, boxes and annotations; each says what to fill of a picture.

Example:
    >>> import numpy as np
    >>> from rethined.masking import Rectangle, ShapeMask
    >>> photo = np.zeros((90, 120, 3), np.uint8)
    >>> hole = ShapeMask(shapes=(Rectangle(10, 20, 40, 30),)).hole(photo)
    >>> hole.shape, int(hole.sum())
    ((90, 120), 300)
"""

from rethined.masking.rules import MaskRule
from rethined.masking.shapes import Circle, Polygon, Rectangle
from rethined.masking.sources import AlphaMask, ColourMask, FileMask, MaskSource, ShapeMask

__all__ = [
    "AlphaMask",
    "Circle",
    "ColourMask",
    "FileMask",
    "MaskRule",
    "MaskSource",
    "Polygon",
    "Rectangle",
    "ShapeMask",
]
