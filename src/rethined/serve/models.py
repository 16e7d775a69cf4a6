"""What goes over the wire, typed: options of a fill, and answers in JSON. FastAPI makes OpenAPI of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rethined.depth import LEVELS
from rethined.masking import FileMask, MaskRule, MaskSource
from rethined.masking.written import BOX_PATTERN, COLOUR_PATTERN, box_of, colour_of
from rethined.options import FIRST_PX, MOST_FEATHER_PX, MOST_GROW_PX, MOST_PX, Jpeg, Preset

Format = Literal["png", "jpg", "webp", "tif", "bmp", "avif", "heic"]
"""Formats of results, by the ending of their files."""

BoxText = Annotated[str, StringConstraints(pattern=BOX_PATTERN)]
MOST_BOXES, MOST_LABELS = 1000, 100
MOST_CORNERS = 10_000
"""How many corners the shapes of annotations may have together: the largest picture is then marked within seconds."""


class FillOptions(BaseModel):
    """How to fill; spelled as on the command line."""

    model_config = ConfigDict(extra="forbid", title="FillOptions")

    preset: Annotated[
        Preset | None, Field(description="How closely the network may look. Default: what the server was started with.")
    ] = None
    working_px: Annotated[
        int | None,
        Field(
            ge=FIRST_PX,
            le=MOST_PX,
            description="Most pixels on the long side of the closest look instead, whatever it costs.",
        ),
    ] = None
    grow: Annotated[int, Field(ge=0, le=MOST_GROW_PX, description="Widens the hole by so many pixels.")] = 0
    feather: Annotated[
        int, Field(ge=0, le=MOST_FEATHER_PX, description="Lets the fill fade in over so many pixels inside the hole.")
    ] = 0
    strip: Annotated[
        bool, Field(description="Leave out EXIF, colour profile, XMP, resolution and text, which are kept otherwise.")
    ] = False
    jpeg: Annotated[
        Jpeg | None,
        Field(
            description="How a JPEG becomes a JPEG: lossless changes only blocks that the hole touches, reencode"
            " encodes all anew. Default: lossless where it can be done."
        ),
    ] = None
    mask_alpha: Annotated[
        bool,
        Field(
            description="Fill what is transparent in the image, alpha up to half; it becomes opaque. Where nothing says"
            " what to fill, that is done too."
        ),
    ] = False
    mask_colour: Annotated[
        Annotated[str, StringConstraints(pattern=COLOUR_PATTERN)] | None,
        Field(description="Fill the pixels painted in this colour, RRGGBB.", examples=["ff00ff"]),
    ] = None
    mask_tolerance: Annotated[
        int,
        Field(
            ge=0,
            le=LEVELS,
            description="With mask_colour: how far each of red, green and blue may be from it, of 255.",
        ),
    ] = 0
    mask_label: Annotated[
        list[Annotated[str, StringConstraints(max_length=200)]],
        Field(
            max_length=MOST_LABELS,
            description="Of annotations sent as the mask: what is labelled like this alone; may be given many times.",
            examples=[["person"]],
        ),
    ] = []
    invert: Annotated[bool, Field(description="Fill what the mask, the colour or the boxes leave out instead.")] = False
    format: Annotated[
        Format | None,
        Field(description="Format of the result. Default: what Accept asks for, else that of the image."),
    ] = None
    box: Annotated[
        list[BoxText],
        Field(
            max_length=MOST_BOXES,
            description="A hole as LEFT,TOP,WIDTH,HEIGHT in pixels of the upright image, instead of a mask; may be"
            " given many times.",
            examples=[["120,80,64,48"]],
        ),
    ] = []

    def mask_source(self, file: Path | None) -> MaskSource:
        """What says what to fill: one of file, transparency, colour and boxes; transparency where none is given.

        Args:
            file: The mask that was sent: a picture whose white is filled, or annotations.

        Raises:
            OptionError: More than one, one that cannot be used, or an option that goes with another one.
            MaskError: A box without pixels.
        """
        is_given = file is not None or self.mask_colour is not None or bool(self.box)
        mask = MaskRule(
            file=file,
            alpha=self.mask_alpha or not is_given,
            rgb=None if self.mask_colour is None else colour_of(self.mask_colour),
            shapes=tuple(map(box_of, self.box)),
            tolerance=self.mask_tolerance,
            labels=tuple(self.mask_label),
            invert=self.invert,
        ).fixed()
        return replace(mask, most_corners=MOST_CORNERS) if isinstance(mask, FileMask) else mask


class FillForm(FillOptions):
    """A fill as a form: the files, and options as fields."""

    model_config = ConfigDict(title="FillForm")

    image: Annotated[UploadFile, Field(description="The photograph: PNG, JPEG, WebP, TIFF, BMP, GIF, PPM, AVIF, HEIC.")]
    mask: Annotated[
        UploadFile | None,
        Field(
            description="A picture of the same size, whose white is filled; or annotations in the form of COCO or"
            " LabelMe (JSON), whose boxes, polygons and circles are."
        ),
    ] = None
    forbid: Annotated[
        UploadFile | None, Field(description="A picture of the same size; white is never copied from.")
    ] = None


class ViewOptions(BaseModel):
    """How large a picture is to be shown."""

    model_config = ConfigDict(extra="forbid")

    max_px: Annotated[int, Field(ge=16, le=16384, description="Long side of the answer at most.")] = 4096


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: Annotated[str, Field(description="Always about:blank: title is that of the status.")] = "about:blank"
    title: Annotated[str, Field(examples=["Unprocessable Content"])]
    status: Annotated[int, Field(examples=[422])]
    detail: Annotated[
        str,
        Field(
            description="What was given, what was expected, and what to do.",
            examples=["the mask is 69 high and 90 wide, the picture 70 high and 90 wide; pass a mask of the size of"],
        ),
    ]
    error: Annotated[
        str | None, Field(description="Name of the error in Python, where it has one.", examples=["MaskError"])
    ] = None


class Limits(BaseModel):
    """What the server allows."""

    max_pixels: Annotated[int, Field(description="Most pixels of a picture.")]
    max_mb: Annotated[int, Field(description="Most megabytes (10^6 bytes) of a request.")]
    queue: Annotated[int, Field(description="Requests that may wait.")]
    workers: Annotated[int, Field(description="Fills at the same time.")]
    timeout_s: Annotated[float, Field(description="Seconds a request may wait and be filled.")]


class Info(BaseModel):
    """What this server is."""

    version: Annotated[str, Field(description="Version of rethined.", examples=["0.1.0"])]
    network: Annotated[dict[str, str], Field(description="What the file of the network says of itself.")]
    preset: Annotated[Preset, Field(description="Preset where a request names none.")]
    presets: list[Preset]
    formats: list[Format]
    jpeg_lossless: Annotated[bool, Field(description="Whether a JPEG can become one without generation loss here.")]
    limits: Limits


class State(BaseModel):
    """How the server is."""

    status: Literal["live", "ready"]
