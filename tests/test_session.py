from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rethined.errors import InferenceError, ModelNotFoundError, ModelSignatureError
from rethined.session import CONTRACT_VERSION, INPUTS, OUTPUTS, OnnxSession
from rethined.types import SizeHW

WriteNetwork = Callable[..., Path]


@pytest.fixture(scope="module")
def session(tiny_network_path: Path) -> OnnxSession:
    return OnnxSession(tiny_network_path, threads=1)


# ---- files that cannot be used ----


@pytest.mark.parametrize("name", ["missing.onnx", "."])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        OnnxSession(tmp_path / name)
    assert str(caught.value).startswith(f"no network file at {tmp_path / name}; give the path of a rethined ONNX file")


@pytest.mark.parametrize("content", [b"", b"no network at all", b"\x08\x09" + bytes(200)])
def test_a_file_that_is_not_onnx_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    with pytest.raises(
        ModelSignatureError, match=r"text\.onnx is not an ONNX file that this runtime can load: ."
    ) as caught:
        OnnxSession(path)
    assert caught.value.__cause__ is not None


def test_a_damaged_network_is_refused(tiny_network_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(tiny_network_path.read_bytes()[:5000])
    with pytest.raises(ModelSignatureError, match="is not an ONNX file that this runtime can load"):
        OnnxSession(path)


@pytest.mark.parametrize(
    "names",
    [
        {"inputs": ("image", "mask")},
        {"inputs": ("hole", "prefilled")},
        {"outputs": ("fill", "key", "query")},
        {"outputs": ("fill", "query")},
        {"outputs": ("fill", "query", "key", "more")},
    ],
)
def test_other_inputs_and_outputs_are_refused(
    tmp_path: Path, write_network: WriteNetwork, names: dict[str, tuple[str, ...]]
) -> None:
    path = write_network(tmp_path / "other.onnx", **names)
    got = {"inputs": INPUTS, "outputs": OUTPUTS, **names}
    message = f"{path} has inputs {got['inputs']} and outputs {got['outputs']}; expected {INPUTS} and {OUTPUTS}: "
    with pytest.raises(ModelSignatureError, match=re.escape(message)):
        OnnxSession(path)


@pytest.mark.parametrize(
    ("metadata", "version"),
    [
        ({}, "None"),
        ({"temperature": "0.1"}, "None"),
        ({"contract": "0", "temperature": "0.1"}, "'0'"),
        ({"contract": "2", "temperature": "0.1"}, "'2'"),
    ],
)
def test_other_contracts_are_refused(
    tmp_path: Path, write_network: WriteNetwork, metadata: dict[str, str], version: str
) -> None:
    path = write_network(tmp_path / "old.onnx", metadata=metadata)
    with pytest.raises(
        ModelSignatureError, match=f"follows contract {version}; this version reads '{CONTRACT_VERSION}'"
    ):
        OnnxSession(path)


@pytest.mark.parametrize("stated", [None, "warm", "0", "-1", "nan"])
def test_a_temperature_that_is_none_is_refused(tmp_path: Path, write_network: WriteNetwork, stated: str | None) -> None:
    metadata = {"contract": CONTRACT_VERSION} | ({} if stated is None else {"temperature": stated})
    path = write_network(tmp_path / "cold.onnx", metadata=metadata)
    with pytest.raises(ModelSignatureError, match=f"temperature {stated!r}; expected a number above 0"):
        OnnxSession(path)


# ---- what a good file gives ----


def test_the_contract_is_in_the_metadata(session: OnnxSession) -> None:
    assert session.metadata["contract"] == CONTRACT_VERSION
    assert session.metadata["training_data"] == "none"
    assert session.temperature == float(session.metadata["temperature"]) > 0
    assert {"inputs", "outputs", "size"} <= set(session.metadata)


@pytest.mark.parametrize("size_hw", [(32, 32), (64, 96), (512, 32)])
def test_run_gives_colours_and_unit_vectors(session: OnnxSession, rng: np.random.Generator, size_hw: SizeHW) -> None:
    prefilled = rng.uniform(0, 255, (*size_hw, 3)).astype(np.float32)
    hole = rng.random(size_hw) < 0.3
    before = prefilled.copy()
    result = session.run(prefilled, hole)
    assert result.fill.shape == (*size_hw, 3)
    assert result.fill.flags.c_contiguous
    assert 0 <= result.fill.min() < result.fill.max() <= 255
    assert result.query.shape == result.key.shape == (8, size_hw[0] // 8, size_hw[1] // 8)
    for array in (result.fill, result.query, result.key):
        assert array.dtype == np.float32
    for vectors in (result.query, result.key):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), 1, rtol=1e-4)
    np.testing.assert_array_equal(prefilled, before)


