"""Peers in a process of their own: the pipe, what comes through it, and what happens when it breaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from rethined.errors import MissingExtraError, OptionError, PeerError
from rethined.eval.cases import list_cases
from rethined.eval.methods import METHODS, make_method
from rethined.eval.run import evaluate
from rethined.eval.worker import WORKER, WorkerPeer
from rethined.types import HoleMap, Image8

HERE = Path(sys.executable)
PEERS_PYTHON = Path(os.environ.get("RETHINED_PEERS_PYTHON", HERE))
"""To test xphoto itself, name an interpreter that has it."""

FAKE = """
import os, struct, sys
def send(kind, payload):
    sys.stdout.buffer.write(struct.pack("<cQ", kind, len(payload)) + payload)
    sys.stdout.buffer.flush()
send(b"R", str(os.getpid()).encode())
while head := sys.stdin.buffer.read(8):
    height, width = struct.unpack("<II", head)
    image = sys.stdin.buffer.read(height * width * 3)
    sys.stdin.buffer.read(height * width)
    if image[0] == 13:
        sys.stdout.buffer.write(struct.pack("<cQ", b"R", len(image)) + image[:9])  # and hang up
        sys.exit("out of luck")
    if image[0] == 14:
        send(b"E", "too \\u00fcgly".encode())
    else:
        send(b"R", struct.pack("<I", os.getpid())[:3] * (height * width))
