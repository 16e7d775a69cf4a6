"""The benchmark builder on miniatures of its sources."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rethined.cli import main
from rethined.dataset import load_benchmark
from rethined.dataset.archive import open_masks
from rethined.dataset.build import build_df8k, build_folder
from rethined.dataset.manifest import MANIFEST_FILE, problems, split_of
from rethined.dataset.sources import CAFHQ, DIV2K, FLICKR2K
from rethined.errors import DatasetError
from rethined.eval.cases import list_cases
from rethined.imageio import write_image

SIZE_HW = (72, 96)


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE_HW, 3), np.uint8)


def mask_png() -> bytes:
    mask = np.zeros(SIZE_HW, np.uint8)
    mask[20:30, 40:60] = 255
    stream = io.BytesIO()
    Image.fromarray(mask).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def df2k(tmp_path: Path) -> Path:
    folder = tmp_path / "DF2K"
    for path, names in (("DIV2K_train_HR", range(1, 9)), ("Flickr2K/HR", range(1, 13))):
        (folder / path).mkdir(parents=True)
        digits = 4 if path.startswith("DIV") else 6
        for i in names:
            write_image(folder / path / f"{i:0{digits}d}.png", picture(i))
    (folder / "readme.txt").write_text("no picture")
    return folder


@pytest.fixture
def cafhq(tmp_path: Path) -> Path:
    folder = tmp_path / "CAFHQ"
    folder.mkdir()
    for i in range(4):
        write_image(folder / f"photo_{i}.jpg", picture(100 + i))
    return folder


@pytest.fixture(params=["zip", "tar", "folder"])
def masks(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    names = ("0003", "000007", "photo_1", "0999")
    if request.param == "folder":
        (tmp_path / "masks").mkdir()
        for name in names:
            (tmp_path / "masks" / f"{name}.png").write_bytes(mask_png())
        return tmp_path / "masks"
    path = tmp_path / f"masks.{request.param}"
    if request.param == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("test/list.txt", "0003")
            for name in names:
                archive.writestr(f"test/masks/{name}.png", mask_png())
    else:
        with tarfile.open(path, "w:gz") as tar:
            for name in names:
                info = tarfile.TarInfo(f"../{name}.png")
                info.size = len(mask_png())
                tar.addfile(info, io.BytesIO(mask_png()))
    return path


def test_the_paper_benchmark_from_its_sources(df2k: Path, cafhq: Path, masks: Path, tmp_path: Path) -> None:
    told: list[str] = []
    out = tmp_path / "out"
    items = build_df8k(df2k, cafhq, masks, out, tell=told.append)
    assert len(items) == 8 + 12 + 4
    assert {item.name for item in items if item.split == "test"} == {"0003", "000007", "photo_1"}
    assert {item.source for item in items} == {"DIV2K", "Flickr2K", "CAFHQ"}
    for item in load_benchmark(out, split="test"):
        image, hole = item.read()
        assert image.shape == (*SIZE_HW, 3)
        assert hole.sum() == 200
        assert item.mask_origin == "released"
        assert item.hole_share == pytest.approx(200 / (SIZE_HW[0] * SIZE_HW[1]), abs=1e-6)
    assert [item.licence for item in items if item.name == "photo_1"] == [CAFHQ.licence]
    text = "\n".join(told)
    assert "do not pass the benchmark on" in text
    assert f"DIV2K: 8 pictures, 800 expected; get the rest from {DIV2K.where}" in text
    assert "1 of 4 released masks have no picture, '0999' among them" in text
    assert not (tmp_path / "0003.png").exists(), "names that climb out of an archive are not followed"
    assert list(problems(out)) == []


def test_without_masks_and_cafhq_it_says_so_and_draws(df2k: Path, tmp_path: Path) -> None:
    told: list[str] = []
    items = build_df8k(df2k, None, None, tmp_path / "out", tell=told.append)
    assert any("without CAFHQ: the benchmark is not the paper's" in line for line in told)
    assert any("without the released test masks" in line for line in told)
    for item in items:
        assert item.split == split_of(item.name)
        assert bool(item.mask) == (item.split != "train")
        assert item.mask_origin == ("drawn" if item.mask else "")


def test_building_again_changes_nothing(df2k: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    build_folder(df2k, first)
    build_folder(df2k, second)
    manifest = (first / MANIFEST_FILE).read_bytes()
    assert manifest == (second / MANIFEST_FILE).read_bytes()
    times = {file: file.stat().st_mtime_ns for file in first.rglob("*.png")}
    build_folder(df2k, first)
    assert {file: file.stat().st_mtime_ns for file in first.rglob("*.png")} == times
    assert (first / MANIFEST_FILE).read_bytes() == manifest


@pytest.mark.parametrize("damage", ["image", "mask", "no picture"])
def test_building_again_repairs(damage: str, df2k: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build_folder(df2k, out)
    manifest = (out / MANIFEST_FILE).read_bytes()
    item = next(item for item in load_benchmark(out) if item.mask)
    file = out / (item.image if damage == "image" else item.mask)
    content = bytearray(file.read_bytes())
    file.unlink()  # images may be links to the sources
    content[len(content) // 2] ^= 1
    file.write_bytes({"image": bytes(content), "mask": mask_png(), "no picture": b"text"}[damage])
    assert list(problems(out))
    build_folder(df2k, out)
    assert not list(problems(out))
    assert (out / MANIFEST_FILE).read_bytes() == manifest


def test_released_masks_that_were_changed_are_those_of_the_archive_again(
    df2k: Path, cafhq: Path, masks: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    before = build_df8k(df2k, cafhq, masks, out)
    item = next(item for item in before if item.mask_origin == "released")
    (out / item.mask).write_bytes(b"text")
    assert build_df8k(df2k, cafhq, masks, out) == before
    assert not list(problems(out))


def test_a_benchmark_among_its_photographs_holds_no_photographs(df2k: Path) -> None:
    first = build_folder(df2k, df2k / "bench")
    assert build_folder(df2k, df2k / "bench") == first
    with pytest.raises(DatasetError, match="two pictures are called"):
        build_folder(df2k, df2k / "other")
    assert not (df2k / "other").exists()


def test_a_stopped_build_goes_on(df2k: Path, tmp_path: Path) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    (df2k / "Flickr2K" / "HR" / "000006.png").write_bytes(b"broken")
    with pytest.raises(KeyboardInterrupt):
        build_folder(df2k, tmp_path / "out", tell=stop)
    assert not (tmp_path / "out" / MANIFEST_FILE).exists()
    told: list[str] = []
    assert len(build_folder(df2k, tmp_path / "out", tell=told.append)) == 19
    assert len(told) == 1
    assert "000006.png" in told[0]


def test_splits_have_the_shares_of_the_paper_and_never_move() -> None:
    splits = [split_of(f"{i:06d}") for i in range(5000)]
    shares = [splits.count(split) / 5000 for split in ("train", "test", "val")]
    assert shares == pytest.approx([0.7, 0.2, 0.1], abs=0.02)
    assert [split_of(name) for name in ("0001", "0002", "000001", "photo")] == ["train", "train", "train", "train"]


@pytest.mark.parametrize("damage", ["missing image", "changed mask"])
def test_damage_is_found(damage: str, df2k: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert main(["dataset", "build", str(df2k), "--out", str(out)]) == 0
    assert "20 pictures (" in capsys.readouterr().out
    assert main(["dataset", "verify", str(out)]) == 0
    item = next(item for item in load_benchmark(out) if item.mask)
    if damage == "missing image":
        (out / item.image).unlink()
    else:
        (out / item.mask).write_bytes(mask_png())
    assert main(["dataset", "verify", str(out)]) == 2
    error = capsys.readouterr().err
    expected = f"{item.image} is missing" if damage == "missing image" else f"{item.mask} differs from its checksum"
    assert expected in error


def test_a_benchmark_can_be_evaluated_with_its_own_holes(df2k: Path, cafhq: Path, tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "photo_1.png").write_bytes(mask_png())
    build_df8k(df2k, cafhq, tmp_path / "masks", tmp_path / "out")
    cases = list_cases(tmp_path / "out", sizes_px=[], presets=["df8k-blobs"])
    assert cases.photos == ("photo_1",)
    (case,) = cases.of_photo("photo_1")
    assert (case.preset, case.size_px) == ("fixed", 96)
    assert case.hole.sum() == 200
    (small,) = list_cases(tmp_path / "out", sizes_px=[64], presets=[]).of_photo("photo_1")
    assert small.original.shape == (48, 64, 3)
    assert 200 * (64 / 96) ** 2 <= small.hole.sum() <= 150


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no folder", rf"nowhere is not a folder; get DIV2K \(800 files\) from {DIV2K.where}; Flickr2K \(2650 files\)"),
        ("no pictures", r"empty holds no pictures of DIV2K or Flickr2K; get "),
        ("no masks", r"masks holds no mask files"),
        ("bad archive", r"masks\.zip is neither a folder nor a zip or tar archive that can be read"),
        ("two of a name", r"two pictures are called '0001', .* is the second; rename one of them"),
    ],
)
def test_bad_sources_are_named(case: str, message: str, df2k: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "masks").mkdir()
    folder, masks = df2k, None
    match case:
        case "no folder":
            folder = tmp_path / "nowhere"
        case "no pictures":
            folder = tmp_path / "empty"
        case "no masks":
            masks = tmp_path / "masks"
        case "bad archive":
            masks = tmp_path / "masks.zip"
            masks.write_bytes(b"PK no archive")
        case "two of a name":
            write_image(df2k / "0001.png", picture(0))
    with pytest.raises(DatasetError, match=message):
        build_df8k(folder, None, masks, tmp_path / "out")


def test_two_masks_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0001.png").write_bytes(mask_png())
    with pytest.raises(DatasetError, match="two masks for '0001'"):
        open_masks(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"is no benchmark \(FileNotFoundError"),
        ("no json", r"is no benchmark \(JSONDecodeError"),
        (json.dumps({"schema": "other", "items": []}), r"has the schema 'other'; this version reads"),
        (json.dumps({"schema": "rethined-benchmark-1", "items": [{"name": "a"}]}), r"is no benchmark \(TypeError"),
    ],
)
def test_other_folders_are_refused(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / MANIFEST_FILE).write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_benchmark(tmp_path)


def test_unknown_splits_and_items_without_masks_are_refused(df2k: Path, tmp_path: Path) -> None:
    items = build_folder(df2k, tmp_path / "out")
    with pytest.raises(DatasetError, match="split is 'dev'; expected one of train, val, test"):
        load_benchmark(tmp_path / "out", split="dev")  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="split train, which has no fixed masks"):
        next(item for item in items if item.split == "train").read()
    assert FLICKR2K.files + DIV2K.files == 3450
