"""The network behind one door: a verified ONNX file, arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import cv2
import numpy as np

from rethined.bounds import write_within_rim
from rethined.doors import option
from rethined.errors import InferenceError, ModelSignatureError, OptionError
from rethined.openvino_graph import OpenVinoGraph
from rethined.runtime import available_cores, open_graph
from rethined.types import Float32, HoleMap

Runtime = Literal["onnxruntime", "openvino"]
"""What runs the network."""
CONTRACT_VERSION = "1"
INPUTS = ("prefilled", "hole")
OUTPUTS = ("fill", "query", "key")


@dataclass(frozen=True)
class NetworkResult:
    """What one run gives for a picture of H x W pixels.

    Attributes:
        fill: ``(H, W, 3)`` float32 in 0..255: the network's in the hole, within the colours of its rim
            (:mod:`rethined.bounds`), elsewhere as it was given.
        query: ``(d, H / 8, W / 8)`` float32, unit length.
        key: ``(d, H / 8, W / 8)`` float32, unit length.
    """

    fill: Float32
    query: Float32
    key: Float32


class OnnxSession:
    """Runs a network file that follows the rethined contract; safe to share between threads.

    Args:
        path: The ONNX file.
        threads: Threads of one run; ``None`` takes all cores.
        runtime: What runs it; ``openvino`` is faster where the processor multiplies bfloat16, and an extra.

    Raises:
        ModelNotFoundError: No file at ``path``.
        ModelSignatureError: Not an ONNX file, or one of another contract.
        MissingExtraError: OpenVINO is not installed.
        OptionError: An unknown runtime.
    """

    def __init__(self, path: Path, *, threads: int | None = None, runtime: Runtime = "onnxruntime") -> None:
        if runtime not in get_args(Runtime):
            raise OptionError(f"{option('runtime')} is {runtime!r}; expected one of {', '.join(get_args(Runtime))}")
        self.threads = threads or available_cores()
        self._session = open_graph(path, threads=self.threads)
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
        self._verify(path)
        self.temperature = self._read_temperature(path)
        self._openvino = OpenVinoGraph(path, threads=self.threads) if runtime == "openvino" else None

    def _verify(self, path: Path) -> None:
        inputs = tuple(value.name for value in self._session.get_inputs())
        outputs = tuple(value.name for value in self._session.get_outputs())
        if inputs != INPUTS or outputs != OUTPUTS:
            raise ModelSignatureError(
                f"{path} has inputs {inputs} and outputs {outputs}; expected {INPUTS} and {OUTPUTS}:"
                " it is no rethined network"
            )
        version = self.metadata.get("contract")
        if version != CONTRACT_VERSION:
            raise ModelSignatureError(
                f"{path} follows contract {version!r}; this version reads {CONTRACT_VERSION!r}: export it again"
            )

    def _read_temperature(self, path: Path) -> float:
        stated = self.metadata.get("temperature")
        try:
            temperature = float(stated or "nan")
        except ValueError:
            temperature = float("nan")
        if not temperature > 0:
            raise ModelSignatureError(
                f"{path} states the temperature {stated!r}; expected a number above 0: export it again"
            )
        return temperature

    def run(self, prefilled: Float32, hole: HoleMap) -> NetworkResult:
        """Runs one picture.

        Args:
            prefilled: ``(H, W, 3)`` float32 RGB in 0..255, the hole prefilled; H and W multiples of 32.
            hole: ``(H, W)`` bool, ``True`` = fill.

        Raises:
            InferenceError: The runtime failed, for want of memory for example.
        """
        fill, query, key = self._run(OUTPUTS, prefilled, hole)
        composed = prefilled.copy()
        write_within_rim(composed, hole, fill[0])
        return NetworkResult(composed, query[0], key[0])

    def fill(self, prefilled: Float32, hole: HoleMap) -> None:
        """Writes the fill into the hole of ``prefilled``, arguments as in :meth:`run`; descriptors are not given.

        ONNX Runtime computes them all the same, which costs nothing that can be measured; OpenVINO does not.
        """
        (fill,) = self._run(OUTPUTS[:1], prefilled, hole)
        write_within_rim(prefilled, hole, fill[0])

    def _run(self, outputs: tuple[str, ...], prefilled: Float32, hole: HoleMap) -> list[Float32]:
        feed = {
            "prefilled": cv2.dnn.blobFromImage(prefilled, scalefactor=1 / 255),
            "hole": hole[None, None].astype(np.float32),
        }
        try:
            if self._openvino is not None:
                results = self._openvino.run(outputs, feed)
            else:
                results = list(self._session.run(outputs, feed))
        except Exception as error:  # the runtimes raise families of their own without a common, public base
            raise InferenceError(f"the network failed on a picture of {hole.shape} pixels: {error}") from error
        if results[0].shape[2:] != hole.shape:
            raise InferenceError(
                f"the network failed on a picture of {hole.shape} pixels: it gave {results[0].shape[2:]}"
            )
        return results
