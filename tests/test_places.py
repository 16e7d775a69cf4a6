from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from rethined.errors import ImageReadError, ImageWriteError, MissingExtraError, OptionError
from rethined.places import Url, located, stamp

fsspec = pytest.importorskip("fsspec", reason="object stores need fsspec: pip install 'rethined[cluster]'")


@pytest.fixture
def store() -> Iterator[Url]:
    """A folder in a store that lives in this process."""
    yield Url("memory:/", PurePosixPath("/shelf"))
    fsspec.filesystem("memory").rm("/shelf", recursive=True) if fsspec.filesystem("memory").exists("/shelf") else None


def test_what_is_no_url_is_a_path() -> None:
    assert located("a/b.png") == Path("a/b.png")
    assert located("b.png", Path("a")) == Path("a/b.png")
    assert located("/b.png", Path("a")) == Path("/b.png")
    assert located("c:/b.png") == Path("c:/b.png")


def test_a_url_of_this_machine_is_a_path(tmp_path: Path) -> None:
    assert located(f"file://{tmp_path}/a b.png") == tmp_path / "a b.png"


@pytest.mark.parametrize("text", ["memory://shelf/a/b.tar.png", "s3://shelf/a/b.tar.png"])
def test_a_url_has_the_parts_of_a_path(text: str) -> None:
    url = located(text) if text.startswith("memory") else Url("s3://", PurePosixPath("shelf/a/b.tar.png"))
    assert isinstance(url, Url)
    assert (str(url), os.fspath(url)) == (text, text)
    assert (url.name, url.stem, url.suffix) == ("b.tar.png", "b.tar", ".png")
    assert str(url.parent / "deep" / "c.png").endswith("://shelf/a/deep/c.png")
    assert str(url.with_name("c.png")).endswith("://shelf/a/c.png")
    assert url.relative_to(url.parent.parent) == PurePosixPath("a/b.tar.png")
    assert (url.parent / "../a/./b.tar.png").normal() == url.normal()


def test_a_url_relative_to_another_is_its_own() -> None:
    base = Url("s3://", PurePosixPath("bucket/lists"))
    assert str(located("a.png", base)) == "s3://bucket/lists/a.png"
    assert str(located("memory://b.png", base)) == "memory://b.png"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("memory://", OptionError, "expected a store and a path in it"),
        ("nowhere://a/b", OptionError, "Protocol not known: nowhere"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        located(text)


def test_a_store_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'rethined\[cluster\]', and for s3:// s3fs"):
        located("s3://bucket/a.png")


def test_files_are_found(store: Url) -> None:
    for name in ("b.png", "a.png", "deep/c.png"):
        (store / name).write_bytes(b"x")
    assert [str(url) for url in store.files(recursive=False)] == ["memory://shelf/a.png", "memory://shelf/b.png"]
    assert [url.name for url in store.files(recursive=True)] == ["a.png", "b.png", "c.png"]
    assert [url.name for url in (store / "**/*.png").matches()] == ["a.png", "b.png", "c.png"]
    assert (store.is_dir(), store.is_file()) == (True, False)
    assert ((store / "a.png").is_dir(), (store / "a.png").is_file()) == (False, True)
    assert list((store / "missing").files(recursive=True)) == []


def test_a_stamp_changes_with_the_file_and_only_then(store: Url) -> None:
    url = store / "a.png"
    url.write_bytes(b"x")
    first = stamp(url)
    assert first[:2] == ["memory://shelf/a.png", 1]
    assert stamp(url) == stamp(next(store.files(recursive=False))) == stamp(url.looked_up()) == first
    url.write_bytes(b"y")
    assert stamp(url) != first
    url.unlink()
    url.unlink()
    with pytest.raises(FileNotFoundError):
        stamp(url)


def test_files_go_there_and_back(store: Url, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (store / "b").send(tmp_path / "a")
    (store / "b").fetch(tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == (store / "b").read_bytes() == b"content"


def test_what_is_missing_is_named(store: Url, tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="there is no file at memory://shelf/a"):
        (store / "a").fetch(tmp_path / "a")


def test_errors_of_a_store_become_ours(store: Url, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class StoreError(Exception):
        """As botocore's: of no built-in class."""

    def refuse(*_arguments: object, **_more: object) -> None:
        raise StoreError("no such key")

    for method in ("put_file", "info", "find"):
        monkeypatch.setattr(f"fsspec.implementations.memory.MemoryFileSystem.{method}", refuse)
    with pytest.raises(ImageWriteError, match="cannot write memory://shelf/a: StoreError: no such key; check"):
        (store / "a").send(tmp_path)
    with pytest.raises(ImageReadError, match="cannot read memory://shelf/a: StoreError"):
        (store / "a").is_file()
    with pytest.raises(ImageReadError, match="cannot read memory://shelf"):
        list(store.files(recursive=True))
