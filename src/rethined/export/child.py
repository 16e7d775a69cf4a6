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

from rethined.bench.resident import before_and_peak_mib
from rethined.export.contract import read_contract
from rethined.export.formats import FORMATS


def main(format_name: str, artefact: str, feed: str, threads: str) -> None:
    """Opens, runs and prints."""
    with np.load(feed) as arrays:
        inputs = dict(arrays)
    contract = read_contract(Path(artefact))
    made = FORMATS[format_name]
    before, peak = before_and_peak_mib(lambda: made.open(Path(artefact), contract, threads=int(threads))(inputs))
    sys.stdout.write(json.dumps({"peak_mib": round(peak - before, 1)}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
