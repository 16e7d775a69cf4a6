from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rethined.batch.fill import Settings
from rethined.batch.jobs import Task
from rethined.batch.preview import Previewer
from rethined.errors import MaskError
from rethined.imageio import read_image, write_image
from rethined.masking import AlphaMask, FileMask, MaskSource
from rethined.masking.preview import LEAST_WIDTH_PX, LINE_PX
from rethined.options import InpaintOptions
from rethined.types import HoleMap, Image8


@pytest.mark.usefixtures("album")
def test_the_line_says_how_much_is_filled_and_by_which_rule(photo: Image8, hole: HoleMap) -> None:
    write_image("clear.png", np.dstack([photo, ~hole * np.uint8(255)]))
    a, clear = Path("photos/a.png"), Path("clear.png")

    def line(photo: Path, mask: MaskSource, *, grow_px: int = 0) -> str:
        task = Task(photo, mask, Path("shown/x.preview.jpg"), "x.preview.jpg")
        return Previewer(Settings(options=InpaintOptions(grow_px=grow_px)))(task).line

    mask = FileMask(path=Path("mask.png"))

    assert line(a, mask) == "7.8% of the picture is filled: white in mask.png"
    assert line(a, FileMask(path=Path("mask.png"), invert=True)) == "92.2% of the picture is filled: black in mask.png"
    assert line(clear, AlphaMask()) == "7.8% of the picture is filled: its alpha up to half"
    assert line(a, mask, grow_px=2) == ("11.0% of the picture is filled: white in mask.png, widened by 2 px")
    assert read_image("shown/x.preview.jpg").shape == (photo.shape[0] + LINE_PX, LEAST_WIDTH_PX, 3)
    assert line(Path("photos/deep/c.tif"), mask).startswith("7.8%")


@pytest.mark.usefixtures("album")
def test_masks_that_cannot_be_used_fail_here_already(hole: HoleMap) -> None:
    write_image("full.png", np.full(hole.shape, 255, np.uint8))
    with pytest.raises(MaskError, match="marks every pixel as hole"):
        Previewer(Settings())(Task(Path("photos/a.png"), FileMask(path=Path("full.png")), Path("x.jpg"), "x.jpg"))
