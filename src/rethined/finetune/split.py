"""Which photographs are trained on and which are kept to measure with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rethined.errors import DatasetError, OptionError
from rethined.files import sha256_of

MIN_PHOTOS = 4
MAX_HELD_OUT = 32
"""More would cost minutes of measuring and photographs to learn from."""


@dataclass(frozen=True)
class Split:
    """Files to learn from and files to measure with; no two of them have the same content."""

    trained: tuple[Path, ...]
    held_out: tuple[Path, ...]


def split(files: Sequence[Path], every: int) -> Split:
    """Holds out every ``every``-th photograph in the order of their checksums, the first one in any case.

    Names, folders and the order of files make no difference. Of files with the same content the first counts.

    Args:
        files: Photographs that can be used.
        every: At least 2; larger where more than 32 photographs would be held out.

    Raises:
        OptionError: ``every`` is below 2.
        DatasetError: Fewer than four different photographs.
    """
    if every < 2:
        raise OptionError(f"one in {every} photographs is to be held out; expected one in 2 or more")
    by_content: dict[str, Path] = {}
    for file in files:
        by_content.setdefault(sha256_of(file), file)
    if len(by_content) < MIN_PHOTOS:
        raise DatasetError(
            f"there are {len(by_content)} different photographs that can be used; fine-tuning needs at least"
            f" {MIN_PHOTOS}, with both sides of 256 px or more: add some"
        )
    ordered = [by_content[content] for content in sorted(by_content)]
    every = max(every, -(-len(ordered) // MAX_HELD_OUT))
    held_out = ordered[::every]
    return Split(tuple(file for file in ordered if file not in held_out), tuple(held_out))
