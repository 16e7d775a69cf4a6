"""What a measurement was made on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import cv2

from rethined._version import __version__
from rethined.runtime import available_cores

PACKAGES = ("numpy", "opencv-python-headless", "onnxruntime", "pillow")
PEERS = ("patchmatch-cython", "scikit-image", "torch")
"""What only some methods run on."""


def describe_machine() -> dict[str, Any]:
    """Facts that a time depends on; aggregate load only, no names of processes, hosts or users."""
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "cores": available_cores(),
        "memory_mib": _memory_mib(),
        "system": platform.system(),
        "python": platform.python_version(),
        "rethined": __version__,
        "packages": {name: found for name in (*PACKAGES, *PEERS) if (found := _version(name)) is not None},
        "opencv_threads": cv2.getNumThreads(),
        "load_average": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "not stated"


def _memory_mib() -> int | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
