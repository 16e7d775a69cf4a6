"""ONNX Runtime as this package uses it."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime as ort

from rethined.errors import ModelNotFoundError, ModelSignatureError
from rethined.files import fault_of

ALONE = {"session.force_spinning_stop": "1"}
"""Threads that wait between two steps of a graph spin, which is quicker than to wake them: 5 to 10 % of a run. Left
alone they would go on after the run, and take their cores from OpenCV, NumPy and compiled loops: what follows takes
half as long again."""
SHARED = {"session.intra_op.allow_spinning": "0"}
"""They sleep: two to four fills at a time on two cores are done in .8 to .95 of the time."""
_waiting = dict(ALONE)
"""How threads of graphs that are opened wait."""


def share_cores() -> None:
    """Lets threads of graphs that are opened from now on leave their cores while they wait.

    For a process in which several fills run at a time, as in a server; a single one is a little slower for it.
    """
    _waiting.clear()
    _waiting.update(SHARED)


def open_graph(path: Path, *, threads: int) -> ort.InferenceSession:
    """A session on the CPU.

    Args:
        path: An ONNX file.
        threads: Threads of one run.

    Raises:
        ModelNotFoundError: No file at ``path``.
        ModelSignatureError: Not an ONNX file.
    """
    if fault := fault_of(path):
        raise ModelNotFoundError(f"the network {path} cannot be reached: {fault}; check the rights on its folders")
    if not path.is_file():
        raise ModelNotFoundError(f"no network file at {path}; give the path of a rethined ONNX file or none at all")
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    for key, value in _waiting.items():
        settings.add_session_config_entry(key, value)
    try:
        return ort.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a family of its own without a common, public base
        raise ModelSignatureError(f"{path} is not an ONNX file that this runtime can load: {error}") from error


def available_cores() -> int:
    """Cores this process may use; ONNX Runtime would count all of the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
