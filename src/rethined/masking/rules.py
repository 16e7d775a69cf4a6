"""Which mask belongs to which photograph: one rule for all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePath

from rethined.doors import is_through, option
from rethined.errors import ImageReadError, MaskError, OptionError
from rethined.imageio import READ_SUFFIXES
from rethined.masking.annotations import ANNOTATION_SUFFIX
from rethined.masking.shapes import Shape
from rethined.masking.sources import AlphaMask, ColourMask, FileMask, MaskSource, ShapeMask
from rethined.places import Location, Url, expect_reachable, files_in

MASK_SUFFIXES = (*READ_SUFFIXES, ANNOTATION_SUFFIX)
"""Endings of files that masks may be in."""
RULES = {
    "mask": "FILE",
    "mask-dir": "DIR",
    "mask-suffix": "TEXT",
    "mask-alpha": "",
    "mask-colour": "RRGGBB",
    "box": "X,Y,W,H",
}
"""Options of the rules, with what stands for their values."""
RULES_BY_NAME = ("mask-dir", "mask-suffix")
"""Those that need the name of a photograph."""


@dataclass(frozen=True, kw_only=True)
class MaskRule:
    """Which mask belongs to a photograph; exactly one of the first six attributes is set.

    Attributes:
        file: One mask, or one file of annotations, for all.
        folder: The mask there of the same relative path, else of the same name, whatever its ending.
        suffix: The mask beside the photograph whose name goes on with this: ``_mask`` for ``a_mask.png``; with an
            ending it is the rest of the name: ``.json`` for ``a.json``.
        alpha: The photograph's own transparency.
        rgb: The pixels painted in this colour.
        shapes: Boxes, polygons and circles, the same for all.
        tolerance: How far colours may be from ``rgb``.
        labels: Which annotations to take; all when empty.
        invert: Fill what the mask does not mark.

    Raises:
        OptionError: Not exactly one, or one that cannot be used, or what goes with another one.
        ImageReadError: No such file or folder.
    """

    file: Location | None = None
    folder: Location | None = None
    suffix: str | None = None
    alpha: bool = False
    rgb: tuple[int, int, int] | None = None
    shapes: tuple[Shape, ...] = ()
    tolerance: int = 0
    labels: tuple[str, ...] = ()
    invert: bool = False

    def __post_init__(self) -> None:
        given = [option(name) for name, is_given in self._given().items() if is_given]
        if not given:
            raise OptionError(f"no mask is given; expected one of {rules_in_words()}")
        if len(given) > 1:
            raise OptionError(
                f"{' and '.join(given)} are given; one of them says what is filled, so leave the others out"
            )
        for place in (self.file, self.folder):
            if place is not None:
                expect_reachable(place)
        if self.file is not None and not self.file.is_file():
            raise ImageReadError(f"there is no mask file at {str(self.file)!r}; check the path")
        if self.folder is not None and not self.folder.is_dir():
            raise ImageReadError(f"there is no folder of masks at {str(self.folder)!r}; check the path")
        if self.suffix is not None and (not self.suffix or PurePath(self.suffix).name != self.suffix):
            raise OptionError(f"the mask suffix is {self.suffix!r}; expected part of a file name, such as _mask")
        if self.tolerance and self.rgb is None:
            tolerance, colour = option("mask-tolerance"), option("mask-colour")
            raise OptionError(f"{tolerance} goes with {colour}; give the colour, or leave it out")
        if self.labels and not self.by_file:
            label, mask = option("mask-label"), option("mask", metavar="FILE.json")
            raise OptionError(f"{label} goes with annotations in a file; give that as {mask}, or leave the label out")
        if not self.by_name:
            self.fixed()  # refuses what cannot be used

    @property
    def by_name(self) -> bool:
        """Whether the mask is found by the name of the photograph."""
        return self.folder is not None or self.suffix is not None

    @property
    def by_file(self) -> bool:
        """Whether the mask is in a file."""
        return self.by_name or self.file is not None

    def is_mask_name(self, photo: Location) -> bool:
        """Whether a picture is, by its name, the mask of another one."""
        suffix = self.suffix
        if suffix is None:
            return False
        return photo.name.endswith(suffix) if _names_ending(suffix) else photo.stem.endswith(suffix)

    def of_file(self, path: Location) -> FileMask:
        """A mask in a file, read as the rule says."""
        return FileMask(path=path, labels=self.labels, invert=self.invert)

    def fixed(self) -> MaskSource:
        """The mask of a rule that does not depend on names.

        Raises:
            OptionError: It does.
        """
        if self.by_name:
            raise OptionError(f"masks cannot be found by name here; expected {rules_in_words(by_name=False)}")
        if self.file is not None:
            return self.of_file(self.file)
        if self.rgb is not None:
            return ColourMask(rgb=self.rgb, tolerance=self.tolerance, invert=self.invert)
        if self.shapes:
            return ShapeMask(shapes=self.shapes, invert=self.invert)
        return AlphaMask(invert=self.invert)

    def _given(self) -> dict[str, bool]:
        """Whether each rule is given, by the name of its option."""
        return {
            "mask": self.file is not None,
            "mask-dir": self.folder is not None,
            "mask-suffix": self.suffix is not None,
            "mask-alpha": self.alpha,
            "mask-colour": self.rgb is not None,
            "box": bool(self.shapes),
        }


class MaskFinder:
    """Finds masks by a rule; looks into each folder once.

    Args:
        rule: The rule.
    """

    def __init__(self, rule: MaskRule) -> None:
        if isinstance(rule.file, Url):  # asked for once, not for each photograph
            rule = replace(rule, file=rule.file.looked_up())
        self._rule = rule
        self._stems: dict[Location, dict[str, list[Location]]] = {}

    def find(self, photo: Location, relative: PurePath) -> MaskSource | MaskError:
        """The mask of a photograph, or why there is none.

        Args:
            photo: The photograph.
            relative: Its path relative to what it was found by.
        """
        rule = self._rule
        if rule.folder is not None:
            places = dict.fromkeys([rule.folder / relative.parent / relative.stem, rule.folder / relative.stem])
            return self._first(places, photo)
        if rule.suffix is None:
            return rule.fixed()
        whole = photo.with_name(photo.stem + rule.suffix)
        if not _names_ending(rule.suffix):
            return self._first([whole], photo)
        found = [path for path in self._in(whole.parent).get(whole.stem, []) if path == whole]
        return rule.of_file(found[0]) if found else MaskError(f"has no mask: there is no file {whole}")

    def _first(self, places: Iterable[Location], photo: Location) -> MaskSource | MaskError:
        """The mask at the first of the places, given without ending, that holds any."""
        places = list(places)
        for place in places:
            found = self._in(place.parent).get(place.name, [])
            same = [mask for mask in found if mask.suffix == photo.suffix]
            if len(found) == 1 or len(same) == 1:
                return self._rule.of_file(found[0] if len(found) == 1 else same[0])
            if found:
                return MaskError(f"has several masks: {', '.join(map(str, found))}; leave one of them there")
        return MaskError(f"has no mask: there is no picture {' or '.join(f'{place}.*' for place in places)}")

    def _in(self, folder: Location) -> dict[str, list[Location]]:
        if folder not in self._stems:
            stems: dict[str, list[Location]] = {}
            for path in files_in(folder, recursive=False):
                if _names_ending(path.name) and not path.name.startswith("."):
                    stems.setdefault(path.stem, []).append(path)
            self._stems[folder] = stems
        return self._stems[folder]


def _names_ending(name: str) -> bool:
    """Whether a name, or the end of one, ends as that of a mask file."""
    return name.lower().endswith(MASK_SUFFIXES)


def rules_in_words(*, by_name: bool = True) -> str:
    """What may say which pixels are filled, as options are spelled.

    Args:
        by_name: Whether pictures have names that masks can be found by; those sent over HTTP never do.
    """
    by_name = by_name and not is_through("http")
    rules = {name: metavar for name, metavar in RULES.items() if by_name or name not in RULES_BY_NAME}
    *others, last = (option(name, metavar=metavar) for name, metavar in rules.items())
    return f"{', '.join(others)} or {last}"
