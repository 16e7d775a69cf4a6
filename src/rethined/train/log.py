"""What a run has reported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LOG_FILE = "log.jsonl"
"""In the folder of a run: one report a line."""


def read_log(file: Path) -> list[dict[str, Any]]:
    """All reports of a run. Steps that were taken again after an interruption are in the file twice; the last counts.

    Raises:
        OSError: There is no such file.
        ValueError, KeyError, TypeError: It is no log of a run.
    """
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return list({row["step"]: row for row in rows}.values())
