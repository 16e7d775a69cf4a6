from __future__ import annotations

import dataclasses

import pytest

from rethined.errors import OptionError
from rethined.options import InpaintOptions, expect_threads

RANGES = {"working_px": (512, 2048), "candidates": (1, 64), "grow_px": (0, 512), "feather_px": (0, 512)}


def test_defaults() -> None:
    assert dataclasses.asdict(InpaintOptions()) == {
        "preset": "balanced",
        "working_px": None,
        "candidates": 2,
        "grow_px": 0,
        "feather_px": 0,
        "max_memory_mb": None,
        "strip": False,
        "jpeg": None,
    }


def test_presets_are_budgets_that_rise() -> None:
    budgets = [InpaintOptions(preset=preset).budget_px for preset in ("fast", "balanced", "best")]
    assert budgets == sorted(set(budgets))
    assert budgets[0] == 0


def test_an_unknown_preset_is_refused_with_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"preset is 'slow'; expected one of fast, balanced, best"):
        InpaintOptions(preset="slow")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RANGES)
def test_both_ends_of_a_range_are_allowed(name: str) -> None:
    for value in RANGES[name]:
        assert getattr(InpaintOptions(**{name: value}), name) == value


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("value", ["below", "above", 1000.0, "1024", True])
def test_refused_values_are_named_with_the_range(name: str, value: object) -> None:
    low, high = RANGES[name]
    value = {"below": low - 1, "above": high + 1}.get(str(value), value)
    with pytest.raises(OptionError) as caught:
        InpaintOptions(**{name: value})  # type: ignore[arg-type]
    assert str(caught.value) == f"{name} is {value!r}; expected a whole number from {low} to {high}"


@pytest.mark.parametrize("value", [0, -5, 1_000_001, 100.0, "100", True])
def test_a_limit_of_memory_is_a_whole_number_or_none(value: object) -> None:
    assert InpaintOptions(max_memory_mb=1).max_memory_mb == 1
    with pytest.raises(OptionError, match=f"max_memory_mb is {value!r}; expected a whole number from 1 to 1000000"):
        InpaintOptions(max_memory_mb=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["exact", "", True])
def test_an_unknown_way_to_write_a_jpeg_is_refused_with_those_there_are(value: object) -> None:
    assert [InpaintOptions(jpeg=how).jpeg for how in ("lossless", "reencode", None)] == ["lossless", "reencode", None]
    with pytest.raises(OptionError, match=f"jpeg is {value!r}; expected one of lossless, reencode, or nothing"):
        InpaintOptions(jpeg=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_strip_is_yes_or_no(value: object) -> None:
    assert InpaintOptions(strip=True).strip
    with pytest.raises(OptionError, match=f"strip is {value!r}; expected True or False"):
        InpaintOptions(strip=value)  # type: ignore[arg-type]


def test_options_are_frozen_and_keyword_only() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        InpaintOptions().grow_px = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        InpaintOptions(512)  # type: ignore[misc]
    assert InpaintOptions(grow_px=2) == InpaintOptions(grow_px=2) != InpaintOptions()
    assert len({InpaintOptions(), InpaintOptions()}) == 1


@pytest.mark.parametrize("threads", [0, -1, True, 1.0, "2"])
def test_threads_are_a_whole_number_from_1(threads: object) -> None:
    expect_threads(None)
    expect_threads(1)
    with pytest.raises(OptionError, match=f"threads is {threads!r}; expected a whole number from 1"):
        expect_threads(threads)
