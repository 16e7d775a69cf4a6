"""The manifest of a benchmark: what is in it, under which licence, with checksums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from rethined.errors import DatasetError
from rethined.files import sha256_of, write_text
from rethined.imageio import read_image
from rethined.masks import as_hole
from rethined.types import HoleMap, Image8

SCHEMA = "rethined-benchmark-1"
MANIFEST_FILE = "manifest.json"
Split = Literal["train", "val", "test"]
TEST_SHARE, VAL_SHARE = 0.2, 0.1
"""The paper's split: 70 % train, 20 % test, 10 % validation."""


@dataclass(frozen=True)
class BenchmarkItem:
    """One photograph, and its fixed hole where the split has one.

    Attributes:
        name: Unique in the benchmark.
        split: ``train``, ``val`` or ``test``; the last two have masks.
        source: Name of the set it comes from.
        licence: What that set allows.
        image: Path below the benchmark's folder.
        width_px, height_px: Size.
        image_sha256: Checksum of the picture file.
        mask: Path below the benchmark's folder; empty without one. White = fill.
        mask_sha256: Checksum of the mask file.
        mask_origin: ``released`` (by the benchmark's authors) or ``drawn`` (here, by name and seed).
        hole_share: Share of the picture that is hole, 0..1.
        root: The benchmark's folder; not in the file.
    """

    name: str
    split: Split
    source: str
    licence: str
    image: str
    width_px: int
    height_px: int
    image_sha256: str
    mask: str = ""
    mask_sha256: str = ""
    mask_origin: str = ""
    hole_share: float = 0.0
    root: Path = Path()

    def read(self) -> tuple[Image8, HoleMap]:
        """The picture ``(H, W, 3)`` uint8 RGB and its hole ``(H, W)`` bool.

        Raises:
            DatasetError: The item has no mask.
            ImageReadError, MaskError: A file is missing or damaged.
        """
        if not self.mask:
            raise DatasetError(f"{self.name} is of the split {self.split}, which has no fixed masks")
        image = read_image(self.root / self.image)
        return image, as_hole(self.root / self.mask, image.shape[:2])


def split_of(name: str) -> Split:
    """The split of a name, by a hash: the same everywhere, and unmoved by what else is in the set."""
    digest = hashlib.sha256(name.encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < TEST_SHARE:
        return "test"
    return "val" if place < TEST_SHARE + VAL_SHARE else "train"


def write_manifest(folder: Path, title: str, items: Sequence[BenchmarkItem]) -> None:
    """Writes the manifest of a benchmark."""
    rows = [{key: value for key, value in asdict(item).items() if key != "root"} for item in items]
    content = {"schema": SCHEMA, "title": title, "items": rows}
    write_text(folder / MANIFEST_FILE, json.dumps(content, indent=1, allow_nan=False) + "\n")


def load_benchmark(folder: Path | str, *, split: Split | None = None) -> list[BenchmarkItem]:
    """The items of a benchmark, of one split or all.

    Raises:
        DatasetError: No benchmark there, or an unknown split.
    """
    folder = Path(folder)
    if split is not None and split not in get_args(Split):
        raise DatasetError(f"the split is {split!r}; expected one of {', '.join(get_args(Split))}")
    try:
        content: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise DatasetError(f"{folder} has the schema {content['schema']!r}; this version reads {SCHEMA!r}")
        items = [replace(BenchmarkItem(**row), root=folder) for row in content["items"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{folder} is no benchmark ({type(error).__name__}: {error}); make one with rethined dataset build"
        ) from error
    return [item for item in items if split in (None, item.split)]


def problems(folder: Path) -> Iterator[str]:
    """What is wrong with a benchmark: files that are missing or differ from their checksums."""
    for item in load_benchmark(folder):
        for path, checksum in ((item.image, item.image_sha256), (item.mask, item.mask_sha256)):
            if not path:
                continue
            file = folder / path
            if not file.is_file():
                yield f"{path} is missing"
            elif sha256_of(file) != checksum:
                yield f"{path} differs from its checksum"
