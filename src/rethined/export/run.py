"""``rethined export onnx``: from a run to the files that ship."""

from __future__ import annotations

from pathlib import Path

from rethined.errors import CheckpointError, ExportParityError
from rethined.export.onnx import EnginePrecision, expect_ranges, export_onnx, export_tensors
from rethined.train.run import STATE_FILE, read_config
from rethined.train.state import TrainState, load_state


def export_run(
    run: Path, out: Path, *, precision: EnginePrecision = "fp32", training_data: str = "not stated"
) -> float:
    """Writes the averaged weights of a run as ONNX, and beside it as safetensors.

    Args:
        run: Folder of the run, or its ``state.pt``.
        out: File to write, ending in ``.onnx``.
        precision: As for :func:`rethined.export.onnx.export_onnx`.
        training_data: What the network was trained on; kept in the file.

    Returns:
        The difference between torch and ONNX Runtime, likewise.

    Raises:
        CheckpointError: ``run`` is no run, or ``out`` as for :func:`expect_onnx`.
        ExportError: It was not trained for ``int8``.
        ExportParityError: The file does not reproduce the network.
    """
    expect_onnx(out)
    folder = run.parent if run.name == STATE_FILE else run
    state = load_state(folder / STATE_FILE, read_config(folder))
    return write_network(state, out, precision=precision, facts={"training_data": training_data})


def expect_onnx(out: Path) -> None:
    """Refuses a file to write that does not end in ``.onnx``, or whose folder is not there.

    Raises:
        CheckpointError: It does not, or is not.
    """
    if out.suffix != ".onnx":
        raise CheckpointError(f"the file to write is {out}; expected a name that ends in .onnx")
    if not out.parent.is_dir():
        raise CheckpointError(f"the file to write is {out}; expected a folder that exists: make {out.parent} first")


def write_network(state: TrainState, out: Path, *, precision: EnginePrecision = "fp32", facts: dict[str, str]) -> float:
    """Writes the averaged weights of a state as ONNX, and beside it as safetensors.

    Args:
        state: What was trained.
        out: File to write, ending in ``.onnx``.
        precision: As for :func:`rethined.export.onnx.export_onnx`; the safetensors are the same for all.
        facts: More facts to keep in the file beside the checksum of the weights and how long they were trained.

    Returns:
        The difference between torch and ONNX Runtime, likewise.

    Raises:
        ExportError: The network was not trained for ``int8``.
        ExportParityError: The file does not reproduce the network.
    """
    network = state.averaged_network()
    if precision == "int8":
        expect_ranges(network)  # before the weights that lie there are replaced
    tensors = out.with_suffix(".safetensors")
    metadata = {
        "weights_sha256": export_tensors(network, tensors),
        "training_steps": str(state.step),
        "training_samples": str(state.position),
        "training_minutes": f"{state.minutes:.0f}",
        **facts,
    }
    try:
        return export_onnx(network, out, precision=precision, metadata=metadata)
    except ExportParityError:
        tensors.unlink()
        raise