"""
"""Fills with its own process number."""


@pytest.fixture
def image(rng: np.random.Generator) -> Image8:
    return cv2.GaussianBlur(rng.integers(0, 256, (70, 90, 3), np.uint8), (0, 0), 3)


@pytest.fixture
def hole() -> HoleMap:
    hole = np.zeros((70, 90), bool)
    hole[20:31, 40:55] = True
    return hole


@pytest.fixture
def fake(tmp_path: Path) -> WorkerPeer:
    (tmp_path / "fake.py").write_text(FAKE)
    return WorkerPeer(HERE, "any", script=tmp_path / "fake.py")


def test_frames_go_through_the_pipe_unchanged_again_and_again(image: Image8, hole: HoleMap) -> None:
    peer = WorkerPeer(HERE, "telea", threads=1)
    turned, turned_hole = np.ascontiguousarray(image.transpose(1, 0, 2)), np.ascontiguousarray(hole.T)
    for picture, marked in ((image, hole), (turned, turned_hole), (image[:, ::-1], hole[:, ::-1])):
        expected = cv2.inpaint(np.ascontiguousarray(picture), marked.astype(np.uint8), 3, cv2.INPAINT_TELEA)
        result = peer(picture, marked)
        np.testing.assert_array_equal(result, np.where(marked[..., None], expected, picture))
        result[:] = 0  # the result is the caller's own


def test_one_worker_serves_all_calls(fake: WorkerPeer, image: Image8, hole: HoleMap) -> None:
    image[0, 0] = 0
    np.testing.assert_array_equal(fake(image, hole), fake(image, hole))


def test_a_worker_that_hangs_up_fails_one_picture_and_the_next_gets_another(
    fake: WorkerPeer, image: Image8, hole: HoleMap
) -> None:
    image[0, 0] = 0
    first = fake(image, hole)
    bad = image.copy()
    bad[0, 0] = 13
    with pytest.raises(PeerError, match=r"the worker ended with status 1: out of luck"):
        fake(bad, hole)
    assert not np.array_equal(fake(image, hole), first), "another process"


def test_a_picture_that_the_worker_refuses_is_an_error_and_it_goes_on(
    fake: WorkerPeer, image: Image8, hole: HoleMap
) -> None:
    image[0, 0] = 0
    first = fake(image, hole)
    bad = image.copy()
    bad[0, 0] = 14
    with pytest.raises(PeerError, match=r"^too ügly$"):
        fake(bad, hole)
    np.testing.assert_array_equal(fake(image, hole), first)


def test_a_worker_that_dies_while_it_waits_is_replaced(fake: WorkerPeer, image: Image8, hole: HoleMap) -> None:
    image[0, 0] = 0
    first = fake(image, hole)
    fake._process.kill()
    fake._process.wait()
    assert not np.array_equal(fake(image, hole), first)


def test_an_interrupted_call_leaves_nothing_in_the_pipe(
    image: Image8, hole: HoleMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = WorkerPeer(HERE, "telea")
    pipe = peer._process.stdin
    assert pipe is not None

    def interrupted(*parts: bytes) -> None:
        pipe.write(b"".join(parts))
        pipe.flush()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(peer, "_ask", interrupted)
        with pytest.raises(KeyboardInterrupt):
            peer(image, hole)
    other = 255 - image
    np.testing.assert_array_equal(peer(other, hole)[~hole], other[~hole])


def test_the_worker_goes_with_its_method(fake: WorkerPeer) -> None:
    process = fake._process
    assert process.poll() is None
    fake._stop()
    assert process.poll() is not None


def test_a_dead_worker_is_a_row_of_the_evaluation(fake: WorkerPeer, photos: Path, tmp_path: Path) -> None:
    calls = iter((0, 13, 0, 0, 0))

    def method(image: Image8, hole: HoleMap) -> Image8:
        marked = image.copy()
        marked[0, 0] = next(calls)
        return fake(marked, hole)

    cases = list_cases(photos, sizes_px=[64, 96], presets=["df8k-blobs"])
    scores, _ = evaluate(cases, {"peer": method}, tmp_path / "out")
    assert [score.error[:9] for score in scores] == ["", "PeerError", "", "", ""]


def test_a_python_that_cannot_is_refused_with_how_to_make_one_that_can(tmp_path: Path) -> None:
    how_to = (
        r"`python3 -m venv peers` and `peers/bin/pip install opencv-contrib-python-headless numpy`, .*--peers-python"
    )
    for name in (name for name in METHODS if name.startswith("xphoto")):
        with pytest.raises(MissingExtraError, match=rf"'{name}' needs a Python of its own; .*{how_to}"):
            make_method(name)
    with pytest.raises(OptionError, match=rf"no Python at .*none; .*{how_to}"):
        make_method("xphoto-fsr-fast", peers_python=tmp_path / "none")
    text = tmp_path / "text"
    text.write_text("no program")
    with pytest.raises(MissingExtraError, match=rf"text cannot run xphoto's fsr-fast: .*{how_to}"):
        make_method("xphoto-fsr-fast", peers_python=text)
    with pytest.raises(
        MissingExtraError, match=r"echo cannot run .*: the worker began a message with b'-I .*; expected R"
    ):
        WorkerPeer(Path("/bin/echo"), "shiftmap")
    (tmp_path / "broken.py").write_text("import no_such_package")
    with pytest.raises(MissingExtraError, match=r"ended with status 1: ModuleNotFoundError: .*'no_such_package'"):
        WorkerPeer(HERE, "shiftmap", script=tmp_path / "broken.py")


@pytest.mark.skipif(hasattr(cv2, "xphoto"), reason="this OpenCV has xphoto")
def test_an_opencv_without_xphoto_is_refused() -> None:
    with pytest.raises(MissingExtraError, match=r"cannot run xphoto's shiftmap: it has OpenCV .* without xphoto; make"):
        make_method("xphoto-shiftmap", peers_python=HERE)


def test_the_worker_stands_alone() -> None:
    imported = subprocess.run(
        [HERE, "-I", "-c", f"import runpy, sys; runpy.run_path({str(WORKER)!r}); print('rethined' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert imported.stdout == "False\n"


def has_xphoto() -> bool:
    done = subprocess.run([PEERS_PYTHON, "-I", "-c", "import cv2; cv2.xphoto"], capture_output=True, check=False)
    return done.returncode == 0


@pytest.mark.skipif(not has_xphoto(), reason="no OpenCV with xphoto; RETHINED_PEERS_PYTHON names a Python that has one")
@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith("xphoto")])
def test_xphoto_fills_the_hole_and_keeps_the_rest(name: str) -> None:
    y, x = np.mgrid[:72, :90]
    original = np.stack([y * 2 + 20, x * 2 + 10, y + x], -1).astype(np.uint8)
    hole = np.zeros((72, 90), bool)
    hole[30:40, 40:52] = True
    method = make_method(name, peers_python=PEERS_PYTHON, threads=1)
    black, white = (np.where(hole[..., None], np.uint8(value), original) for value in (0, 255))
    result = method(black, hole)
    np.testing.assert_array_equal(result[~hole], original[~hole])
    assert np.abs(result.astype(int) - original)[hole].mean() < 25
    np.testing.assert_array_equal(method(white, hole), result, "the content of the hole leaks")
