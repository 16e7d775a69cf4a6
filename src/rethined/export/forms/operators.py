"""What the forms ask of a runtime beyond convolutions and arithmetic, and a plain way to say it.

Some runtimes have no comparison, no choice of the best and no gather. :class:`PlainOperators` says the same with
products, clips and maxima. Its whole numbers are float32, exact up to 2 ** 24; it costs some passes over the matrix of
similarities for every source.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rethined.export.forms.cells import Cells, DeepCells, RowCells
from rethined.types import SizeHW

STEEP = 1e8
"""Slope of a clip that stands for a comparison: differences from 1e-8 on count as such."""
TAKEN = 1e5
"""Taken off what was chosen, so that it is not chosen again: more than any two logits are apart."""


class Operators:
    """As torch has them. Whole numbers are int64; answers are 0 and 1 in float32."""

    def best(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """The ``k`` largest along the last axis of ``(N, R, T)`` and where they are, both ``(N, R, k)``."""
        values, index = x.topk(k, dim=2)
        return values, index

    def best_place(self, x: Tensor) -> Tensor:
        """Where the largest along the last axis of ``(N, R, T)`` is, ``(N, R, 1)``."""
        return x.argmax(2, keepdim=True)

    def is_more(self, a: Tensor, b: Tensor | float) -> Tensor:
        """Where ``a`` is more than ``b``; their shapes broadcast."""
        return (a > b).float()

    def is_same(self, a: Tensor, b: Tensor) -> Tensor:
        """Where two arrays of whole numbers are equal."""
        return (a == b).float()

    def either(self, answer: Tensor, yes: Tensor, no: Tensor) -> Tensor:
        """One of two arrays of whole numbers by an answer; the shapes of all three broadcast."""
        return torch.where(answer > 0, yes, no)

    def short(self, x: Tensor) -> Tensor:
        """Whole numbers as int32."""
        return x.int()

    def line_of(self, index: Tensor, length: int) -> Tensor:
        """In which line of a grid an index in reading order lies; lines have ``length`` places."""
        # Core ML's converter takes a quotient of integers for a float.
        return ((index.float() + 0.5) / length).floor().long()

    def count(self, length: int, like: Tensor) -> Tensor:
        """``(length,)`` whole numbers from 0 on."""
        return torch.arange(length, device=like.device)

    def cells(self, grid_hw: SizeHW, side_px: int) -> Cells:
        """The layout of cells that suits a gather."""
        return RowCells(grid_hw, side_px)


class PlainOperators(Operators):
    """The same without comparison, sorting and gather; whole numbers are float32."""

    def best(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """As :meth:`Operators.best`; of equal ones the first comes first."""
        length = int(x.shape[2])
        countdown = torch.arange(length, 0, -1, dtype=x.dtype, device=x.device)[None, None]
        values, places = [], []
        for number in range(k):
            value = x.amax(2, keepdim=True)
            is_best = (1.0 + (x - value) * STEEP).clamp(0.0, 1.0)
            place = (is_best * countdown).amax(2, keepdim=True)
            values.append(value)
            places.append(length - place)
            if number < k - 1:
                x = x - (1.0 - (countdown - place).abs()).clamp(0.0, 1.0) * TAKEN
        return (torch.cat(values, 2), torch.cat(places, 2)) if k > 1 else (values[0], places[0])

    def best_place(self, x: Tensor) -> Tensor:
        """As :meth:`Operators.best_place`."""
        return self.best(x, 1)[1]

    def is_more(self, a: Tensor, b: Tensor | float) -> Tensor:
        """As :meth:`Operators.is_more`."""
        return ((a - b) * STEEP).clamp(0.0, 1.0)

    def is_same(self, a: Tensor, b: Tensor) -> Tensor:
        """As :meth:`Operators.is_same`."""
        return (1.0 - (a - b).abs()).clamp(0.0, 1.0)

    def either(self, answer: Tensor, yes: Tensor, no: Tensor) -> Tensor:
        """As :meth:`Operators.either`."""
        return yes * answer + no * (1.0 - answer)

    def short(self, x: Tensor) -> Tensor:
        """They stay as they are."""
        return x

    def line_of(self, index: Tensor, length: int) -> Tensor:
        """As :meth:`Operators.line_of`."""
        return ((index + 0.5) / length).floor()

    def count(self, length: int, like: Tensor) -> Tensor:
        """As :meth:`Operators.count`."""
        return torch.arange(length, dtype=torch.float32, device=like.device)

    def cells(self, grid_hw: SizeHW, side_px: int) -> Cells:
        """The layout of cells that does without a gather."""
        return DeepCells(grid_hw, side_px)


TORCH = Operators()
PLAIN = PlainOperators()
