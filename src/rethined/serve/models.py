"""What goes over the wire, typed: options of a fill, and answers in JSON. FastAPI makes OpenAPI of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from fastapi import UploadFile
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rethined.errors import OptionError
from rethined.masking import AlphaMask, FileMask, MaskSource, Rectangle, ShapeMask
from rethined.options import FIRST_PX, MOST_FEATHER_PX, MOST_GROW_PX, MOST_PX, Jpeg, Preset

Format = Literal["png", "jpg", "webp", "tif", "bmp"]
"""Formats of results, by the ending of their files."""

BoxText = Annotated[str, StringConstraints(pattern=r"^\d{1,6},\d{1,6},\d{1,6},\d{1,6}$")]
MOST_BOXES = 1000


class FillOptions(BaseModel):
    """How to fill; spelled as on the command line."""

    model_config = ConfigDict(extra="forbid", title="FillOptions")

    preset: Annotated[
        Preset | None, Field(description="How closely the network may look. Default: what the server was started with.")
    ] = None
    working_px: Annotated[
        int | None,
        Field(
            ge=FIRST_PX, le=MOST_PX, description="Long side of the network's closest look instead, whatever it costs."
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
    invert: Annotated[bool, Field(description="Fill what the mask or the boxes leave out instead.")] = False
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
        """What says what to fill: the file that was sent, else the boxes, else the image's transparency.

        Args:
            file: A picture whose white is filled.

        Raises:
            OptionError: A file and boxes, or transparency that is to be inverted.
            MaskError: A box without pixels.
        """
        if file is not None and self.box:
            raise OptionError("a mask is sent and a box is given; expected one of them")
        if file is not None:
            return FileMask(path=file, invert=self.invert)
        if not self.box:
            return AlphaMask(invert=self.invert)
        numbers = ([int(part) for part in text.split(",")] for text in self.box)
        shapes = (Rectangle(left, top, left + width, top + height) for left, top, width, height in numbers)
        return ShapeMask(shapes=tuple(shapes), invert=self.invert)


class FillForm(FillOptions):
    """A fill as a form: the files, and options as fields."""

    model_config = ConfigDict(title="FillForm")

    image: Annotated[UploadFile, Field(description="The photograph: PNG, JPEG, WebP, TIFF, BMP, GIF, PPM, AVIF.")]
    mask: Annotated[
        UploadFile | None,
        Field(
            description="A picture of the same size; white is filled. Without mask and box the image's own transparency"
            " is the hole, and what is filled becomes opaque."
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
    limits: Limits


class State(BaseModel):
    """How the server is."""

    status: Literal["live", "ready"]
