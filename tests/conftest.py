from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from rethined import native

# The same examples on every run, and no failure because the machine is busy.
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def tiny_network_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network of random weights that follows the whole contract; its fill differs a little from the prefill."""
    return _export_tiny(tmp_path_factory.mktemp("tiny") / "tiny.onnx", head_scale=0.05)


@pytest.fixture(scope="session")
def zero_head_network_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same network before any training: its fill is the prefill."""
    return _export_tiny(tmp_path_factory.mktemp("zero-head") / "tiny.onnx", head_scale=0)


def _export_tiny(path: Path, *, head_scale: float) -> Path:
    import torch

    from rethined.export.onnx import export_onnx
    from rethined.nn.network import NetworkConfig, RethinedNetwork

    config = NetworkConfig(
        widths=(8, 16, 16, 16),
        encoder_blocks=(1, 1, 1),
        middle_blocks=1,
        decoder_blocks=(1, 1, 1),
        descriptor_size=8,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = RethinedNetwork(config)
        for parameter in network.to_residual.parameters():
            torch.nn.init.normal_(parameter, std=head_scale)
    export_onnx(network, path, metadata={"training_data": "none"})
    return path


@pytest.fixture(scope="session")
def write_network() -> Callable[..., Path]:
    """Writes an ONNX file without torch: its fill is the prefilled picture times ``gain``, its descriptors are colours.

    With other names or metadata it breaks the contract.
    """

    def write(
        path: Path,
        *,
        inputs: Sequence[str] = ("prefilled", "hole"),
        outputs: Sequence[str] = ("fill", "query", "key"),
        metadata: dict[str, str] | None = None,
        gain: tuple[float, float, float] = (1, 1, 1),
    ) -> Path:
        from onnx import TensorProto, helper, save

        def values(names: Sequence[str]) -> list[object]:
            return [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in names]

        nodes = [
            helper.make_node("Mul", [inputs[0], "gain"], [outputs[0]]),
            helper.make_node("AveragePool", [inputs[0]], ["means"], kernel_shape=[8, 8], strides=[8, 8]),
            *(helper.make_node("LpNormalization", ["means"], [name], axis=1) for name in outputs[1:]),
        ]
        constant = helper.make_tensor("gain", TensorProto.FLOAT, [1, 3, 1, 1], gain)
        graph = helper.make_graph(nodes, "colours", values(inputs), values(outputs), [constant])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, {"contract": "1", "temperature": "0.1"} if metadata is None else metadata)
        save(model, path)
        return path

    return write


@pytest.fixture(scope="module", params=["compiled", "numpy"])
def each_loops(request: pytest.FixtureRequest) -> Iterator[None]:
    """Once with compiled loops, once with what stands in for them."""
    if request.param == "compiled":
        if native.loops() is None:
            pytest.skip("the package was installed without a C compiler")
        yield
        return
    with pytest.MonkeyPatch.context() as without:
        without.setattr(native, "loops", lambda: None)
        yield


@pytest.fixture
def threads_restored() -> Iterator[None]:
    """OpenCV and torch have as many threads afterwards as before."""
    import torch

    before = (cv2.getNumThreads(), torch.get_num_threads())
    yield
    cv2.setNumThreads(before[0])
    torch.set_num_threads(before[1])
