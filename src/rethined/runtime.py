"""ONNX Runtime as this package uses it."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime as ort

from rethined.errors import ModelNotFoundError, ModelSignatureError


def open_graph(path: Path, *, threads: int) -> ort.InferenceSession:
    """A session on the CPU.

    Args:
        path: An ONNX file.
        threads: Threads of one run.

    Raises:
        ModelNotFoundError: No file at ``path``.
        ModelSignatureError: Not an ONNX file.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"no network file at {path}; give the path of a rethined ONNX file or none at all")
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    # A waiting thread that spins takes its core from OpenCV and NumPy, which run between two runs of the network.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a family of its own without a common, public base
        raise ModelSignatureError(f"{path} is not an ONNX file that this runtime can load: {error}") from error


def available_cores() -> int:
    """Cores this process may use; ONNX Runtime would count all of the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
