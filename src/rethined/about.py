"""What is installed, which network it runs and whether it works: what one asks first when something goes wrong."""

from __future__ import annotations

import base64
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import PIL

from rethined import native
from rethined._version import __version__
from rethined.engine import Inpainter
from rethined.errors import InferenceError
from rethined.files import sha256_of
from rethined.runtime import available_cores
from rethined.session import Runtime
from rethined.weights import SHIPPED_NETWORK

EXTRAS = {
    "openvino": ("openvino", "another runtime of the network"),
    "jpeg": ("pyjpegio", "JPEG without generation loss"),
    "heif": ("pillow-heif", "HEIC"),
    "serve": ("fastapi", "rethined serve"),
    "cluster": ("ray", "rethined batch --engine ray"),
}
"""Extras that fill, by the package that each is about, with what it is for."""
PROBE_HW = (64, 96)
"""Size of the picture that is filled to see that it works."""


@dataclass(frozen=True)
class About:
    """What runs here.

    Attributes:
        versions: Of this package, of Python and of what it stands on, by name.
        system: System and processor architecture.
        cores: Cores this process may use.
        threads: Threads of a fill.
        runtime: What runs the network.
        has_loops: Whether the loops around it are compiled (:mod:`rethined.native`); else NumPy does the same.
        network: The network file.
        network_sha256: Its checksum.
        is_as_installed: Whether that is the one that was recorded at installation; ``None`` where none was, as for
            another file and for a checkout.
        stated: What the network says of itself.
        extras: Version of what each extra is about; ``None`` where it is not installed.
        probe_ms: Milliseconds of a small fill.
    """

    versions: dict[str, str]
    system: str
    cores: int
    threads: int
    runtime: Runtime
    has_loops: bool
    network: Path
    network_sha256: str
    is_as_installed: bool | None
    stated: dict[str, str]
    extras: dict[str, str | None]
    probe_ms: float

    def facts(self) -> dict[str, Any]:
        """The same as JSON can hold it."""
        return {
            "versions": self.versions,
            "system": self.system,
            "cores": self.cores,
            "threads": self.threads,
            "runtime": self.runtime,
            "has_loops": self.has_loops,
            "network": {
                "file": str(self.network),
                "sha256": self.network_sha256,
                "is_as_installed": self.is_as_installed,
                "stated": self.stated,
            },
            "extras": self.extras,
            "probe_ms": round(self.probe_ms, 1),
        }

    def lines(self) -> Sequence[str]:
        """The same for people."""
        recorded = {True: "as it was installed", False: "NOT as it was installed: install anew", None: "not recorded"}
        rows = [(name, version) for name, version in self.versions.items()]
        rows += [
            ("system", self.system),
            ("threads", f"{self.threads} of {self.cores} cores"),
            ("network", str(self.network)),
            ("  sha256", f"{self.network_sha256} ({recorded[self.is_as_installed]})"),
            ("  weights", self.stated.get("weights_sha256", "not stated")),
            ("  trained on", self.stated.get("training_data", "not stated")),
            ("runtime", self.runtime),
            ("loops", "compiled" if self.has_loops else "in NumPy, slower: installed without a C compiler"),
        ]
        for extra, (package, what_for) in EXTRAS.items():
            version = self.extras[extra]
            found = f"{package} {version}" if version else f"not installed: pip install 'rethined[{extra}]'"
            rows.append((f"[{extra}]", f"{what_for}: {found}"))
        height, width = PROBE_HW
        rows.append(("fill", f"works: {width} x {height} px in {self.probe_ms:.0f} ms"))
        return [f"{name:14s}{value}" for name, value in rows]


def about(network: Path | None = None, *, threads: int | None = None, runtime: Runtime = "onnxruntime") -> About:
    """What runs here, after a small fill.

    Args:
        network: A rethined ONNX file; the shipped one when ``None``.
        threads: As for :class:`Inpainter`.
        runtime: As for :class:`Inpainter`.

    Raises:
        ModelNotFoundError, ModelSignatureError, MissingExtraError, OptionError: As :class:`Inpainter`.
        InferenceError: What was filled is wrong.
    """
    inpainter = Inpainter(network, threads=threads, runtime=runtime)
    path = SHIPPED_NETWORK if network is None else network
    checksum = sha256_of(path)
    recorded = _recorded_sha256(path)
    cores = available_cores()
    return About(
        versions={
            "rethined": __version__,
            "python": platform.python_version(),
            "onnxruntime": ort.__version__,
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "pillow": PIL.__version__,
        },
        system=f"{platform.system()} {platform.machine()}",
        cores=cores,
        threads=threads or cores,
        runtime=runtime,
        has_loops=native.loops() is not None,
        network=path,
        network_sha256=checksum,
        is_as_installed=None if recorded is None else recorded == checksum,
        stated=inpainter.network_metadata,
        extras={extra: _version_of(package) for extra, (package, _) in EXTRAS.items()},
        probe_ms=_probe(inpainter),
    )


def _probe(inpainter: Inpainter) -> float:
    """Milliseconds of a small fill, after a look at what it gives."""
    y, x = np.mgrid[: PROBE_HW[0], : PROBE_HW[1]]
    photo = np.stack([x * 2, y * 3, (x // 8 + y // 8) % 2 * 90], -1).astype(np.uint8)
    mask = np.zeros(PROBE_HW, bool)
    mask[24:40, 40:60] = True
    inpainter(photo, mask)  # the first one also warms up
    began = time.perf_counter()
    filled = inpainter(photo, mask)
    milliseconds = (time.perf_counter() - began) * 1e3
    if (filled[~mask] != photo[~mask]).any():
        raise InferenceError("a small fill has changed known pixels; install rethined anew, or try another --runtime")
    return milliseconds


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _recorded_sha256(path: Path) -> str | None:
    """The checksum of a file of this package that was written down when it was installed."""
    try:
        files = metadata.files("rethined") or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.hash is None or file.hash.mode != "sha256" or file.name != path.name:
            continue
        if Path(str(file.locate())).resolve() == path.resolve():
            # As the standard of wheels has it: without the padding that base 64 asks for.
            return base64.urlsafe_b64decode(f"{file.hash.value}==").hex()
    return None
