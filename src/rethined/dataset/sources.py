"""Where the pictures of DF8K-Inpainting come from, and how to tell them apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rethined.data.photos import SUFFIXES
from rethined.errors import DatasetError
from rethined.files import files_below


@dataclass(frozen=True)
class Source:
    """A public set of photographs.

    Attributes:
        name: As in the manifest.
        licence: What its owners allow.
        where: Where it is to be had.
        pattern: What the stems of its files look like.
        files: How many there should be.
    """

    name: str
    licence: str
    where: str
    pattern: str
    files: int


DIV2K = Source(
    "DIV2K",
    "academic research only",
    "the high-resolution training images of the NTIRE 2017 challenge page of ETH Zurich's vision group",
    r"\d{4}",
    800,
)
FLICKR2K = Source(
    "Flickr2K",
    "academic research only; each photograph under its Flickr licence",
    "the EDSR repository of Lim et al. (2017)",
    r"\d{6}",
    2650,
)
CAFHQ = Source(
    "CAFHQ",
    "Adobe research licence: non-commercial, no redistribution",
    "the SuperCAF repository (owenzlz/SuperCAF, ECCV 2022)",
    r".+",
    1045,
)
OWN = Source("own", "not stated", "", r".+", 0)


def find_pictures(folder: Path, *sources: Source, without: Path | None = None) -> Iterator[tuple[Source, Path]]:
    """Every picture below ``folder`` whose name fits one of the sources, in order of its path; the first fit counts.

    What lies below ``without``, results of an earlier call, is none.

    Raises:
        DatasetError: ``folder`` is none, or no picture fits; the message says where the sources are to be had.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder} is not a folder; {_how_to_get(sources)}")
    found = 0
    for path in sorted(files_below(folder, SUFFIXES, without=without)):
        for source in sources:
            if re.fullmatch(source.pattern, path.stem):
                found += 1
                yield source, path
                break
    if not found:
        raise DatasetError(
            f"{folder} holds no pictures of {' or '.join(s.name for s in sources)}; {_how_to_get(sources)}"
        )


def _how_to_get(sources: tuple[Source, ...]) -> str:
    places = "; ".join(
        f"{source.name} ({source.files} files) from {source.where}" for source in sources if source.where
    )
    return f"get {places}" if places else "give a folder of photographs"
