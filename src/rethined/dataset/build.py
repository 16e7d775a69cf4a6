"""Builds benchmarks: DF8K-Inpainting from its public sources, or one of any photographs.

What the paper and its released masks say of DF8K-Inpainting does not agree (2,850 pictures in the text, masks for 10 %
of 4,495 in the archive); docs/benchmark.md states the contradictions. Here every picture of the sources is used, the
test split is what the released masks name, and without them the paper's shares are drawn by a hash of the name.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rethined.data.presets import preset_hole
from rethined.dataset.archive import MaskArchive, open_masks
from rethined.dataset.manifest import BenchmarkItem, Split, split_of, write_manifest
from rethined.dataset.sources import CAFHQ, DIV2K, FLICKR2K, OWN, Source, find_pictures
from rethined.errors import DatasetError, ImageReadError, MaskError
from rethined.files import sha256_of, whole_or_nothing
from rethined.imageio import read_image, write_image
from rethined.masks import as_hole
from rethined.types import HoleMap, Image8, SizeHW

PRESET = "df8k-blobs"
Told = Callable[[str], None]


def build_df8k(
    df2k: Path, cafhq: Path | None, masks: Path | None, out: Path, *, tell: Told = lambda _: None
) -> list[BenchmarkItem]:
    """DF8K-Inpainting from folders as people download them.

    Args:
        df2k: DIV2K and Flickr2K at full resolution (names of four and six digits), at any depth.
        cafhq: CAFHQ, or ``None`` to leave it out: its licence is non-commercial.
        masks: The released test masks, an archive or a folder, or ``None``: then holes are drawn.
        out: Folder of the benchmark. Running again goes on where it stopped.
        tell: Called with lines for people: what is missing, what was left out.

    Raises:
        DatasetError: A source is missing or unreadable, or two pictures have one name.
    """
    pictures = list(find_pictures(df2k, DIV2K, FLICKR2K, without=out))
    if cafhq is None:
        tell(f"without CAFHQ: the benchmark is not the paper's; get it from {CAFHQ.where} ({CAFHQ.licence})")
    else:
        pictures += find_pictures(cafhq, CAFHQ, without=out)
        tell(f"CAFHQ: {CAFHQ.licence}; do not pass the benchmark on")
    for source in (DIV2K, FLICKR2K, *([CAFHQ] if cafhq else [])):
        count = sum(found is source for found, _ in pictures)
        if count != source.files:
            tell(f"{source.name}: {count} pictures, {source.files} expected; get the rest from {source.where}")
    released = None if masks is None else open_masks(masks)
    if released is None:
        tell("without the released test masks: test split and holes are drawn by name, scores are not the paper's")
    else:
        known = {path.stem for _, path in pictures}
        if missing := [stem for stem in released.stems() if stem not in known]:
            tell(f"{len(missing)} of {len(released)} released masks have no picture, {missing[0]!r} among them")
    return _build(pictures, released, out, "DF8K-Inpainting", tell)


def build_folder(folder: Path, out: Path, *, tell: Told = lambda _: None) -> list[BenchmarkItem]:
    """A benchmark of the same kind of any photographs; arguments as in :func:`build_df8k`."""
    return _build(list(find_pictures(folder, OWN, without=out)), None, out, folder.name, tell)


def _build(
    pictures: Sequence[tuple[Source, Path]], released: MaskArchive | None, out: Path, title: str, tell: Told
) -> list[BenchmarkItem]:
    names: set[str] = set()
    for _, path in pictures:
        if path.stem in names:
            raise DatasetError(f"two pictures are called {path.stem!r}, {path} is the second; rename one of them")
        names.add(path.stem)
    (out / "images").mkdir(parents=True, exist_ok=True)
    (out / "masks").mkdir(exist_ok=True)
    items: dict[str, BenchmarkItem] = {}
    for source, path in pictures:
        try:
            items[path.stem] = _add(source, path, released, out)
        except (ImageReadError, MaskError) as error:
            tell(f"left out: {error}")
    write_manifest(out, title, list(items.values()))
    return list(items.values())


def _add(source: Source, path: Path, released: MaskArchive | None, out: Path) -> BenchmarkItem:
    """Takes one picture in; what is there already is kept if it is still the same."""
    pixels = read_image(path)
    height, width = pixels.shape[:2]
    image = out / "images" / f"{path.stem}{path.suffix.lower()}"
    checksum = sha256_of(path)
    if not image.exists() or (not image.samefile(path) and sha256_of(image) != checksum):
        _link_or_copy(path, image)
    split: Split = split_of(path.stem)
    if released is not None:
        # The released masks are the test split; the rest keeps its hash, what was test by it is for training.
        split = "test" if path.stem in released else ("train" if split == "test" else split)
    item = BenchmarkItem(
        name=path.stem,
        split=split,
        source=source.name,
        licence=source.licence,
        image=image.relative_to(out).as_posix(),
        width_px=width,
        height_px=height,
        image_sha256=checksum,
    )
    return item if split == "train" else _with_mask(item, (height, width), released, out)


def _with_mask(item: BenchmarkItem, size_hw: SizeHW, released: MaskArchive | None, out: Path) -> BenchmarkItem:
    if released is not None and item.name in released:
        suffix, content = released.read(item.name)
        mask = out / "masks" / f"{item.name}{suffix}"
        if not mask.exists() or mask.read_bytes() != content:
            with whole_or_nothing(mask) as partial:
                partial.write_bytes(content)
        hole, origin = as_hole(mask, size_hw), "released"
    else:
        mask = out / "masks" / f"{item.name}.png"
        hole, origin = preset_hole(PRESET, item.name, size_hw), "drawn"
        white = _white(hole)
        if not _shows(mask, white):
            write_image(mask, white)
    return replace(
        item,
        mask=mask.relative_to(out).as_posix(),
        mask_sha256=sha256_of(mask),
        mask_origin=origin,
        hole_share=round(float(np.count_nonzero(hole) / hole.size), 6),
    )


def _shows(file: Path, pixels: Image8) -> bool:
    """Whether a file is that picture, and not missing, damaged or changed."""
    try:
        return np.array_equal(read_image(file), pixels)
    except ImageReadError:
        return False


def _white(hole: HoleMap) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    return np.repeat((hole * np.uint8(255))[..., None], 3, 2)


def _link_or_copy(path: Path, target: Path) -> None:
    """A hard link where the file system allows it: the sources take tens of gigabytes."""
    with whole_or_nothing(target) as partial:
        try:
            os.link(path, partial)
        except OSError:
            shutil.copyfile(path, partial)
