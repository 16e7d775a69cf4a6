"""Writes an artefact with its contract: all of it or nothing."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from rethined.errors import ExportError
from rethined.export.contract import Contract, Precision, write_contract
from rethined.export.formats import Calibration, Format, expect_installed, expect_taken
from rethined.export.forms import Form


def write_artefact(
    form: Form, made: Format, out: Path, *, precision: Precision = "fp32", calibration: Calibration = ()
) -> Contract:
    """Writes a form in a format.

    Args:
        form: What to write.
        made: The format.
        out: File (or folder, where the format is one) to write; what stood there is replaced. Files that belong to it
            are written beside it.
        precision: What the network is computed in.
        calibration: Photographs, for ``int8``.

    Returns:
        Its contract, which lies beside it as ``OUT.json``.

    Raises:
        MissingExtraError: The converter is not installed.
        ExportError: The format cannot hold the form, or there is no folder to write to.
    """
    expect_installed(made)
    expect_taken(made, form, precision, out)
    if not out.parent.is_dir():
        raise ExportError(f"the file to write is {out}; expected a folder that exists: make {out.parent} first")
    contract = Contract(
        form=form.name,
        format=made.name,
        precision=precision,
        inputs=form.inputs,
        outputs=form.outputs,
        size=form.size,
        weights_sha256=form.weights_sha256,
        facts={**form.facts, **made.facts(out, precision)},
    )
    with tempfile.TemporaryDirectory(prefix=".rethined-", dir=out.parent) as work:
        made.write(form, Path(work) / out.name, contract, calibration)
        parts = sorted(Path(work).iterdir(), key=lambda part: (part.name != out.name, part.name))
        contract = replace(contract, files=tuple(part.name for part in parts))
        for part in parts:
            _take_place(part, out.parent / part.name)
    write_contract(contract, out)
    check_path(out).unlink(missing_ok=True)  # it told of what stood there before
    return contract


def check_path(artefact: Path) -> Path:
    """The file beside an artefact that holds what its check found."""
    return artefact.with_name(artefact.name + ".check.json")


def artefact_bytes(artefact: Path, contract: Contract) -> int:
    """Size on disk of all that belongs to an artefact, the contract beside it not counted."""
    parts = [artefact.parent / name for name in contract.files]
    files = [file for part in parts for file in ([part] if part.is_file() else part.rglob("*"))]
    return sum(file.stat().st_size for file in files if file.is_file())


def _take_place(part: Path, place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    part.replace(place)
