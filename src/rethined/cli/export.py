"""``rethined export``: a network for a runtime."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rethined.cli.shared import Commands, missing_extra


def add_command(commands: Commands[argparse.ArgumentParser]) -> None:
    """Adds ``export`` to the commands."""
    parser = commands.add_parser("export", help="write a trained network for a runtime", description="Formats: onnx.")
    formats = parser.add_subparsers(title="formats", metavar="FORMAT", required=True)
    onnx = formats.add_parser(
        "onnx",
        help="the file the engine runs",
        description="Writes OUT.onnx with its contract in the metadata, checked against torch, and the same weights as"
        " OUT.safetensors. Needs: pip install 'rethined[train]'.",
    )
    onnx.add_argument("state", metavar="RUN", type=Path, help="folder of a run, or its state.pt")
    onnx.add_argument("-o", "--out", type=Path, required=True, help="file to write, ending in .onnx")
    onnx.add_argument("--training-data", default="not stated", help="what the network was trained on, for the metadata")
    onnx.set_defaults(run=_run_export_onnx)


def _run_export_onnx(parsed: argparse.Namespace) -> None:
    try:
        from rethined.export.run import export_run
    except ImportError as error:
        raise missing_extra("train", error) from error
    print(f"exporting {parsed.state}: fusing, tracing, comparing with torch", file=sys.stderr)
    difference = export_run(parsed.state, parsed.out, training_data=parsed.training_data)
    print(f"{parsed.out}: largest difference from torch {difference:.1e}")
