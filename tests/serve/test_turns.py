from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the server is an extra: pip install 'rethined[serve]'")
pytest.importorskip("prometheus_client", reason="the server is an extra: pip install 'rethined[serve]'")
from starlette.exceptions import HTTPException

from rethined.serve.turns import EndedError, Turn, Turns
from served import until


@pytest.fixture
def turns(leftovers: Callable[[], list[Path]]) -> Iterator[Turns]:
    turns = Turns(workers=1, queue=1, timeout_s=5)
    yield turns
    turns.close()
    assert leftovers() == []
    assert (turns.taken, turns.waiting, turns.running) == (0, 0, 0)


async def never() -> None:
    await asyncio.Event().wait()


async def at_once() -> None:
    pass


def until_ended(turn: Turn) -> Callable[[], None]:
    """Work that goes on until it is ended."""

    def work() -> None:
        while True:
            turn.expect_wanted()
            threading.Event().wait(0.002)

    return work


def run(turn: Turn, work: Callable[[], object], leaving: Callable[[], object] = never) -> object:
    return asyncio.run(turn.run(work, leaving()))


def test_what_work_gives_and_raises_comes_out(turns: Turns) -> None:
    first, second = turns.take(), turns.take()
    assert run(first, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        run(second, lambda: 1 / 0)
    first.close()
    second.close()


def test_a_turn_has_a_folder_for_as_long_as_it_lasts(turns: Turns) -> None:
    turn = turns.take()
    folder = turn.folder
    assert folder.is_dir()
    assert turn.folder == folder
    (folder / "file").write_text("x")
    turn.close()
    turn.close()
    assert not folder.exists()


def test_no_more_turns_than_there_are(turns: Turns) -> None:
    taken = [turns.take(), turns.take()]
    with pytest.raises(HTTPException, match="2 requests are worked on or wait") as refused:
        turns.take()
    assert refused.value.status_code == 429
    taken[0].close()
    turns.take().close()
    taken[1].close()


def test_a_turn_is_free_only_when_its_thread_has_let_go(turns: Turns) -> None:
    turn, go_on = turns.take(), threading.Event()
    folder = turn.folder
    turns.timeout_s = 0.05
    with pytest.raises(HTTPException) as refused:  # the work does not look whether it is still wanted
        run(turn, go_on.wait)
    assert refused.value.status_code == 503
    turn.close()
    assert (turns.taken, turns.running, folder.exists()) == (1, 1, True)
    go_on.set()
    until(lambda: turns.taken == 0)
    assert not folder.exists()


def test_when_the_client_leaves_the_work_ends(turns: Turns) -> None:
    turn = turns.take()
    with pytest.raises(HTTPException) as refused:
        run(turn, until_ended(turn), leaving=at_once)
    assert refused.value.status_code == 499
    until(lambda: turns.running == 0)
    turn.close()
    until(lambda: turns.taken == 0)


def test_what_waits_is_ended_before_it_begins(turns: Turns) -> None:
    async def both() -> list[object]:
        tasks = [asyncio.ensure_future(turn.run(until_ended(turn), never())) for turn in taken]
        while turns.waiting != 1:
            await asyncio.sleep(0.002)
        turns.end_all()
        return await asyncio.gather(*tasks, return_exceptions=True)

    taken = [turns.take(), turns.take()]
    assert [type(error) for error in asyncio.run(both())] == [EndedError, EndedError]
    for turn in taken:
        turn.close()


def test_after_a_stop_nothing_is_taken_and_what_is_here_goes_on(turns: Turns) -> None:
    turn = turns.take()
    turns.stop()
    with pytest.raises(HTTPException, match="stopping") as refused:
        turns.take()
    assert refused.value.status_code == 503
    assert run(turn, lambda: "done") == "done"
    turn.close()
