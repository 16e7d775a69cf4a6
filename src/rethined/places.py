"""Where files are: paths of this machine, or URLs of an object store, reached through fsspec (extra ``cluster``)."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING, Any

from rethined import files
from rethined.errors import FileError, ImageReadError, ImageWriteError, MissingExtraError, OptionError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_VERSIONS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "updated", "created")
"""What stores call that which changes with a file, best first."""


@dataclass(frozen=True)
class Url(os.PathLike[str]):
    """A file or a folder of an object store, with what listing needs of :class:`pathlib.Path`.

    Attributes:
        prefix: The part before ``path``: ``s3://``.
        path: As the store calls it: ``bucket/folder/a.png``.
        info: What the store has told of it in a listing, if it comes out of one.
    """

    prefix: str
    path: PurePosixPath
    info: dict[str, Any] | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.prefix}{self.path}"

    def __fspath__(self) -> str:
        return str(self)

    def __truediv__(self, part: str | PurePath) -> Url:
        return Url(self.prefix, self.path / PurePath(part).as_posix())

    @property
    def name(self) -> str:
        """The last part."""
        return self.path.name

    @property
    def stem(self) -> str:
        """The last part without its ending."""
        return self.path.stem

    @property
    def suffix(self) -> str:
        """The ending of the last part, with its dot."""
        return self.path.suffix

    @property
    def parent(self) -> Url:
        """The folder it is in."""
        return Url(self.prefix, self.path.parent)

    def with_name(self, name: str) -> Url:
        """Another one in the same folder."""
        return Url(self.prefix, self.path.with_name(name))

    def relative_to(self, other: Url) -> PurePosixPath:
        """The path below ``other``.

        Raises:
            ValueError: It does not lie there.
        """
        if self.prefix != other.prefix:
            raise ValueError(f"{self} does not lie below {other}")
        return self.path.relative_to(other.path)

    def normal(self) -> str:
        """One spelling for each file."""
        return f"{self.prefix}{posixpath.normpath(self.path)}"

    def is_file(self) -> bool:
        """Whether there is such a file.

        Raises:
            ImageReadError: The store cannot be reached.
        """
        return (self._asked() or {}).get("type") == "file"

    def is_dir(self) -> bool:
        """Whether there is anything below it.

        Raises:
            ImageReadError: The store cannot be reached.
        """
        return (self._asked() or {}).get("type") == "directory"

    def looked_up(self) -> Url:
        """The same with what the store tells of it now, so that it is not asked again."""
        return replace(self, info=self._asked())

    def stamp(self) -> list[Any]:
        """URL, bytes and version: equal as long as nobody writes to it.

        Raises:
            OSError: It is not there.
        """
        info = self.info or self._asked()
        if info is None:
            raise FileNotFoundError(f"there is no file at {self}")
        version = next((info[key] for key in _VERSIONS if info.get(key)), None)
        if isinstance(version, datetime):  # a listing may tell the same time in seconds
            version = version.timestamp()
        return [self.normal(), info["size"], None if version is None else str(version)]

    def files(self, *, recursive: bool) -> Iterator[Url]:
        """The files below it, in the order of their names.

        Raises:
            ImageReadError: The store cannot be reached.
        """
        with self._told(ImageReadError):
            store = self._store()
            store.invalidate_cache()  # a listing that was kept knows nothing of what other machines have written
            found = store.find(str(self.path), maxdepth=None if recursive else 1, detail=True)
        yield from self._all(found)

    def matches(self) -> Iterator[Url]:
        """The files that it names as a pattern, ``**`` included, in the order of their names.

        Raises:
            ImageReadError: The store cannot be reached.
        """
        with self._told(ImageReadError):
            store = self._store()
            store.invalidate_cache()
            found = store.glob(str(self.path), detail=True)
        yield from self._all({path: info for path, info in found.items() if info["type"] == "file"})

    def read_bytes(self) -> bytes:
        """All that is in it.

        Raises:
            ImageReadError: It cannot be read.
        """
        with self._told(ImageReadError):
            content: bytes = self._store().cat_file(str(self.path))
        return content

    def write_bytes(self, content: bytes) -> None:
        """Puts a small file there.

        Raises:
            ImageWriteError: It cannot be written.
        """
        with self._told(ImageWriteError):
            self._store().pipe_file(str(self.path), content)

    def fetch(self, to: Path) -> None:
        """Copies it to this machine.

        Raises:
            ImageReadError: It cannot be read.
        """
        with self._told(ImageReadError):
            self._store().get_file(str(self.path), str(to))

    def send(self, source: Path) -> None:
        """Copies a file of this machine there; stores show an object when it is whole.

        Raises:
            ImageWriteError: It cannot be written.
        """
        with self._told(ImageWriteError):
            self._store().put_file(str(source), str(self.path))

    def unlink(self) -> None:
        """Takes it away, if it is there.

        Raises:
            ImageWriteError: It cannot be taken away.
        """
        with self._told(ImageWriteError):
            try:
                self._store().rm_file(str(self.path))
            except FileNotFoundError:
                return

    def _store(self) -> AbstractFileSystem:
        return _opened(str(self))[0]

    def _asked(self) -> dict[str, Any] | None:
        with self._told(ImageReadError):
            try:
                info: dict[str, Any] = self._store().info(str(self.path))
            except FileNotFoundError:
                return None
        return info

    def _all(self, found: dict[str, dict[str, Any]]) -> Iterator[Url]:
        for path in sorted(found):
            yield Url(self.prefix, PurePosixPath(path), found[path])

    @contextmanager
    def _told(self, kind: type[FileError]) -> Iterator[None]:
        """Turns what a store raises into an error of ours: each has classes of its own, many no OSError."""
        try:
            yield
        except FileNotFoundError as error:
            raise kind(f"there is no file at {self}; check the address") from error
        except FileError:
            raise
        except Exception as error:
            verb = "read" if kind is ImageReadError else "write"
            raise kind(
                f"cannot {verb} {self}: {type(error).__name__}: {error}; check the address and the credentials"
            ) from error


Location = Path | Url
"""A file or a folder, here or in a store."""


def located(text: str | os.PathLike[str], base: Location = Path()) -> Location:
    """What a user has named: a path, relative to ``base``, or a URL that fsspec knows; ``file://`` is a path.

    Raises:
        MissingExtraError: A URL, and fsspec or what it needs for that store is not installed.
        OptionError: A URL of a form that cannot be used.
    """
    if isinstance(text, Url):
        return text
    text = os.fspath(text)
    if not _URL.match(text):
        return base / text
    store, path = _opened(text)
    if "file" in ([store.protocol] if isinstance(store.protocol, str) else store.protocol):
        return Path(path)
    plain = text.rstrip("/")
    if not path.strip("/") or not plain.endswith(path):
        raise OptionError(f"the URL is {text!r}; expected a store and a path in it, such as s3://bucket/folder")
    return Url(plain.removesuffix(path), PurePosixPath(path))


def expect_reachable(place: Location) -> None:
    """Checks that it can be told whether there is something.

    Raises:
        ImageReadError: It cannot.
    """
    if not isinstance(place, Url) and (fault := files.fault_of(place)):
        raise ImageReadError(f"{str(place)!r} cannot be reached: {fault}; check the path and the rights on its folders")


def files_in(folder: Location, *, recursive: bool) -> Iterator[Location]:
    """The files of a folder, those in hidden folders left out; none where there is no such folder.

    Raises:
        ImageReadError: It cannot be listed. (Folders within it that cannot be are left out.)
    """
    if isinstance(folder, Url):
        for path in folder.files(recursive=recursive):
            if not is_hidden(path.relative_to(folder).parent):
                yield path
        return

    def tell(error: OSError) -> None:
        if error.filename == os.fspath(folder) and not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise ImageReadError(f"{str(folder)!r} cannot be listed: {error.strerror}; change its rights") from error

    for place, folders, names in os.walk(folder, onerror=tell):
        folders[:] = sorted(name for name in folders if recursive and not name.startswith("."))
        yield from (Path(place, name) for name in sorted(names))


def is_hidden(relative: PurePath) -> bool:
    """Whether a path below a folder is, or lies in, what begins with a dot."""
    return any(part.startswith(".") for part in relative.parts)


def stamp(place: Location) -> list[Any]:
    """As :func:`rethined.files.stamp`, and its like in a store: equal as long as nobody touches the file.

    Raises:
        OSError: It is not there.
    """
    return place.stamp() if isinstance(place, Url) else files.stamp(place)


def _opened(text: str) -> tuple[AbstractFileSystem, str]:
    """The file system that a URL is of, and its path there."""
    try:
        from fsspec.core import url_to_fs

        store, path = url_to_fs(text)
    except ImportError as error:
        raise MissingExtraError(
            f"cannot open {text!r}: {error}; pip install 'rethined[cluster]', and for s3:// s3fs, for gs:// gcsfs, for"
            " abfs:// adlfs"
        ) from error
    except ValueError as error:
        raise OptionError(f"the URL is {text!r}: {error}; expected for example s3://bucket/folder") from error
    return store, str(path)
