"""Some of the calls that ``scripts/random-calls`` makes thousands of, and what it takes to notice one that is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from random_calls import Bench, Call, complaints, draw, grown
from rethined import Inpainter, RethinedError, engine
from rethined.types import HoleMap

CALLS = 60
SEED = 6
WAYS = {"call", "fill", "inplace", "sources", "explain", "inpaint", "file", "array to a file"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(Inpainter(threads=1), Inpainter(threads=2), tmp_path_factory.mktemp("calls"))


@pytest.fixture(scope="module")
def call() -> Call:
    """One that fills an array, for many pixels."""
    calls = (draw(SEED, number) for number in range(1000))
    return next(
        call
        for call in calls
        if call.way == "fill" and not call.wrong and not call.allowed and call.filled.any() and call.filled.size > 500
        and isinstance(call.picture.given, np.ndarray) and call.picture.meant.ndim == 3
    )  # fmt: skip


def test_nothing_goes_wrong(bench: Bench) -> None:
    calls = [draw(SEED, number) for number in range(CALLS)]
    assert {call.way for call in calls} == WAYS
    assert 10 < sum(bool(call.wrong) for call in calls) < CALLS / 2
    found = {f"{SEED}:{number} {call}": complaints(call, bench) for number, call in enumerate(calls)}
    assert {name: said for name, said in found.items() if said} == {}
    assert list(bench.folder.iterdir()) == []


def test_a_call_is_told_by_its_number() -> None:
    for number in range(5):
        one, other = draw(SEED, number), draw(SEED, number)
        assert str(one) == str(other)
        np.testing.assert_array_equal(one.filled, other.filled)
    assert len({str(draw(SEED, number)) for number in range(20)}) == 20


def test_a_hole_grows_as_a_disc() -> None:
    hole = np.zeros((9, 12), bool)
    hole[4, 5] = True
    y, x = np.indices(hole.shape)
    for px in (0, 1, 2, 3, 20):
        np.testing.assert_array_equal(grown(hole, px), (y - 4) ** 2 + (x - 5) ** 2 <= px**2)
    assert not grown(~grown(hole, 99), 3).any()


def changing(where: HoleMap) -> Any:  # noqa: ANN401
    """A paste that changes one more pixel, somewhere in a map."""
    paste = engine.paste
    y, x = (int(index[0]) for index in np.nonzero(where))

    def wrong(image: Any, *others: Any, **options: Any) -> Any:  # noqa: ANN401
        result = paste(image, *others, **options)
        result[y, x, 0] = result[y, x, 0] == 0
        return result

    return wrong


def test_a_known_pixel_that_changes_is_noticed(call: Call, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "paste", changing(~call.filled))
    assert "1 known pixels have changed" in complaints(call, bench)


def test_an_input_that_changes_is_noticed(call: Call, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    given = call.picture.given
    before, fill = given.copy(), Inpainter.fill

    def wrong(self: Inpainter, image: Any, *others: Any, **options: Any) -> Any:  # noqa: ANN401
        result = fill(self, image, *others, **options)
        image.setflags(write=True)
        image[0, 0] = image[0, 0] == 0
        return result

    monkeypatch.setattr(Inpainter, "fill", wrong)
    try:
        assert "an input has changed" in complaints(call, bench)
    finally:
        given[...] = before


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("x"), "an error of another tree: ValueError: x"),
        (RethinedError("x"), "failed: RethinedError: x"),
        (RuntimeWarning("x"), "an error of another tree: RuntimeWarning: x"),
    ],
)
def test_errors_are_noticed(
    call: Call, bench: Bench, monkeypatch: pytest.MonkeyPatch, error: Exception, expected: str
) -> None:
    def wrong(*_arguments: Any, **_options: Any) -> Any:  # noqa: ANN401
        raise error

    monkeypatch.setattr(engine, "plan_looks", wrong)
    assert complaints(call, bench)[0] == expected


def test_what_ought_to_fail_and_does_not_is_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    call = next(c for c in (draw(SEED, n) for n in range(1000)) if c.way == "array to a file" and not c.picture.wrong)
    monkeypatch.setattr(Inpainter, "__call__", lambda *_arguments, **_options: None)
    assert complaints(call, bench)[0] == "was expected to fail with OptionError, and did not"
