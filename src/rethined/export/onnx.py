"""Trained weights to the ONNX file the engine runs, and to safetensors for fine-tuning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save
from torch import Tensor, nn

from rethined._version import __version__
from rethined.errors import ExportParityError
from rethined.export.tracing import trace_onnx
from rethined.files import sha256_of, whole_or_nothing
from rethined.nn.network import SIZE_MULTIPLE, TOKEN_PX, NetworkOutput, RethinedNetwork
from rethined.session import CONTRACT_VERSION, INPUTS, OUTPUTS

TRACE_HW = (256, 320)
PARITY_SIZES_HW = ((256, 320), (512, 352), (32, 32))
PARITY_TOLERANCE = 2e-3
"""Largest difference allowed between torch and the file, on a scale of 0..1; weights are kept in half precision."""
HALF_FROM_SIZE = 64
"""Tensors with fewer values stay in float32: they are biases and cost nothing."""


class _Traceable(nn.Module):
    """Gives a plain tuple, which the exporter wants."""

    def __init__(self, network: RethinedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, prefilled: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        output: NetworkOutput = self.network(prefilled, hole)
        return output.fill, output.query, output.key


def export_tensors(network: RethinedNetwork, path: Path) -> str:
    """Writes the deploy form's weights in half precision; returns the SHA-256 of the file."""
    tensors = {name: t.detach().half().contiguous() for name, t in network.deploy().state_dict().items()}
    with whole_or_nothing(path) as partial:
        # save_file would write a file that only its owner may read.
        partial.write_bytes(save(tensors, metadata={"rethined": __version__, "form": "deploy"}))
    return sha256_of(path)


def export_onnx(network: RethinedNetwork, path: Path, *, metadata: dict[str, str] | None = None) -> float:
    """Writes the network as one ONNX file with its contract in the metadata, and checks that it says the same.

    Any height and width that are multiples of 32 can be run. Weights are stored in half precision and computed with in
    single precision.

    Args:
        network: Trained network, train form.
        path: File to write; appears only if the check passes.
        metadata: More facts to keep in the file: training data, checksum, version of the weights.

    Returns:
        The largest difference between torch and ONNX Runtime over several sizes.

    Raises:
        ExportParityError: The file does not reproduce the network.
    """
    deployed = network.deploy()
    # What the file stores is what is compared: weights rounded to half precision.
    deployed.load_state_dict({k: _rounded(v) for k, v in deployed.state_dict().items()})
    with whole_or_nothing(path) as partial:
        _trace(deployed, partial)
        model = onnx.load(partial)
        _halve_initializers(model)
        facts = {**_contract(network), **(metadata or {})}
        helper.set_model_props(model, facts)
        model.producer_name, model.producer_version = "rethined", __version__
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, partial)
        difference = _largest_difference(deployed, partial)
        if difference > PARITY_TOLERANCE:
            raise ExportParityError(
                f"the exported network differs from torch by {difference:.2g}; allowed are {PARITY_TOLERANCE:.2g}"
            )
    return difference


def _rounded(value: Tensor) -> Tensor:
    return value.half().float() if value.numel() >= HALF_FROM_SIZE else value


def _contract(network: RethinedNetwork) -> dict[str, str]:
    return {
        "contract": CONTRACT_VERSION,
        "inputs": (
            f"{INPUTS[0]}: float32 (N, 3, H, W), RGB 0..1, hole prefilled;"
            f" {INPUTS[1]}: float32 (N, 1, H, W), 1 = fill, 0 = known"
        ),
        "outputs": (
            f"{OUTPUTS[0]}: float32 (N, 3, H, W), about 0..1, valid in the hole;"
            f" {OUTPUTS[1]}, {OUTPUTS[2]}: float32 (N, {network.config.descriptor_size}, H/{TOKEN_PX}, W/{TOKEN_PX}),"
            " unit length"
        ),
        "size": f"H and W multiples of {SIZE_MULTIPLE}",
        "temperature": repr(network.temperature.item()),
    }


def _trace(deployed: RethinedNetwork, path: Path) -> None:
    axes = {0: "batch", 2: "height", 3: "width"}
    trace_onnx(
        _Traceable(deployed).eval(),
        (torch.zeros(1, 3, *TRACE_HW), torch.zeros(1, 1, *TRACE_HW)),
        path,
        inputs=INPUTS,
        outputs=OUTPUTS,
        axes={
            **dict.fromkeys((*INPUTS, OUTPUTS[0]), axes),
            **{name: {0: "batch", 2: "rows", 3: "columns"} for name in OUTPUTS[1:]},
        },
    )


def _halve_initializers(model: onnx.ModelProto) -> None:
    """Stores large weights as float16 with a cast in front; the runtime folds the cast when it loads the file."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < HALF_FROM_SIZE:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.cast", to=TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)


def _largest_difference(deployed: RethinedNetwork, path: Path) -> float:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for size_hw in PARITY_SIZES_HW:
        prefilled = torch.rand((1, 3, *size_hw), generator=generator)
        hole = (torch.rand((1, 1, *size_hw), generator=generator) > 0.7).float()
        with torch.no_grad():
            expected: NetworkOutput = deployed(prefilled, hole)
        got = session.run(OUTPUTS, {INPUTS[0]: prefilled.numpy(), INPUTS[1]: hole.numpy()})
        for ours, theirs in zip(expected, got, strict=True):
            worst = max(worst, float(np.abs(ours.numpy() - theirs).max()))
    return worst
