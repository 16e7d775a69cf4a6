from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from rethined.engine import Inpainter
from rethined.types import HoleMap, Image8
from served import ADDRESS, SIZE_HW, SlowWork

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


@pytest.fixture
def photo(rng: np.random.Generator) -> Image8:
    return rng.integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)


@pytest.fixture
def hole() -> HoleMap:
    hole = np.zeros(SIZE_HW, bool)
    hole[20:40, 30:50] = True
    return hole


@pytest.fixture(scope="session")
def inpainter(tiny_network_path: Path) -> Inpainter:
    return Inpainter(tiny_network_path, threads=1)


@pytest.fixture
def leftovers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Path]]:
    """What the server has left in the folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return lambda: list(folder.iterdir())


@pytest.fixture
def make_client(inpainter: Inpainter, leftovers: Callable[[], list[Path]]) -> Iterator[Callable[..., TestClient]]:
    """Makes clients of servers of given settings; in the end those have to have cleaned up."""
    from fastapi.testclient import TestClient

    from rethined.serve.app import create_app
    from rethined.serve.settings import ServeSettings

    with ExitStack() as stack:

        def make(**settings: object) -> TestClient:
            app = create_app(inpainter, ServeSettings(**settings))
            return stack.enter_context(TestClient(app, base_url=ADDRESS, raise_server_exceptions=False))

        yield make
    assert leftovers() == []


@pytest.fixture
def client(make_client: Callable[..., TestClient]) -> TestClient:
    return make_client()


@pytest.fixture
def slow_work(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowWork]:
    work = SlowWork()
    monkeypatch.setattr("rethined.serve.app.fill_files", work)
    yield work
    work.go_on.set()
