from __future__ import annotations

import codecs
import errno
import io
import json
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rethined import __version__, heif, jpeg
from rethined.engine import Inpainter
from rethined.errors import InferenceError
from rethined.masks import grow_hole
from rethined.options import InpaintOptions
from rethined.types import HoleMap, Image8
from served import SIZE_HW, SlowWork, decoded, encoded, until

pytest.importorskip("fastapi", reason="the server is an extra: pip install 'rethined[serve]'")
pytest.importorskip("prometheus_client", reason="the server is an extra: pip install 'rethined[serve]'")
pytest.importorskip("httpx2", reason="the test client needs httpx2")
from fastapi.testclient import TestClient

MakeClient = Callable[..., TestClient]
PNG = {"Content-Type": "image/png"}
BOX = "box=30,20,20,20"
needs_heif = pytest.mark.skipif(not heif.is_installed(), reason=f"pillow-heif is not installed: {heif.INSTALL}")
LABELME = {"shapes": [{"label": "x", "shape_type": "rectangle", "points": [[30, 20], [50, 40]]}], "imageHeight": 64}


def says(answer: object) -> tuple[int, str]:
    """Status and text of a problem, after a look at its form."""
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["status"]) == ("about:blank", answer.status_code)
    assert problem["title"]
    return answer.status_code, problem["detail"]


