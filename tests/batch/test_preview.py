from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rethined.batch.fill import Settings
from rethined.batch.jobs import Task
from rethined.batch.preview import LEAST_WIDTH_PX, LINE_PX, MOST_PX, TINT, Previewer, tinted, with_line
from rethined.errors import MaskError
from rethined.imageio import read_image, write_image
from rethined.options import InpaintOptions
from rethined.types import HoleMap, Image8


def test_the_hole_is_tinted_and_all_else_as_it_was(photo: Image8, hole: HoleMap) -> None:
    shown = tinted(photo, hole)
    np.testing.assert_array_equal(shown[~hole], photo[~hole])
    np.testing.assert_array_equal(shown[hole], np.rint(photo[hole] * 0.4 + np.array(TINT) * 0.6))


@pytest.mark.parametrize("size_hw", [(4000, 30), (30, 4000), (3, 4000)])
def test_long_pictures_become_smaller_and_single_pixels_stay_visible(size_hw: tuple[int, int]) -> None:
    hole = np.zeros(size_hw, bool)
    hole[size_hw[0] // 2, size_hw[1] // 2] = True
    shown = tinted(np.full((*size_hw, 3), 50, np.uint8), hole)
    assert max(shown.shape) == MOST_PX
    assert shown.shape[:2] == tuple(max(1, round(side * 0.4)) for side in size_hw)
    assert 1 <= (shown != 50).any(axis=2).sum() <= 4


def test_the_line_lies_below_the_picture(photo: Image8) -> None:
    shown = with_line(photo, "ä line")
    height, width = photo.shape[:2]
    assert shown.shape == (height + LINE_PX, LEAST_WIDTH_PX, 3)
    np.testing.assert_array_equal(shown[:height, :width], photo)
    assert (shown[:height, width:] == 255).all()
    assert (shown[height:] < 128).any()
    np.testing.assert_array_equal(shown, with_line(photo, "? line"))


@pytest.mark.usefixtures("album")
def test_the_line_says_how_much_is_filled_and_by_which_rule(photo: Image8, hole: HoleMap) -> None:
    write_image("clear.png", np.dstack([photo, ~hole * np.uint8(255)]))
    a, clear = Path("photos/a.png"), Path("clear.png")

    def line(photo: Path, mask: str | None, **settings: object) -> str:
        task = Task(photo, mask and Path(mask), Path("shown/x.preview.jpg"), "x.preview.jpg")
        return Previewer(Settings(**settings))(task).line

    assert line(a, "mask.png") == "7.8% of the picture is filled: white in mask.png"
    assert line(a, "mask.png", invert=True) == "92.2% of the picture is filled: black in mask.png"
    assert line(clear, None) == "7.8% of the picture is filled: its alpha up to half"
    assert line(a, "mask.png", options=InpaintOptions(grow_px=2)) == (
        "11.0% of the picture is filled: white in mask.png, widened by 2 px"
    )
    assert read_image("shown/x.preview.jpg").shape == (photo.shape[0] + LINE_PX, LEAST_WIDTH_PX, 3)
    assert line(Path("photos/deep/c.tif"), "mask.png").startswith("7.8%")


@pytest.mark.usefixtures("album")
def test_masks_that_cannot_be_used_fail_here_already(hole: HoleMap) -> None:
    write_image("full.png", np.full(hole.shape, 255, np.uint8))
    with pytest.raises(MaskError, match="marks every pixel as hole"):
        Previewer(Settings())(Task(Path("photos/a.png"), Path("full.png"), Path("x.jpg"), "x.jpg"))
