"""``rethined export FORMAT``, through the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rethined.cli import main
from rethined.cli.export import size_of
from rethined.errors import OptionError
from rethined.eval.perceptual import HoleScores
from rethined.export import command
from rethined.export.check import CheckRow
from rethined.export.command import Order

ROW = CheckRow("onnx", "lr", "fp32", "any", 7_500_000, 21.0, 90.0, 2, {"filled": 1e-6}, 0.0, 27.0, 27.0, None, None, "")


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path, Order, bool]]:
    heard: list[tuple[str, Path, Order, bool]] = []

    def export(name: str, out: Path, order: Order, *, check: bool, score: object) -> CheckRow | None:
        heard.append((name, out, order, check))
        assert (score is not None) == check
        missed = "MISSED: all" if order.precision == "int8" else ""
        return replace(ROW, missed=missed) if check else None

    monkeypatch.setattr(command, "export", export)
    monkeypatch.setattr("rethined.eval.perceptual.HoleJudge", lambda: lambda *_: HoleScores(0.0, 0.0))
    return heard


@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        (["onnx"], Order()),
        (["openvino", "--size", "256x320"], Order(size_hw=(256, 320))),
        (["tensorrt"], Order(size_hw=(512, 512))),
        (["tensorrt", "--form", "pipeline", "--hr", "1024"], Order(form="pipeline", hr_px=1024)),
        (
            ["onnx", "--weights", "w", "--photos", "p", "--calibration", "c", "--precision", "fp16"],
            Order(weights=Path("w"), photos=Path("p"), calibration=Path("c"), precision="fp16"),
        ),
    ],
)
def test_options_become_an_order(
    arguments: list[str],
    order: Order,
    orders: list[tuple[str, Path, Order, bool]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["export", *arguments, "-o", "net"]) == 0
    assert orders == [(arguments[0], Path("net"), order, False)]
    assert capsys.readouterr().out == "net\n"


@pytest.mark.parametrize(("precision", "status"), [("fp32", 0), ("int8", 1)])
def test_a_missed_bar_is_the_exit_status(
    precision: str, status: int, orders: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "onnx", "-o", "net.onnx", "--precision", precision, "--check"]) == status
    out = capsys.readouterr().out
    assert out.startswith("| format | form ")
    assert out.endswith("| MISSED: all |\n" if status else "| pass |\n")
    assert orders[0][3]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["onnx", "-o", "net.onnx", "--size", "500x512"],
            "the height is 500 px; expected a multiple of 32: 480 or 512",
        ),
        (["onnx", "-o", "net.onnx", "--size", "512"], "the size is '512'; expected height and width, for example"),
        (["onnx", "-o", "net.onnx", "--hr", "1024"], "only the form 'pipeline' takes it: --form pipeline"),
        (["onnx", "-o", "net.txt"], "expected a name that ends in .onnx"),
        (["onnx", "-o", "net.onnx", "--weights", "no.safetensors"], "no.safetensors cannot be read"),
        (["table", "--formats", "onnx,paper"], "the format is 'paper'; expected one of onnx, "),
        (["table", "--precisions", "fp8"], "the precision is 'fp8'; expected one of fp32, fp16, int8"),
    ],
)
def test_bad_input_ends_with_two_and_one_line(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.startswith("rethined: ")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_table_orders_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Any] = []

    def export_table(folder: Path, orders: list[tuple[str, Order]], **_: object) -> str:
        heard.extend([folder, *orders])
        return "the table"

    monkeypatch.setattr(command, "export_table", export_table)
    monkeypatch.setattr("rethined.eval.perceptual.HoleJudge", lambda: None)
    given = ["--formats", "onnx,tensorrt", "--precisions", "fp32", "--size", "256x256", "--hr", "512"]
    assert main(["export", "table", "-o", str(tmp_path / "edge"), *given]) == 0
    lr, pipeline = Order(size_hw=(256, 256)), Order(form="pipeline", size_hw=(256, 256), hr_px=512)
    assert heard == [tmp_path / "edge", ("onnx", lr), ("onnx", pipeline), ("tensorrt", lr), ("tensorrt", pipeline)]
    assert capsys.readouterr().out == "the table\n"


@pytest.mark.parametrize("text", ["512", "512x", "axb", "1x2x3", ""])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(OptionError, match="expected height and width, for example 512x640"):
        size_of(text)
    assert size_of("512X640") == (512, 640)
