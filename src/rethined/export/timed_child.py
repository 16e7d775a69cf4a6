"""Runs an artefact whenever it is told to, in a process of its own; the other end of :mod:`rethined.export.runtimes`.

``python -m rethined.export.timed_child FORMAT ARTEFACT THREADS PRECISION`` opens the artefact and says so in a line of
JSON with the ``version`` of the runtime, or says what went wrong as ``error`` and ends. Every line it then reads, it
answers with the ``ms`` of one run, or with an ``error``. A closed stdin ends it.

Nothing here imports what only writing an artefact needs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from rethined.errors import MissingExtraError, RethinedError
from rethined.export.contract import Contract, read_contract
from rethined.export.formats import FORMATS, Feed, Run
from rethined.export.formats.openvino import open_openvino

PACKAGES = {
    "onnx": "onnxruntime",
    "openvino": "openvino",
    "ncnn": "ncnn",
    "litert": "ai-edge-litert",
    "executorch": "executorch",
}
"""The package of each format's runtime."""


def main(format_name: str, artefact: str, threads: str, precision: str) -> None:
    """Opens and answers."""
    # What a runtime prints must not end up among the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        contract = read_contract(Path(artefact))
        run = open_artefact(format_name, Path(artefact), contract, int(threads), precision)
        feed = feed_of(contract)
        _answer(answers, version=version(PACKAGES[format_name]))
        for _ in sys.stdin:
            began = time.perf_counter()
            run(feed)
            _answer(answers, ms=(time.perf_counter() - began) * 1e3)
    except RethinedError as error:
        _answer(answers, error=str(error))
    except Exception as error:  # noqa: BLE001 - a runtime may fail in its own way; that is a row
        _answer(answers, error=f"{type(error).__name__}: {error}")


def open_artefact(format_name: str, artefact: Path, contract: Contract, threads: int, precision: str) -> Run:
    """An artefact in its runtime.

    Args:
        format_name: One of :data:`PACKAGES`.
        artefact: The file.
        contract: Its contract.
        threads: Threads of one run.
        precision: ``bf16`` for OpenVINO's own, else that of the contract.

    Raises:
        MissingExtraError: The runtime is not installed.
    """
    made = FORMATS[format_name]
    try:
        if precision == "bf16":
            return open_openvino(artefact, contract, threads=threads, has_bfloat16=True)
        return made.open(artefact, contract, threads=threads)
    except ImportError as error:
        raise MissingExtraError(
            f"the format {format_name!r} needs the package {error.name!r}: {made.install}"
        ) from error


def feed_of(contract: Contract) -> Feed:
    """A picture with a hole in its middle, for the form ``lr``: all is computed for any picture alike."""
    rng = np.random.default_rng(0)
    picture, hole = contract.inputs
    height, width = (int(side) for side in hole.shape[2:])
    mask = np.zeros((1, 1, height, width), np.float32)
    mask[..., height // 3 : 2 * height // 3, width // 3 : 2 * width // 3] = 1
    return {picture.name: rng.random((1, 3, height, width), np.float32), hole.name: mask}


def _answer(stream: TextIO, **values: Any) -> None:  # noqa: ANN401
    stream.write(json.dumps(values) + "\n")
    stream.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
