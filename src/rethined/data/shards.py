"""Tar shards, the form in which large sets of photographs are kept and moved (WebDataset's), read by member.

A shard is an uncompressed tar file. What belongs together has one name up to its first dot; the rest says what it is:
``0001.jpg`` is the photograph, ``0001.json`` a description, ``0001.seg.png`` a map of it. Photographs are read at
random places of the file, so that nothing needs to be unpacked.

Reference: Aizman, Maltby, Breuel, "High Performance I/O For Large Scale Deep Learning", 2019, section V; the format of
https://github.com/webdataset/webdataset.
"""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rethined.errors import DatasetError, ImageReadError
from rethined.files import write_text
from rethined.imageio import read_image

SHARD_SUFFIX = ".tar"
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class ShardPicture:
    """A picture file inside a shard.

    Attributes:
        shard: The tar file.
        version: Of the shard: another one holds other pictures.
        member: Path inside the shard.
        offset: Where its bytes begin in the shard.
        size: How many there are.
    """

    shard: Path
    version: str
    member: str
    offset: int
    size: int

    @property
    def name(self) -> str:
        """The member's name up to its first dot."""
        return Path(self.member).name.partition(".")[0]

    @property
    def identity(self) -> str:
        """Another picture, or another version of it, has another one."""
        return f"{self.version}|{self.offset}|{self.size}"

    def read(self) -> NDArray[np.uint8]:
        """The picture, ``(H, W, 3)`` uint8 RGB.

        Raises:
            ImageReadError: It is damaged or no picture.
        """
        with self.shard.open("rb") as stream:
            stream.seek(self.offset)
            content = stream.read(self.size)
        with tempfile.TemporaryDirectory(prefix="rethined-") as folder:
            file = Path(folder) / "member"
            file.write_bytes(content)
            try:
                return read_image(file)
            except ImageReadError as error:
                raise ImageReadError(f"{self.member} in {self.shard}: {error}") from error


def is_shards(where: Path) -> bool:
    """Whether a path names tar shards: one, or a pattern of many."""
    return where.suffix == SHARD_SUFFIX and not where.is_dir()


def shard_files(pattern: Path) -> list[Path]:
    """The shards that a pattern names, in order.

    Args:
        pattern: One tar file; several by number, ``shards-{000..099}.tar``; or several by wildcards,
            ``shards/*.tar``.

    Raises:
        DatasetError: There is none, or one of the numbered ones is missing.
    """
    files = [found for numbered in _numbered(str(pattern)) for found in _matching(Path(numbered))]
    missing = [file for file in files if not file.is_file()]
    if missing or not files:
        raise DatasetError(
            f"{pattern} names {len(files)} tar shards, of which {len(missing)} are missing"
            + (f", the first {missing[0]}" if missing else "")
            + "; give one file, numbers ('shards-{000..099}.tar') or wildcards ('shards/*.tar'), in quotation marks"
        )
    return files


def list_pictures(shard: Path, suffixes: Collection[str], cache: Path) -> list[ShardPicture]:
    """The pictures in a shard, in its order; where they lie is kept in ``cache``, for the headers are far apart.

    Args:
        shard: The tar file.
        suffixes: What a member's name goes on with after its first dot if it is a picture, in lower case.
        cache: Folder for the list; made when missing, safe to delete.

    Raises:
        DatasetError: ``shard`` is compressed, damaged or no tar file.
    """
    status = shard.stat()
    version = f"{shard.resolve()}|{status.st_size}|{status.st_mtime_ns}"
    index = cache / f"{hashlib.sha256(version.encode()).hexdigest()[:20]}-shard.json"
    if index.exists():
        members = json.loads(index.read_text(encoding="utf-8"))
    else:
        members = _files_within(shard)
        cache.mkdir(parents=True, exist_ok=True)
        write_text(index, json.dumps(members))
    return [
        ShardPicture(shard, version, member, offset, size)
        for member, offset, size in members
        if _suffix(member) in suffixes
    ]


def _numbered(pattern: str) -> list[str]:
    """``a-{08..10}.tar`` as ``a-08.tar``, ``a-09.tar``, ``a-10.tar``; several ranges give all combinations."""
    literals = _RANGE.split(pattern)[::3]
    ranges = [
        [f"{number:0{len(first)}d}" for number in range(int(first), int(last) + 1)]
        for first, last in _RANGE.findall(pattern)
    ]
    return [
        "".join(part for pair in zip(literals, (*numbers, ""), strict=True) for part in pair)
        for numbers in product(*ranges)
    ]


def _matching(path: Path) -> list[Path]:
    if not re.search(r"[*?\[]", path.name):
        return [path]
    return sorted(path.parent.glob(path.name))


def _files_within(shard: Path) -> list[tuple[str, int, int]]:
    """Path, offset and size of each file in a tar."""
    try:
        with tarfile.open(shard, "r:") as tar:
            return [(member.name, member.offset_data, member.size) for member in tar if member.isreg()]
    except (tarfile.TarError, OSError) as error:
        raise DatasetError(
            f"{shard} cannot be read as a tar file without compression ({error}); unpack it or get it again"
        ) from error


def _suffix(member: str) -> str:
    name = Path(member).name
    return "" if name.startswith(".") else f".{name.partition('.')[2]}".lower()
