"""How a message spells an option: as the door takes it through which the caller came.

Python, command line and HTTP have the same options, and share the code that names them in errors and warnings. That
code asks :func:`option`, and so says ``--grow 3`` to one and ``grow=3`` to another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

Door = Literal["python", "command line", "http"]
_door: ContextVar[Door] = ContextVar("door", default="python")

_IN_PYTHON = {
    "box": "shapes",
    "feather": "feather_px",
    "grow": "grow_px",
    "mask": "file",
    "mask-alpha": "alpha",
    "mask-colour": "rgb",
    "mask-dir": "folder",
    "mask-label": "labels",
    "mask-suffix": "suffix",
    "mask-tolerance": "tolerance",
    "max-memory": "max_memory_mb",
}
"""Names in Python of options that are not called as on the command line."""
_OF_SERVER = {"max-memory": "the server's --max-memory"}
"""What no request can set."""


@contextmanager
def through(door: Door) -> Iterator[None]:
    """Spells options in the way of a door, in this thread and in what a coroutine awaits."""
    before = _door.set(door)
    try:
        yield
    finally:
        _door.reset(before)


def is_through(door: Door) -> bool:
    """Whether the caller came that way."""
    return _door.get() == door


def option(name: str, value: object = None, *, metavar: str = "") -> str:
    """An option as a message spells it.

    Args:
        name: Its name on the command line, without dashes before it.
        value: What to set it to; ``True`` for one that is merely given.
        metavar: What stands for its value on the command line, where nobody needs to be told elsewhere.
    """
    door = _door.get()
    if door == "command line":
        shown = metavar if value is None or value is True else str(value)
        return f"--{name} {shown}".rstrip()
    name = (_OF_SERVER if door == "http" else _IN_PYTHON).get(name, name.replace("-", "_"))
    if value is None:
        return name
    return f"{name}={str(value).lower() if door == 'http' and value is True else value}"
