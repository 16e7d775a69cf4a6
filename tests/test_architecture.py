"""What may import what, and what importing rethined may do to the process it is imported into."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "rethined"
SOURCES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

WORKSHOP = ("ablate", "bench", "data", "dataset", "eval", "export", "figures", "finetune", "losses", "nn", "train")
PRINTS = ("cli", "demo.py")
RUNTIME_SOURCES = [source for source in SOURCES if source.split("/")[0] not in WORKSHOP]

REFUSE_IMPORTS = """
import sys

class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in refused:
            raise ImportError(f"the runtime imported {name}")

sys.meta_path.insert(0, Refusal())
"""

PROCESS_STATE = """
import logging, os, signal, sys, threading, warnings
import cv2, numpy, onnxruntime, PIL.Image

def state():
    return {
        "environment": dict(os.environ),
        "working folder": os.getcwd(),
        "OpenCV threads": cv2.getNumThreads(),
        "running threads": threading.active_count(),
        "warning filters": list(warnings.filters),
        "NumPy error handling": numpy.geterr(),
        "log handlers": list(logging.getLogger().handlers),
        "interrupt handler": signal.getsignal(signal.SIGINT),
        "import path": list(sys.path),
    }
"""


def contracts() -> dict[str, dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["id"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


def run_fresh(code: str, *, warnings: str = "error") -> subprocess.CompletedProcess[str]:
    """Runs code in a new interpreter that ignores PYTHON* variables and the user's own packages."""
    return subprocess.run(
        [sys.executable, "-I", "-W", warnings, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )


def lines_with(source: str, is_wanted: Callable[[ast.AST], bool]) -> list[int]:
    tree = ast.parse((PACKAGE / source).read_text(encoding="utf-8"), filename=source)
    return [node.lineno for node in ast.walk(tree) if is_wanted(node)]


def is_print(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"


def is_assert(node: ast.AST) -> bool:
    return isinstance(node, ast.Assert)


def test_import_contracts_hold() -> None:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = run_fresh(code, warnings="default")
    assert done.returncode == 0, done.stdout + done.stderr


def test_runtime_contract_names_every_runtime_module() -> None:
    written = {f"rethined.{source.split('/')[0].removesuffix('.py')}" for source in RUNTIME_SOURCES}
    doors = {"rethined.__init__", "rethined.__main__", "rethined.cli", "rethined.demo"}
    assert set(contracts()["runtime"]["source_modules"]) == written - doors


def test_runtime_works_without_the_extras() -> None:
    contract = contracts()["runtime"]
    refused = {name for name in contract["forbidden_modules"] if not name.startswith("rethined.")}
    workshop = {name for name in contract["forbidden_modules"] if name.startswith("rethined.")}
    assert {"torch", "safetensors", "onnx", "tqdm"} <= refused
    assert workshop == {f"rethined.{name}" for name in WORKSHOP}
    modules = ["rethined", *contract["source_modules"], "rethined.cli"]
    done = run_fresh(
        f"refused = {refused!r}\n{REFUSE_IMPORTS}\nimport importlib\n"
        f"for name in {modules!r}:\n    importlib.import_module(name)\n"
        f"loaded = {workshop | refused!r} & set(sys.modules)\n"
        "sys.exit(f'importing the runtime loaded {sorted(loaded)}' if loaded else 0)"
    )
    assert done.returncode == 0, done.stderr


def test_refused_imports_are_refused() -> None:
    done = run_fresh(f"refused = {{'torch'}}\n{REFUSE_IMPORTS}\nimport torch.nn")
    assert done.returncode == 1
    assert "ImportError: the runtime imported torch" in done.stderr


def test_import_leaves_the_process_alone() -> None:
    done = run_fresh(
        f"{PROCESS_STATE}\nbefore = state()\nimport rethined\nafter = state()\n"
        "changed = [name for name in before if before[name] != after[name]]\n"
        "sys.exit(f'importing rethined changed: {changed}' if changed else 0)"
    )
    assert done.returncode == 0, done.stderr


def test_import_prints_nothing() -> None:
    done = run_fresh("import rethined")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_sources_are_found() -> None:
    assert {"__init__.py", "errors.py"} <= set(RUNTIME_SOURCES)


@pytest.mark.parametrize("source", [source for source in SOURCES if source.split("/")[0] not in PRINTS])
def test_only_the_doors_print(source: str) -> None:
    assert lines_with(source, is_print) == []


@pytest.mark.parametrize("source", RUNTIME_SOURCES)
def test_runtime_raises_errors_instead_of_asserting(source: str) -> None:
    assert lines_with(source, is_assert) == []
