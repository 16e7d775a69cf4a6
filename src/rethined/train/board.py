"""Logs of a run for TensorBoard, through torch's writer."""

from __future__ import annotations

from pathlib import Path

from rethined.errors import MissingExtraError
from rethined.train.state import TrainState
from rethined.train.watch import ValSet

LOOKS = 3
"""Photographs of which pictures are written."""


def expect_tensorboard() -> None:
    """Finds out whether logs can be written, before any work is done.

    Raises:
        MissingExtraError: The package is not installed.
    """
    try:
        import torch.utils.tensorboard  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"logs for TensorBoard need the package 'tensorboard' ({error}): pip install 'rethined[tensorboard]'"
        ) from error


class Board:
    """Scalars of every report, and pictures of the same few photographs at every save.

    Args:
        folder: Where the logs go; those of steps that a resumed run takes again are superseded.
        state: What is trained.
        watched: Photographs to show, the first three of them; ``None`` for no pictures.
    """

    def __init__(self, folder: Path, state: TrainState, watched: ValSet | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._state = state
        self._watched = watched
        self._writer = SummaryWriter(str(folder), purge_step=state.step + 1)

    def add_means(self, row: dict[str, float]) -> None:
        """Writes the means of a report, all but the step, which is where they are written."""
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(row["step"]))

    def add_looks(self) -> None:
        """Writes prefill, fill and truth side by side, by the averaged weights."""
        if self._watched is not None:
            looks = self._watched.looks(self._state.averaged_network(), LOOKS)
            for index, look in enumerate(looks):
                self._writer.add_image(f"val/{index}", look, self._state.step)
        self._writer.flush()

    def close(self) -> None:
        """Ends the logs."""
        self._writer.close()
