"""Pictures for Schemathesis to send to the server; docs/server.md has the command."""

from __future__ import annotations

import io

import schemathesis
from hypothesis import strategies as st
from PIL import Image, ImageDraw

SIZE = (64, 48)
ANNOTATIONS = (
    b'{"shapes": [{"label": "x", "points": [[20, 10], [35, 10], [30, 30]]}], "imageHeight": 48, "imageWidth": 64}',
    b'{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "bbox": [20, 10, 15, 20]}]}',
    b'{"shapes": [{"points": "none"}]}',
)
"""Masks in JSON: two that can be used and one that cannot."""


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
schemathesis.openapi.format("binary", st.sampled_from([*_pictures(), *ANNOTATIONS]))
