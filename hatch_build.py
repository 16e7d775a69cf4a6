"""Compiles the loops of ``rethined.native`` when the package is built, if there is a C compiler.

    RETHINED_COMPILE=0 pip install .    # without: a wheel for all platforms, in which NumPy does the same
    RETHINED_COMPILE=1 pip install .    # fails where they cannot be compiled

``CC`` names the compiler; without, the first of cc, gcc and clang that is there is taken. What is compiled asks nothing
of Python, so that the wheel serves all versions of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = Path("src/rethined/native")
NAME = "loops" + {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
# Products and sums are not to be contracted: results are then the same on every processor.
FLAGS = ("-std=c99", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fvisibility=hidden", "-shared", "-s")


class CompileError(Exception):
    """No compiler, or it failed."""


class LoopsHook(BuildHookInterface[Any]):
    """Puts the library into the wheel; beside its source where the installation is editable."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds."""
        wanted = os.environ.get("RETHINED_COMPILE", "")
        if wanted == "0":
            return
        root = Path(self.root)
        self._scratch = tempfile.mkdtemp()
        library = root / FOLDER / NAME if version == "editable" else Path(self._scratch) / NAME
        try:
            compile_loops(root / FOLDER / "loops.c", library)
        except CompileError as error:
            if wanted == "1":
                raise
            self.app.display_warning(f"{error}; rethined will do in NumPy what would have been compiled")
            return
        if version != "editable":
            build_data["force_include"][str(library)] = f"rethined/native/{NAME}"
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Called by hatchling after it has built."""
        if hasattr(self, "_scratch"):
            shutil.rmtree(self._scratch, ignore_errors=True)


def compile_loops(source: Path, library: Path) -> None:
    """Compiles a library, whole or not at all.

    Raises:
        CompileError: No compiler, or it failed.
    """
    named = os.environ.get("CC", "")
    compiler = next(filter(None, map(shutil.which, [named] if named else ["cc", "gcc", "clang"])), None)
    if compiler is None:
        raise CompileError(f"no C compiler was found ({named or 'cc, gcc, clang'})")
    position = () if sys.platform == "win32" else ("-fPIC", "-lm")
    with tempfile.TemporaryDirectory(dir=library.parent) as scratch:
        made = Path(scratch) / NAME
        done = subprocess.run(
            [compiler, *FLAGS, "-o", made, source, *position], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise CompileError(f"{compiler} failed on {source.name}: {done.stderr.strip()[-2000:]}")
        made.replace(library)
