"""What tests plant: textures, holes and fields of offsets whose answer is known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from rethined.offsets import OffsetField
from rethined.types import Box, HoleMap, Image8, SizeHW

PERIOD_PX = 16


def stripes(size_hw: SizeHW) -> Image8:
    """A texture that repeats every 16 px along both axes and is sharp."""
    y, x = np.mgrid[: size_hw[0], : size_hw[1]] % PERIOD_PX
    return np.stack([(y * 15) ^ (x * 7), x * 16, (y > 7) * 200], -1).astype(np.uint8)


def square_hole(size_hw: SizeHW, box: Box) -> HoleMap:
    hole = np.zeros(size_hw, bool)
    hole[box.slices] = True
    return hole


def field_of(offset_yx: tuple[int, int], is_set: HoleMap) -> OffsetField:
    """Every token is copied from the same side."""
    return OffsetField(np.broadcast_to(np.array(offset_yx, np.int32), (*is_set.shape, 2)).copy(), is_set)


_IS_KILLED = """
import os, signal, sys
from pathlib import Path
from rethined.files import whole_or_nothing
with whole_or_nothing(Path(sys.argv[1], "new.png")) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_writing(folder: Path) -> Path:
    """What a process that was killed has left half-written in a folder; POSIX only."""
    before = set(folder.iterdir())
    subprocess.run([sys.executable, "-c", _IS_KILLED, str(folder)], check=False)
    (left,) = set(folder.iterdir()) - before
    return left
