"""What the README says to type works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rethined import Inpainter
from rethined.cli import build_parser, main

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    lines = [line.split("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line]


def test_the_inpaint_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save("photo.jpg")
    mask = np.zeros((64, 96), np.uint8)
    mask[20:40, 30:60] = 255
    Image.fromarray(mask).save("mask.png")
    (command,) = (line for line in commands() if line.startswith("rethined inpaint"))
    assert main(shlex.split(command)[1:]) == 0
    with Image.open("filled.png") as filled:
        assert filled.size == (96, 64)


def test_the_batch_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scans/deep").mkdir(parents=True)
    Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save("scans/deep/a.jpg")
    mask = np.zeros((64, 96), np.uint8)
    mask[20:40, 30:60] = 255
    Image.fromarray(mask).save("scans/deep/a_mask.png")
    preview, fill = (line for line in commands() if line.startswith("rethined batch"))
    assert main(shlex.split(preview)[1:]) == 0
    assert [path.name for path in Path("filled").rglob("*.*") if path.is_file()] == ["a.jpg.preview.jpg"]
    assert main(shlex.split(fill)[1:]) == 0
    assert Path("filled/deep/a.jpg").is_file()


def test_the_python_lines_run() -> None:
    photo = np.full((64, 96, 3), 90, np.uint8)
    mask = np.zeros((64, 96), bool)
    mask[20:40, 30:60] = True
    names: dict[str, object] = {"photo": photo, "mask": mask}
    for block in blocks("python"):
        exec(block, names)
    assert isinstance(names["fill"], Inpainter)
    assert np.array_equal(np.asarray(names["result"])[~mask], photo[~mask])


def test_the_scripts_it_names_exist() -> None:
    scripts = [word for line in commands() if line.startswith("bash ") for word in shlex.split(line)[1:]]
    assert scripts == ["scripts/demo-from-scratch", "scripts/test-from-scratch"]
    assert all((ROOT / script).is_file() for script in scripts)


def test_its_table_names_every_command() -> None:
    named = set(re.findall(r"^\| `rethined (\w+)", README, flags=re.MULTILINE))
    offered = set(re.findall(r"^    (\w+) +\S", build_parser().format_help(), flags=re.MULTILINE))
    assert named == offered


def test_its_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
