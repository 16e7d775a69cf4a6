from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from rethined import Inpainter
from rethined.errors import InferenceError, MissingExtraError, OptionError
from rethined.openvino_graph import OpenVinoGraph
from rethined.session import OUTPUTS, OnnxSession

SIZES_HW = ((96, 160), (64, 64), (96, 160), (256, 32))


def picture(size_hw: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    hole = rng.random(size_hw) > 0.8
    return rng.uniform(0, 255, (*size_hw, 3)).astype(np.float32), hole


def test_it_says_what_onnx_runtime_says(tiny_network_path: Path) -> None:
    pytest.importorskip("openvino")
    sessions = [OnnxSession(tiny_network_path, threads=1, runtime=name) for name in ("onnxruntime", "openvino")]
    for size_hw in SIZES_HW:
        prefilled, hole = picture(size_hw)
        ours, theirs = (session.run(prefilled, hole) for session in sessions)
        # bfloat16 has 8 significant bits.
        np.testing.assert_allclose(ours.fill, theirs.fill, atol=2)
        assert np.abs(ours.fill - theirs.fill).mean() < 0.2
        np.testing.assert_allclose(ours.query, theirs.query, atol=0.05)
        np.testing.assert_allclose(ours.key, theirs.key, atol=0.05)
        filled = [prefilled.copy() for _ in sessions]
        for session, copy in zip(sessions, filled, strict=True):
            session.fill(copy, hole)
        np.testing.assert_allclose(*filled, atol=2)
        np.testing.assert_array_equal(filled[1][~hole], prefilled[~hole])


def test_the_same_bytes_from_many_threads(tiny_network_path: Path) -> None:
    pytest.importorskip("openvino")
    session = OnnxSession(tiny_network_path, threads=1, runtime="openvino")
    jobs = [picture((64, 96), seed) for seed in range(6)]
    alone = [session.run(*job).fill for job in jobs]
    with ThreadPoolExecutor(3) as pool:
        for expected, got in zip(alone, pool.map(lambda job: session.run(*job).fill, jobs), strict=True):
            np.testing.assert_array_equal(got, expected)


def test_only_what_is_asked_for_is_given(tiny_network_path: Path) -> None:
    pytest.importorskip("openvino")
    graph = OpenVinoGraph(tiny_network_path, threads=1)
    feed = {"prefilled": np.zeros((1, 3, 32, 64), np.float32), "hole": np.ones((1, 1, 32, 64), np.float32)}
    (fill,) = graph.run(OUTPUTS[:1], feed)
    assert fill.shape == (1, 3, 32, 64)
    assert [output.shape[2:] for output in graph.run(OUTPUTS, feed)] == [(32, 64), (4, 8), (4, 8)]


def test_a_failing_runtime_is_an_inference_error(tiny_network_path: Path) -> None:
    pytest.importorskip("openvino")
    session = OnnxSession(tiny_network_path, threads=1, runtime="openvino")
    with pytest.raises(InferenceError, match=r"the network failed on a picture of \(40, 32\) pixels"):
        session.run(np.zeros((40, 32, 3), np.float32), np.ones((40, 32), bool))


def test_a_whole_fill(tiny_network_path: Path) -> None:
    pytest.importorskip("openvino")
    image, hole = picture((300, 500))
    image = image.astype(np.uint8)
    hole[:] = False
    hole[100:150, 200:260] = True
    filled = Inpainter(tiny_network_path, threads=1, runtime="openvino")(image, hole)
    np.testing.assert_array_equal(filled[~hole], image[~hole])


def test_a_missing_package_is_named(tiny_network_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"needs the package 'openvino': pip install 'rethined\[openvino\]'"):
        Inpainter(tiny_network_path, runtime="openvino")


def test_an_unknown_runtime_is_refused_with_those_there_are(tiny_network_path: Path) -> None:
    with pytest.raises(OptionError, match="runtime is 'tensorrt'; expected one of onnxruntime, openvino"):
        Inpainter(tiny_network_path, runtime="tensorrt")  # type: ignore[arg-type]
