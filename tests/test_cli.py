from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rethined import __version__, demo, jpeg
from rethined.cli import inpaint as inpaint_command
from rethined.cli import main
from rethined.engine import Inpainter, InpaintResult
from rethined.imageio import read_image, write_image
from rethined.masks import grow_hole
from rethined.options import InpaintOptions
from rethined.serve.settings import ServeSettings
from rethined.types import HoleMap, Image8

SIZE_HW = (70, 90)
STAGES = ["check", "plan", "shrink", "repeat", "prefill", "network", "match", "transfer", "composite"]
Run = Callable[..., int]


@pytest.fixture
def photo(rng: np.random.Generator) -> Image8:
    return rng.integers(0, 256, (*SIZE_HW, 3), dtype=np.uint8)


@pytest.fixture
def hole() -> HoleMap:
    hole = np.zeros(SIZE_HW, bool)
    hole[20:40, 30:50] = True
    return hole


def write_mask(path: Path, values: np.ndarray) -> None:
    write_image(path, np.repeat(values.astype(np.uint8)[..., None], 3, axis=2))


@pytest.fixture
def run(tmp_path: Path, photo: Image8, hole: HoleMap, tiny_network_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs ``rethined inpaint`` in a folder with a photograph and several masks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inpaint_command, "SILENT_S", 1e9)  # on a busy machine every fill is slow
    write_image("photo.png", photo)
    write_image("deep.png", photo * np.uint16(257))
    write_mask(Path("mask.png"), hole * 255)
    write_mask(Path("inverted.png"), ~hole * 255)
    write_mask(Path("grey.png"), hole * 150)
    write_mask(Path("small.png"), hole[:-1] * 255)
    write_mask(Path("full.png"), np.full(SIZE_HW, 255))
    Path("text.png").write_text("no picture")

    def run(*arguments: str, photo: str = "photo.png", mask: str = "mask.png", out: str = "out.png") -> int:
        given = ["inpaint", photo, mask, "-o", out, "--network", str(tiny_network_path), "--threads", "1", *arguments]
        return main(given)

    return run


# ---- inpaint ----


def test_inpaint_writes_what_the_engine_gives(
    run: Run, photo: Image8, hole: HoleMap, tiny_network_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    np.testing.assert_array_equal(read_image("out.png"), Inpainter(tiny_network_path, threads=1)(photo, hole))
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("mask", ["inverted.png", "faint-inverted.png", "red-inverted.png"])
def test_invert_fills_what_is_black(run: Run, hole: HoleMap, mask: str) -> None:
    write_mask(Path("faint-inverted.png"), ~hole * 1)
    write_image("red-inverted.png", (~hole)[..., None] * np.uint8((255, 0, 0)))
    assert run() == 0
    assert run("--invert", mask=mask, out="inverted-out.png") == 0
    np.testing.assert_array_equal(read_image("inverted-out.png"), read_image("out.png"))


def test_feather_lets_the_fill_fade_in(run: Run, photo: Image8, hole: HoleMap) -> None:
    assert run() == 0
    sharp = read_image("out.png").astype(int)
    assert run("--feather", "400") == 0
    soft = read_image("out.png").astype(int)
    nearer = np.abs(soft - photo)[hole] < np.abs(sharp - photo)[hole]
    assert (nearer | (np.abs(sharp - photo)[hole] <= 1)).mean() > 0.99


def test_grow_widens_the_hole(run: Run, photo: Image8, hole: HoleMap) -> None:
    assert run("--grow", "6") == 0
    changed = (read_image("out.png") != photo).any(axis=2)
    grown = grow_hole(hole, 6)
    assert not changed[~grown].any()
    assert changed[grown & ~hole].mean() > 0.9


def test_what_forbid_marks_is_not_copied(run: Run, photo: Image8, hole: HoleMap, tiny_network_path: Path) -> None:
    forbidden = np.zeros(SIZE_HW, bool)
    forbidden[:, 45:] = True
    write_mask(Path("forbid.png"), forbidden * 255)
    assert run("--forbid", "forbid.png") == 0
    expected = Inpainter(tiny_network_path, threads=1)(photo, hole, forbid=forbidden)
    np.testing.assert_array_equal(read_image("out.png"), expected)
    assert (expected != Inpainter(tiny_network_path, threads=1)(photo, hole)).any()


def test_explain_writes_a_second_picture(run: Run, photo: Image8, hole: HoleMap, tiny_network_path: Path) -> None:
    assert run() == run("--explain", "why.png", out="same.png") == 0
    np.testing.assert_array_equal(read_image("same.png"), read_image("out.png"))
    expected = Inpainter(tiny_network_path, threads=1).explain(photo, hole).picture()
    np.testing.assert_array_equal(read_image("why.png"), expected)


def test_how_closely_to_look_is_passed_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, int | None]] = []
    fill = Inpainter.fill

    def watch(self: Inpainter, image: Image8, mask: HoleMap, **_more: object) -> InpaintResult:
        seen.append((self.options.preset, self.options.working_px))
        return fill(self, image, mask)

    monkeypatch.setattr(Inpainter, "fill", watch)
    assert run() == run("--working-px", "2048") == run("--preset", "best") == 0
    assert seen == [("balanced", None), ("balanced", 2048), ("best", None)]
    assert run("--preset", "slow") == 2


