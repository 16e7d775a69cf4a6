from __future__ import annotations

import pytest

from rethined.doors import through
from rethined.errors import MaskError, OptionError
from rethined.masking import Rectangle
from rethined.masking.written import box_of, colour_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,3,4", Rectangle(1, 2, 4, 6)),
        (" 1, 2, 3, 4", Rectangle(1, 2, 4, 6)),
        ("-1.5,0,3.25,4", Rectangle(-1.5, 0, 1.75, 4)),
        ("0,0,1000000,1", Rectangle(0, 0, 1_000_000, 1)),
    ],
)
def test_a_box_is_left_top_width_and_height(text: str, expected: Rectangle) -> None:
    assert box_of(text) == expected


@pytest.mark.parametrize("text", ["", "1,2,3", "1,2,3,4,5", "a,b,c,d", "nan,0,1,1", "1e3,0,1,1", "1,2,3,4\n"])
def test_what_is_no_box_is_refused_with_an_example(text: str) -> None:
    with through("command line"), pytest.raises(OptionError, match=r"--box is .*; expected X,Y,W,H in pixels"):
        box_of(text)


def test_a_box_without_area_is_refused() -> None:
    with pytest.raises(MaskError, match="a box is 0 px wide"):
        box_of("1,2,0,4")


@pytest.mark.parametrize("text", ["ff00Aa", "#ff00aa"])
def test_a_colour_is_six_digits(text: str) -> None:
    assert colour_of(text) == (255, 0, 170)


@pytest.mark.parametrize("text", ["", "#", "ff00a", "ff00aag", "##f00aa", "red", "ff00aa\n"])
def test_what_is_no_colour_is_refused_with_an_example(text: str) -> None:
    with through("http"), pytest.raises(OptionError, match=r"mask_colour is .*; expected six hexadecimal digits"):
        colour_of(text)