def huge_png(width: int, height: int) -> bytes:
    """A PNG that says it is large and holds nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


# ---- what a fill gives ----


def test_a_form_is_filled_as_python_fills(
    client: TestClient, photo: Image8, hole: HoleMap, inpainter: Inpainter, tmp_path: Path
) -> None:
    forbidden = np.zeros(SIZE_HW, bool)
    forbidden[:, 45:] = True
    files = {"image": ("my photo.png", encoded(photo)), "mask": encoded(hole), "forbid": encoded(forbidden)}
    answer = client.post("/v1/fill", files=files, data={"grow": "2", "preset": "fast", "working_px": ""})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "inline; filename*=utf-8''my%20photo-filled.png"
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["rethined-hole-pixels"] == str(np.count_nonzero(grow_hole(hole, 2)))
    assert "rethined-warning" not in answer.headers
    stages = [entry.partition(";")[0] for entry in answer.headers["server-timing"].split(", ")]
    assert (stages[0], stages[1], stages[-1]) == ("read", "check", "write")
    options = InpaintOptions(preset="fast", grow_px=2)
    expected = inpainter.with_options(options)(photo, hole, forbid=forbidden)
    np.testing.assert_array_equal(decoded(answer.content, tmp_path), expected)


def test_bytes_are_filled_where_the_boxes_say(
    client: TestClient, photo: Image8, hole: HoleMap, inpainter: Inpainter, tmp_path: Path
) -> None:
    answer = client.post("/v1/fill?box=30,20,20,10&box=30,30,20,10", content=encoded(photo), headers=PNG)
    np.testing.assert_array_equal(decoded(answer.content, tmp_path), inpainter(photo, hole))
    form = client.post("/v1/fill", files={"image": encoded(photo)}, data={"box": ["30,20,20,10", "30,30,20,10"]})
    assert form.content == answer.content


def test_without_mask_and_box_transparency_is_filled_and_becomes_opaque(
    client: TestClient, photo: Image8, hole: HoleMap, inpainter: Inpainter, tmp_path: Path
) -> None:
    clear = np.dstack([photo, np.where(hole, 0, 255).astype(np.uint8)])
    answer = client.post("/v1/fill?grow=1", content=encoded(clear), headers=PNG)
    filled = decoded(answer.content, tmp_path)
    assert (filled[..., 3] == 255).all()
    expected = inpainter.with_options(InpaintOptions(grow_px=1))(clear, hole)
    np.testing.assert_array_equal(filled[..., :3], expected[..., :3])


def test_a_colour_is_filled(client: TestClient, photo: Image8, hole: HoleMap) -> None:
    photo[hole] = (255, 3, 255)
    answer = client.post("/v1/fill?mask_colour=%23FF00ff&mask_tolerance=3", content=encoded(photo), headers=PNG)
    expected = client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers=PNG)
    assert (answer.status_code, answer.content) == (200, expected.content)


@pytest.mark.parametrize("name", ["marks.json", "mask.png", ""])
def test_annotations_are_filled_whatever_they_are_called(
    client: TestClient, photo: Image8, hole: HoleMap, name: str
) -> None:
    files = {"image": ("a.png", encoded(photo)), "mask": (name, f" {json.dumps(LABELME)}".encode())}
    if not name:  # browsers name all files
        files["mask"] = ("blob", codecs.BOM_UTF8 + json.dumps(LABELME).encode())
    answer = client.post("/v1/fill", files=files)
    expected = client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers=PNG)
    assert (answer.status_code, answer.content) == (200, expected.content)
    assert answer.headers["rethined-hole-pixels"] == str(np.count_nonzero(hole))


def test_of_annotations_those_of_the_picture_and_of_the_labels_are_taken(
    client: TestClient, photo: Image8, hole: HoleMap
) -> None:
    coco = {
        "images": [{"id": 1, "file_name": "x/other.png"}, {"id": 2, "file_name": "x/my photo.png"}],
        "categories": [{"id": 5, "name": "dust"}, {"id": 6, "name": "hair"}, {"id": 7, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 5, "bbox": [0, 0, 9, 9]},
            {"id": 2, "image_id": 2, "category_id": 5, "bbox": [30, 20, 20, 10]},
            {"id": 3, "image_id": 2, "category_id": 6, "segmentation": [[30, 30, 50, 30, 50, 40, 30, 40]]},
            {"id": 4, "image_id": 2, "category_id": 7, "bbox": [0, 0, 9, 9]},
        ],
    }
    files = {"image": ("C:\\x\\my photo.png", encoded(photo)), "mask": json.dumps(coco).encode()}
    answer = client.post("/v1/fill?mask_label=dust&mask_label=hair", files=files)
    assert answer.headers["rethined-hole-pixels"] == str(np.count_nonzero(hole))
    in_form = client.post("/v1/fill", files=files, data={"mask_label": ["dust", "hair"]})
    assert in_form.content == answer.content
    files["image"] = ("third.png", encoded(photo))
    status, said = says(client.post("/v1/fill", files=files))
    assert status == 422
    assert said == "mask.json: it has no picture called 'third.png'; its file_name are other.png, my photo.png"


def test_transparency_can_be_named(client: TestClient, photo: Image8, hole: HoleMap) -> None:
    clear = encoded(np.dstack([photo, np.where(hole, 0, 255).astype(np.uint8)]))
    named = client.post("/v1/fill?mask_alpha=true", content=clear, headers=PNG)
    assert (named.status_code, named.content) == (200, client.post("/v1/fill", content=clear, headers=PNG).content)


def test_warnings_name_options_as_requests_spell_them(client: TestClient, photo: Image8, hole: HoleMap) -> None:
    photo[:] = 100
    photo[grow_hole(hole, 3)] = 20
    tight = client.post("/v1/fill", files={"image": encoded(photo), "mask": encoded(hole)})
    assert tight.headers["rethined-warning"].endswith("widen the mask by a few pixels (grow=3)")
    inverted = client.post("/v1/fill", files={"image": encoded(photo), "mask": encoded(~hole)})
    assert inverted.headers["rethined-warning"].endswith("if it is inverted pass invert=true")


def test_inverted_masks_are_filled_where_they_are_black(client: TestClient, photo: Image8, hole: HoleMap) -> None:
    straight = client.post("/v1/fill", files={"image": encoded(photo), "mask": encoded(hole)})
    turned = client.post("/v1/fill?invert=true", files={"image": encoded(photo), "mask": encoded(~hole)})
    assert turned.content == straight.content


def test_sixteen_bits_stay(client: TestClient, photo: Image8, hole: HoleMap, tmp_path: Path) -> None:
    deep = (photo[..., 0].astype(np.uint16) << 8) + 77
    answer = client.post(f"/v1/fill?{BOX}", content=encoded(deep), headers=PNG)
    filled = decoded(answer.content, tmp_path)
    assert filled.dtype == np.uint16
    np.testing.assert_array_equal(filled[~hole], deep[~hole])


@pytest.mark.parametrize(
    ("format_name", "query", "accept", "expected"),
    [
        ("PNG", "", "*/*", "image/png"),
        ("JPEG", "", "*/*", "image/jpeg"),
        ("WEBP", "", "image/*", "image/webp"),
        ("TIFF", "", "*/*", "image/tiff"),
        ("BMP", "", "*/*", "image/bmp"),
        ("PNG", "&format=tif", "image/webp", "image/tiff"),
        ("JPEG", "", "text/html, image/webp;q=.5, image/png;q=.9", "image/png"),
        ("GIF", "", "*/*", "image/png"),
        ("AVIF", "", "*/*", "image/avif"),
        pytest.param("PNG", "&format=heic", "*/*", "image/heic", marks=needs_heif),
    ],
)
def test_the_format_is_that_of_the_image_or_what_is_asked_for(
    client: TestClient, photo: Image8, format_name: str, query: str, accept: str, expected: str
) -> None:
    content = encoded(photo, format_name)
    headers = {"Content-Type": "application/octet-stream", "Accept": accept}
    answer = client.post(f"/v1/fill?{BOX}{query}", content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, expected)


@pytest.mark.parametrize("strip", [True, False])
@pytest.mark.parametrize("format_name", ["PNG", "JPEG", "TIFF"])
def test_what_the_file_says_beside_its_pixels_is_kept_unless_it_is_stripped(
    client: TestClient, photo: Image8, format_name: str, strip: bool
) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    content = encoded(photo, format_name, exif=exif)
    answer = client.post(f"/v1/fill?{BOX}&jpeg=reencode&strip={strip}", content=content, headers=PNG)
    assert answer.status_code == 200
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.getexif().get(0x010F) == (None if strip else "Maker")


def test_what_is_not_kept_is_said_without_the_place_of_the_file(
    client: TestClient, photo: Image8, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jpeg, "is_installed", lambda: False)
    content = encoded(photo, "JPEG")
    answer = client.post(f"/v1/fill?{BOX}", content=content, headers=PNG)
    assert answer.headers["rethined-warning"].startswith("out.jpg is encoded anew as a whole: ")
    status, said = says(client.post(f"/v1/fill?{BOX}&jpeg=lossless", content=content, headers=PNG))
    assert status == 422
    assert "pip install 'rethined[jpeg]'; or choose jpeg=reencode" in said


def test_what_is_odd_about_a_mask_is_said_and_it_is_used(client: TestClient, photo: Image8, hole: HoleMap) -> None:
    answer = client.post("/v1/fill", files={"image": encoded(photo), "mask": encoded(~hole)})
    assert answer.status_code == 200
    assert answer.headers["rethined-warning"].startswith("the mask marks 92% as hole; white = fill")
    empty = client.post("/v1/fill", files={"image": encoded(photo), "mask": encoded(hole & False)})
    assert empty.headers["rethined-warning"] == "the mask marks nothing: white in mask; nothing is filled"
    assert (empty.status_code, empty.headers["rethined-hole-pixels"]) == (200, "0")


def test_options_of_the_server_hold_where_a_request_names_none(
    make_client: MakeClient, photo: Image8, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[InpaintOptions] = []
    fill = Inpainter.fill

    def watch(self: Inpainter, *pictures: object, **more: object) -> object:
        seen.append(self.options)
        return fill(self, *pictures, **more)

    monkeypatch.setattr(Inpainter, "fill", watch)
    client = make_client(options=InpaintOptions(preset="fast", max_memory_mb=900))
    client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers=PNG)
    client.post(
        f"/v1/fill?{BOX}&preset=best&working_px=1024&grow=3&feather=2&strip=true&jpeg=reencode",
        content=encoded(photo),
        headers=PNG,
    )
    assert seen == [
        InpaintOptions(preset="fast", max_memory_mb=900),
        InpaintOptions(
            preset="best", max_memory_mb=900, working_px=1024, grow_px=3, feather_px=2, strip=True, jpeg="reencode"
        ),
    ]


def test_a_view_is_an_upright_png_of_a_stated_size(client: TestClient, photo: Image8, tmp_path: Path) -> None:
    turned = encoded(
        photo, "JPEG", quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    )
    answer = client.post("/v1/view?max_px=40", content=turned, headers={"Content-Type": "image/jpeg"})
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["rethined-size"] == f"{SIZE_HW[0]}x{SIZE_HW[1]}"
    assert decoded(answer.content, tmp_path).shape == (40, 32, 3)
    whole = client.post("/v1/view", content=encoded(photo, "TIFF"), headers={"Content-Type": "image/tiff"})
    np.testing.assert_array_equal(decoded(whole.content, tmp_path), photo)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ("preset=slow", "preset is 'slow': input should be 'fast', 'balanced' or 'best'"),
        ("grow=-1", "grow is '-1': input should be greater than or equal to 0"),
        ("grow=1&bow=1,2,3,4", "bow is no option here; is it box?"),
        ("box=1,2,3", "box.0 is '1,2,3': string should match pattern"),
        ("working_px=100", "working_px is '100': input should be greater than or equal to 512"),
        ("format=gif", "format is 'gif': input should be 'png', 'jpg', 'webp', 'tif', 'bmp', 'avif' or 'heic'"),
        ("", "it has no alpha channel that says what to fill; give a mask or boxes"),
        ("box=80,0,9,9", "the box at x 80 to 89, y 0 to 9 lies beyond the picture, which is 64 high"),
        ("box=8,8,0,9", "a box is 0 px wide and 9 px high"),
        ("invert=true", "invert goes with a mask, not with transparency"),
        (
            "box=1,2,3,4&mask_alpha=true",
            "mask_alpha and box are given; one of them says what is filled, so leave the others out",
        ),
        ("mask_colour=pink", "mask_colour is 'pink': string should match pattern"),
        ("mask_color=ff00ff", "mask_color is no option here; is it mask_colour?"),
        ("mask_colour=ff00ff&mask_tolerance=256", "mask_tolerance is '256': input should be less than or equal to 255"),
        ("box=1,2,3,4&mask_tolerance=3", "mask_tolerance goes with mask_colour; give the colour, or leave it out"),
        ("box=1,2,3,4&mask_label=cat", "mask_label goes with annotations in a file; give that as mask, or leave"),
        ("box=1e9,2,3,4", "box.0 is '1e9,2,3,4': string should match pattern"),
        ("box=-9,0,9,9", "the box at x -9 to 0, y 0 to 9 lies beyond the picture"),
        ("feather=513", "feather is '513': input should be less than or equal to 512"),
        ("jpeg=best", "jpeg is 'best': input should be 'lossless' or 'reencode'"),
        ("box=0,0,80,64", "the mask marks every pixel as hole"),
        ("box=30,20,20,20&grow=90", "the hole grown by 90 px covers the whole picture"),
    ],
)
def test_options_that_cannot_be_used(client: TestClient, photo: Image8, query: str, detail: str) -> None:
    status, said = says(client.post(f"/v1/fill?{query}", content=encoded(photo), headers=PNG))
    assert status == 422
    assert detail in said


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "'image' is empty (0 bytes); pass a picture file"),
        (b"no picture", "'image' is not a picture in a known format"),
        (huge_png(40, 30), "cannot read 'image'"),
    ],
)
def test_content_that_is_no_picture(client: TestClient, content: bytes, detail: str) -> None:
    status, said = says(client.post(f"/v1/fill?{BOX}", content=content, headers=PNG))
    assert status == 422
    assert said.startswith(detail)
    assert says(client.post("/v1/view", content=content, headers=PNG))[0] == 422


def test_forms_that_cannot_be_used(client: TestClient, photo: Image8, hole: HoleMap) -> None:
    image, mask = encoded(photo), encoded(hole)
    post = client.post
    assert says(post("/v1/fill", files={"mask": mask})) == (422, "image is missing")
    assert says(post("/v1/fill", files={"image": image, "mask": mask, "forbid": encoded(hole[1:])})) == (
        422,
        "the forbid mask is 63 high and 80 wide, the picture 64 high and 80 wide; pass a mask of the size of the"
        " picture",
    )
    assert says(post(f"/v1/fill?{BOX}", files={"image": image, "mask": mask})) == (
        422,
        "mask and box are given; one of them says what is filled, so leave the others out",
    )
    two = [("image", image), ("mask", mask), ("mask", mask)]
    assert says(post("/v1/fill", files=two)) == (422, "mask is given 2 times; expected once")
    both = post("/v1/fill?grow=1", files={"image": image, "mask": mask}, data={"grow": "2"})
    assert says(both) == (422, "grow is given in the query and in the form; expected once")
    assert says(post("/v1/fill", files={"image": image, "masc": mask})) == (
        422,
        "masc is no option here; is it mask?",
    )
    as_text = post("/v1/fill", data={"image": "x" * 1000, "grow": "0"}, files={"mask": mask})
    assert says(as_text) == (422, "image is text; expected a file, so send it with a file name")
    status, said = says(post("/v1/fill", data={"grow": "x" * 1000}, files={"image": image, "mask": mask}))
    assert status == 422
    assert said.startswith("grow is 'xxxx")
    assert len(said) < 200
    many = [("image", image), ("mask", mask), ("forbid", mask), ("more", mask)]
    assert says(post("/v1/fill", files=many))[0] == 400
    headers = {"Content-Type": "multipart/form-data"}
    assert says(post("/v1/fill", content=b"nothing", headers=headers)) == (400, "Missing boundary in multipart.")


@pytest.mark.parametrize("where", ["folder", "body", "form"])
def test_no_room_for_what_is_sent_is_507(
    client: TestClient, photo: Image8, hole: HoleMap, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_given: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place = {"folder": "turns.make_private_folder", "body": "uploads.receive_bytes", "form": "uploads._save"}[where]
    monkeypatch.setattr(f"rethined.serve.{place}", refuse)
    if where == "form":
        answer = client.post("/v1/fill", files={"image": encoded(photo), "mask": encoded(hole)})
    else:
        answer = client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers=PNG)
    assert says(answer) == (507, "the server cannot keep what was sent: No space left on device; try again later")


def test_another_fault_of_the_system_is_500(client: TestClient, photo: Image8, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("rethined.serve.turns.make_private_folder", fail)
    assert client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers=PNG).status_code == 500


def test_a_file_that_nobody_chose_counts_for_nothing(client: TestClient, photo: Image8, hole: HoleMap) -> None:
    files = {"image": ("a.png", encoded(photo)), "mask": ("a.png", encoded(hole)), "forbid": ("", b"")}
    assert client.post("/v1/fill", files=files).status_code == 200


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json", "application/x-www-form-urlencoded"])
def test_another_content_type_is_415(client: TestClient, content_type: str) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    status, said = says(client.post("/v1/fill", content=b"{}", headers=headers))
    assert status == 415
    assert said.startswith(f"the Content-Type {f'is {content_type!r}' if content_type else 'is missing'}; expected")


def test_a_format_that_cannot_be_written_is_406(client: TestClient, photo: Image8) -> None:
    answer = client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers={**PNG, "Accept": "image/gif, text/*"})
    status, said = says(answer)
    assert status == 406
    assert said.startswith("Accept is 'image/gif, text/*'; expected one of image/png, image/jpeg, ")


def test_a_format_that_an_extra_writes_is_refused_without_it(
    client: TestClient, photo: Image8, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heif, "is_installed", lambda: False)
    status, said = says(client.post(f"/v1/fill?{BOX}&format=heic", content=encoded(photo), headers=PNG))
    assert status == 422
    assert said == f"'out.heic' is to be HEIC, which pillow-heif writes: {heif.INSTALL}"


def test_a_picture_that_its_format_cannot_hold_is_422(client: TestClient, photo: Image8) -> None:
    clear = np.dstack([photo, photo[..., 0]])
    status, said = says(client.post(f"/v1/fill?{BOX}&format=jpg", content=encoded(clear), headers=PNG))
    assert status == 422
    assert said.startswith("'out.jpg': the picture is 8-bit RGBA; JPEG files hold 8-bit grey, RGB here")


@pytest.mark.parametrize(
    ("sent", "query", "detail"),
    [
        (b"{no", "", "mask.json: it is no JSON: "),
        (b"[1, 2]", "", "mask.json: it is neither in the form of COCO"),
        (b'{"shapes": [{"label": "a", "shape_type": "line", "points": []}]}', "", "the labels to take (mask_label)"),
        (b'{"shapes": [], "imageHeight": 9, "imageWidth": 9}', "", "it is about a picture 9 high and 9 wide"),
        (
            b'{"images": [{"id": 1, "file_name": "image"}], "annotations": []}',
            "?mask_label=cat",
            "mask.json: there is no category 'cat'; expected one of none",
        ),
        (encoded(np.eye(4) > 0), "?mask_label=cat", "mask_label goes with annotations, and 'mask' is a picture"),
    ],
)
def test_annotations_that_cannot_be_used(
    client: TestClient, photo: Image8, sent: bytes, query: str, detail: str
) -> None:
    status, said = says(client.post(f"/v1/fill{query}", files={"image": ("image", encoded(photo)), "mask": sent}))
    assert status == 422
    assert detail in said
    assert "/" not in said


def test_annotations_too_large_or_too_many_are_refused(
    client: TestClient, photo: Image8, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = {"shapes": LABELME["shapes"] * 2501}
    files = {"image": encoded(photo), "mask": json.dumps(many).encode()}
    status, said = says(client.post("/v1/fill", files=files))
    assert status == 422
    assert said.startswith("mask.json: its shapes have 10004 corners together; at most 10000 are drawn here")
    for name, most in (("MOST_ANNOTATION_MB", 0), ("MOST_ANNOTATION_VALUES", 2501)):
        with monkeypatch.context() as patch:
            patch.setattr(f"rethined.serve.uploads.{name}", most)
            status, said = says(client.post("/v1/fill", files=files))
        assert status == 413
        assert said.startswith("the annotations sent as the mask are larger than ")
        assert said.endswith("send those of this picture alone, without the picture in them (imageData of LabelMe)")


def test_too_many_pixels_are_413_before_anything_is_decoded(
    make_client: MakeClient, photo: Image8, hole: HoleMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client(max_pixels=SIZE_HW[0] * SIZE_HW[1])
    assert client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers=PNG).status_code == 200
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda *_: pytest.fail("decoded"))
    bomb = huge_png(20_000, 30_000)
    expected = "is 20000 x 30000 pixels; at most 0.00512 megapixels are filled here, so send a smaller picture"
    for answer, name in (
        (client.post(f"/v1/fill?{BOX}", content=bomb, headers=PNG), "image"),
        (client.post("/v1/view", content=bomb, headers=PNG), "image"),
        (client.post("/v1/fill", files={"image": encoded(photo), "mask": bomb}), "mask"),
        (client.post("/v1/fill", files={"image": encoded(photo), "mask": encoded(hole), "forbid": bomb}), "forbid"),
    ):
        assert says(answer) == (413, f"{name!r} {expected}")


def test_too_many_bytes_are_413_whether_they_are_announced_or_not(make_client: MakeClient) -> None:
    client = make_client(max_mb=1)
    refused = (413, "the body of the request is larger than 1 MB; send a smaller picture")
    assert says(client.post("/v1/fill", content=bytes(1_000_001), headers=PNG)) == refused
    assert says(client.post("/v1/fill", content=bytes(1_000_000), headers=PNG))[0] == 422

    def pieces() -> Iterator[bytes]:
        for _ in range(11):
            yield bytes(100_000)

    assert says(client.post("/v1/fill", content=pieces(), headers=PNG)) == refused
    boundary = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert says(client.post("/v1/fill", content=(p for p in (boundary, *pieces())), headers=headers)) == refused


def test_more_memory_than_a_fill_may_take_is_413(make_client: MakeClient, photo: Image8) -> None:
    client = make_client(options=InpaintOptions(max_memory_mb=1))
    answer = client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers=PNG)
    assert says(answer)[0] == 413
    assert answer.json()["error"] == "MemoryBudgetError"


def test_a_failing_network_is_500_and_so_is_a_failing_server(
    client: TestClient, photo: Image8, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(error: Exception) -> None:
        def raise_it(*_: object) -> None:
            raise error

        monkeypatch.setattr("rethined.serve.app.fill_files", raise_it)

    fail(InferenceError("the network failed"))
    answer = client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers=PNG)
    assert says(answer) == (500, "the network failed")
    fail(ZeroDivisionError("secret"))
    answer = client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers=PNG)
    assert says(answer) == (500, "the server failed; its log says more")


def test_other_addresses_and_methods_are_problems_too(client: TestClient) -> None:
    assert says(client.get("/v1/nothing"))[0] == 404
    assert says(client.get("/v1/fill"))[0] == 405
    assert says(client.get("/page/nothing.js"))[0] == 404
    assert says(client.get("/page/../app.py"))[0] == 404


# ---- queue, time, stop ----


def test_a_full_queue_is_429_and_says_when_to_come_again(
    make_client: MakeClient, photo: Image8, slow_work: SlowWork
) -> None:
    client = make_client(workers=1, queue=1)
    content = encoded(photo)
    statuses: list[int] = []

    def post() -> None:
        statuses.append(client.post(f"/v1/fill?{BOX}", content=content, headers=PNG).status_code)

    threads = [threading.Thread(target=post) for _ in range(2)]
    for thread in threads:
        thread.start()
    until(lambda: "rethined_queue_length 1.0\n" in client.get("/metrics").text)
    counted = client.get("/metrics").text
    assert "rethined_fills_in_flight 1.0\n" in counted
    assert "rethined_requests_in_flight 2.0\n" in counted
    answer = client.post(f"/v1/fill?{BOX}", content=content, headers=PNG)
    assert says(answer) == (429, "2 requests are worked on or wait, and no more are taken; try again in 2 s")
    assert answer.headers["retry-after"] == "2"
    assert client.get("/ready").status_code == client.get("/health").status_code == 200
    slow_work.go_on.set()
    for thread in threads:
        thread.join()
    assert statuses == [200, 200]
    assert client.post(f"/v1/fill?{BOX}", content=content, headers=PNG).status_code == 200


def test_out_of_time_is_503_and_the_fill_ends(make_client: MakeClient, photo: Image8, slow_work: SlowWork) -> None:
    client = make_client(workers=1, timeout_s=0.1)
    answer = client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers=PNG)
    status, said = says(answer)
    assert status == 503
    assert said.startswith("not filled within 0.1 s, waiting included, and ended")
    assert answer.headers["retry-after"] == "1"
    until(lambda: slow_work.ended == 1)
    until(lambda: "rethined_requests_in_flight 0.0\n" in client.get("/metrics").text)


# ---- what the server says of itself ----


def test_info_tells_version_network_and_limits(make_client: MakeClient, inpainter: Inpainter) -> None:
    info = make_client(max_mb=7, queue=3, options=InpaintOptions(preset="best")).get("/v1/info").json()
    assert info["version"] == __version__
    assert info["network"] == inpainter.network_metadata
    assert info["preset"] == "best"
    assert info["jpeg_lossless"] == jpeg.is_installed()
    assert info["limits"] == {"max_pixels": 100_000_000, "max_mb": 7, "queue": 3, "workers": 2, "timeout_s": 120.0}


def test_health_and_metrics(client: TestClient, photo: Image8) -> None:
    assert client.get("/health").json() == {"status": "live"}
    assert client.get("/ready").json() == {"status": "ready"}
    client.post(f"/v1/fill?{BOX}", content=encoded(photo), headers=PNG)
    client.post("/v1/fill?grow=x")
    client.get("/strange/address")
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    for line in (
        'rethined_requests_total{path="/v1/fill",status="200"} 1.0',
        'rethined_requests_total{path="/v1/fill",status="422"} 1.0',
        'rethined_requests_total{path="other",status="404"} 1.0',
        "rethined_pixels_filled_total 400.0",
        'rethined_stage_seconds_count{stage="network"} 1.0',
        'rethined_stage_seconds_count{stage="send"} 1.0',
        "rethined_queue_length 0.0",
    ):
        assert f"{line}\n" in answer.text


def test_the_description_is_complete(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    assert set(schema["paths"]) == {"/v1/fill", "/v1/view", "/v1/info", "/health", "/ready"}
    fill = schema["paths"]["/v1/fill"]["post"]
    assert set(fill["requestBody"]["content"]) == {"multipart/form-data", "image/*", "application/octet-stream"}
    assert "application/json" not in fill["responses"]["200"]["content"]
    assert {"406", "413", "415", "422", "429", "503"} < set(fill["responses"])
    assert all(parameter["description"] for parameter in fill["parameters"])
    form = schema["components"]["schemas"]["FillForm"]
    assert form["required"] == ["image"]
    assert set(form["properties"]) == {parameter["name"] for parameter in fill["parameters"]} | {
        "image",
        "mask",
        "forbid",
    }
    text = str(schema)
    assert all(f"'{name.rpartition('/')[2]}'" in text for name in _references(schema))


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref":
                yield value
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