def test_max_memory_is_passed_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int | None] = []
    fill = Inpainter.fill

    def watch(self: Inpainter, image: Image8, mask: HoleMap, **_more: object) -> InpaintResult:
        seen.append(self.options.max_memory_mb)
        return fill(self, image, mask)

    monkeypatch.setattr(Inpainter, "fill", watch)
    assert run() == run("--max-memory", "900") == 0
    assert seen == [None, 900]


def test_times_are_printed_stage_by_stage(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--times") == 0
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows] == STAGES
    assert all(float(row[1]) >= 0 and row[2] == "ms" for row in rows)
    assert err == ""


def test_a_slow_fill_names_its_stages_as_they_begin(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(inpaint_command, "SILENT_S", -1)
    assert run() == 0
    lines = capsys.readouterr().err.splitlines()
    assert [re.fullmatch(r"rethined: (\w+), \d+% done \(\d+ s\)", line)[1] for line in lines] == STAGES


def test_a_photo_may_be_written_onto_itself(run: Run, photo: Image8, hole: HoleMap) -> None:
    assert run(out="photo.png") == 0
    np.testing.assert_array_equal(read_image("photo.png")[~hole], photo[~hole])


@pytest.mark.parametrize(
    ("mask", "arguments", "says"),
    [
        ("inverted.png", [], r"marks 94% as hole; white = fill; if it is inverted"),
        ("mask.png", ["--invert"], r"marks 94% as hole"),
        ("grey.png", [], "100% of the non-zero mask pixels are grey"),
    ],
)
def test_odd_masks_are_used_with_one_line_of_warning(
    run: Run, capsys: pytest.CaptureFixture[str], mask: str, arguments: list[str], says: str
) -> None:
    assert run(*arguments, mask=mask) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rethined: warning: ")
    assert says in err
    assert err.count("\n") == 1
    assert Path("out.png").exists()


def test_depth_and_channels_stay(run: Run, photo: Image8, hole: HoleMap) -> None:
    deep = np.dstack([photo, photo[..., :1] | 1]) * np.uint16(257) ^ np.uint16(0x5A)
    write_image("deep.tif", deep)
    assert run(photo="deep.tif") == 0
    filled = read_image("out.png", as_stored=True)
    assert filled.dtype == np.uint16
    np.testing.assert_array_equal(filled[~hole], deep[~hole])
    np.testing.assert_array_equal(filled[..., 3], deep[..., 3])
    assert (filled[hole][:, :3] != deep[hole][:, :3]).any()


# ---- files ----


def with_exif(path: str, photo: Image8, hole: HoleMap) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    picture = photo // 8 + 100  # what JPEG can hold
    Image.fromarray(picture).save(path, exif=exif, **({"quality": 95} if path.endswith(".jpg") else {}))
    write_mask(Path("mask.png"), hole * 255)


@pytest.mark.parametrize("strip", [True, False])
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_what_the_photo_said_is_kept_unless_it_is_stripped(
    run: Run, photo: Image8, hole: HoleMap, name: str, strip: bool
) -> None:
    with_exif(name, photo, hole)
    assert run(*["--strip"] * strip, "--jpeg", "reencode", photo=name, out="out-" + name) == 0
    with Image.open("out-" + name) as image:
        assert image.getexif().get(0x010F) == (None if strip else "Maker")


@pytest.mark.usefixtures("run")
def test_without_out_the_result_goes_beside_the_photo_in_its_format(
    photo: Image8, hole: HoleMap, tiny_network_path: Path
) -> None:
    with_exif("a.tif", photo, hole)
    assert main(["inpaint", "a.tif", "mask.png", "--network", str(tiny_network_path)]) == 0
    with Image.open("a-filled.tif") as image:
        assert image.format == "TIFF"


def test_a_jpeg_that_is_encoded_anew_is_told_unless_that_is_asked_for(
    run: Run, photo: Image8, hole: HoleMap, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jpeg, "is_installed", lambda: False)
    with_exif("a.jpg", photo, hole)
    assert run(photo="a.jpg", out="told.jpg") == 0
    err = capsys.readouterr().err
    assert err.startswith("rethined: warning: told.jpg is encoded anew as a whole: ")
    assert "pip install 'rethined[jpeg]'" in err
    assert err.count("\n") == 1
    assert run("--jpeg", "reencode", photo="a.jpg", out="silent.jpg") == 0
    assert capsys.readouterr().err == ""
    assert run("--jpeg", "lossless", photo="a.jpg", out="refused.jpg") == 2
    assert "pip install 'rethined[jpeg]'; or choose --jpeg reencode" in capsys.readouterr().err
    assert not Path("refused.jpg").exists()


@pytest.mark.skipif(not jpeg.is_installed(), reason=f"jpegio is not installed: {jpeg.INSTALL}")
def test_a_jpeg_keeps_what_the_hole_does_not_touch(
    run: Run, photo: Image8, hole: HoleMap, capsys: pytest.CaptureFixture[str]
) -> None:
    with_exif("a.jpg", photo, hole)
    assert run(photo="a.jpg", out="out.jpg") == 0
    assert capsys.readouterr() == ("", "")
    far = ~grow_hole(hole, 32)
    np.testing.assert_array_equal(read_image("out.jpg")[far], read_image("a.jpg")[far])


# ---- masks ----


@pytest.fixture
def fill(run: Run, tiny_network_path: Path) -> Run:
    """Runs ``rethined inpaint`` without a mask file, where ``run`` would."""

    def fill(*arguments: str, photo: str = "photo.png", out: str = "out.png") -> int:
        return main(["inpaint", photo, "-o", out, "--network", str(tiny_network_path), "--threads", "1", *arguments])

    assert run(out="expected.png") == 0
    return fill


@pytest.mark.parametrize(
    "rule",
    [
        ["--mask", "mask.png"],
        ["--mask-dir", "masks"],
        ["--mask-suffix", ".json"],
        ["--mask", "photo.json", "--mask-label", "crack"],
        ["--box", "30,20,20,20"],
        ["--box", "30,20,20,10", "--box", "30,30,20,10"],
    ],
)
def test_all_rules_for_masks_give_the_same_hole(fill: Run, rule: list[str], hole: HoleMap) -> None:
    Path("masks").mkdir()
    write_mask(Path("masks/photo.tif"), hole * 255)
    shape = {"label": "crack", "shape_type": "rectangle", "points": [[30, 20], [50, 40]]}
    Path("photo.json").write_text(json.dumps({"shapes": [shape], "imageHeight": 70, "imageWidth": 90}))
    assert fill(*rule) == 0
    np.testing.assert_array_equal(read_image("out.png"), read_image("expected.png"))


def test_a_colour_key_is_filled(fill: Run, photo: Image8, hole: HoleMap) -> None:
    write_image("painted.png", np.where(hole[..., None], np.uint8((255, 3, 255)), photo // 2))
    write_image("half.png", photo // 2)
    assert fill("--mask-colour", "ff00ff", "--mask-tolerance", "3", photo="painted.png") == 0
    assert fill("--mask", "mask.png", photo="half.png", out="half-out.png") == 0
    np.testing.assert_array_equal(read_image("out.png"), read_image("half-out.png"))


def test_what_was_transparent_is_filled_and_becomes_opaque(fill: Run, photo: Image8, hole: HoleMap) -> None:
    write_image("clear.png", np.dstack([photo, ~hole * np.uint8(255)]))
    assert fill("--mask-alpha", photo="clear.png") == 0
    filled = read_image("out.png", as_stored=True)
    np.testing.assert_array_equal(filled[..., :3], read_image("expected.png"))
    assert (filled[..., 3] == 255).all()


def test_a_preview_fills_nothing_and_says_how_the_mask_was_understood(
    fill: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before = set(Path().iterdir())
    assert fill("--box", "30,20,20,20", "--grow", "2", "--preview") == 0
    assert set(Path().iterdir()) - before == {Path("out.png.preview.jpg")}
    assert capsys.readouterr().out == (
        "photo.png: 9.0% of the picture is filled: the box at x 30 to 50, y 20 to 40, widened by 2 px\n"
    )


@pytest.mark.usefixtures("fill")
def test_a_preview_lies_beside_where_the_result_would(
    tiny_network_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--box", "30,20,20,20", "--preview", "--network", str(tiny_network_path)]
    assert main(["inpaint", "photo.png", *given]) == 0
    assert Path("photo-filled.png.preview.jpg").exists()
    assert capsys.readouterr().err == "rethined: written to photo-filled.png.preview.jpg\n"
    assert not Path("photo-filled.png").exists()


def test_what_is_transparent_in_a_palette_is_filled_and_the_rest_of_the_file_kept(fill: Run) -> None:
    picture = Image.fromarray(np.kron(np.uint8([[0, 1], [2, 3]]), np.ones((35, 45), np.uint8)))
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 1, 2, 3])
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    picture.save("palette.png", transparency=2, exif=exif)
    assert fill("--mask-alpha", photo="palette.png") == 0
    with Image.open("out.png") as image:
        assert image.mode == "RGBA"
        assert image.getchannel("A").getextrema() == (255, 255)
        assert image.getexif()[0x010F] == "Maker"
        assert image.getpixel((10, 10)) == (10, 20, 30, 255)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no mask is given; expected one of --mask FILE, --mask-dir DIR, --mask-suffix TEXT, --mask-alpha,"),
        (["--mask-suffix", "_m"], "photo.png has no mask: there is no picture photo_m.*"),
        (["--mask-colour", "pink"], "--mask-colour is 'pink'; expected six hexadecimal digits"),
        (["--box", "1,2,3"], "--box is '1,2,3'; expected X,Y,W,H in pixels"),
        (["--box", "1,2,3,0"], "a box is 3 px wide and 0 px high"),
        (["--box", "900,2,3,4"], "lies beyond the picture"),
        (["--mask-alpha"], "it has no alpha channel"),
        (["--mask", "text.json"], "text.json: it is no JSON"),
        (["--box", "1,2,3,4", "--preview", "--grow", "-1"], "--grow is -1"),
        (["--box", "1,2,3,4", "--preview", "--out", "none/out.png"], "there is no folder"),
    ],
)
def test_masks_that_cannot_be_used_end_with_two_and_one_line(
    fill: Run, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    Path("text.json").write_text("no JSON")
    before = set(Path().iterdir())
    assert fill(*arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("rethined: ")
    assert says in err
    assert err.count("\n") == 1
    assert set(Path().iterdir()) == before


# ---- what cannot be done ----


@pytest.mark.parametrize(
    ("changes", "arguments", "says"),
    [
        ({"photo": "missing.png"}, [], "there is no picture file at 'missing.png'"),
        ({"photo": ""}, [], "path is empty"),
        ({"photo": "."}, [], "is a folder"),
        ({"photo": "text.png"}, [], "'text.png' is not a picture in a known format"),
        ({"mask": "missing.png"}, [], "there is no mask file at 'missing.png'"),
        ({}, ["--mask", "mask.png"], "two masks are given, mask.png and --mask mask.png"),
        ({}, ["--mask-alpha"], "--mask and --mask-alpha are given; one of them says what is filled"),
        ({}, ["--mask-tolerance", "3"], "--mask-tolerance goes with --mask-colour"),
        ({}, ["--mask-label", "cat"], "--mask-label goes with annotations, and 'mask.png' is a picture"),
        ({"mask": ""}, [], "there is no mask file at '.'"),
        ({"mask": "text.png"}, [], "not a picture"),
        ({}, ["--forbid", "small.png"], "the forbid mask is 69 high and 90 wide, the picture 70 high and 90 wide"),
        ({}, ["--forbid", "missing.png"], "there is no picture file at 'missing.png'"),
        ({"mask": "small.png"}, [], "the mask is 69 high and 90 wide, the picture 70 high and 90 wide"),
        ({"mask": "full.png"}, [], "marks every pixel as hole"),
        ({"mask": "full.png"}, ["--grow", "3"], "marks every pixel as hole"),
        ({}, ["--grow", "400"], "the hole grown by 400 px covers the whole picture"),
        ({"out": "out.xyz"}, [], "has the suffix '.xyz'; expected one of .png"),
        ({"out": "out"}, [], "has no suffix, which names the format; expected one of .png"),
        ({"photo": "deep.png", "out": "out.jpg"}, [], "is 16-bit RGB; JPEG files hold 8-bit grey, RGB here, so choose"),
        ({"out": ""}, [], "is a folder"),
        ({}, ["--explain", "why.xyz"], "has the suffix '.xyz'; expected one of .png"),
        ({"out": "missing/out.png"}, [], "there is no folder"),
        ({"out": "mask.png"}, [], "-o 'mask.png' would replace the mask; give another place"),
        ({"out": "grey.png"}, ["--forbid", "./grey.png"], "-o 'grey.png' would replace the forbid mask"),
        ({}, ["--explain", "photo.png"], "--explain 'photo.png' would replace the photograph"),
        ({}, ["--explain", "out.png"], "--explain 'out.png' would replace the result"),
        ({}, ["--explain", "mask.png"], "--explain 'mask.png' would replace the mask"),
        ({"photo": "a" * 300 + ".png"}, [], "cannot be reached: File name too long"),
        ({"mask": "a" * 300 + ".png"}, [], "cannot be reached: File name too long"),
        ({"out": "a" * 300 + ".png"}, [], "cannot be reached: File name too long"),
        ({}, ["--network", "a" * 300], "cannot be reached: File name too long"),
        ({}, ["--working-px", "100"], "--working-px is 100; expected a whole number from 512 to 2048"),
        ({}, ["--max-memory", "1"], "--max-memory is 1; a picture 70 high and 90 wide with 6% hole takes at least "),
        ({}, ["--grow", "-1"], "--grow is -1"),
        ({}, ["--jpeg", "exact"], "jpeg is 'exact'; expected one of lossless, reencode"),
        ({}, ["--threads", "0"], "--threads is 0"),
        ({}, ["--network", "missing.onnx"], "no network file at missing.onnx"),
        ({}, ["--network", "text.png"], "text.png is not an ONNX file"),
    ],
)
def test_input_that_cannot_be_used_ends_with_two_and_one_line(
    run: Run, capsys: pytest.CaptureFixture[str], changes: dict[str, str], arguments: list[str], says: str
) -> None:
    before = sorted(Path().rglob("*"))
    assert run(*arguments, **changes) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rethined: ")
    assert says in err
    assert err.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: COMMAND"),
        (["paint"], "invalid choice: 'paint'"),
        (["inpaint"], "required: PHOTO"),
        (["inpaint", "a.png", "b.png", "--frob"], "unrecognized arguments: --frob"),
        (["inpaint", "a.png", "b.png", "c.png", "--frob"], "unrecognized arguments: c.png --frob"),
        (["demo", "more"], "unrecognized arguments: more"),
        (
            ["inpaint", "a.png", "b.png", "-o", "c.png", "--working-px", "many"],
            "--working-px: invalid int value: 'many'",
        ),
        (["export"], "required: FORMAT"),
    ],
)
def test_wrong_arguments_end_with_two_and_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("rethined")
    assert says in err
    assert err.endswith(" --help tells what is expected\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "room"),
    [
        (["train", "photos"], "train"),
        (["finetune", "photos", "-o", "x.onnx"], "finetune"),
        (["export", "engine", "runs/x", "-o", "x.onnx"], "export"),
        (["ablate", "photos", "x.toml", "--val", "others", "--out", "runs/x"], "ablate"),
    ],
)
def test_without_torch_the_workshop_says_what_to_install(
    arguments: list[str], room: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith((f"rethined.{room}.", "rethined.nn"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "rethined: this command needs the package 'torch': pip install 'rethined[train]'\n")


def test_without_fastapi_the_server_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("rethined.serve.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert main(["serve", "--port", "0"]) == 2
    assert (
        capsys.readouterr().err == "rethined: this command needs the package 'fastapi': pip install 'rethined[serve]'\n"
    )


@pytest.fixture
def process_kept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keeps the server from changing the process of the tests; hears what it would have done."""
    done: list[str] = []
    # The modules that the command will import: a test above has had some of them imported twice.
    monkeypatch.setattr(import_module("rethined.serve.memory"), "share_heaps", lambda: done.append("heaps"))
    monkeypatch.setattr(import_module("rethined.runtime"), "share_cores", lambda: done.append("cores"))
    return done


def test_serve_passes_its_options(
    process_kept: list[str], monkeypatch: pytest.MonkeyPatch, tiny_network_path: Path
) -> None:
    pytest.importorskip("prometheus_client", reason="the server is an extra: pip install 'rethined[serve]'")
    heard: list[ServeSettings] = []
    monkeypatch.setattr("rethined.serve.run.serve", lambda _inpainter, settings, _tell, **_more: heard.append(settings))
    given = "--host ::1 --port 0 --max-pixels 1000 --max-mb 7 --max-memory 900 --queue 3 --timeout 1.5 --workers 4"
    more = "--preset best --allow-origin https://a.example --allow-origin http://b.example:1 --network"
    assert main(["serve", *given.split(), *more.split(), str(tiny_network_path)]) == 0
    options = InpaintOptions(preset="best", max_memory_mb=900)
    origins = ("https://a.example", "http://b.example:1")
    assert heard == [
        ServeSettings(
            host="::1", port=0, max_pixels=1000, max_mb=7, queue=3, timeout_s=1.5, workers=4, options=options,
            allow_origins=origins,
        )
    ]  # fmt: skip
    assert process_kept == ["heaps", "cores"]


def test_a_server_that_fills_one_at_a_time_shares_no_cores(
    process_kept: list[str], monkeypatch: pytest.MonkeyPatch, tiny_network_path: Path
) -> None:
    pytest.importorskip("prometheus_client", reason="the server is an extra: pip install 'rethined[serve]'")
    monkeypatch.setattr("rethined.serve.run.serve", lambda *_, **_more: None)
    assert main(["serve", "--workers", "1", "--network", str(tiny_network_path)]) == 0
    assert process_kept == ["heaps"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--port", "70000"], "--port is 70000; expected a whole number from 0 to 65535"),
        (["--preset", "slow"], "preset is 'slow'"),
        (["--timeout", "0"], "timeout is 0.0"),
        (["--allow-origin", "photos.example"], "the allowed origin is 'photos.example'"),
        (["--network", "missing.onnx"], "no network file at missing.onnx"),
    ],
)
@pytest.mark.usefixtures("process_kept")
def test_a_server_that_cannot_be_ends_with_two_and_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("prometheus_client", reason="the server is an extra: pip install 'rethined[serve]'")
    assert main(["serve", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert says in err


def test_train_passes_the_file_and_what_is_said_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        "rethined.train.run.train_folder",
        lambda *places, settings_file, changes, **_: heard.append((*places, settings_file, changes)),
    )
    assert main(["train", "photos", "--out", "run", "--config", "mine.toml", "--seed", "3"]) == 0
    assert heard == [(Path("photos"), Path("run"), Path("mine.toml"), {"seed": 3})]


def test_ablate_passes_its_options_and_prints_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[tuple[object, ...]] = []

    def ablate(*places: Path, **options: object) -> str:
        heard.append((*places, options))
        return "the table\n"

    monkeypatch.setattr("rethined.ablate.run.ablate", ablate)
    given = ["--val", "others", "--start-from", "x.safetensors", "--device", "cpu", "--threads", "2", "--cache", "c"]
    assert main(["ablate", "photos", "variants.toml", "--out", "runs/x", *given]) == 0
    options = {
        "val_folder": Path("others"),
        "cache": Path("c"),
        "start_from": Path("x.safetensors"),
        "threads": 2,
        "device": "cpu",
    }
    assert heard == [(Path("photos"), Path("variants.toml"), Path("runs/x"), options)]
    assert capsys.readouterr().out == "the table\n"


def test_finetune_passes_its_options_and_prints_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[tuple[object, ...]] = []

    def finetune_folder(*places: Path, **options: object) -> str:
        heard.append((*places, options))
        return "the table\n"

    monkeypatch.setattr("rethined.finetune.run.finetune_folder", finetune_folder)
    given = [
        "--minutes",
        "2",
        "--hold-out",
        "3",
        "--learning-rate",
        "1e-4",
        "--training-data",
        "mine",
        "--threads",
        "1",
        "--device",
        "cpu",
    ]
    assert main(["finetune", "photos", "-o", "out/x.onnx", *given]) == 0
    options = {
        "minutes": 2.0,
        "hold_out": 3,
        "learning_rate": 1e-4,
        "training_data": "mine",
        "cache": None,
        "threads": 1,
        "device": "cpu",
    }
    assert heard == [(Path("photos"), Path("out/x.onnx"), options)]
    assert capsys.readouterr().out == "the table\n\nin out: x.onnx, x.safetensors, x.md\n"


def test_without_scikit_image_the_demo_says_what_to_install(
    tmp_path: Path, tiny_network_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)
    assert main(["demo", "--out", str(tmp_path), "--network", str(tiny_network_path)]) == 2
    assert "'skimage': pip install 'rethined[demo]'" in capsys.readouterr().err


def test_an_interrupt_ends_with_130(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_pictures: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Inpainter, "fill", interrupt)
    assert run() == 130
    assert capsys.readouterr() == ("", "rethined: interrupted\n")
    assert not Path("out.png").exists()


# ---- what people type ----


def test_the_mask_may_come_after_options(run: Run, tiny_network_path: Path) -> None:
    assert run() == 0
    more = ["--network", str(tiny_network_path), "--threads", "1"]
    assert main(["inpaint", "photo.png", "-o", "after.png", *more, "mask.png"]) == 0
    assert Path("after.png").read_bytes() == Path("out.png").read_bytes()


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["photo.png", "mask.png", "new.png"],
            "more is given than a photograph and its mask: new.png; say with -o where",
        ),
        (["a.png", "-o", "b.png", "c.png", "d.png"], "more is given than a photograph and its mask: c.png d.png; "),
        (
            [".", "mask.png"],
            "'.' is a folder, and one photograph is filled here; for many: rethined batch . --mask-dir",
        ),
        (["photo.png", "https://a.example/m.png"], "'https://a.example/m.png' is a URL, and files alone are read here"),
    ],
)
def test_what_means_another_command_is_told(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(["inpaint", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"rethined: {says}")
    assert not Path("new.png").exists()


def test_where_a_result_went_is_told_unless_it_was_said(
    run: Run, tiny_network_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    assert capsys.readouterr().err == ""
    assert main(["inpaint", "photo.png", "mask.png", "--network", str(tiny_network_path)]) == 0
    assert capsys.readouterr() == ("", "rethined: written to photo-filled.png\n")


# ---- standard input and output ----


def test_a_box_may_begin_left_of_the_picture(fill: Run, photo: Image8) -> None:
    assert fill("--box", "-5,-5,30,30") == 0
    is_changed = (read_image("out.png") != photo).any(axis=2)
    assert is_changed[:25, :25].mean() > 0.9
    assert np.count_nonzero(is_changed) == np.count_nonzero(is_changed[:25, :25])
    with pytest.raises(SystemExit) as stop:
        fill("--box", "--grow", "3")
    assert stop.value.code == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
@pytest.mark.parametrize("arguments", [["info"], ["inpaint", "photo.png", "mask.png", "-o", "-"]])
@pytest.mark.usefixtures("run")
def test_what_reads_the_output_may_be_gone_or_full(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "rethined", *arguments]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, "rethined: [Errno 28] No space left on device\n")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout
        assert program.stderr
        program.stdout.close()
        assert (program.wait(60), program.stderr.read()) == (141, "")


@pytest.mark.parametrize(
    ("arguments", "name"), [(["-", "mask.png"], "input"), (["photo.png", "mask.png", "-o", "-"], "output")]
)
@pytest.mark.usefixtures("run")
def test_a_closed_stream_is_refused(
    arguments: list[str], name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin" if name == "input" else "sys.stdout", None)
    assert main(["inpaint", *arguments]) == 2
    assert capsys.readouterr().err == f"rethined: standard {name} is closed; use a file\n"


@pytest.mark.usefixtures("run")
def test_a_name_that_the_terminal_cannot_show_is_escaped() -> None:
    Path("photo.png").rename("写真.png")
    command = [sys.executable, "-m", "rethined", "inpaint", "写真.png", "mask.png", "--preview"]
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("\\u5199\\u771f.png: ")


class Stream:
    """A standard stream of bytes."""

    def __init__(self, content: bytes = b"", *, is_terminal: bool = False) -> None:
        self.buffer = io.BytesIO(content)
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def flush(self) -> None:
        pass


@pytest.mark.parametrize(
    ("source", "out"),
    [("-", "-"), ("-", None), ("photo.jpg", "-"), ("-", "out.png")],
    ids=["both", "no out", "out", "in"],
)
def test_a_photograph_comes_from_standard_input_and_goes_to_standard_output(
    run: Run, source: str, out: str | None, tiny_network_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_image("photo.jpg", read_image("photo.png"))
    how = ["--network", str(tiny_network_path), "--threads", "1", "--jpeg", "reencode"]
    assert main(["inpaint", "photo.jpg", "mask.png", "-o", "expected.jpg", *how]) == 0
    given, taken = Stream(Path("photo.jpg").read_bytes()), Stream()
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdin", given)
        patch.setattr("sys.stdout", taken)
        arguments = ["inpaint", source, "mask.png", *([] if out is None else ["-o", out]), *how]
        assert main(arguments) == 0
    if out == "out.png":
        assert taken.buffer.getvalue() == b""
        assert run("--jpeg", "reencode", photo="photo.jpg", out="beside.png") == 0
        np.testing.assert_array_equal(read_image("out.png"), read_image("beside.png"))
    else:
        assert taken.buffer.getvalue() == Path("expected.jpg").read_bytes()


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize(
    ("content", "arguments", "says"),
    [
        (b"no picture", [], "'standard input' is not a picture in a known format"),
        (b"", [], "'standard input' is empty (0 bytes)"),
        (b"P5 2 2 255 1234", [], "the mask is 70 high and 90 wide, the picture 2 high and 2 wide"),
        (b"", ["--times"], "--times and the picture would both go to standard output"),
        (b"", ["--explain", "-"], "--explain - and the picture would both go to standard output"),
        (b"", ["--preview"], "--preview is drawn beside a file; give the photograph as one"),
        (None, [], "standard input is a terminal; expected a picture, so use a pipe or a file"),
    ],
)
def test_streams_that_cannot_be_used_end_with_two_and_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.setattr("sys.stdin", Stream(content or b"", is_terminal=content is None))
    assert main(["inpaint", "-", "mask.png", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"rethined: {says}")


@pytest.mark.usefixtures("run")
def test_what_is_odd_about_a_stream_is_told_without_a_folder_that_nobody_knows(
    capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch, tiny_network_path: Path
) -> None:
    monkeypatch.setattr(jpeg, "is_installed", lambda: False)
    write_image("photo.jpg", read_image("photo.png"))
    monkeypatch.setattr("sys.stdin", Stream(Path("photo.jpg").read_bytes()))
    assert main(["inpaint", "-", "mask.png", "--network", str(tiny_network_path)]) == 0
    out, err = capsysbinary.readouterr()
    assert out.startswith(b"\xff\xd8")
    assert err.startswith(b"rethined: warning: standard output.jpg is encoded anew as a whole: ")


# ---- help, version, demo ----


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"rethined {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--help"], ["inpaint", "batch", "serve", "demo", "train", "export", "--version"]),
        (
            ["batch", "--help"],
            ["PHOTOS", "--out", "--recursive", "--manifest", "--mask-dir", "--mask-suffix", "--mask-alpha", "--jobs"],
        ),
        (
            ["inpaint", "--help"],
            ["PHOTO", "MASK", "--out", "--invert", "--grow", "--forbid", "--working-px", "--max-memory", "--explain"],
        ),
        (
            ["inpaint", "--help"],
            ["--strip", "--jpeg", "lossless", "reencode", "pip install 'rethined[jpeg]'"],
        ),
        (
            ["serve", "--help"],
            ["--host", "--port", "--allow-origin", "--max-pixels", "--max-mb", "--max-memory", "--queue", "--timeout"],
        ),
        (["demo", "--help"], ["--out", "--network", "--threads"]),
        (
            ["train", "--help"],
            [
                "FOLDER",
                "--max-minutes",
                "--config",
                "--device",
                "--tensorboard",
                "--profile-steps",
                "pip install 'rethined[train]'",
            ],
        ),
        (["finetune", "--help"], ["FOLDER", "--minutes", "--hold-out", "OUT.md", "pip install 'rethined[train]'"]),
        (["ablate", "--help"], ["FOLDER", "VARIANTS", "--val", "--start-from", "ablation.md", "configs/ablations"]),
        (["eval", "--help"], ["FOLDER", "objects=FOLDER", "TorchScript", "--peers-python", "xphoto-fsr-best"]),
        (["bench", "--help"], ["TorchScript", "--peers-python", "--reference"]),
        (["export", "--help"], ["engine", "onnx", "openvino", "tensorrt", "table"]),
        (["export", "engine", "--help"], ["RUN", "--out", "--precision", "--training-data"]),
        (
            ["export", "onnx", "--help"],
            ["--out", "--form", "--precision", "--size", "--hr", "--weights", "--check", "--photos", "--calibration"],
        ),
    ],
)
def test_help_names_commands_and_options(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], names: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert [name for name in names if name not in out] == []


@pytest.mark.usefixtures("run")
def test_the_command_runs_as_a_program(tiny_network_path: Path) -> None:
    program = [sys.executable, "-m", "rethined", "inpaint"]
    files = ["photo.png", "inverted.png", "-o", "out.png", "--network", str(tiny_network_path)]
    done = subprocess.run([*program, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("rethined: warning: the mask marks 94% as hole")
    assert all(line.startswith("rethined: ") for line in done.stderr.splitlines())
    assert Path("out.png").exists()


def test_its_exit_status_is_that_of_the_command() -> None:
    program = [sys.executable, "-m", "rethined", "inpaint", "none.png", "none.png", "-o", "out.png"]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("rethined: there is no picture file at 'none.png'")


def test_demo_writes_three_pictures_of_each_case(
    tmp_path: Path, tiny_network_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "SCENE_PX", 160)
    out = tmp_path / "new" / "folder"
    assert main(["demo", "--out", str(out), "--network", str(tiny_network_path), "--threads", "1"]) == 0
    names = ("cat", "coffee", "astronaut", "scene")
    expected = {f"{n}-{k}.png" for n in names for k in ("before", "after", "zoom")} | {"overview.jpg"}
    assert {path.name for path in out.iterdir()} == expected
    rows = [row for row in capsys.readouterr().out.splitlines() if row]
    assert [row.split()[0] for row in rows] == ["picture", *names, "pictures"]
    scene = demo.scene_case()
    changed = (read_image(out / "scene-after.png") != scene.image).any(axis=2)
    assert not changed[~scene.hole].any()
    assert changed[scene.hole].mean() > 0.5
    assert (read_image(out / "scene-before.png")[scene.hole] == demo.HOLE_TINT).all()


def test_demo_refuses_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["demo", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.startswith("rethined: cannot make the folder ")
