"""Measures the memory of an artefact in a process of its own.

``python -m rethined.export.child FORMAT ARTEFACT FEED THREADS`` prints one line of JSON: the peak of resident memory
while the artefact is opened and run once on the arrays of an ``.npz`` file, less what was there before. The runtime's
libraries count, the inputs do not.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from rethined.export.contract import read_contract
from rethined.export.formats import FORMATS


def main(format_name: str, artefact: str, feed: str, threads: str) -> None:
    """Opens, runs and prints."""
    with np.load(feed) as arrays:
        inputs = dict(arrays)
    contract = read_contract(Path(artefact))
    # Linux counts the peak from here on.
    Path("/proc/self/clear_refs").write_text("5")
    before = _status_mib("VmRSS")
    FORMATS[format_name].open(Path(artefact), contract, threads=int(threads))(inputs)
    sys.stdout.write(json.dumps({"peak_mib": round(_status_mib("VmHWM") - before, 1)}) + "\n")


def _status_mib(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"/proc/self/status has no {field}")


if __name__ == "__main__":
    main(*sys.argv[1:])
