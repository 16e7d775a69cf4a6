from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

# Threads that hold memory at the same time; then glibc tells of its heaps.
PROGRAM = """
import ctypes, sys, threading
from rethined.serve.memory import share_heaps

if "share" in sys.argv:
    assert share_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
all_hold = threading.Barrier(8)

def hold():
    libc.malloc(50_000)
    all_hold.wait()

threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, ctypes.c_void_p(file))
libc.fclose(ctypes.c_void_p(file))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has heaps for threads")
def test_threads_share_two_heaps(tmp_path: Path) -> None:
    def heaps(*arguments: str) -> int:
        subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path / "info"), *arguments], check=True)
        return (tmp_path / "info").read_text().count("<heap nr=")

    assert heaps() > 2
    assert heaps("share") <= 2


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    from rethined.serve.memory import share_heaps

    monkeypatch.setattr(sys, "platform", "darwin")
    assert share_heaps() is False
