"""A look at what the masks of many photographs mean before anything is filled."""

from __future__ import annotations

from pathlib import Path

from rethined.batch.fill import Report, Settings, heard, make_folder
from rethined.batch.jobs import Task
from rethined.imageio import read_image, write_image
from rethined.masking.preview import preview


class Previewer:
    """Shows the hole of photographs.

    Args:
        settings: How they would be filled.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, task: Task) -> Report:
        """Writes the preview of a task, see :func:`rethined.masking.preview.preview`.

        Raises:
            ImageError, MaskError, ImageReadError, ImageWriteError: As :meth:`Filler.__call__`.
        """
        grow_px = self._settings.options.grow_px
        with heard() as said:
            image = read_image(task.photo, as_stored=True)
            hole = task.mask.hole(image, name=Path(task.photo), grow_px=grow_px)
        shown, line = preview(image, task.mask, hole, grow_px=grow_px)
        make_folder(task.out.parent)
        write_image(task.out, shown)
        return Report(tuple(dict.fromkeys(said)), line)
