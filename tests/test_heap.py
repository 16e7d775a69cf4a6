"""Tests of :mod:`rethined.heap`, in processes of their own: what a process has freed decides what it keeps."""

import platform
import subprocess
import sys

import pytest

from rethined import engine

FAULTS = """
import resource, sys
import numpy as np
from rethined.heap import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
def take():
    np.ones(2 << 20, np.float32)  # 8 MiB, each page touched
take()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    take()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc gives memory back so eagerly")
def test_a_block_that_was_freed_is_taken_again_without_asking_the_system() -> None:
    asked = int(subprocess.run([sys.executable, "-c", FAULTS, "keep"], capture_output=True, check=True).stdout)
    assert asked < 20


def test_an_inpainter_keeps_what_is_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(engine, "keep_freed_memory", lambda: calls.append(1))
    engine.Inpainter(threads=1)
    assert calls
