"""``rethined pipe``: frame after frame, until there are no more."""

from __future__ import annotations

from collections.abc import Callable

from rethined.batch.pool import IsStopped
from rethined.errors import InputError, RethinedError
from rethined.pipe.streams import Frames
from rethined.types import Pixels


def fill_frames(frames: Frames, fill: Callable[[Pixels], Pixels], *, is_stopped: IsStopped = lambda: False) -> int:
    """Reads, fills and writes frames, each whole before the next.

    Args:
        frames: Where they come from and go.
        fill: Fills one, in place or not.
        is_stopped: Asked before each frame.

    Returns:
        How many were written.

    Raises:
        InputError: A frame that cannot be read, filled or written; the message says which. Those before it are written.
        BrokenPipeError: Nobody reads any more.
    """
    count = 0
    while not is_stopped():
        try:
            frame = frames.read()
            if frame is None:
                break
            frames.write(fill(frame))
        except RethinedError as error:
            raise InputError(f"frame {count + 1}: {error}") from error
        count += 1
    return count
