from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rethined.errors import ExportError, OptionError
from rethined.export import command
from rethined.export.artefact import write_artefact
from rethined.export.check import read_check
from rethined.export.command import Order, export, export_table
from rethined.export.contract import Contract, Precision, read_contract
from rethined.export.formats import FORMATS, Calibration, Format
from rethined.export.forms import Form
from rethined.export.network import Weights

SMALL = Order(size_hw=(64, 64))


@pytest.fixture(autouse=True)
def tiny(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """The weights are the tiny ones; where they were asked for."""
    asked: list[Path | None] = []

    def load(place: Path | None) -> Weights:
        asked.append(place)
        return weights

    monkeypatch.setattr(command, "load_weights", load)
    return asked


@pytest.fixture
def photos(tmp_path: Path, rng: np.random.Generator) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a", "b"):
        Image.fromarray(rng.integers(0, 256, (80, 96, 3), np.uint8)).save(folder / f"{name}.png")
    return folder


def test_an_artefact_alone(tmp_path: Path, tiny: list[Path | None]) -> None:
    out = tmp_path / "net.onnx"
    assert export("onnx", out, replace(SMALL, weights=Path("mine"))) is None
    assert tiny == [Path("mine")]
    assert {path.name for path in tmp_path.iterdir()} == {"net.onnx", "net.onnx.json"}
    contract = read_contract(out)
    assert (contract.form, contract.size, contract.weights_sha256) == ("lr", "64 x 64", "c0ffee")


def test_a_check_lies_beside_it(tmp_path: Path, photos: Path) -> None:
    out = tmp_path / "net.onnx"
    row = export("onnx", out, replace(SMALL, form="pipeline", hr_px=128, photos=photos), check=True)
    assert row is not None
    assert row == read_check(tmp_path / "net.onnx.check.json")
    assert (row.form, row.photos, row.perc, row.missed) == ("pipeline", 2, None, "")


def test_a_check_does_not_outlive_what_it_told_of(tmp_path: Path, photos: Path) -> None:
    out, order = tmp_path / "net.onnx", replace(SMALL, photos=photos)
    export("onnx", out, order, check=True)
    export("onnx", out, order)
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "net.onnx", "net.onnx.json"}


@pytest.mark.parametrize("name", ["photos", "calibration"])
def test_folders_are_looked_for_before_anything_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(OptionError, match=f"--{name} is .*none, which is not a folder"):
        export("onnx", tmp_path / "net.onnx", replace(SMALL, **{name: tmp_path / "none"}))
    with pytest.raises(ExportError, match=f"nothing could be made and checked: onnx, lr, fp32: --{name} is"):
        export_table(tmp_path / "edge", [("onnx", replace(SMALL, **{name: tmp_path / "none"}))])
    assert [path.name for path in tmp_path.rglob("*")] == ["edge"]


@pytest.mark.parametrize("of_its_own", [False, True])
def test_integers_are_scaled_by_photographs(
    of_its_own: bool, tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def spy(form: Form, made: Format, out: Path, *, precision: Precision, calibration: Calibration) -> Contract:
        seen.append(len(calibration))
        return write_artefact(form, made, out, precision=precision, calibration=calibration)

    monkeypatch.setattr(command, "write_artefact", spy)
    order = replace(SMALL, precision="int8", photos=photos)
    if of_its_own:
        (tmp_path / "more").mkdir()
        (photos / "a.png").rename(tmp_path / "more" / "a.png")
        order = replace(order, calibration=tmp_path / "more")
    export("onnx", tmp_path / "net.onnx", order)
    assert seen == [1 if of_its_own else 2]


def test_only_the_pipeline_has_a_photograph(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"--hr is 128; only the form 'pipeline' takes it"):
        export("onnx", tmp_path / "net.onnx", replace(SMALL, hr_px=128))
    assert not list(tmp_path.iterdir())


def test_a_table_of_what_is_there_and_what_is_not(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise ExportError("the format 'tensorrt' lacks the operator Einsum")

    monkeypatch.setattr(FORMATS["tensorrt"], "write", refuse, raising=False)
    order, heard = replace(SMALL, photos=photos), []
    pipeline = replace(order, form="pipeline", hr_px=128)
    folder = tmp_path / "edge"
    export_table(folder, [("onnx", pipeline)])
    table = export_table(folder, [("onnx", order), ("tensorrt", order)], on_row=heard.append)
    lines = table.splitlines()
    assert [line.split(" | ")[:3] for line in lines if line.startswith("| onnx")] == [
        ["| onnx", "lr", "fp32"],
        ["| onnx", "pipeline", "fp32"],
    ]
    assert lines[-1] == "- tensorrt, lr, fp32: the format 'tensorrt' lacks the operator Einsum"
    assert heard == ["lr-fp32-onnx.onnx", "lr-fp32-tensorrt.onnx", lines[-1]]
    assert {path.name for path in folder.iterdir()} == {
        f"{form}-fp32-onnx.onnx{end}" for form in ("lr", "pipeline") for end in ("", ".json", ".check.json")
    }
