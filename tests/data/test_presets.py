from __future__ import annotations

import hashlib

import numpy as np
import pytest

from rethined.data.presets import PRESETS, open_preset, preset_hole
from rethined.errors import OptionError

CHECKSUMS = {
    "lama-thin": "ea3ea69e83535fa6",
    "lama-medium": "8ed73874d1e268de",
    "lama-thick": "4d3cf686d366865d",
    "df8k-blobs": "b9a3e159b3b09462",
    "coverage-30-50": "5c7f2d216d00d02d",
    "scratches": "c4b6f72c9fe4be33",
}


@pytest.mark.parametrize("preset", PRESETS)
def test_the_same_name_and_seed_give_the_same_hole_everywhere(preset: str) -> None:
    hole = preset_hole(preset, "a/photo.jpg", (300, 400), seed=0)
    assert hole.shape == (300, 400)
    assert hole.dtype == np.bool_
    # A change here changes every published number: it needs a line in the changelog.
    assert hashlib.sha256(np.packbits(hole).tobytes()).hexdigest()[:16] == CHECKSUMS[preset]


@pytest.mark.parametrize("preset", PRESETS)
def test_another_name_or_seed_gives_another_hole(preset: str) -> None:
    holes = [preset_hole(preset, name, (200, 200), seed=seed) for name, seed in (("a", 0), ("b", 0), ("a", 1))]
    assert not np.array_equal(holes[0], holes[1])
    assert not np.array_equal(holes[0], holes[2])


@pytest.mark.parametrize(
    ("preset", "low", "high"),
    [("df8k-blobs", 0.03, 0.09), ("coverage-30-50", 0.3, 0.5), ("scratches", 0.001, 0.05), ("lama-thick", 0.01, 0.5)],
)
@pytest.mark.parametrize("size_hw", [(256, 256), (600, 900)], ids=str)
def test_presets_hide_as_much_as_they_say(preset: str, low: float, high: float, size_hw: tuple[int, int]) -> None:
    shares = [preset_hole(preset, str(i), size_hw).mean() for i in range(12)]
    assert low <= np.mean(shares) <= high
    if preset == "coverage-30-50":
        assert all(low <= share <= high for share in shares)


@pytest.mark.parametrize("preset", PRESETS)
def test_holes_scale_with_the_picture(preset: str) -> None:
    shares = [np.mean([preset_hole(preset, str(i), (side, side)).mean() for i in range(8)]) for side in (256, 1024)]
    assert shares[1] == pytest.approx(shares[0], rel=0.5)


def test_unknown_presets_are_refused_with_those_there_are() -> None:
    with pytest.raises(OptionError, match=r"'dots'; expected one of lama-thin, .*scratches or objects=FOLDER"):
        preset_hole("dots", "a", (64, 64))
    with pytest.raises(OptionError, match=r"'scratches=here'; expected one of lama-thin"):
        preset_hole("scratches=here", "a", (64, 64))


@pytest.mark.parametrize("preset", ["objects", "objects="])
def test_objects_need_a_folder(preset: str) -> None:
    with pytest.raises(OptionError, match=r"expected a folder of silhouettes too: objects=FOLDER"):
        open_preset(preset)
