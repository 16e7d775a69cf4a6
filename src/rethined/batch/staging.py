"""Files of an object store, brought to this machine for as long as something is made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rethined.batch.fill import Report
from rethined.batch.jobs import Task
from rethined.errors import RethinedError
from rethined.files import private_folder
from rethined.masking import FileMask, MaskSource
from rethined.places import Location, Url

Work = Callable[[Task], Report]


def staged(work: Work) -> Work:
    """The same work for tasks of which any file may be in a store.

    Args:
        work: Reads and writes files of this machine.

    Returns:
        What fetches photograph and mask from a store before and sends the result there after. It raises what ``work``
        does, with the URLs in the message, and ImageReadError, ImageWriteError where a store cannot be used.
    """
    return _Staged(work)


class _Staged:
    """A class, so that it can be handed to another process."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def __call__(self, task: Task) -> Report:
        if not any(isinstance(place, Url) for place in _places(task)):
            return self._work(task)
        with private_folder() as folder:
            # A folder each: photograph, mask and result may have one and the same name.
            here = replace(
                task,
                photo=_brought(task.photo, Path(folder, "photo")),
                mask=with_file(task.mask, lambda place: _brought(place, Path(folder, "mask"))),
                out=Path(folder, "out", task.out.name) if isinstance(task.out, Url) else task.out,
            )
            try:
                report = self._work(here)
            except RethinedError as error:
                raise type(error)(_in_their_words(str(error), here, task)) from error
            if isinstance(task.out, Url):
                task.out.send(Path(here.out))
        return replace(report, warnings=tuple(_in_their_words(warning, here, task) for warning in report.warnings))


def with_file(mask: MaskSource, there: Callable[[Location], Location]) -> MaskSource:
    """The same mask, its file where ``there`` says; itself where it has none."""
    return replace(mask, path=there(mask.path)) if isinstance(mask, FileMask) else mask


def _places(task: Task) -> list[Location]:
    """Where the files of a task are."""
    return [task.photo, *([task.mask.path] if isinstance(task.mask, FileMask) else []), task.out]


def _brought(place: Location, folder: Path) -> Location:
    if not isinstance(place, Url):
        return place
    # With its folders: annotations tell photographs of the same name apart by them.
    near = folder.joinpath(*(part for part in place.path.parts if part not in ("/", "..")))
    near.parent.mkdir(parents=True)
    place.fetch(near)
    return near


def _in_their_words(message: str, here: Task, task: Task) -> str:
    for near, far in zip(_places(here), _places(task), strict=True):
        message = message.replace(str(near), str(far))
    return message
