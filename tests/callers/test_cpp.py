"""The caller in C++, built and run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from callers.shared import ROOT, lacking, mean_difference, planted, read_rgb
from rethined.export.command import Order, export
from rethined.export.host import fill_photograph, open_network

HEADER = "onnxruntime_cxx_api.h"
SYSTEM_INCLUDE = [Path("/usr/include/onnxruntime"), Path("/usr/local/include/onnxruntime")]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The caller, linked against the library inside ONNX Runtime's wheel."""
    if not sys.platform.startswith("linux"):
        lacking("the wheel's library is linked on Linux alone")
    for tool in ("cmake", "c++"):
        if shutil.which(tool) is None:
            lacking(f"{tool} is not installed")
    build = tmp_path_factory.mktemp("cpp")
    configure = [
        "cmake",
        *("-S", ROOT / "examples" / "cpp", "-B", build),
        f"-DONNXRUNTIME_INCLUDE={include_folder()}",
        f"-DONNXRUNTIME_LIBRARY={library(build)}",
    ]
    for command in (configure, ["cmake", "--build", build, "--parallel", "2"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in done.stderr
    return build / "rethined_edge"


def include_folder() -> Path:
    given = os.environ.get("ONNXRUNTIME_INCLUDE")
    folders = [Path(given)] if given else SYSTEM_INCLUDE
    found = [folder for folder in folders if (folder / HEADER).is_file()]
    if not found:
        names = " or ".join(map(str, folders))
        lacking(f"no {HEADER} in {names}; scripts/test-cpp brings it and runs this test")
    return found[0]


def library(build: Path) -> Path:
    """The wheel's library under the names that linker and loader look for."""
    found = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (build / name).symlink_to(found)
    return build / "libonnxruntime.so"


@pytest.fixture(scope="module")
def network(program: Path) -> Path:
    path = program.parent / "lr.onnx"
    export("onnx", path, Order())
    return path


def run(program: Path, *arguments: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["rocket", "chelsea", "coffee"])
def test_it_fills_as_python_does(program: Path, network: Path, name: str, tmp_path: Path) -> None:
    photo = planted(name, tmp_path)
    done = run(program, network, tmp_path / "photo.ppm", tmp_path / "mask.pgm", tmp_path / "out.ppm")
    assert done.returncode == 0, done.stderr
    result = read_rgb(tmp_path / "out.ppm")
    expected = fill_photograph(photo.photo, photo.hole, open_network(network))
    assert mean_difference(result, expected, photo.hole) < 0.02
    assert np.array_equal(result[~photo.hole], photo.photo[~photo.hole])
    assert mean_difference(result, photo.photo, photo.hole) > 5


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (b"P5\n2 2\n255\n\0\0\0\377", "another size"),
        (b"P5\n# none\n3 2\n255\n" + bytes(6), "nothing to fill"),
        (b"P5\n3 2\n255\n" + b"\377" * 6, "leave something"),
        (b"P5\n3 2\n65535\n" + bytes(12), "no PGM"),
        (b"P5\n3 2\n255\n" + bytes(5), "ends too early"),
    ],
)
def test_what_it_cannot_use_is_said(program: Path, network: Path, mask: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "photo.ppm").write_bytes(b"P6\n3 2\n255\n" + bytes(18))
    (tmp_path / "mask.pgm").write_bytes(mask)
    done = run(program, network, tmp_path / "photo.ppm", tmp_path / "mask.pgm", tmp_path / "out.ppm")
    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / "out.ppm").exists()


def test_a_network_that_is_none_is_said(program: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.ppm").write_bytes(b"P6\n3 2\n255\n" + bytes(18))
    (tmp_path / "mask.pgm").write_bytes(b"P5\n3 2\n255\n\377" + bytes(5))
    done = run(program, tmp_path / "none.onnx", *(tmp_path / name for name in ("photo.ppm", "mask.pgm", "out.ppm")))
    assert done.returncode == 1
    assert "none.onnx" in done.stderr
