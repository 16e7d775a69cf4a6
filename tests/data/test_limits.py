from __future__ import annotations

import pytest

from rethined.data.limits import OTHERS, allow_open_files
from rethined.errors import DatasetError

resource = pytest.importorskip("resource")


@pytest.mark.parametrize(
    ("soft", "hard", "asked", "then"),
    [
        (1024, 4096, 300, None),
        (1024, 4096, 3000, (3000 + OTHERS, 4096)),
        (1024, -1, 9000, (9000 + OTHERS, -1)),
        (-1, -1, 9000, None),
    ],
)
def test_the_limit_is_raised_where_it_is_too_low(
    soft: int, hard: int, asked: int, then: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resource.RLIM_INFINITY == -1
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: told.append(limits))
    allow_open_files(asked)
    assert told == ([then] if then else [])


def test_more_than_the_system_allows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    with pytest.raises(
        DatasetError, match=rf"take {5000 + OTHERS} open files, the system allows 4096; raise its limit"
    ):
        allow_open_files(5000)
