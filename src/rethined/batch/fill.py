"""One photograph of many: read, filled, written; in this process or in another."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rethined import jpeg
from rethined.batch.jobs import Task
from rethined.doors import through
from rethined.engine import Inpainter
from rethined.errors import ImageReadError, ImageWriteError, OptionError
from rethined.files import sha256_of, stamp
from rethined.masks import MaskWarning, grow_hole
from rethined.metadata import FileWarning
from rethined.options import InpaintOptions
from rethined.photo import read_photo
from rethined.places import Location, Url
from rethined.session import Runtime
from rethined.weights import SHIPPED_NETWORK


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How all photographs of a run are filled.

    Attributes:
        network: The network file.
        options: How to fill.
        forbid: Mask of what is never copied from, one for all.
        threads: Threads of each process; ``None`` shares the cores out evenly.
        runtime: What runs the network.
    """

    network: Path = SHIPPED_NETWORK
    options: InpaintOptions = field(default_factory=InpaintOptions)
    forbid: Path | None = None
    threads: int | None = None
    runtime: Runtime = "onnxruntime"

    def inpainter(self, threads: int | None) -> Inpainter:
        """An engine of these settings.

        Raises:
            ModelNotFoundError, ModelSignatureError, MissingExtraError, OptionError: As :class:`Inpainter`.
        """
        return Inpainter(self.network, options=self.options, threads=threads, runtime=self.runtime)

    def key(self) -> str:
        """Checksum of all that a fill depends on besides the photograph and its mask; threads are not among it.

        Raises:
            ImageReadError: There is no forbid mask where one is said to be.
        """
        try:
            forbid = None if self.forbid is None else stamp(self.forbid)
        except OSError as error:
            raise ImageReadError(f"there is no forbid mask at {str(self.forbid)!r}; check the path") from error
        facts = {
            "network": sha256_of(self.network),
            "options": asdict(self.options),
            "forbid": forbid,
            "runtime": self.runtime,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Report:
    """What is to be said about a finished photograph.

    Attributes:
        warnings: What is odd about its masks and its file.
        line: How its mask was understood, of a preview.
    """

    warnings: tuple[str, ...] = ()
    line: str = ""


class Filler:
    """Fills photographs one after another with one engine.

    Args:
        settings: How.
        threads: Threads of the engine; ``None`` takes all cores.

    Raises:
        ModelNotFoundError, ModelSignatureError, MissingExtraError, OptionError: As :class:`Inpainter`; or the option
            ``jpeg`` asks for what is not installed.
    """

    def __init__(self, settings: Settings, threads: int | None) -> None:
        self._settings = settings
        if settings.options.jpeg == "lossless":
            jpeg.expect_installed()
        self._inpainter = settings.inpainter(threads)

    def __call__(self, task: Task) -> Report:
        """Writes the result of a task, whole or not at all.

        Where the photograph's transparency is its mask, all that was filled becomes opaque.

        Raises:
            ImageError, MaskError, ImageReadError, ImageWriteError, MemoryBudgetError, InferenceError: As
                :meth:`Inpainter.fill` and :meth:`Photo.write`.
        """
        with through("command line"), heard() as said:  # in processes of a pool or a cluster too
            options = self._settings.options
            photo = read_photo(task.photo)
            hole = task.mask.hole(photo.pixels, name=Path(task.photo), grow_px=options.grow_px)
            make_folder(task.out.parent)
            photo.expect_writable(task.out, options)
            filled = self._inpainter.fill(photo.pixels, hole, forbid=self._settings.forbid, inplace=True).image
            hole = grow_hole(hole, options.grow_px)
            task.mask.finish(filled, hole)
            photo.write(task.out, filled, hole, options)
        return Report(tuple(dict.fromkeys(said)))


@contextmanager
def heard() -> Iterator[list[str]]:
    """Collects what is odd about masks and files, as text."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        for category in (MaskWarning, FileWarning):
            warnings.simplefilter("always", category)
        yield said
    said += [str(warning.message) for warning in caught if issubclass(warning.category, (MaskWarning, FileWarning))]


def make_folder(folder: Location) -> None:
    """Makes a folder and those above it; stores have none.

    Raises:
        ImageWriteError: It cannot be made.
    """
    if isinstance(folder, Url):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageWriteError(f"cannot make the folder {folder}: {error.strerror}; give another --out") from error


def expect_no_less_than_one(name: str, value: int | None) -> None:
    """Checks a number of threads or processes.

    Raises:
        OptionError: Below 1.
    """
    if value is not None and value < 1:
        raise OptionError(f"{name} is {value}; expected a whole number from 1")
