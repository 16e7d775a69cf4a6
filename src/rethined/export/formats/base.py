"""What a format has to offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from numpy.typing import NDArray

from rethined.errors import ExportError, MissingExtraError
from rethined.export.contract import Contract, Precision

if TYPE_CHECKING:
    from rethined.export.forms import Form

Feed: TypeAlias = Mapping[str, NDArray[Any]]
"""Inputs by name."""
Run: TypeAlias = Callable[[Feed], dict[str, NDArray[Any]]]
"""An opened artefact: inputs by name to outputs by name, shapes and dtypes as the contract says."""
Calibration: TypeAlias = Sequence[Feed]
"""Inputs made of photographs, for integers to be scaled by."""


class Format(Protocol):
    """A file format with the runtime that checks it.

    Attributes:
        name: What it is called on the command line.
        suffix: How the artefact's name ends, a dot first.
        packages: Modules that writing and running import.
        install: The line that installs them.
        precisions: Those it can be written in.
        takes_any_size: Whether a form may leave height and width open.
    """

    @property
    def name(self) -> str:  # noqa: D102
        ...

    @property
    def suffix(self) -> str:  # noqa: D102
        ...

    @property
    def packages(self) -> tuple[str, ...]:  # noqa: D102
        ...

    @property
    def install(self) -> str:  # noqa: D102
        ...

    @property
    def precisions(self) -> tuple[Precision, ...]:  # noqa: D102
        ...

    @property
    def takes_any_size(self) -> bool:  # noqa: D102
        ...

    def facts(self, out: Path, precision: Precision) -> dict[str, str]:
        """What the contract is to say beside the form's own facts: how to build an engine, for example."""

    def write(self, form: Form, out: Path, contract: Contract, calibration: Calibration) -> None:
        """Writes the artefact in the precision of its contract, the contract into its metadata where it has any.

        Args:
            form: What to write.
            out: File, or folder, to write, in an empty folder; all that is written beside it belongs to the artefact,
                and names must begin with ``out.stem``.
            contract: Goes with it.
            calibration: Photographs; empty unless the precision is ``int8``.

        Raises:
            ExportError: An operator that the format lacks; the message names it.
        """

    def open(self, artefact: Path, contract: Contract, *, threads: int) -> Run:
        """Loads an artefact into its runtime; the contract tells the names and the order of inputs and outputs."""


def expect_installed(made: Format) -> None:
    """Refuses a format whose packages are not there.

    Raises:
        MissingExtraError: The message has the line that installs them.
    """
    for package in made.packages:
        if find_spec(package) is None:
            raise MissingExtraError(f"the format {made.name!r} needs the package {package!r}: {made.install}")


def expect_taken(made: Format, form: Form, precision: Precision, out: Path) -> None:
    """Refuses what a format cannot hold, before any work is done.

    Raises:
        ExportError: A precision, an open size or a name that the format does not take.
    """
    if precision not in made.precisions:
        raise ExportError(f"the precision is {precision}; the format {made.name!r} takes {', '.join(made.precisions)}")
    if form.is_dynamic and not made.takes_any_size:
        raise ExportError(f"the format {made.name!r} takes one size only; give it: --size 512x512")
    if out.suffix != made.suffix:
        raise ExportError(f"the file to write is {out}; expected a name that ends in {made.suffix}")
