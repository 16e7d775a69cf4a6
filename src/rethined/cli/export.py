"""``rethined export``: a network for a runtime."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rethined.cli.shared import EXIT_OK, EXIT_SOME_FAILED, Commands, missing_extra, tell
from rethined.errors import OptionError

if TYPE_CHECKING:
    from rethined.export.check import Score
    from rethined.export.command import Order
    from rethined.types import SizeHW

FORMATS = {
    "onnx": "ONNX Runtime, browsers, other compilers",
    "openvino": "Intel's processors, graphics and NPUs",
    "tensorrt": "what trtexec builds an engine from: Jetson, NVIDIA",
    "litert": "Android: processors, graphics, NPUs (.tflite)",
    "ncnn": "phones and boards: ARM, RISC-V, Vulkan",
    "executorch": "phones and boards, PyTorch's own runtime (XNNPACK)",
    "coreml": "Apple: iOS 16, macOS 13 and later",
}
"""Formats by name: what they are for."""
FORMS = ("lr", "pipeline")
PRECISIONS = ("fp32", "fp16", "int8")
ENGINE_PRECISIONS = ("fp32", "int8")


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``export`` to the commands."""
    parser = commands.add_parser(
        "export",
        help="write the network for a runtime",
        description=f"Formats: {', '.join(FORMATS)}; engine, the file rethined itself runs; table, of them all.",
    )
    formats = parser.add_subparsers(title="formats", metavar="FORMAT", required=True)
    _add_engine(formats)
    for name, purpose in FORMATS.items():
        _add_format(formats, name, purpose)
    _add_table(formats)


def _add_engine(formats: Commands[argparse.ArgumentParser]) -> None:
    engine = formats.add_parser(
        "engine",
        help="the file the engine runs",
        description="Writes OUT.onnx with its contract in the metadata, checked against torch, and the same weights as"
        " OUT.safetensors. Needs: pip install 'rethined[train]'.",
    )
    engine.add_argument("state", metavar="RUN", type=Path, help="folder of a run, or its state.pt")
    engine.add_argument("-o", "--out", type=Path, required=True, help="file to write, ending in .onnx")
    engine.add_argument(
        "--precision",
        choices=ENGINE_PRECISIONS,
        default="fp32",
        help="what it computes in: fp32 (default), or int8, of a run that was trained with quantisation",
    )
    engine.add_argument(
        "--training-data", default="not stated", help="what the network was trained on, for the metadata"
    )
    engine.set_defaults(run=_run_engine)


def _add_format(formats: Commands[argparse.ArgumentParser], name: str, purpose: str) -> None:
    parser = formats.add_parser(
        name,
        help=purpose,
        description=f"Writes the network for: {purpose}. Its contract goes beside it as OUT.json. See docs/edge.md."
        " Needs: pip install 'rethined[export]', and what the format says it lacks.",
    )
    parser.add_argument("-o", "--out", type=Path, required=True, help="file to write")
    parser.add_argument(
        "--form",
        choices=FORMS,
        default="lr",
        help="lr: prefilled picture in, filled one and the sources of its tokens out (default); pipeline: photograph"
        " in, filled photograph out, one size",
    )
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="of the network (default fp32)")
    parser.add_argument("--check", action="store_true", help="run it on photographs, compare with torch, time it")
    _add_sizes_and_sources(parser)
    parser.set_defaults(run=lambda parsed: _run_format(name, parsed))


def _add_table(formats: Commands[argparse.ArgumentParser]) -> None:
    table = formats.add_parser(
        "table",
        help="write and check many, and print the table",
        description="Writes every format in every form and precision, checks each, and prints the table of all that is"
        " in the folder, of earlier calls too.",
    )
    table.add_argument("-o", "--out", type=Path, default=Path("edge"), help="folder to write to (edge)")
    table.add_argument("--formats", default=",".join(FORMATS), metavar="NAME,...", help="formats (all)")
    table.add_argument("--forms", default=",".join(FORMS), metavar="NAME,...", help="forms (all)")
    table.add_argument("--precisions", default=",".join(PRECISIONS), metavar="NAME,...", help="precisions (all)")
    _add_sizes_and_sources(table)
    table.set_defaults(run=_run_table)


