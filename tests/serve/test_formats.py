from __future__ import annotations

import pytest

from rethined.imageio import PictureHeader

pytest.importorskip("fastapi", reason="the server is an extra: pip install 'rethined[serve]'")
pytest.importorskip("prometheus_client", reason="the server is an extra: pip install 'rethined[serve]'")
from starlette.exceptions import HTTPException

from rethined.serve.formats import format_of_result

JPEG = PictureHeader("JPEG", (10, 10))
GIF = PictureHeader("GIF", (10, 10))


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "jpg"),
        ("", "jpg"),
        ("*/*", "jpg"),
        ("image/png", "png"),
        ("IMAGE/PNG", "png"),
        ("image/avif,image/webp,*/*;q=0.8", "avif"),
        ("image/apng,image/webp,*/*;q=0.8", "webp"),
        ("image/png;q=0.2, image/tiff;q=0.3", "tif"),
        ("image/png;q=0, image/*;q=0.1", "jpg"),
        ("text/html;q=0.9, image/bmp;q=0.1", "bmp"),
        ("image/webp, image/png", "webp"),
        ("image/png;q=many, image/webp;q=0.1", "webp"),
    ],
)
def test_the_best_liked_that_can_be_written_wins(accept: str | None, expected: str) -> None:
    assert format_of_result(JPEG, named=None, accept=accept) == expected
    assert format_of_result(GIF, named="tif", accept=accept) == "tif"


@pytest.mark.parametrize(
    ("header", "expected"),
    [(GIF, "png"), (PictureHeader("AVIF", (9, 9)), "avif"), (PictureHeader("TIFF", (9, 9)), "tif")],
)
@pytest.mark.parametrize("accept", [None, "image/*"])
def test_what_is_not_written_becomes_png(header: PictureHeader, expected: str, accept: str | None) -> None:
    assert format_of_result(header, named=None, accept=accept) == expected


@pytest.mark.parametrize(
    ("header", "accept", "says"),
    [
        (JPEG, "image/gif, text/html", "Accept is 'image/gif, text/html'; expected one of image/png, image/jpeg"),
        (JPEG, "image/png;q=0", "Accept is"),
    ],
)
def test_what_cannot_be_written_is_406(header: PictureHeader, accept: str, says: str) -> None:
    with pytest.raises(HTTPException, match=says) as refused:
        format_of_result(header, named=None, accept=accept)
    assert refused.value.status_code == 406
