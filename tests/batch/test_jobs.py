from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path, PurePath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rethined.batch.jobs import (
    JobList,
    as_preview,
    below,
    expect_some,
    list_jobs,
    pair_jobs,
    with_format,
)
from rethined.errors import ImageReadError, InputError, OptionError, RethinedError
from rethined.masking import FileMask, MaskRule

Touch = Callable[..., None]
OUT = Path("out")
ALPHA = MaskRule(alpha=True)


def names(jobs: JobList) -> list[str]:
    return [task.name for task in jobs.tasks]


def masks(jobs: JobList) -> dict[str, str]:
    assert all(isinstance(task.mask, FileMask) for task in jobs.tasks)
    return {task.photo.as_posix(): task.mask.path.as_posix() for task in jobs.tasks}  # type: ignore[attr-defined]


# ---- which photographs ----


def test_a_folder_gives_its_pictures_and_with_recursive_those_below(touch: Touch) -> None:
    touch("in/b.JPG", "in/a.png", "in/notes.txt", "in/.hidden.png", "in/sub/c.tif", "in/.git/d.png")
    assert names(list_jobs(["in"], ALPHA, OUT)) == ["a.png", "b.JPG"]
    jobs = list_jobs(["in"], ALPHA, OUT, recursive=True)
    assert names(jobs) == ["a.png", "b.JPG", "sub/c.tif"]
    assert [task.out for task in jobs.tasks] == [OUT / "a.png", OUT / "b.JPG", OUT / "sub/c.tif"]


