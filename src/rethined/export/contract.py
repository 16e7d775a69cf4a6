"""The contract of an artefact: what goes in, what comes out, from which weights. One schema for all formats.

It is written as ``NAME.json`` beside the artefact ``NAME``, and into the artefact's own metadata where the format has
any.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rethined._version import __version__
from rethined.errors import ExportError
from rethined.files import write_text

SCHEMA = "rethined-edge-1"
Precision = Literal["fp32", "fp16", "int8"]
"""What the network is computed in: single, half, or 8-bit integers calibrated on photographs. Inputs and outputs are
float32 at all of them."""
FormName = Literal["lr", "pipeline"]


@dataclass(frozen=True)
class Port:
    """An input or an output.

    Attributes:
        name: What it is called in the artefact, where the format keeps names.
        dtype: ``float32`` or ``int32``.
        shape: Sides; a name such as ``H`` or ``H/8`` stands for one that is left open.
        meaning: Range, polarity and unit.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    meaning: str


@dataclass(frozen=True)
class Contract:
    """What a caller has to know; see the module's text.

    Attributes:
        form: ``lr`` or ``pipeline``.
        format: Name of the format.
        precision: See :data:`Precision`.
        inputs, outputs: In the order in which formats without names take and give them.
        size: Which heights and widths there are, in words.
        weights_sha256: Checksum of the ``.safetensors`` file the network was made from.
        files: All that belongs to the artefact, itself first; known once it is written.
        facts: More of the form (factor, side of a token) and of the format (how to build an engine).
        version: Version of rethined that wrote it.
        schema: Version of this form of contract.
    """

    form: FormName
    format: str
    precision: Precision
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    size: str
    weights_sha256: str
    files: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    version: str = __version__
    schema: str = SCHEMA

    def to_json(self) -> str:
        """The contract as text."""
        return json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"

    def metadata(self) -> dict[str, str]:
        """The contract as flat text, for formats that keep a dictionary: lists are JSON."""
        plain = asdict(self)
        facts = plain.pop("facts")
        del plain["files"]
        return {
            **{name: value if isinstance(value, str) else json.dumps(value) for name, value in plain.items()},
            **facts,
        }


def contract_path(artefact: Path) -> Path:
    """The file beside an artefact that holds its contract."""
    return artefact.with_name(artefact.name + ".json")


def write_contract(contract: Contract, artefact: Path) -> None:
    """Writes the contract beside the artefact."""
    write_text(contract_path(artefact), contract.to_json())


def read_contract(artefact: Path) -> Contract:
    """The contract beside an artefact.

    Raises:
        ExportError: There is none, or one of another schema.
    """
    path = contract_path(artefact)
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ExportError(f"{path} is no contract ({error}); export the artefact again") from error
    if found.get("schema") != SCHEMA:
        raise ExportError(f"{path} follows {found.get('schema')!r}; this version reads {SCHEMA!r}: export it again")
    for side in ("inputs", "outputs"):
        found[side] = tuple(Port(**{**port, "shape": tuple(port["shape"])}) for port in found[side])
    return Contract(**{**found, "files": tuple(found["files"])})
