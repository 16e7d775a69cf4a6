"""Options on masks, spelled the same in every command that fills."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rethined.errors import OptionError

if TYPE_CHECKING:
    from rethined.masking import MaskRule, MaskSource
    from rethined.places import Location


def add_mask_options(parser: argparse.ArgumentParser, *, by_name: bool = True) -> None:
    """Options on which mask belongs to a picture, and how it is understood.

    Args:
        parser: The command.
        by_name: Whether pictures have names that masks can be found by.
    """
    rules = parser.add_argument_group("what is filled, one of")
    rules.add_argument(
        "--mask",
        metavar="FILE",
        help="white of a picture of the same size, or the boxes, polygons and circles of a COCO or LabelMe file (.json)"
        + (": one for all" if by_name else ""),
    )
    if by_name:
        rules.add_argument(
            "--mask-dir", metavar="DIR", help="the mask in DIR of the same relative path, else the same name"
        )
        rules.add_argument(
            "--mask-suffix",
            metavar="TEXT",
            help="the mask beside the photograph whose name goes on: a_mask.png with _mask, a.json with .json",
        )
    rules.add_argument(
        "--mask-alpha",
        action="store_true",
        help="its own transparency: alpha up to half is filled, and what is filled becomes opaque",
    )
    rules.add_argument(
        "--mask-colour", "--mask-color", metavar="RRGGBB", help="the pixels painted in this colour, such as ff00ff"
    )
    rules.add_argument(
        "--box",
        action="append",
        default=[],
        metavar="X,Y,W,H",
        help="a box: left, top, width and height in pixels of the upright picture; may be given several times",
    )
    more = parser.add_argument_group("how masks are understood")
    more.add_argument(
        "--mask-tolerance",
        type=int,
        default=0,
        metavar="N",
        help="with --mask-colour: how far each of red, green and blue may be from it, of 255 (default 0)",
    )
    more.add_argument(
        "--mask-label",
        action="append",
        default=[],
        metavar="NAME",
        help="of COCO and LabelMe files: what is labelled like this alone; may be given several times",
    )
    more.add_argument("--invert", action="store_true", help="fill what the mask does not mark instead")
    more.add_argument("--grow", type=int, default=0, metavar="PX", help="widen the hole by PX pixels (default 0)")


def mask_rule(parsed: argparse.Namespace, place: Callable[[str], Location] = Path) -> MaskRule:
    """The rule that the options of :func:`add_mask_options` state.

    Args:
        parsed: The options.
        place: Understands how a file or a folder is named.

    Raises:
        OptionError: Not one rule, or one that cannot be used.
        ImageReadError: No such file or folder.
    """
    from rethined.masking import MaskRule
    from rethined.masking.written import box_of, colour_of

    folder = getattr(parsed, "mask_dir", None)
    return MaskRule(
        file=None if parsed.mask is None else place(parsed.mask),
        folder=None if folder is None else place(folder),
        suffix=getattr(parsed, "mask_suffix", None),
        alpha=parsed.mask_alpha,
        rgb=None if parsed.mask_colour is None else colour_of(parsed.mask_colour),
        shapes=tuple(box_of(text) for text in parsed.box),
        tolerance=parsed.mask_tolerance,
        labels=tuple(parsed.mask_label),
        invert=parsed.invert,
    )


def fixed_mask(parsed: argparse.Namespace) -> MaskSource:
    """The mask of pictures that have no names, from the options of :func:`add_mask_options`.

    Raises:
        OptionError, ImageReadError: As :func:`mask_rule`.
    """
    from rethined.masking.rules import rules_in_words

    if not (parsed.mask or parsed.mask_alpha or parsed.mask_colour or parsed.box):
        raise OptionError(f"no mask is given; expected one of {rules_in_words(by_name=False)}")
    return mask_rule(parsed).fixed()


def names_a_mask(parsed: argparse.Namespace) -> bool:
    """Whether any rule for masks is given."""
    given = (parsed.mask, parsed.mask_dir, parsed.mask_suffix, parsed.mask_colour)
    return parsed.mask_alpha or bool(parsed.box or parsed.mask_tolerance) or any(rule is not None for rule in given)