def test_colours_are_clipped_to_the_range(tmp_path: Path, write_network: WriteNetwork) -> None:
    session = OnnxSession(write_network(tmp_path / "strong.onnx", gain=(3, 0.5, -1)))
    fill = session.run(np.full((32, 32, 3), 100, np.float32), np.ones((32, 32), bool)).fill
    np.testing.assert_allclose(fill, np.broadcast_to(np.float32((255, 50, 0)), fill.shape), atol=1e-3)


def test_the_network_sees_the_hole(session: OnnxSession, rng: np.random.Generator) -> None:
    prefilled = rng.uniform(0, 255, (64, 64, 3)).astype(np.float32)
    holes = [np.zeros((64, 64), bool) for _ in range(2)]
    holes[0][20, 20] = True
    holes[1][10:30, 10:30] = True
    fills = [session.run(prefilled, hole).fill[20, 20] for hole in holes]
    assert np.abs(fills[0] - fills[1]).max() > 0.01


def test_a_fill_has_no_colours_that_the_rim_lacks(tmp_path: Path, write_network: WriteNetwork) -> None:
    session = OnnxSession(write_network(tmp_path / "strong.onnx", gain=(3, 0.5, -1)))
    prefilled, hole = np.full((64, 64, 3), 100, np.float32), np.zeros((64, 64), bool)
    hole[20:30, 20:40] = True
    np.testing.assert_array_equal(session.run(prefilled, hole).fill, 100)
    session.fill(prefilled, hole)
    np.testing.assert_array_equal(prefilled, 100)


def test_known_pixels_come_back_as_they_were_given(session: OnnxSession, rng: np.random.Generator) -> None:
    prefilled = rng.uniform(0, 255, (64, 96, 3)).astype(np.float32)
    hole = rng.random((64, 96)) < 0.3
    result = session.run(prefilled, hole)
    np.testing.assert_array_equal(result.fill[~hole], prefilled[~hole])
    assert (result.fill[hole] != prefilled[hole]).any(axis=1).mean() > 0.9
    session.fill(prefilled, hole)
    np.testing.assert_array_equal(prefilled, result.fill)


def test_a_failing_runtime_is_an_inference_error(session: OnnxSession) -> None:
    with pytest.raises(InferenceError, match=r"the network failed on a picture of \(40, 32\) pixels: "):
        session.run(np.zeros((40, 32, 3), np.float32), np.zeros((40, 32), bool))


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_threads_are_those_asked_for_or_all_cores(
    tiny_network_path: Path, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime as ort

    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    seen: list[int] = []
    load = ort.InferenceSession

    def watch(path: Path, settings: ort.SessionOptions, **more: list[str]) -> ort.InferenceSession:
        seen.append(settings.intra_op_num_threads)
        return load(path, settings, **more)

    monkeypatch.setattr(ort, "InferenceSession", watch)
    OnnxSession(tiny_network_path, threads=threads)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS and Windows
    OnnxSession(tiny_network_path, threads=threads)
    assert seen == [threads or available, threads or os.cpu_count()]
