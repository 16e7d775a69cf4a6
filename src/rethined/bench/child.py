"""Measures the memory of a fill in a process of its own.

``python -m rethined.bench.child METHOD SIDE SHARE NETWORK THREADS`` prints one line of JSON: resident memory before the
fill, its peak, and the difference.
"""

from __future__ import annotations

import json
import sys

import cv2

from rethined.bench.cases import bench_case
from rethined.bench.resident import before_and_peak_mib
from rethined.eval.methods import make_method


def main(method: str, side_px: str, share: str, network: str, threads: str) -> None:
    """Fills one case and prints what it took; empty ``network`` stands for the shipped one."""
    cv2.setNumThreads(int(threads))
    fill = make_method(method, network=network or None, threads=int(threads))
    fill(*bench_case(64))  # libraries, weights and threads are not the fill's
    image, hole = bench_case(int(side_px), share=float(share))
    before, peak = before_and_peak_mib(lambda: fill(image, hole))
    measured = {"before_mib": before, "peak_mib": peak, "extra_mib": max(0.0, peak - before)}
    sys.stdout.write(json.dumps({name: round(mib, 1) for name, mib in measured.items()}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
