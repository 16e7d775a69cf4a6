"""``rethined bench``: times."""

from __future__ import annotations

import argparse
from pathlib import Path

from rethined.cli.shared import (
    Commands,
    add_network_option,
    add_peer_options,
    missing_extra,
    numbers,
    tell,
    thread_counts,
    whole_numbers,
)
from rethined.errors import OptionError

SIZES, RUNTIME_SIZES = "512,1024,2048,4096", "256,512"
METHODS, REFERENCE, SHARES = "rethined,rethined-fast,telea", "telea", "0.07"
OF_METHODS = ("methods", "reference", "shares", "peers_python", "network")
"""Options that mean nothing to exported networks."""
OF_RUNTIMES = ("export_python", "calibration")
"""Options that mean nothing to methods."""


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``bench`` to the commands."""
    parser = commands.add_parser(
        "bench",
        help="time rethined and others",
        description="Times every method on a generated scene under holes, array to array, in turns; writes bench.json"
        " and bench.md. With --runtime, exported networks instead, each in its own runtime: runtimes.json and"
        " runtimes.md, see docs/edge.md. Nothing else should run meanwhile.",
    )
    parser.add_argument("--out", type=Path, default=Path("bench"), help="folder to write to (bench)")
    parser.add_argument("--sizes", metavar="PX,...", help=f"sides ({SIZES}; of exported networks {RUNTIME_SIZES})")
    parser.add_argument(
        "--methods",
        metavar="NAME,...",
        help=f"methods, or paths of learned peers' ONNX or TorchScript files ({METHODS})",
    )
    parser.add_argument("--reference", metavar="NAME", help=f"what ratios are taken from ({REFERENCE})")
    parser.add_argument("--shares", metavar="X,...", help=f"shares of the picture that are hole ({SHARES})")
    parser.add_argument("--threads", default="all", metavar="N,...", help="numbers of threads, or all (all)")
    add_peer_options(parser)
    add_network_option(parser)
    _add_runtime_options(parser)
    parser.set_defaults(run=_run_bench)


def _add_runtime_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--runtime",
        metavar="NAME,...",
        help="time exported networks in onnx, openvino, ncnn, litert or executorch, or several of them",
    )
    parser.add_argument(
        "--export-python",
        metavar="NAME=PATH,...",
        help="interpreters of runtimes with an environment of their own, as scripts/make-export-venv makes them: for"
        " example litert=.venv-litert/bin/python",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="FOLDER",
        help="photographs that int8 of exported networks is scaled by (default: scikit-image's samples)",
    )


def _run_bench(parsed: argparse.Namespace) -> None:
    if parsed.runtime is not None:
        _refuse(parsed, OF_METHODS, "--runtime times exported networks, not methods")
        return _run_runtimes(parsed)
    _refuse(parsed, OF_RUNTIMES, "it is of exported networks: give --runtime too")
    from rethined.bench.run import run_bench

    table = run_bench(
        parsed.out,
        sides_px=whole_numbers(parsed.sizes or SIZES),
        methods=(parsed.methods or METHODS).split(","),
        reference=parsed.reference or REFERENCE,
        network=parsed.network,
        threads=thread_counts(parsed.threads),
        shares=numbers(parsed.shares or SHARES),
        peers_python=parsed.peers_python,
        on_row=lambda what: tell(f"timing {what}"),
    )
    print(table)
    print(f"in {parsed.out}: bench.json, bench.md")
    return None


def _run_runtimes(parsed: argparse.Namespace) -> None:
    try:
        from rethined.export.runtimes import run_runtimes
    except ImportError as error:
        raise missing_extra("bench", error) from error
    table = run_runtimes(
        parsed.out,
        runtimes=parsed.runtime.split(","),
        sides_px=whole_numbers(parsed.sizes or RUNTIME_SIZES),
        threads=thread_counts(parsed.threads),
        pythons=_interpreters(parsed.export_python),
        calibration=parsed.calibration,
        on_row=tell,
    )
    print(table)
    print(f"in {parsed.out}: runtimes.json, runtimes.md")


def _interpreters(text: str | None) -> dict[str, Path]:
    """``litert=PATH,ncnn=PATH`` as paths by name."""
    found: dict[str, Path] = {}
    for part in text.split(",") if text else ():
        name, equals, path = part.partition("=")
        if not (name and equals and path) or name in found:
            raise OptionError(
                f"--export-python is {text!r}; expected names with their interpreters, each once, for example"
                " litert=.venv-litert/bin/python"
            )
        found[name] = Path(path)
    return found


def _refuse(parsed: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    for name in names:
        if getattr(parsed, name) is not None:
            raise OptionError(f"--{name.replace('_', '-')} is given; {why}")
