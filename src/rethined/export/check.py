"""Does an artefact say in its own runtime what the network says in torch, how fast, and in how much memory?

Bars: the largest difference of any output is 2e-3 at fp32 and 2e-2 at fp16. At int8 it is the look that counts: hole
PSNR at most .3 dB and perceptual distance at most 2 % worse than torch in single precision. A bar that is missed is
said so.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rethined.bench.timing import time_together
from rethined.errors import ExportError, ReportError
from rethined.export.artefact import artefact_bytes, check_path
from rethined.export.contract import Contract, FormName, Precision
from rethined.export.formats import Feed, Format
from rethined.export.forms import Form
from rethined.export.photos import Sample, picture_of
from rethined.files import write_text
from rethined.types import HoleMap, Image8

SCHEMA = "rethined-edge-check-1"
BARS: dict[Precision, float] = {"fp32": 2e-3, "fp16": 2e-2}
"""Largest difference of any output from torch's in single precision, on a scale of 0..1."""
MOST_LOST_DB = 0.3
MOST_PERC_SHARE = 0.02
THREADS = 2

Score = Callable[[Image8, Image8, HoleMap], float]
"""Perceptual distance of a result from the original in the hole."""


@dataclass(frozen=True)
class CheckRow:
    """What a check found.

    Attributes:
        format, form, precision, size: What was checked, from its contract.
        size_bytes: On disk.
        latency_ms: Median of one run at 2 threads; ``None`` where it was not timed.
        peak_mib: Memory that opening and one run took in a process of its own; ``None`` where it was not measured.
        photos: How many photographs.
        differences: Largest difference from torch by output, over all photographs. Of sources it is that of their
            weights as torch sees them.
        far_share: Share of hole pixels of the filled picture that differ by more than the bar.
        psnr_db, torch_psnr_db: Hole PSNR against the original, mean over the photographs.
        perc, torch_perc: Perceptual distance, likewise; ``None`` where the judge is not installed.
        missed: What bar was missed and by what; empty where none was.
    """

    format: str
    form: FormName
    precision: Precision
    size: str
    size_bytes: int
    latency_ms: float | None
    peak_mib: float | None
    photos: int
    differences: dict[str, float]
    far_share: float
    psnr_db: float
    torch_psnr_db: float
    perc: float | None
    torch_perc: float | None
    missed: str

    @property
    def difference(self) -> float:
        """The largest of all outputs; not a number where any is none."""
        return float(np.max(list(self.differences.values())))


def check_artefact(
    form: Form,
    made: Format,
    artefact: Path,
    contract: Contract,
    samples: Sequence[Sample],
    *,
    score: Score | None = None,
    measure: bool = True,
) -> CheckRow:
    """Runs an artefact on photographs and compares it with torch.

    Args:
        form: What it was written from, in single precision.
        made: Its format.
        artefact: The file.
        contract: Its contract.
        samples: Photographs.
        score: Perceptual distance; none when ``None``.
        measure: Whether to take time and memory too.

    Raises:
        ExportError: Outputs of other names, shapes or dtypes than the contract says.
    """
    run = made.open(artefact, contract, threads=THREADS)
    bar = BARS.get(contract.precision, BARS["fp16"])
    differences: dict[str, float] = {}
    far, scores = [], []
    for sample in samples:
        inputs = {name: torch.from_numpy(values) for name, values in sample.feed.items()}
        expected = form.outputs_of(inputs)
        got = run(sample.feed)
        _expect_kept(contract, expected, got)
        found = form.module.differences(inputs, expected, {name: torch.from_numpy(x) for name, x in got.items()})
        differences = {name: max(value, differences.get(name, 0.0)) for name, value in found.items()}
        gap = np.abs(got["filled"] - expected["filled"].numpy())[0].max(0)
        far.append(float((gap[sample.hole] > bar).mean()))
        pair = (picture_of(got), picture_of({"filled": expected["filled"].numpy()}))
        scores.append([_psnr_db(x, sample) for x in pair] + [_scored(score, x, sample) for x in pair])
    psnr_db, torch_psnr_db, perc, torch_perc = np.mean(scores, 0).tolist()
    row = CheckRow(
        format=contract.format,
        form=contract.form,
        precision=contract.precision,
        size=contract.size,
        size_bytes=artefact_bytes(artefact, contract),
        latency_ms=_latency_ms(run, samples[0].feed) if measure else None,
        peak_mib=_peak_mib(made, artefact, samples[0].feed) if measure else None,
        photos=len(samples),
        differences=differences,
        far_share=float(np.mean(far)),
        psnr_db=psnr_db,
        torch_psnr_db=torch_psnr_db,
        perc=perc if score else None,
        torch_perc=torch_perc if score else None,
        missed="",
    )
    return CheckRow(**{**asdict(row), "missed": _missed(row)})


