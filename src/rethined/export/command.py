"""``rethined export``: forms to formats, checked, and the table of them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rethined.errors import ExportError, OptionError, RethinedError
from rethined.export.artefact import write_artefact
from rethined.export.check import CheckRow, Score, check_artefact, read_check, to_markdown, write_check
from rethined.export.contract import FormName, Precision
from rethined.export.formats import FORMATS, Calibration, Format
from rethined.export.forms import Form, lr_form, pipeline_form
from rethined.export.network import Weights, load_weights
from rethined.export.photos import Feeds, make_samples
from rethined.types import SizeHW

CALIBRATION_PHOTOS = 32
"""Photographs that integers are scaled by, at most."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be written.

    Attributes:
        form: ``lr`` or ``pipeline``.
        precision: What the network is computed in.
        size_hw: Height and width of the network's picture; ``None`` for any, or for the pipeline's default.
        hr_px: Side of the photograph, of the pipeline only; ``None`` for four times the network's.
        weights: A ``.safetensors`` file or a run; the shipped ones when ``None``.
        photos: Folder of photographs to check with; scikit-image's when ``None``.
        calibration: Folder of photographs that int8 is scaled by; ``photos`` when ``None``.
    """

    form: FormName = "lr"
    precision: Precision = "fp32"
    size_hw: SizeHW | None = None
    hr_px: int | None = None
    weights: Path | None = None
    photos: Path | None = None
    calibration: Path | None = None


def export(
    format_name: str, out: Path, order: Order, *, check: bool = False, score: Score | None = None
) -> CheckRow | None:
    """Writes an artefact, and checks it if asked to.

    Args:
        format_name: One of :data:`rethined.export.formats.FORMATS`.
        out: File to write; its contract is written beside it, and what the check found.
        order: What to write.
        check: Whether to check it.
        score: Perceptual distance for the check.

    Returns:
        What the check found. An artefact that misses a bar stays.

    Raises:
        MissingExtraError: The converter is not installed.
        OptionError: A size that cannot be.
        ExportError: The format cannot hold the form.
        CheckpointError: The weights cannot be read.
    """
    return _export(FORMATS[format_name], out, order, load_weights(order.weights), check=check, score=score)


def _export(
    made: Format, out: Path, order: Order, weights: Weights, *, check: bool, score: Score | None
) -> CheckRow | None:
    for name, folder in (("photos", order.photos), ("calibration", order.calibration)):
        if folder is not None and not folder.is_dir():  # said before anything is written
            raise OptionError(f"--{name} is {folder}, which is not a folder; give a folder of photographs")
    form = _form(order, weights)
    calibration: Calibration = ()
    if order.precision == "int8":
        calibration = Feeds(make_samples(form, order.calibration or order.photos, most=CALIBRATION_PHOTOS))
    contract = write_artefact(form, made, out, precision=order.precision, calibration=calibration)
    if not check:
        return None
    row = check_artefact(form, made, out, contract, make_samples(form, order.photos), score=score)
    write_check(row, out)
    return row


def export_table(
    folder: Path,
    orders: Sequence[tuple[str, Order]],
    *,
    score: Score | None = None,
    on_row: Callable[[str], None] = lambda _: None,
) -> str:
    """Writes and checks many artefacts, and tables what is in the folder, theirs and those of earlier calls.

    Args:
        folder: Where artefacts are written; made when missing.
        orders: Formats with what to write in them.
        score: Perceptual distance.
        on_row: Called with what is being done, and with what cannot be done and why.

    Returns:
        The table, as Markdown, a line below it for each that cannot be made here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    refused = []
    for format_name, order in orders:
        made = FORMATS[format_name]
        name = f"{order.form}-{order.precision}-{format_name}{made.suffix}"
        on_row(name)
        try:
            _export(made, folder / name, order, load_weights(order.weights), check=True, score=score)
        except RethinedError as error:
            refused.append(f"- {format_name}, {order.form}, {order.precision}: {error}")
            on_row(refused[-1])
    if orders and len(refused) == len(orders):
        raise ExportError(f"nothing could be made and checked: {refused[-1].removeprefix('- ')}")
    rows = [read_check(path) for path in sorted(folder.glob("*.check.json"))]
    table = to_markdown(sorted(rows, key=lambda row: (row.form, list(FORMATS).index(row.format), row.precision)))
    return "\n".join([table, *refused])


def _form(order: Order, weights: Weights) -> Form:
    if order.form == "pipeline":
        return pipeline_form(weights, order.size_hw, order.hr_px)
    if order.hr_px is not None:
        raise OptionError(f"--hr is {order.hr_px}; only the form 'pipeline' takes it: --form pipeline")
    return lr_form(weights, order.size_hw)
