from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from rethined import __version__, native
from rethined.about import EXTRAS, about
from rethined.cli import main
from rethined.engine import Inpainter
from rethined.errors import InferenceError
from rethined.runtime import available_cores


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_it_tells_what_runs_here(tiny_network_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--network", str(tiny_network_path), "--threads", "1"]
    assert main(["info", "--json", *arguments]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["versions"]["rethined"] == __version__
    assert facts["versions"]["numpy"] == np.__version__
    assert (facts["threads"], facts["cores"], facts["runtime"]) == (1, available_cores(), "onnxruntime")
    assert facts["network"] == {
        "file": str(tiny_network_path),
        "sha256": sha256(tiny_network_path),
        "is_as_installed": None,
        "stated": Inpainter(tiny_network_path).network_metadata,
    }
    assert facts["has_loops"] is (native.loops() is not None)
    assert facts["probe_ms"] > 0
    assert main(["info", *arguments]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["rethined", __version__]
    assert f"{'threads':14s}1 of {available_cores()} cores" in lines
    assert f"{'  sha256':14s}{sha256(tiny_network_path)} (not recorded)" in lines
    assert lines[-1].startswith("fill          works: 96 x 64 px in ")


def test_an_extra_has_its_version_or_how_to_install_it(
    tiny_network_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str:
        if package == "pyjpegio":
            return "7.8.9"
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr("rethined.about.metadata.version", version)
    found = about(tiny_network_path, threads=1)
    assert found.extras == {extra: "7.8.9" if extra == "jpeg" else None for extra in EXTRAS}
    text = "\n".join(found.lines())
    assert "[jpeg]        JPEG without generation loss: pyjpegio 7.8.9\n" in text
    assert "[heif]        HEIC: not installed: pip install 'rethined[heif]'\n" in text


@pytest.mark.parametrize(
    ("recorded", "expected", "said"),
    [(None, None, "not recorded"), ("same", True, "as it was installed"), ("other", False, "NOT as it was installed")],
)
def test_the_network_is_compared_with_what_was_installed(
    tiny_network_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: str | None, expected: object, said: str
) -> None:
    content = tiny_network_path.read_bytes() if recorded == "same" else b"other"
    hashed = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    lines = ["rethined/__init__.py,sha256=abc,1", f"rethined/{tiny_network_path.name},sha256={hashed},1"]
    files = [
        metadata.PackagePath(name) for name in (line.split(",")[0] for line in lines[: 1 + (recorded is not None)])
    ]
    for file, line in zip(files, lines, strict=False):
        file.hash = metadata.FileHash(line.split(",")[1])
        monkeypatch.setattr(type(file), "locate", lambda self: tiny_network_path.parent / self.name)
    monkeypatch.setattr("rethined.about.metadata.files", lambda _name: files)
    found = about(tiny_network_path, threads=1)
    assert found.is_as_installed is expected
    assert said in "\n".join(found.lines())


def test_a_network_that_cannot_be_used_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no network")
    assert main(["info", "--network", str(tmp_path / "a.onnx")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "is not an ONNX file that this runtime can load" in err


def test_a_fill_that_is_wrong_is_told(tiny_network_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Inpainter, "__call__", lambda _self, photo, _mask: photo + 1)
    with pytest.raises(InferenceError, match="a small fill has changed known pixels; install rethined anew"):
        about(tiny_network_path, threads=1)


@pytest.mark.parametrize(("has_loops", "line"), [(True, "compiled"), (False, "in NumPy, slower: installed")])
def test_it_tells_whether_loops_are_compiled(has_loops: bool, line: str, tiny_network_path: Path) -> None:
    found = about(tiny_network_path, threads=1)
    text = "\n".join(replace(found, has_loops=has_loops).lines())
    assert f"{'loops':14s}{line}" in text
