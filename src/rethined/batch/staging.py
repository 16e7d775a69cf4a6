"""Files of an object store, brought to this machine for as long as something is made of them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rethined.batch.fill import Report
from rethined.batch.jobs import Task
from rethined.batch.places import Location, Url
from rethined.errors import RethinedError

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
        if not any(isinstance(place, Url) for place in (task.photo, task.mask, task.out)):
            return self._work(task)
        with tempfile.TemporaryDirectory(prefix="rethined-") as folder:
            # A folder each: photograph, mask and result may have one and the same name.
            here = replace(
                task,
                photo=_brought(task.photo, Path(folder, "photo")),
                mask=None if task.mask is None else _brought(task.mask, Path(folder, "mask")),
                out=Path(folder, "out", task.out.name) if isinstance(task.out, Url) else task.out,
            )
            try:
                report = self._work(here)
            except RethinedError as error:
                raise type(error)(_in_their_words(str(error), here, task)) from error
            if isinstance(task.out, Url):
                task.out.send(Path(here.out))
        return report


def _brought(place: Location, folder: Path) -> Location:
    if not isinstance(place, Url):
        return place
    folder.mkdir()
    near = folder / place.name
    place.fetch(near)
    return near


def _in_their_words(message: str, here: Task, task: Task) -> str:
    for near, far in ((here.photo, task.photo), (here.mask, task.mask), (here.out, task.out)):
        message = message.replace(str(near), str(far))
    return message
