"""Reads masks out of an archive or a folder, whatever the folders inside are called."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from rethined.data.photos import SUFFIXES
from rethined.errors import DatasetError


class MaskArchive:
    """The mask files of a zip or tar archive or a folder, by the stem of their names.

    Args:
        files: Contents by stem.
    """

    def __init__(self, files: dict[str, tuple[str, bytes]]) -> None:
        self._files = files

    def __contains__(self, stem: str) -> bool:
        return stem in self._files

    def __len__(self) -> int:
        return len(self._files)

    def stems(self) -> list[str]:
        """All stems, sorted."""
        return sorted(self._files)

    def read(self, stem: str) -> tuple[str, bytes]:
        """Suffix and content of one mask file."""
        return self._files[stem]


def open_masks(path: Path) -> MaskArchive:
    """Reads all masks of an archive or a folder.

    Raises:
        DatasetError: Neither of them, damaged, without masks, or with two masks of one name.
    """
    files: dict[str, tuple[str, bytes]] = {}
    with _entries(path) as entries:
        for name, content in entries:
            pure = PurePosixPath(name)
            if pure.suffix.lower() not in SUFFIXES or pure.name.startswith("."):
                continue
            if pure.stem in files:
                raise DatasetError(f"{path} holds two masks for {pure.stem!r}; expected one a picture")
            files[pure.stem] = (pure.suffix.lower(), content)
    if not files:
        raise DatasetError(f"{path} holds no mask files; expected pictures named like those they belong to")
    return MaskArchive(files)


@contextmanager
def _entries(path: Path) -> Iterator[Iterator[tuple[str, bytes]]]:
    try:
        if path.is_dir():
            yield ((file.name, file.read_bytes()) for file in sorted(path.rglob("*")) if file.is_file())
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                yield ((name, archive.read(name)) for name in archive.namelist() if not name.endswith("/"))
        elif path.is_file() and tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                yield _tar_entries(archive)
        else:
            raise DatasetError(f"{path} is neither a folder nor a zip or tar archive that can be read")
    except (OSError, zipfile.BadZipFile, tarfile.TarError) as error:
        raise DatasetError(f"{path} cannot be read ({type(error).__name__}: {error}); get it again") from error


def _tar_entries(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    for member in archive:
        # Only contents are read, nothing is unpacked: links and names that climb do no harm.
        stream = archive.extractfile(member) if member.isfile() else None
        if stream is not None:
            yield member.name, stream.read()
