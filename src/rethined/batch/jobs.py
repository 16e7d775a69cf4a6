"""What is to be done: which photographs, with which masks, written where. Nothing is decoded here."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath, PurePosixPath

from rethined.errors import ImageReadError, InputError, MaskError, OptionError, RethinedError
from rethined.imageio import READ_SUFFIXES, WRITE_SUFFIXES, format_named
from rethined.masking.preview import PREVIEW_SUFFIX
from rethined.masking.rules import MaskFinder, MaskRule
from rethined.masking.sources import FileMask, MaskSource
from rethined.places import Location, Url, expect_reachable, files_in, is_hidden, located

Naming = Callable[[PurePath], PurePath]
"""What a result is called: from a path relative to the input to one relative to the folder of the results."""


@dataclass(frozen=True)
class Task:
    """One photograph to fill.

    Attributes:
        photo: The file.
        mask: What says what to fill of it.
        out: Where the result goes.
        name: ``out`` relative to the folder of the results, with slashes.
    """

    photo: Location
    mask: MaskSource
    out: Location
    name: str


@dataclass(frozen=True)
class JobList:
    """All that a run is asked for.

    Attributes:
        tasks: What can be tried, in the order of the input.
        problems: What cannot: the photograph and the reason.
        results_left_out: How many pictures below the input were not taken because they lie in the results' folder.
    """

    tasks: list[Task]
    problems: list[tuple[Location, str]]
    results_left_out: int = 0


@dataclass(frozen=True)
class _Found:
    """A photograph, its path relative to what it was found by, and its mask or why it has none."""

    photo: Location
    relative: PurePath
    mask: MaskSource | MaskError


def keep_name(relative: PurePath) -> PurePath:
    """The same path and format."""
    return relative


def with_format(name: str) -> Naming:
    """The same path in another format.

    Args:
        name: An ending such as ``png``, with or without its dot.

    Raises:
        OptionError: One that cannot be written.
    """
    format_named(name)
    return lambda relative: relative.with_suffix(f".{name.lower().removeprefix('.')}")


def as_preview(relative: PurePath) -> PurePath:
    """Beside where the result would be, and never in its place."""
    return relative.with_name(relative.name + PREVIEW_SUFFIX)


def list_jobs(
    inputs: Sequence[str],
    rule: MaskRule,
    out: Location,
    *,
    recursive: bool = False,
    naming: Naming = keep_name,
    forbid: Path | None = None,
) -> JobList:
    """What to do with files, folders and patterns, here or in a store.

    In folders and of patterns, files with the ending of a picture are taken; hidden ones, masks and what lies below
    ``out`` are not.

    Args:
        inputs: Each a file, a folder or a pattern as :mod:`glob` knows them, ``**`` included; or a URL of one.
        rule: Which mask belongs to a photograph.
        out: Folder of the results.
        recursive: Whether to look into folders within folders.
        naming: How results are called.
        forbid: Forbid mask of all, which is no photograph either.

    Raises:
        ImageReadError: An input that names nothing.
        OptionError: ``out`` or the folder of masks is a folder of photographs, or a result would replace an input.
    """
    scan = _Scan(rule, out, recursive, {_real(path) for path in (rule.file, forbid) if path is not None})
    masks = MaskFinder(rule)
    found = [_Found(photo, relative, masks.find(photo, relative)) for photo, relative in scan.photos(inputs)]
    return _settled(found, out, naming, scan.results_left_out, [rule.file, forbid])


def pair_jobs(
    pairs: Iterable[tuple[Location, Location, PurePath | None]],
    base: Location,
    out: Location,
    *,
    labels: Sequence[str] = (),
    invert: bool = False,
    naming: Naming = keep_name,
    forbid: Path | None = None,
) -> JobList:
    """What to do with photographs and masks that are given pair by pair.

    Args:
        pairs: Photograph, mask, and what the result is called below ``out``; ``None``: as the photograph, relative to
            ``base`` where it lies below that.
        base: Folder that the list belongs to.
        out: Folder of the results.
        labels: Which annotations to take, where masks are those.
        invert: Fill what the masks do not mark.
        naming: How results are called.
        forbid: Forbid mask of all.

    Raises:
        OptionError: A result would replace an input.
    """
    found = []
    for photo, mask, name in pairs:
        relative = _relative(photo, base) if _is_below(photo, base) else PurePath(photo.name)
        found.append((_Found(photo, relative, FileMask(path=mask, labels=tuple(labels), invert=invert)), name))
    return _settled([item for item, _ in found], out, naming, 0, [forbid], [name for _, name in found])


def _settled(
    found: Sequence[_Found],
    out: Location,
    naming: Naming,
    results_left_out: int,
    more_inputs: Sequence[Location | None],
    names: Sequence[PurePath | None] | None = None,
) -> JobList:
    """Names every result; sorts out what has no mask, no format or no name of its own."""
    done = JobList([], [], results_left_out)
    taken: dict[str, Location] = {}
    for item, given in zip(found, names or [None] * len(found), strict=True):
        name = naming(item.relative if given is None else given)
        target = out / name
        if isinstance(item.mask, MaskError):
            done.problems.append((item.photo, str(item.mask)))
        elif target.suffix.lower() not in WRITE_SUFFIXES:
            done.problems.append(
                (item.photo, f"files ending in {target.suffix!r} are read but not written; pass --format png")
            )
        elif (place := _real(target)) in taken:
            done.problems.append(
                (item.photo, f"its result would be written to {target}, as that of {taken[place]}; use another --out")
            )
        else:
            taken[place] = item.photo
            done.tasks.append(Task(item.photo, item.mask, target, name.as_posix()))
    _expect_inputs_safe(done.tasks, found, more_inputs)
    return done


def _expect_inputs_safe(tasks: Sequence[Task], found: Sequence[_Found], more_inputs: Sequence[Location | None]) -> None:
    inputs = {_real(item.photo) for item in found}
    inputs |= {_real(item.mask.path) for item in found if isinstance(item.mask, FileMask)}
    inputs |= {_real(path) for path in more_inputs if path is not None}
    for task in tasks:
        if _real(task.out) in inputs:
            raise OptionError(
                f"the result of {task.photo} would replace {task.out}, which is an input; give another --out"
            )


@dataclass
class _Scan:
    """Looks for photographs.

    Attributes:
        rule: Tells what is a mask.
        out: Folder of the results.
        recursive: Whether folders within folders count.
        not_photos: Real paths of other pictures that are inputs.
        results_left_out: How many pictures it found below ``out`` so far.
    """

    rule: MaskRule
    out: Location
    recursive: bool
    not_photos: set[str]
    results_left_out: int = 0
    _seen: set[str] = field(default_factory=set)

    def photos(self, inputs: Sequence[str]) -> Iterator[tuple[Location, PurePath]]:
        """Each photograph once, with its path relative to what it was found by."""
        for given in inputs:
            for photo, base in self._of_input(given):
                if self._is_mask(photo) or _real(photo) in self._seen:
                    continue
                self._seen.add(_real(photo))
                yield photo, _relative(photo, base)

    def _of_input(self, given: str) -> Iterator[tuple[Location, Location]]:
        path = located(given)
        expect_reachable(path)
        if given and path.is_dir():
            yield from ((photo, path) for photo in self._below(path))
        elif given and path.is_file():
            yield path, path.parent
        elif glob.has_magic(given):
            base = _fixed_part(path)
            self._expect_apart(base)
            pictures = [match for match in _matches(path, base) if _is_picture(match.name)]
            if not pictures:
                raise ImageReadError(f"no picture file matches {given!r}; check the pattern")
            yield from ((photo, base) for photo in pictures if self._is_input(photo))
        else:
            raise ImageReadError(f"there is no file or folder at {given!r}; check the path, and quote patterns")

    def _below(self, folder: Location) -> Iterator[Location]:
        self._expect_apart(folder)
        for path in files_in(folder, recursive=self.recursive):
            if _is_picture(path.name) and self._is_input(path):
                yield path

    def _expect_apart(self, folder: Location) -> None:
        """Checks that what is looked for in a folder is not all results or masks."""
        for role, other in (("out", self.out), ("mask-dir", self.rule.folder)):
            if other is not None and _is_below(folder, other):
                raise OptionError(
                    f"the photographs of {str(folder)!r} lie in --{role} {str(other)!r}, whose pictures are not taken"
                    " as photographs; give another folder"
                )

    def _is_input(self, photo: Location) -> bool:
        """Whether a file that was found, not named, is an input and neither a result nor a mask."""
        if _is_below(photo, self.out):
            self.results_left_out += 1
            return False
        return self.rule.folder is None or not _is_below(photo, self.rule.folder)

    def _is_mask(self, photo: Location) -> bool:
        return _real(photo) in self.not_photos or self.rule.is_mask_name(photo)


def expect_some(jobs: JobList) -> None:
    """Checks that there is anything to do.

    Raises:
        InputError: Nothing at all.
    """
    if jobs.tasks or jobs.problems:
        return
    left_out = jobs.results_left_out
    why = f"; {left_out} pictures below --out were left out, since they are results" if left_out else ""
    raise InputError(f"no photograph was found{why}; check the paths, or pass --recursive for folders within folders")


def below(out: Location, name: str) -> PurePath:
    """A path of a result that a user has written down, checked to stay below ``out``.

    Raises:
        RethinedError: It would not.
    """
    if not name or PurePath(name).is_absolute() or not _is_below(out / name, out) or _real(out / name) == _real(out):
        raise RethinedError(f"out is {name!r}; expected a path below --out, such as holidays/beach.png")
    return PurePath(os.path.normpath(name))


def _is_picture(name: str) -> bool:
    return not name.startswith(".") and PurePath(name).suffix.lower() in READ_SUFFIXES


def _fixed_part(pattern: Location) -> Location:
    """The folders of a pattern before its first wildcard."""
    if isinstance(pattern, Url):
        return Url(pattern.prefix, PurePosixPath(*_fixed(pattern.path.parts)))
    return Path(*_fixed(pattern.parts))


def _fixed(parts: Sequence[str]) -> Sequence[str]:
    return parts[: next(i for i, part in enumerate(parts) if glob.has_magic(part))]


def _matches(pattern: Location, base: Location) -> list[Location]:
    if isinstance(pattern, Url) and isinstance(base, Url):
        return [path for path in pattern.matches() if not is_hidden(path.relative_to(base))]
    if isinstance(pattern, Url) or isinstance(base, Url):
        raise TypeError(f"{base} is no part of {pattern}")
    try:
        found = sorted(base.glob(pattern.relative_to(base).as_posix()))
    except ValueError as error:
        raise OptionError(f"the pattern {str(pattern)!r} cannot be used: {error}") from error
    return [path for path in found if not is_hidden(path.relative_to(base)) and path.is_file()]


def _relative(path: Location, base: Location) -> PurePath:
    """The way from a folder to a file below it; its name alone where it lies there by way of a link."""
    if isinstance(path, Url) and isinstance(base, Url):
        return path.relative_to(base)
    relative = PurePath(os.path.relpath(path, base))
    return PurePath(path.name) if ".." in relative.parts else relative


def _is_below(path: Location, folder: Location) -> bool:
    return PurePath(_real(path)).is_relative_to(_real(folder))


def _real(path: Location) -> str:
    """One spelling for each file."""
    return path.normal() if isinstance(path, Url) else os.path.normcase(os.path.realpath(path))
