"""Trained weights to the ONNX file the engine runs, and to safetensors for fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save
from torch import Tensor, nn

from rethined._version import __version__
from rethined.errors import ExportError, ExportParityError
from rethined.export.integers import to_integers
from rethined.export.tracing import trace_onnx
from rethined.files import sha256_of, whole_or_nothing
from rethined.nn.mobileone import FusedUnit
from rethined.nn.network import SIZE_MULTIPLE, TOKEN_PX, NetworkOutput, RethinedNetwork
from rethined.nn.quantised import CALIBRATION_PASSES, ActivationQuantiser
from rethined.session import CONTRACT_VERSION, INPUTS, OUTPUTS

TRACE_HW = (256, 320)
PARITY_SIZES_HW = ((256, 320), (512, 352), (32, 32))
PARITY_TOLERANCE = 2e-3
"""Largest difference allowed between torch and the file, on a scale of 0..1; weights are kept in half precision."""
INTEGER_TOLERANCE = 0.02
"""Mean difference allowed between a network that rounds and its file of integers. Sums are not added up in the same
order, and now and then one of them falls to the other side of a half. What follows is then rounded otherwise, so single
values differ by more and more; what is the same in both is how far both are from what they would be without steps."""
HALF_FROM_SIZE = 64
"""Tensors with fewer values stay in float32: they are biases and cost nothing."""

EnginePrecision = Literal["fp32", "int8"]
"""What the engine's file computes in."""


class _Traceable(nn.Module):
    """Gives a plain tuple, which the exporter wants."""

    def __init__(self, network: RethinedNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, prefilled: Tensor, hole: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        output: NetworkOutput = self.network(prefilled, hole)
        return output.fill, output.query, output.key


def export_tensors(network: RethinedNetwork, path: Path) -> str:
    """Writes the deploy form's weights in half precision, not rounded to steps; returns the SHA-256 of the file."""
    deployed = _plain(network).deploy()
    tensors = {name: t.detach().half().contiguous() for name, t in deployed.state_dict().items()}
    with whole_or_nothing(path) as partial:
        # save_file would write a file that only its owner may read.
        partial.write_bytes(save(tensors, metadata={"rethined": __version__, "form": "deploy"}))
    return sha256_of(path)


def export_onnx(
    network: RethinedNetwork,
    path: Path,
    *,
    precision: EnginePrecision = "fp32",
    metadata: dict[str, str] | None = None,
) -> float:
    """Writes the network as one ONNX file with its contract in the metadata, and checks that it says the same.

    Any height and width that are multiples of 32 can be run.

    Args:
        network: Trained network, train form.
        path: File to write; appears only if the check passes.
        precision: ``fp32`` stores weights in half precision and computes in single precision, whatever the network was
            trained for; ``int8`` computes in integers what the network was trained to.
        metadata: More facts to keep in the file: training data, checksum, version of the weights.

    Returns:
        The largest difference between torch and ONNX Runtime over several sizes; of ``int8`` the mean difference of
        that output and size where it is largest.

    Raises:
        ExportError: ``int8`` is wanted of a network that was not trained with quantisation, or not for long enough.
        ExportParityError: The file does not reproduce the network.
    """
    in_integers = precision == "int8"
    if in_integers:
        expect_ranges(network)
    deployed = (network if in_integers else _plain(network)).deploy()
    # What the file stores is what is compared: weights rounded to half precision, but those that become integers.
    for module in deployed.modules():
        if not (isinstance(module, FusedUnit) and module.quantiser):
            for parameter in module.parameters(recurse=False):
                parameter.copy_(_rounded(parameter))
    with whole_or_nothing(path) as partial:
        _trace(deployed, partial)
        if in_integers:
            biases = to_integers(partial)
            # As above: what is compared is what the file stores. Training rounds no biases, their steps are too fine.
            for name, values in biases.items():
                deployed.get_parameter(name).copy_(torch.from_numpy(values))
        model = onnx.load(partial)
        _halve_initializers(model)
        facts = {**_contract(network), **(metadata or {})}
        helper.set_model_props(model, facts)
        model.producer_name, model.producer_version = "rethined", __version__
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, partial)
        largest, largest_mean = _differences(deployed, partial)
        difference, allowed = (largest_mean, INTEGER_TOLERANCE) if in_integers else (largest, PARITY_TOLERANCE)
        if difference > allowed:
            raise ExportParityError(
                f"the exported network differs from torch by {difference:.2g}; allowed are {allowed:.2g}"
            )
    return difference


def _plain(network: RethinedNetwork) -> RethinedNetwork:
    return network if network.config.quantised == "nothing" else network.unquantised()


def expect_ranges(network: RethinedNetwork) -> None:
    """Refuses a network that does not know in what steps its activations are.

    Raises:
        ExportError: It was not trained with quantisation, or not for long enough.
    """
    if network.config.quantised == "nothing":
        raise ExportError(
            "the network was trained without quantisation; int8 is for those trained with quantised = 'coarse' or 'all'"
            " in the table [network] of their settings, see docs/training.md"
        )
    quantisers = [module for module in network.modules() if isinstance(module, ActivationQuantiser)]
    if not all(quantiser.is_calibrated for quantiser in quantisers):
        raise ExportError(
            f"the network has been trained for {min(int(quantiser.passes) for quantiser in quantisers) // 2} steps;"
            f" expected {CALIBRATION_PASSES // 2} or more, after which the ranges of its activations are known"
        )


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
    steps = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.input}
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < HALF_FROM_SIZE or tensor.name in steps:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], name=f"{name}.cast", to=TensorProto.FLOAT))
    for node in reversed(casts):
        graph.node.insert(0, node)


def _differences(deployed: RethinedNetwork, path: Path) -> tuple[float, float]:
    """Over outputs and sizes, the largest difference of any value, and the largest mean difference."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    largest = largest_mean = 0.0
    for size_hw in PARITY_SIZES_HW:
        prefilled = torch.rand((1, 3, *size_hw), generator=generator)
        hole = (torch.rand((1, 1, *size_hw), generator=generator) > 0.7).float()
        with torch.no_grad():
            expected: NetworkOutput = deployed(prefilled, hole)
        got = session.run(OUTPUTS, {INPUTS[0]: prefilled.numpy(), INPUTS[1]: hole.numpy()})
        for ours, theirs in zip(expected, got, strict=True):
            gap = np.abs(ours.numpy() - theirs)
            largest, largest_mean = max(largest, float(gap.max())), max(largest_mean, float(gap.mean()))
    return largest, largest_mean
