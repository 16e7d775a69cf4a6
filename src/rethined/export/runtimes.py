"""``rethined bench --runtime``: the exported networks, each in its own runtime, timed side by side.

Each artefact is written and run under the interpreter that has its converter and its runtime, since these want other
versions of the same packages, and each runs in a process of its own, so that none meets the threads and allocators of
another. What is timed is the form ``lr`` at one size, arrays in and arrays out, by the clock of that process. All take
turns, see :mod:`rethined.bench.timing`, with a rest before each: threads of some runtimes wait busily for a while after
a run, and would take a core from the next.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rethined._version import __version__
from rethined.bench.machine import describe_machine
from rethined.bench.timing import Timing, time_together
from rethined.errors import ExportError, OptionError, PeerError
from rethined.export.contract import contract_path, read_contract
from rethined.export.formats import FORMATS
from rethined.export.sizes import expect_multiple
from rethined.files import sha256_of, write_text
from rethined.regions import SIZE_MULTIPLE
from rethined.runtime import available_cores
from rethined.weights import SHIPPED_TENSORS

SCHEMA = "rethined-bench-runtimes-1"
PRECISIONS: dict[str, tuple[str, ...]] = {
    "onnx": ("fp32", "int8"),
    "openvino": ("fp32", "bf16", "int8"),
    "ncnn": ("fp32", "fp16"),
    "litert": ("fp32", "int8"),
    "executorch": ("fp32",),
}
"""Runtimes with the precisions that make a difference on a processor; ``bf16`` is the fp32 file, computed in bfloat16
by OpenVINO."""
REFERENCE = ("onnx", "fp32")
"""What ratios are taken from."""
SIDES_PX = (256, 512)
REST_S = 0.05
"""Rest before each run."""
NETWORKS = "networks"
"""Folder of the artefacts, below the one that is written to."""


@dataclass(frozen=True)
class RuntimeRow:
    """One runtime in one precision, at one size, with one number of threads.

    Attributes:
        runtime: Name of the format.
        precision: What it computed in.
        side_px: Height and width of the network's picture.
        threads: Threads of one run.
        version: Of the runtime; empty where it did not come up.
        timing: Times of a run; ``None`` where it failed.
        ratio: Median over that of ONNX Runtime in single precision in the same conditions; ``None`` without one.
        error: What went wrong, or nothing.
    """

    runtime: str
    precision: str
    side_px: int
    threads: int
    version: str
    timing: Timing | None
    ratio: float | None
    error: str = ""


def run_runtimes(
    out: Path,
    *,
    runtimes: Sequence[str],
    sides_px: Sequence[int] = SIDES_PX,
    threads: Sequence[int | None] = (None,),
    pythons: Mapping[str, Path] | None = None,
    calibration: Path | None = None,
    on_row: Callable[[str], None] = lambda _: None,
) -> str:
    """Writes what is not there yet, times, and writes ``runtimes.json`` and ``runtimes.md``.

    Args:
        out: Folder; made when missing. Artefacts of the shipped weights stay below it and are taken again.
        runtimes: Names, of :data:`PRECISIONS`.
        sides_px: Sides of the network's square picture, multiples of 32.
        threads: Numbers of threads of one run, one after the other; ``None`` stands for all cores.
        pythons: Interpreters of runtimes that have an environment of their own; this one for the rest.
        calibration: Photographs that int8 is scaled by; scikit-image's when ``None``.
        on_row: Called with what is being done, and with what cannot be done and why.

    Returns:
        The table, as Markdown.

    Raises:
        OptionError: An unknown runtime or one given twice, a size that is no multiple of 32, no thread, or an
            interpreter that is not there.
    """
    pythons = pythons or {}
    counts = list(dict.fromkeys(available_cores() if count is None else count for count in threads))
    _expect_sensible(runtimes, sides_px, counts, pythons)
    (out / NETWORKS).mkdir(parents=True, exist_ok=True)
    rows: list[RuntimeRow] = []
    for side_px in sides_px:
        entries = [
            _Entry(name, precision, side_px, out / NETWORKS, pythons.get(name, Path(sys.executable)))
            for name in runtimes
            for precision in PRECISIONS[name]
        ]
        refused: dict[_Entry, str] = {}
        for entry in entries:
            try:
                entry.write(calibration, on_row)
            except ExportError as error:
                refused[entry] = str(error)
                on_row(f"{entry}: {error}")
        for count in counts:
            on_row(f"timing {side_px} x {side_px}, {count} thread{'s' * (count > 1)}")
            rows += _time(entries, refused, count)
    report = {
        "schema": SCHEMA,
        "machine": describe_machine(),
        "weights_sha256": sha256_of(SHIPPED_TENSORS),
        "rest_s": REST_S,
        "rows": [asdict(row) for row in rows],
    }
    table = to_markdown(rows)
    write_text(out / "runtimes.json", json.dumps(report, indent=1, allow_nan=False) + "\n")
    write_text(out / "runtimes.md", table)
    return table


def to_markdown(rows: Sequence[RuntimeRow]) -> str:
    """The table for people."""
    lines = [
        f"| size | threads | runtime | version | precision | ms | IQR | p95 | of {' '.join(REFERENCE)} |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        # What a runtime says may hold what ends a cell.
        error = " ".join(row.error.split()).replace("|", "/")
        times = f"{error} | |" if row.timing is None else row.timing.cells()
        conditions = f"{row.side_px} | {row.threads} | {row.runtime} | {row.version} | {row.precision}"
        lines.append(f"| {conditions} | {times} | {ratio} |")
    return "\n".join(lines) + "\n"


def _expect_sensible(
    runtimes: Sequence[str], sides_px: Sequence[int], threads: Sequence[int], pythons: Mapping[str, Path]
) -> None:
    for name in (*runtimes, *pythons):
        if name not in PRECISIONS:
            raise OptionError(f"the runtime is {name!r}; expected one of {', '.join(PRECISIONS)}")
    if len(set(runtimes)) != len(runtimes):
        raise OptionError(f"the runtimes are {', '.join(runtimes)}; expected each once")
    for side_px in sides_px:
        expect_multiple("size", side_px, SIZE_MULTIPLE)
    for count in threads:
        if count < 1:
            raise OptionError(f"the number of threads is {count}; expected 1 or more, or all")
    for name, python in pythons.items():
        if not python.is_file():
            raise OptionError(f"there is no Python at {python}; the format {name!r} needs: {FORMATS[name].install}")


@dataclass(frozen=True)
class _Entry:
    """A runtime in a precision at a size, and the interpreter that has it."""

    runtime: str
    precision: str
    side_px: int
    folder: Path
    python: Path

    def __str__(self) -> str:
        return f"{self.runtime}, {self.precision}, {self.side_px} x {self.side_px}"

    @property
    def of_file(self) -> str:
        """The precision of the file."""
        return "fp32" if self.precision == "bf16" else self.precision

    @property
    def artefact(self) -> Path:
        return self.folder / f"lr-{self.side_px}-{self.of_file}-{self.runtime}{FORMATS[self.runtime].suffix}"

    def write(self, calibration: Path | None, on_row: Callable[[str], None]) -> None:
        """Writes the artefact, unless it is there.

        Raises:
            ExportError: It cannot be written; the message is the other interpreter's.
        """
        if self._is_there():
            return
        on_row(f"writing {self.artefact.name}")
        size = f"{self.side_px}x{self.side_px}"
        command = [str(self.python), "-m", "rethined", "export", self.runtime, "-o", str(self.artefact)]
        command += ["--size", size, "--precision", self.of_file]
        if calibration is not None:
            command += ["--calibration", str(calibration)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["it said nothing"]
            if said[-1].startswith("rethined: "):
                raise ExportError(said[-1].removeprefix("rethined: "))
            raise ExportError(
                f"{self.python} cannot run `rethined export {self.runtime}` ({said[-1]}); it needs:"
                f" {FORMATS[self.runtime].install}"
            )

    def _is_there(self) -> bool:
        """Whether there is an artefact that this version made of the shipped weights."""
        if not contract_path(self.artefact).is_file():
            return False
        try:
            contract = read_contract(self.artefact)
        except ExportError:
            return False
        made = (contract.version, contract.weights_sha256) == (__version__, sha256_of(SHIPPED_TENSORS))
        return made and all((self.folder / name).exists() for name in contract.files)


def _time(entries: Sequence[_Entry], refused: Mapping[_Entry, str], threads: int) -> list[RuntimeRow]:
    """One row for each entry, with times where it can be run."""
    errors, clock = dict(refused), _Clock()
    with ExitStack() as stack:
        running: dict[_Entry, ArtefactProcess] = {}
        for entry in entries:
            if entry in errors:
                continue
            try:
                process = ArtefactProcess(entry.python, entry.runtime, entry.artefact, threads, entry.precision)
                running[entry] = stack.enter_context(contextlib.closing(process))
            except PeerError as error:
                errors[entry] = str(error)

        def call(entry: _Entry, process: ArtefactProcess) -> Callable[[], object]:
            def run() -> None:
                if entry in errors:
                    return
                time.sleep(REST_S)
                try:
                    clock.seconds += process.run() / 1e3
                except PeerError as error:
                    errors[entry] = str(error)

            return run

        calls = {str(entry): call(entry, process) for entry, process in running.items()}
        timings = time_together(calls, clock=lambda: clock.seconds)
    found = {entry: timings[str(entry)] for entry in entries if entry not in errors}
    base = next((found[entry] for entry in found if (entry.runtime, entry.precision) == REFERENCE), None)
    return [
        RuntimeRow(
            runtime=entry.runtime,
            precision=entry.precision,
            side_px=entry.side_px,
            threads=threads,
            version=running[entry].version if entry in running else "",
            timing=found.get(entry),
            ratio=round(found[entry].median_ms / base.median_ms, 4) if base and entry in found else None,
            error=errors.get(entry, ""),
        )
        for entry in entries
    ]


class _Clock:
    """What the processes say they took, added up: the way through the pipes is nobody's time."""

    seconds = 0.0


