"""Pictures for Schemathesis to send to the server; docs/server.md has the command."""

from __future__ import annotations

import io

import schemathesis
from hypothesis import strategies as st
from PIL import Image, ImageDraw

SIZE = (64, 48)


def _pictures() -> list[bytes]:
    """A photograph with a transparent hole, one without, masks that fit and that do not, and one cut short."""
    photo = Image.radial_gradient("L").resize(SIZE)
    mask = Image.new("L", SIZE)
    ImageDraw.Draw(mask).rectangle((20, 10, 35, 30), fill=255)
    clear = photo.convert("RGB")
    clear.putalpha(mask.point(lambda value: 255 - value))
    pictures = [
        (clear, "PNG"),
        (clear, "TIFF"),
        (photo.convert("RGB"), "JPEG"),
        (mask, "PNG"),
        (mask.resize((9, 9)), "PNG"),
    ]
    contents = []
    for picture, format_name in pictures:
        stream = io.BytesIO()
        picture.save(stream, format_name)
        contents.append(stream.getvalue())
    return [*contents, contents[0][:-60]]


schemathesis.openapi.media_type("image/*", st.sampled_from(_pictures()), aliases=["application/octet-stream"])
schemathesis.openapi.format("binary", st.sampled_from(_pictures()))
