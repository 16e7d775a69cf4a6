from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rethined import bounds
from rethined.finetune import compare as module
from rethined.finetune.compare import Row, compare, to_markdown, verdict
from rethined.types import HoleMap, Image8

WriteNetwork = Callable[..., Path]


def row(*pairs: tuple[float, float], fill: str = "whole") -> Row:
    before, after = zip(*pairs, strict=True)
    return Row("lama-medium", fill, before, after)


def test_a_network_that_darkens_is_told_from_one_that_does_not(
    photos: Path, tmp_path: Path, write_network: WriteNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that how dark it is follows from the network alone: the rim would not let it be as dark.
    monkeypatch.setattr(bounds, "_rim", np.zeros_like)
    dark, plain = write_network(tmp_path / "dark.onnx", gain=(0.5, 0.5, 0.5)), write_network(tmp_path / "plain.onnx")
    files = {photos / "a.png": 300, photos / "below" / "e.png": 300}
    done: list[None] = []
    rows = compare(photos, files, dark, plain, threads=1, on_photo=lambda: done.append(None))
    assert len(done) == 2
    assert [(r.preset, r.fill) for r in rows] == [
        ("df8k-blobs", "coarse"),
        ("df8k-blobs", "whole"),
        ("lama-medium", "coarse"),
        ("lama-medium", "whole"),
    ]
    # Half of the brightness is missing, some 60 grey levels: 12.5 dB.
    assert all(10 < db < 15 for r in rows if r.fill == "coarse" for db in r.before_db)
    assert all(r.gain_db.mean > 3 for r in rows)
    back = compare(photos, files, plain, dark, threads=1)
    assert [(r.before_db, r.after_db) for r in back] == [(r.after_db, r.before_db) for r in rows]


@pytest.mark.parametrize(("limit_px", "size_hw"), [(1024, (260, 300)), (150, (130, 150))])
def test_photographs_are_shrunk_and_never_enlarged(
    limit_px: int, size_hw: tuple[int, int], photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[tuple[int, ...]] = set()

    def fill(image: Image8, hole: HoleMap) -> Image8:
        seen.update([image.shape[:2], hole.shape])
        return image

    monkeypatch.setattr(module, "MAX_LONG_PX", limit_px)
    monkeypatch.setattr(module, "make_method", lambda *_, **__: fill)
    compare(photos, {photos / "b.png": 300}, Path("before"), Path("after"))
    assert seen == {size_hw}


def test_table() -> None:
    lines = to_markdown([row((20, 21), (22, 25)), row((20, 19.5), fill="coarse")]).splitlines()
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "--" not in line] == [
        ["holes", "fill", "photographs", "before, dB", "after, dB", "difference [95 %]"],
        ["lama-medium", "whole", "2", "21.00", "23.00", "+2.00 [+1.00, +3.00]"],
        ["lama-medium", "coarse", "1", "20.00", "19.50", "-0.50 [n/a]"],
    ]


GOOD, MIXED, BAD = ((20.0, 21.0),) * 8, ((20.0, 20.1), (20.0, 19.95)) * 4, ((20.0, 19.9),) * 8


@pytest.mark.parametrize(
    ("rows", "says", "recommends"),
    [
        ([row(*GOOD)], "Better than before", False),
        ([row(*GOOD[1:])], "Nowhere worse than before on the held-out photographs, but so few", False),
        ([row(*GOOD), row(*MIXED)], "Nowhere worse than before", False),
        ([row(*GOOD), row(*BAD, fill="coarse")], "Worse than before on the held-out photographs: coarse fill, l", True),
    ],
    ids=["better", "too few", "by chance", "worse"],
)
def test_verdict(rows: list[Row], says: str, recommends: bool) -> None:
    said = verdict(rows)
    assert said.startswith(says)
    assert ("Recommended: the shipped weights" in said) == recommends
