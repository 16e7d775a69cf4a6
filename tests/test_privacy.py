from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import numpy as np, os, rethined
mask = np.zeros((64, 64), bool)
mask[20:30, 20:30] = True
rethined.inpaint(np.full((64, 64, 3), 90, np.uint8), mask)
print(os.environ["ORT_DISABLE_TELEMETRY"])
"""


@pytest.mark.parametrize("said", [None, "0"])
def test_nothing_is_kept_about_the_user_unless_they_say_so(said: str | None, tmp_path: Path) -> None:
    """What would be sent is kept in the cache first, beside an identifier of the device."""
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    if said is not None:
        # In a test nothing is to be sent: here only that the user's word is kept.
        environment |= {"ORT_DISABLE_TELEMETRY": said, "CI": "true"}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, said or "1"), done.stderr
    assert not list(tmp_path.rglob("*deviceid*"))
    assert not list(tmp_path.rglob("*.db"))