def write_check(row: CheckRow, artefact: Path) -> None:
    """Writes what a check found beside the artefact."""
    write_text(check_path(artefact), json.dumps({"schema": SCHEMA, **asdict(row)}, indent=1) + "\n")


def read_check(path: Path) -> CheckRow:
    """What a check found.

    Raises:
        ReportError: ``path`` is no such file.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if found.pop("schema") != SCHEMA:
            raise ReportError(f"{path} is of another schema than {SCHEMA!r}; check the artefact again")
        return CheckRow(**found)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ReportError(f"{path} is no check of an artefact ({error}); check it again") from error


def to_markdown(rows: Iterable[CheckRow]) -> str:
    """The table for people."""
    lines = [
        "| format | form | precision | size | MB | ms | peak MiB | largest difference | hole PSNR, dB (torch) |"
        " perc (torch) | |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        latency, peak = ("" if x is None else f"{x:.0f}" for x in (row.latency_ms, row.peak_mib))
        perc = "" if row.perc is None else f"{row.perc:.3f} ({row.torch_perc:.3f})"
        lines.append(
            f"| {row.format} | {row.form} | {row.precision} | {row.size} | {row.size_bytes / 1e6:.1f} | {latency} |"
            f" {peak} | {row.difference:.1e} | {row.psnr_db:.2f} ({row.torch_psnr_db:.2f}) | {perc} |"
            f" {row.missed or 'pass'} |"
        )
    return "\n".join(lines) + "\n"


def _missed(row: CheckRow) -> str:
    if row.precision != "int8":
        bar = BARS[row.precision]
        worst = max(row.differences, key=lambda name: np.nan_to_num(row.differences[name], nan=np.inf))
        if row.differences[worst] <= bar:
            return ""
        far = f"{row.far_share:.1%} of the hole differ by more"
        return f"MISSED: {worst} differs by {row.difference:.1e}, allowed {bar:.0e}; {far}"
    lost_db = row.torch_psnr_db - row.psnr_db
    missed = []
    if not lost_db <= MOST_LOST_DB:
        missed.append(f"{lost_db:.2f} dB lost, allowed {MOST_LOST_DB}")
    if row.perc is not None and row.torch_perc is not None and row.perc > row.torch_perc * (1 + MOST_PERC_SHARE):
        missed.append(f"perc {row.perc / row.torch_perc - 1:+.1%}, allowed {MOST_PERC_SHARE:+.0%}")
    return f"MISSED: {'; '.join(missed)}" if missed else ""


def _expect_kept(contract: Contract, expected: dict[str, torch.Tensor], got: dict[str, NDArray[Any]]) -> None:
    for port in contract.outputs:
        shape = tuple(expected[port.name].shape)
        if port.name not in got or got[port.name].shape != shape or got[port.name].dtype != port.dtype:
            found = {name: (x.dtype.name, x.shape) for name, x in got.items()}
            raise ExportError(f"the artefact gives {found}; expected {port.name!r} as {port.dtype} of {shape}")


def _psnr_db(result: Image8, sample: Sample) -> float:
    error = (result.astype(np.float32) - sample.original)[sample.hole]
    return float(10 * np.log10(255**2 / max(float(np.square(error).mean()), 1e-6)))


def _scored(score: Score | None, result: Image8, sample: Sample) -> float:
    return score(result, sample.original, sample.hole) if score else 0.0


def _latency_ms(run: Callable[[Feed], object], feed: Feed) -> float:
    return time_together({"": lambda: run(feed)})[""].median_ms


def _peak_mib(made: Format, artefact: Path, feed: Feed) -> float | None:
    """Memory that opening and one run take; ``None`` where the system does not tell."""
    with tempfile.TemporaryDirectory(prefix="rethined-") as work:
        inputs = Path(work) / "feed.npz"
        np.savez(inputs, **feed)  # type: ignore[arg-type]
        command = [sys.executable, "-m", "rethined.export.child", made.name, str(artefact), str(inputs), str(THREADS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode else float(json.loads(done.stdout.splitlines()[-1])["peak_mib"])
