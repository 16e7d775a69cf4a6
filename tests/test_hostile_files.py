"""Files that are damaged or that lie, from reading to writing."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from hostile_files import PNG, hostile_files, mutated, png_mended

MOST_MB = 400
"""Of a process that goes through all of them; it was 160 MB, most of it libraries and the network."""

GO_THROUGH = """
import json, re, sys, traceback
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from hostile_files import OUT_SUFFIXES, fill_file, hostile_files
from rethined import Inpainter

inpainter = Inpainter(threads=1)
for each in hostile_files():
    print(json.dumps({"begun": each.name}), flush=True)
    try:
        was_read = fill_file(each.content, Path(sys.argv[1]), inpainter, OUT_SUFFIXES)
    except BaseException:
        print(json.dumps({"name": each.name, "error": traceback.format_exc()}))
    else:
        print(json.dumps({"name": each.name, "was_read": was_read}))
# Not getrusage: what that tells begins with the peak of whoever started the process.
status = Path("/proc/self/status")
found = re.search(r"VmHWM:\\s+([0-9]+)", status.read_text()) if status.exists() else None
print(json.dumps({"peak_kib": found and int(found[1])}))
"""


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    """What a process of its own tells of all files: a crash of a decoder would end it."""
    arguments = [str(tmp_path_factory.mktemp("hostile")), str(Path(__file__).parent)]
    done = subprocess.run([sys.executable, "-c", GO_THROUGH, *arguments], capture_output=True, text=True, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"it ended at {told[-1:]}: {done.stderr[-2000:]}"
    return told


def test_each_is_filled_or_refused_and_nothing_half_written(lines: list[dict[str, object]]) -> None:
    assert [f"{line['name']}: {line['error']}" for line in lines if "error" in line] == []
    was_read = {line["name"]: line["was_read"] for line in lines if "was_read" in line}
    wrong = [each.name for each in hostile_files() if each.is_usable not in (None, was_read[each.name])]
    assert wrong == []


def test_none_takes_much_memory(lines: list[dict[str, object]]) -> None:
    peak_kib = lines[-1]["peak_kib"]
    if not isinstance(peak_kib, int):
        pytest.skip("peaks of memory are told by Linux")
    assert 50 < peak_kib / 1000 < MOST_MB


def test_they_are_small_and_always_the_same() -> None:
    files = hostile_files()
    assert files == hostile_files()
    assert len({each.name for each in files}) == len(files) > 300
    assert max(len(each.content) for each in files) < 30_000


def test_changing_them_keeps_the_checksums_of_a_png() -> None:
    sound = next(each.content for each in hostile_files() if each.name == "PNG")
    assert png_mended(sound) == sound
    assert png_mended(sound[:40] + b"x" + sound[41:]) != sound[:40] + b"x" + sound[41:]
    others = [sound, b"abc"]
    changed = [mutated(sound, others, random.Random(seed)) for seed in range(20)]
    assert changed == [mutated(sound, others, random.Random(seed)) for seed in range(20)]
    assert sum(each.startswith(PNG) and each != sound for each in changed) > 10