def _add_sizes_and_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--size",
        metavar="HxW",
        help="height and width of the network's picture, multiples of 32 (default: any where the format allows it, else"
        " 512x512)",
    )
    parser.add_argument(
        "--hr",
        type=int,
        metavar="N",
        help="side of the photograph for the form pipeline, a multiple of the network's (default: four times that)",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FILE",
        help="a .safetensors file of weights, or the folder of a run (default: those in the package)",
    )
    parser.add_argument(
        "--photos",
        type=Path,
        metavar="FOLDER",
        help="photographs to check with (default: scikit-image's samples)",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FOLDER",
        help="photographs that int8 is scaled by (default: those of --photos)",
    )


def _run_engine(parsed: argparse.Namespace) -> None:
    try:
        from rethined.export.run import export_run
    except ImportError as error:
        raise missing_extra("train", error) from error
    print(f"exporting {parsed.state}: fusing, tracing, comparing with torch", file=sys.stderr)
    difference = export_run(parsed.state, parsed.out, precision=parsed.precision, training_data=parsed.training_data)
    which = "mean" if parsed.precision == "int8" else "largest"
    print(f"{parsed.out}: {which} difference from torch {difference:.1e}")


def _run_format(name: str, parsed: argparse.Namespace) -> int:
    try:
        from rethined.export.check import to_markdown
        from rethined.export.command import export
    except ImportError as error:
        raise missing_extra("export", error) from error
    order = _order(name, parsed.form, parsed.precision, parsed.hr, parsed)
    row = export(name, parsed.out, order, check=parsed.check, score=_judge() if parsed.check else None)
    if row is None:
        print(parsed.out)
        return EXIT_OK
    print(to_markdown([row]), end="")
    return EXIT_SOME_FAILED if row.missed else EXIT_OK


def _run_table(parsed: argparse.Namespace) -> None:
    try:
        from rethined.export.command import export_table
    except ImportError as error:
        raise missing_extra("export", error) from error
    names, forms, precisions = (
        _listed(what, text, known)
        for what, text, known in (
            ("format", parsed.formats, tuple(FORMATS)),
            ("form", parsed.forms, FORMS),
            ("precision", parsed.precisions, PRECISIONS),
        )
    )
    orders = [
        (name, _order(name, form, precision, parsed.hr if form == "pipeline" else None, parsed))
        for name in names
        for form in forms
        for precision in precisions
    ]
    print(export_table(parsed.out, orders, score=_judge(), on_row=tell))


def _order(name: str, form: str, precision: str, hr_px: int | None, parsed: argparse.Namespace) -> Order:
    from rethined.export.command import Order
    from rethined.export.formats import FORMATS as REGISTERED

    size_hw = size_of(parsed.size) if parsed.size else None
    if size_hw is None and form == "lr" and not REGISTERED[name].takes_any_size:
        size_hw = (512, 512)
    return Order(
        form=form,  # type: ignore[arg-type]
        precision=precision,  # type: ignore[arg-type]
        size_hw=size_hw,
        hr_px=hr_px,
        weights=parsed.weights,
        photos=parsed.photos,
        calibration=parsed.calibration,
    )


def size_of(text: str) -> SizeHW:
    """``512x640`` as height and width."""
    try:
        height, width = (int(side) for side in text.lower().split("x"))
    except ValueError as error:
        raise OptionError(f"the size is {text!r}; expected height and width, for example 512x640") from error
    return height, width


def _listed(what: str, text: str, known: tuple[str, ...]) -> list[str]:
    for name in (names := text.split(",")):
        if name not in known:
            raise OptionError(f"the {what} is {name!r}; expected one of {', '.join(known)}")
    return names


def _judge() -> Score | None:
    """Perceptual distance where it is installed: the part that exports never sees the judge itself."""
    try:
        from rethined.eval.perceptual import HoleJudge
    except ImportError:
        tell("perceptual distance is left out; it needs: pip install 'rethined[bench]'")
        return None
    judge = HoleJudge()
    return lambda *pictures: judge(*pictures).perc
