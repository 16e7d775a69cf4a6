from __future__ import annotations

import asyncio

import numpy as np
import pytest

from rethined.doors import Door, is_through, option, through
from rethined.errors import OptionError
from rethined.masking import ColourMask, MaskRule
from rethined.masking.rules import RULES
from rethined.masks import MaskWarning
from rethined.options import InpaintOptions


@pytest.mark.parametrize(
    ("door", "expected"),
    [
        ("python", ["grow_px=3", "labels", "invert=True", "rgb", "preset"]),
        ("command line", ["--grow 3", "--mask-label", "--invert", "--mask-colour RRGGBB", "--preset"]),
        ("http", ["grow=3", "mask_label", "invert=true", "mask_colour", "preset"]),
    ],
)
def test_each_door_spells_options_its_own_way(door: Door, expected: list[str]) -> None:
    with through(door):
        assert [
            option("grow", 3),
            option("mask-label"),
            option("invert", True),
            option("mask-colour", metavar="RRGGBB"),
            option("preset"),
        ] == expected


def test_what_was_before_comes_back_after_an_error_too() -> None:
    with through("http"), pytest.raises(ZeroDivisionError), through("command line"):
        raise ZeroDivisionError
    with through("http"):
        with through("command line"):
            assert is_through("command line")
        assert is_through("http")
    assert is_through("python")


def test_requests_beside_each_other_do_not_mix() -> None:
    async def ask(door: Door) -> str:
        with through(door):
            await asyncio.sleep(0)
            return option("grow", 1)

    async def both() -> list[str]:
        return await asyncio.gather(ask("http"), ask("command line"))

    assert asyncio.run(both()) == ["grow=1", "--grow 1"]


def test_what_no_request_can_set_is_said_to_be_the_servers() -> None:
    with through("http"):
        assert option("max-memory") == "the server's --max-memory"


@pytest.mark.parametrize(
    ("door", "says"),
    [
        ("python", "expected one of file, folder, suffix, alpha, rgb or shapes"),
        (
            "command line",
            "--mask FILE, --mask-dir DIR, --mask-suffix TEXT, --mask-alpha, --mask-colour RRGGBB or --box",
        ),
        ("http", "expected one of mask, mask_alpha, mask_colour or box"),
    ],
)
def test_rules_for_masks_are_those_of_the_door(door: Door, says: str) -> None:
    with through(door), pytest.raises(OptionError) as error:
        MaskRule()
    assert says in str(error.value)


@pytest.mark.parametrize(("door", "says"), [("python", "grow_px is 900"), ("command line", "--grow is 900")])
def test_errors_name_what_was_given(door: Door, says: str) -> None:
    with through(door), pytest.raises(OptionError, match=says):
        InpaintOptions(grow_px=900)


@pytest.mark.parametrize(
    ("door", "says"),
    [("python", "tolerance=9$"), ("command line", "--mask-tolerance 9$"), ("http", "mask_tolerance=9$")],
)
def test_warnings_name_what_helps(door: Door, says: str) -> None:
    says = f"the nearest colour is 9 levels from it, so allow for that with {says}".removesuffix("$")
    with through(door), pytest.warns(MaskWarning, match=says):
        ColourMask(rgb=(109, 100, 100)).hole(np.full((4, 5, 3), 100, np.uint8))


def test_every_rule_has_a_name_in_python() -> None:
    names = MaskRule.__dataclass_fields__
    assert all(option(rule) in names for rule in RULES)
