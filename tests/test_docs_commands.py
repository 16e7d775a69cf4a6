"""What the pages on masks, frames and folders say to type is understood."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rethined.cli import build_parser

DOCS = Path(__file__).parent.parent / "docs"


def commands(page: str) -> list[str]:
    text = (DOCS / page).read_text()
    lines = [
        line.split("#")[0] for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL) for line in block.split("\n")
    ]
    parts = [part.strip() for line in lines for part in line.split("|")]
    return [part for part in parts if part.startswith("rethined ")]


@pytest.mark.parametrize("page", ["masks.md", "pipe.md"])
def test_commands_are_understood(page: str) -> None:
    found = commands(page)
    assert found
    for command in found:
        assert build_parser().parse_args(shlex.split(command)[1:]).run


def test_every_option_on_masks_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    page = (DOCS / "masks.md").read_text()
    with pytest.raises(SystemExit):
        build_parser().parse_args(["inpaint", "--help"])
    offered = set(re.findall(r"--(?:mask|box|invert|grow|preview)[a-z-]*", capsys.readouterr().out))
    assert len(offered - {"--mask-color"}) == 11
    assert [option for option in sorted(offered - {"--mask-color"}) if f"`{option}" not in page] == []
