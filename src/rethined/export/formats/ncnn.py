"""ncnn: for phones and boards with ARM or RISC-V processors and with Vulkan; converted by pnnx.

ncnn has no comparison, no sorting and no gather, so the forms are said without. It has no integers either: sources come
out as whole numbers in float32. Half precision could not tell token 2049 from 2048, so the caller has to switch it off
(:data:`OPTIONS`): on ARM ncnn computes in it unless it is told not to. fp16 therefore means weights alone.

A mask on each layer (``31=7``) would keep only what counts in single precision; with it ncnn 1.0.20261020 ended with a
corrupted heap where activations were bfloat16, and without it not.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rethined.errors import ExportError
from rethined.export.contract import Contract, Precision
from rethined.export.formats.base import Calibration, Feed, Run

if TYPE_CHECKING:
    from rethined.export.forms import Form

OPTIONS = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_packed", "use_bf16_storage")
"""Members of ``ncnn::Option`` that have to be false."""


class NcnnFormat:
    """See the module's text."""

    name = "ncnn"
    suffix = ".param"
    packages: tuple[str, ...] = ("ncnn", "pnnx")
    install = "scripts/make-export-venv ncnn FOLDER, or pip install 'rethined[export,ncnn]'"
    precisions: tuple[Precision, ...] = ("fp32", "fp16")
    takes_any_size = False

    def facts(self, out: Path, precision: Precision) -> dict[str, str]:  # noqa: ARG002
        """Where the weights are, what becomes of integers, and what ncnn has to be told."""
        return {
            "weights_file": out.with_suffix(".bin").name,
            "integers": "float32 with whole numbers",
            "options": " ".join(f"{option}=0" for option in OPTIONS),
        }

    def write(self, form: Form, out: Path, contract: Contract, calibration: Calibration) -> None:  # noqa: ARG002
        """As :meth:`rethined.export.formats.base.Format.write`; the weights lie beside it in a ``.bin``."""
        import pnnx

        from rethined.export.tracing import trace_script

        plain = form.plain().in_planes()
        with tempfile.TemporaryDirectory(prefix="rethined-") as work:
            script, found = Path(work) / "form.pt", Path(work) / "ncnn.param"
            trace_script(plain.module, plain.example).save(str(script))
            shapes = ",".join("[" + ",".join(map(str, x.shape)) + "]" for x in plain.example)
            command = [
                pnnx.EXEC_PATH,
                str(script),
                f"inputshape={shapes}",
                f"fp16={int(contract.precision == 'fp16')}",
                f"ncnnparam={found}",
                f"ncnnbin={out.with_suffix('.bin')}",
                *(f"{what}={Path(work) / what}" for what in ("pnnxparam", "pnnxbin", "pnnxpy", "pnnxonnx", "ncnnpy")),
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode or not found.is_file():
                raise ExportError(f"pnnx ended with {done.returncode}: {(done.stdout + done.stderr).strip()[-500:]}")
            text = found.read_text(encoding="ascii")
        blobs = {f"in{i}": port.name for i, port in enumerate(form.inputs)}
        blobs |= {f"out{i}": port.name for i, port in enumerate(form.outputs)}
        out.write_text(finish_graph(text, blobs), encoding="ascii")

    def open(self, artefact: Path, contract: Contract, *, threads: int) -> Run:
        """As :meth:`rethined.export.formats.base.Format.open`; on the processor."""
        import ncnn

        net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_vulkan_compute = False
        for option in OPTIONS:
            setattr(net.opt, option, False)
        if net.load_param(str(artefact)) or net.load_model(str(artefact.with_suffix(".bin"))):
            raise ExportError(f"ncnn cannot read {artefact}; export it again")

        def run(feed: Feed) -> dict[str, NDArray[Any]]:
            extractor = net.create_extractor()
            for port in contract.inputs:
                extractor.input(port.name, ncnn.Mat(np.ascontiguousarray(feed[port.name][0])).clone())
            results = {}
            for port in contract.outputs:
                code, values = extractor.extract(port.name)
                if code:
                    raise ExportError(f"ncnn gives no {port.name!r} (code {code}); export {artefact} again")
                results[port.name] = np.array(values)[None].astype(port.dtype)
            return results

        return run


def finish_graph(text: str, blobs: dict[str, str]) -> str:
    """The text of a ``.param`` file with its blobs renamed.

    Args:
        text: As pnnx writes it: after two lines, one per layer: type, name, counts of inputs and outputs, blobs,
            parameters.
        blobs: New names by old ones.

    Raises:
        ExportError: A layer that ncnn lacks; the message names it.
    """
    lines = text.splitlines()
    layers = [line.split() for line in lines[2:] if line.strip()]
    # What has no counterpart keeps the name that torch or pnnx has for it: torch.topk, aten::sort, pnnx.Expression.
    lacking = sorted({layer[0] for layer in layers if not layer[0].isidentifier()})
    if lacking:
        raise ExportError(f"ncnn lacks an operator of this network: {', '.join(lacking)}")
    for layer in layers:
        end = 4 + int(layer[2]) + int(layer[3])
        layer[4:end] = [blobs.get(blob, blob) for blob in layer[4:end]]
    return "\n".join([*lines[:2], *(" ".join(layer) for layer in layers)]) + "\n"