class ArtefactProcess:
    """An artefact that is open in its runtime, in a process of its own, and waits to be run.

    Attributes:
        version: Of the runtime.
    """

    def __init__(self, python: Path, format_name: str, artefact: Path, threads: int, precision: str) -> None:
        """Starts the process and opens the artefact.

        Args:
            python: Interpreter that has the runtime.
            format_name, artefact, threads, precision: As in :mod:`rethined.export.timed_child`.

        Raises:
            PeerError: It cannot be opened; the message says why.
        """
        command = [
            str(python),
            "-m",
            "rethined.export.timed_child",
            format_name,
            str(artefact),
            str(threads),
            precision,
        ]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
            )
        except OSError as error:
            self._log.close()
            raise PeerError(f"{python} cannot be started: {error}") from error
        try:
            self.version: str = self._read()["version"]
        except BaseException:
            self.close()
            raise

    def run(self) -> float:
        """Milliseconds of one run.

        Raises:
            PeerError: The runtime failed, or the process ended.
        """
        stdin = self._process.stdin
        try:
            if stdin is not None:
                stdin.write("run\n")
                stdin.flush()
        except OSError as error:
            raise self._ended() from error
        return float(self._read()["ms"])

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream is not None:
                with contextlib.suppress(OSError):  # closing flushes what the process did not take any more
                    stream.close()

    def _read(self) -> dict[str, Any]:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise self._ended()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(answer["error"])
        return answer

    def _ended(self) -> PeerError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._log.seek(0)
        said = self._log.read().decode(errors="replace").strip().splitlines()
        return PeerError(
            f"the process of the runtime ended with status {self._process.poll()}:"
            f" {said[-1] if said else 'it said nothing'}"
        )
