from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rethined import __version__, cli, demo
from rethined.cli import main
from rethined.engine import Inpainter, InpaintResult
from rethined.imageio import read_image, write_image
from rethined.masks import grow_hole
from rethined.types import HoleMap, Image8

SIZE_HW = (70, 90)
STAGES = ["check", "plan", "shrink", "prefill", "network", "match", "transfer", "composite"]
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
    monkeypatch.setattr(cli, "SILENT_S", 1e9)  # on a busy machine every fill is slow
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
    monkeypatch.setattr(cli, "SILENT_S", -1)
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


# ---- what cannot be done ----


@pytest.mark.parametrize(
    ("changes", "arguments", "says"),
    [
        ({"photo": "missing.png"}, [], "there is no picture file at 'missing.png'"),
        ({"photo": ""}, [], "path is empty"),
        ({"photo": "."}, [], "is a folder"),
        ({"photo": "text.png"}, [], "'text.png' is not a picture in a known format"),
        ({"mask": "missing.png"}, [], "there is no picture file at 'missing.png'"),
        ({"mask": "text.png"}, [], "not a picture"),
        ({}, ["--forbid", "small.png"], "the forbid mask is 69 high and 90 wide, the picture 70 high and 90 wide"),
        ({}, ["--forbid", "missing.png"], "there is no picture file at 'missing.png'"),
        ({"mask": "small.png"}, [], "the mask is 69 high and 90 wide, the picture 70 high and 90 wide"),
        ({"mask": "full.png"}, [], "marks every pixel as hole"),
        ({"mask": "full.png"}, ["--grow", "3"], "marks every pixel as hole"),
        ({}, ["--grow", "400"], "the hole grown by 400 px covers the whole picture"),
        ({"out": "out.xyz"}, [], "has the suffix '.xyz'; expected one of .png"),
        ({"out": "out"}, [], "has the suffix ''"),
        ({"photo": "deep.png", "out": "out.jpg"}, [], "is 16-bit RGB; JPEG files hold 8-bit grey, RGB here, so choose"),
        ({"out": ""}, [], "is a folder"),
        ({}, ["--explain", "why.xyz"], "has the suffix '.xyz'; expected one of .png"),
        ({"out": "missing/out.png"}, [], "there is no folder"),
        ({}, ["--working-px", "100"], "working_px is 100; expected a whole number from 512 to 8192"),
        ({}, ["--max-memory", "1"], "max_memory_mb is 1; a picture 70 high and 90 wide with 6% hole takes at least "),
        ({}, ["--grow", "-1"], "grow_px is -1"),
        ({}, ["--threads", "0"], "threads is 0"),
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
        (["inpaint"], "required: PHOTO, MASK, -o/--out"),
        (["inpaint", "a.png", "b.png"], "required: -o/--out"),
        (
            ["inpaint", "a.png", "b.png", "-o", "c.png", "--working-px", "many"],
            "--working-px: invalid int value: 'many'",
        ),
        (["export"], "required: FORMAT"),
    ],
)
def test_wrong_arguments_end_with_two_and_the_usage(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("usage: rethined")
    assert says in err


@pytest.mark.parametrize(
    ("arguments", "room"),
    [
        (["train", "photos"], "train"),
        (["finetune", "photos", "-o", "x.onnx"], "finetune"),
        (["export", "engine", "runs/x", "-o", "x.onnx"], "export"),
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


def test_train_passes_the_file_and_what_is_said_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[object, ...]] = []
    monkeypatch.setattr(
        "rethined.train.run.train_folder",
        lambda *places, settings_file, changes, **_: heard.append((*places, settings_file, changes)),
    )
    assert main(["train", "photos", "--out", "run", "--config", "mine.toml", "--seed", "3"]) == 0
    assert heard == [(Path("photos"), Path("run"), Path("mine.toml"), {"seed": 3})]


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
    ]
    assert main(["finetune", "photos", "-o", "out/x.onnx", *given]) == 0
    options = {
        "minutes": 2.0,
        "hold_out": 3,
        "learning_rate": 1e-4,
        "training_data": "mine",
        "cache": None,
        "threads": 1,
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


# ---- help, version, demo ----


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"rethined {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--help"], ["inpaint", "batch", "demo", "train", "export", "--version"]),
        (
            ["batch", "--help"],
            ["PHOTOS", "--out", "--recursive", "--manifest", "--mask-dir", "--mask-suffix", "--mask-alpha", "--jobs"],
        ),
        (
            ["inpaint", "--help"],
            ["PHOTO", "MASK", "--out", "--invert", "--grow", "--forbid", "--working-px", "--max-memory", "--explain"],
        ),
        (["demo", "--help"], ["--out", "--network", "--threads"]),
        (
            ["train", "--help"],
            ["FOLDER", "--max-minutes", "--config", "--tensorboard", "pip install 'rethined[train]'"],
        ),
        (["finetune", "--help"], ["FOLDER", "--minutes", "--hold-out", "OUT.md", "pip install 'rethined[train]'"]),
        (["eval", "--help"], ["FOLDER", "objects=FOLDER", "TorchScript", "--peers-python", "xphoto-fsr-best"]),
        (["bench", "--help"], ["TorchScript", "--peers-python", "--reference"]),
        (["export", "--help"], ["engine", "onnx", "openvino", "tensorrt", "table"]),
        (["export", "engine", "--help"], ["RUN", "--out", "--training-data"]),
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