def test_a_pattern_keeps_the_path_below_its_fixed_part(touch: Touch) -> None:
    touch("in/x/a.png", "in/y/b.png", "in/y/b.jpg", "in/y/.hid/c.png", "in/y/text.txt")
    assert names(list_jobs(["in/*/*.png"], ALPHA, OUT)) == ["x/a.png", "y/b.png"]
    assert names(list_jobs(["in/**/b.*"], ALPHA, OUT)) == ["y/b.jpg", "y/b.png"]
    assert names(list_jobs(["in/**/*"], ALPHA, OUT)) == ["x/a.png", "y/b.jpg", "y/b.png"]
    assert names(list_jobs([str(Path.cwd() / "in/y/*.png")], ALPHA, OUT)) == ["b.png"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(touch: Touch) -> None:
    touch("in/a[1].png", "in/a1.png")
    assert names(list_jobs(["in/a[1].png"], ALPHA, OUT)) == ["a[1].png"]


def test_a_photograph_that_is_named_twice_is_filled_once(touch: Touch) -> None:
    touch("in/a.png", "in/sub/b.png")
    jobs = list_jobs(["in/sub/b.png", "in", "in/../in/a.png"], ALPHA, OUT, recursive=True)
    assert names(jobs) == ["b.png", "a.png"]


@pytest.mark.parametrize("missing", ["in/b.png", "nowhere", "in/*.jpg", ""])
def test_an_input_that_names_nothing_is_refused(touch: Touch, missing: str) -> None:
    touch("in/a.png")
    with pytest.raises(ImageReadError, match=r"there is no file|no picture file matches"):
        list_jobs(["in", missing], ALPHA, OUT)


def test_nothing_to_do_is_refused(touch: Touch) -> None:
    touch("in/sub/a.png")
    with pytest.raises(InputError, match=r"no photograph was found; .*--recursive"):
        expect_some(list_jobs(["in"], ALPHA, OUT))
    expect_some(list_jobs(["in"], ALPHA, OUT, recursive=True))


# ---- results ----


def test_results_below_the_input_are_not_taken_again(touch: Touch) -> None:
    touch("in/a.png", "in/out/a.png", "in/out/sub/b.png")
    for given_input in ("in", "in/**/*.png"):
        jobs = list_jobs([given_input], ALPHA, Path("in/out"), recursive=True)
        assert names(jobs) == ["a.png"]
        assert jobs.results_left_out == 2


@pytest.mark.parametrize("given_input", ["in", "in/sub", "in/*.png"])
def test_photographs_within_the_folder_of_results_are_refused(touch: Touch, given_input: str) -> None:
    touch("in/a.png", "in/sub/b.png")
    with pytest.raises(OptionError, match=r"lie in --out 'in', whose pictures are not taken"):
        list_jobs([given_input], ALPHA, Path("in"), naming=with_format("jpg"))


def test_no_result_replaces_an_input(touch: Touch) -> None:
    touch("in/a.png", "in/m.png", "f.png", "out/b.png")
    with pytest.raises(OptionError, match=r"the result of in/a.png would replace in/a.png, which is an input"):
        list_jobs(["in/a.png"], ALPHA, Path("in"))
    with pytest.raises(OptionError, match=r"would replace in/m.png"):
        pair_jobs([(Path("in/a.png"), Path("in/m.png"), PurePath("m.png"))], Path(), Path("in"))
    with pytest.raises(OptionError, match=r"would replace f.png"):
        pair_jobs([(Path("in/a.png"), Path("in/m.png"), PurePath("f.png"))], Path(), Path(), forbid=Path("f.png"))
    Path("link").symlink_to("out")
    with pytest.raises(OptionError, match=r"would replace link/b.png"):
        list_jobs(["out/b.png"], ALPHA, Path("link"))


def test_two_photographs_never_share_a_result(touch: Touch) -> None:
    touch("x/a.png", "y/a.png", "y/a.jpg")
    jobs = list_jobs(["x", "y"], ALPHA, OUT, naming=with_format("png"))
    assert [task.photo for task in jobs.tasks] == [Path("x/a.png")]
    assert [photo.as_posix() for photo, _ in jobs.problems] == ["y/a.jpg", "y/a.png"]
    assert all("as that of x/a.png" in message for _, message in jobs.problems)


def test_the_format_is_that_of_the_photograph_unless_it_cannot_be_written(touch: Touch) -> None:
    touch("in/a.webp", "in/b.gif")
    jobs = list_jobs(["in"], ALPHA, OUT)
    assert names(jobs) == ["a.webp"]
    assert jobs.problems == [(Path("in/b.gif"), "files ending in '.gif' are read but not written; pass --format png")]
    assert names(list_jobs(["in"], ALPHA, OUT, naming=with_format(".PNG"))) == ["a.png", "b.png"]
    with pytest.raises(OptionError, match=r"the format is 'gif'; expected one of png, jpg"):
        with_format("gif")


def test_previews_lie_beside_results(touch: Touch) -> None:
    touch("in/a.gif", "in/a.png")
    assert names(list_jobs(["in"], ALPHA, OUT, naming=as_preview)) == ["a.gif.preview.jpg", "a.png.preview.jpg"]


# ---- which masks ----


def test_one_mask_for_all_is_no_photograph(touch: Touch) -> None:
    touch("in/a.png", "in/b.png", "in/m.png", "in/f.png")
    jobs = list_jobs(["in", "in/m.png"], MaskRule(file=Path("in/m.png")), OUT, forbid=Path("in/f.png"))
    assert masks(jobs) == {"in/a.png": "in/m.png", "in/b.png": "in/m.png"}


def test_masks_in_a_folder_are_found_by_path_then_by_name(touch: Touch) -> None:
    touch("in/a.jpg", "in/x/b.jpg", "in/x/c.jpg", "in/x/d.jpg", "in/x/a.jpg")
    touch("in/masks/a.png", "in/masks/x/b.png", "in/masks/b.png", "in/masks/c.PNG", "in/masks/x/a.bmp")
    jobs = list_jobs(["in"], MaskRule(folder=Path("in/masks")), OUT, recursive=True)
    assert masks(jobs) == {
        "in/a.jpg": "in/masks/a.png",
        "in/x/a.jpg": "in/masks/x/a.bmp",
        "in/x/b.jpg": "in/masks/x/b.png",
        "in/x/c.jpg": "in/masks/c.PNG",
    }
    assert jobs.problems == [
        (Path("in/x/d.jpg"), "has no mask: there is no picture in/masks/x/d.* or in/masks/d.*"),
    ]


def test_of_several_masks_that_of_the_same_format_is_taken(touch: Touch) -> None:
    touch("in/a.png", "in/b.jpg", "m/a.png", "m/a.bmp", "m/b.png", "m/b.bmp")
    jobs = list_jobs(["in"], MaskRule(folder=Path("m")), OUT)
    assert masks(jobs) == {"in/a.png": "m/a.png"}
    assert jobs.problems == [(Path("in/b.jpg"), "has several masks: m/b.bmp, m/b.png; leave one of them there")]


def test_masks_beside_photographs_are_no_photographs(touch: Touch) -> None:
    touch("in/a.jpg", "in/a_mask.png", "in/b.jpg", "in/c_mask.png")
    rule = MaskRule(suffix="_mask")
    for inputs in (["in"], ["in/*"], ["in/a.jpg", "in/a_mask.png", "in/b.jpg"]):
        jobs = list_jobs(inputs, rule, OUT)
        assert masks(jobs) == {"in/a.jpg": "in/a_mask.png"}
        assert [photo for photo, _ in jobs.problems] == [Path("in/b.jpg")]


def test_photographs_in_the_folder_of_masks_are_refused(touch: Touch) -> None:
    touch("in/a.png")
    with pytest.raises(OptionError, match=r"lie in --mask-dir 'in'"):
        list_jobs(["in"], MaskRule(folder=Path("in")), OUT)


# ---- pairs ----


def test_pairs_keep_their_path_below_the_list_or_the_name_they_are_given(touch: Touch) -> None:
    touch("list/sub/a.png", "else/b.png", "m.png")
    pairs = [
        (Path("list/sub/a.png"), Path("m.png"), None),
        (Path("list/sub/a.png"), Path("m.png"), PurePath("second.png")),
        (Path("else/b.png"), Path("m.png"), None),
    ]
    assert names(pair_jobs(pairs, Path("list"), OUT)) == ["sub/a.png", "second.png", "b.png"]
    assert names(pair_jobs(pairs, Path("list"), OUT, naming=with_format("bmp")))[1] == "second.bmp"


def test_a_pair_below_its_list_by_way_of_a_link_stays_below_out(touch: Touch) -> None:
    touch("data/sub/a.png", "data/m.png", "home/data/sub/a.png")
    Path("home/link").symlink_to(Path("data").absolute())
    pairs = [(Path("data/sub/a.png").absolute(), Path("data/m.png"), None)]
    (task,) = pair_jobs(pairs, Path("home/link"), OUT).tasks
    assert (task.name, task.out) == ("a.png", OUT / "a.png")


@pytest.mark.parametrize("name", ["/tmp/a.png", "../a.png", "x/../../a.png", ".", "", "x/.."])
def test_names_of_results_stay_below_the_folder_of_results(name: str) -> None:
    with pytest.raises(RethinedError, match=r"expected a path below --out"):
        below(OUT, name)
    assert below(OUT, "x/../y/a.png") == PurePath("y/a.png")


# ---- whatever the names ----

parts = st.text("ab_.[m", min_size=1, max_size=3).filter(lambda part: part.strip("."))
files = st.builds(
    lambda folders, stem, suffix: "/".join([*folders, stem + suffix]),
    st.lists(parts.map(lambda part: part + "-d"), max_size=2),
    parts,
    st.sampled_from([".png", ".jpg", ".gif", ".txt", "_m.png"]),
)


@settings(max_examples=30)
@given(st.sets(files, max_size=12), st.booleans(), st.sampled_from([None, "png"]))
def test_every_picture_is_a_photograph_a_mask_or_a_problem_and_results_stay_apart(
    given_files: set[str], recursive: bool, suffix: str | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base, out = Path(folder, "in"), Path(folder, "out")
        base.mkdir()
        for name in given_files:
            (base / name).parent.mkdir(parents=True, exist_ok=True)
            (base / name).touch()
        naming = with_format(suffix) if suffix else lambda relative: relative
        jobs = list_jobs([str(base)], MaskRule(suffix="_m"), out, recursive=recursive, naming=naming)
        seen = {task.photo for task in jobs.tasks} | {photo for photo, _ in jobs.problems}
        assert len(seen) == len(jobs.tasks) + len(jobs.problems)
        wanted = {
            path
            for path in (base.rglob("*") if recursive else base.iterdir())
            if path.is_file()
            and path.suffix in (".png", ".jpg", ".gif")
            and not path.stem.endswith("_m")
            and not any(part.startswith(".") for part in path.relative_to(base).parts)
        }
        assert seen == wanted
        assert len({task.out for task in jobs.tasks}) == len(jobs.tasks)
        for task in jobs.tasks:
            assert task.out == out / task.name
            assert task.out.resolve().is_relative_to(out.resolve())
            assert isinstance(task.mask, FileMask)
            assert (task.mask.path.parent, task.mask.path.stem) == (task.photo.parent, f"{task.photo.stem}_m")
            assert task.out.parent.relative_to(out) == task.photo.parent.relative_to(base)
