from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from rethined.batch.manifest import read_manifest
from rethined.errors import FileError, InputError

OUT = Path("out")
EXPECTED = [
    (Path("list/a.png"), Path("list/m/a.png"), None),
    (Path("/abs/b,c.png"), Path("list/m.png"), PurePath("x/b.png")),
]


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("list").mkdir()
    return Path("list/what.txt")


@pytest.mark.parametrize(
    "text",
    [
        'image,mask,out\na.png,m/a.png,\n"/abs/b,c.png",m.png,x/b.png\n',
        '\ufeffmask,out,image\r\nm/a.png,,a.png\r\n\r\nm.png,x/b.png,"/abs/b,c.png"\r\n',
        '{"image": "a.png", "mask": "m/a.png"}\n\n{"mask": "m.png", "image": "/abs/b,c.png", "out": "x/b.png"}',
        '{"image": "a.png", "mask": "m/a.png", "out": null}\n{"mask":"m.png","image":"/abs/b,c.png","out":"x/b.png"}\n',
    ],
)
def test_lists_say_what_to_do_relative_to_themselves(manifest: Path, text: str) -> None:
    manifest.write_text(text, encoding="utf-8")
    assert read_manifest(manifest, OUT) == EXPECTED


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "line 1 names nothing; expected image, mask and perhaps out"),
        ("image,out\na.png,b.png", "line 1 names image, out; expected image, mask"),
        ("image,mask,note\na,b,c", "line 1 names image, mask, note; expected"),
        ("image,mask\na.png,m.png\nb.png", "line 3 has not as many values as the first line"),
        ("image,mask\na.png,m.png,o.png", "line 2 has not as many values"),
        ("image,mask\na.png,", "line 2 gives '' as mask; expected the path of a file"),
        ('image,mask\n"a.png,m.png', "is no CSV"),
        ("image,mask,out\na,b,../c.png", r"line 2: out is '../c.png'; expected a path below --out"),
        ('{"image": "a", "mask": "b"}\n{"image": 3, "mask": "b"}', "line 2 gives 3 as image"),
        ('{"image": "a", "mask": "b"}\n["a", "b"]', "line 2 is .* expected an object"),
        ('{"image": "a\\u0000", "mask": "b"}', r"line 1 gives 'a\\x00' as image; expected the path of a file"),
        ('{"image": "a", "mask": "b", "out": "\\ud800.png"}', r"line 1 gives '\\ud800.png' as out"),
        ('{"image": "a"}', "line 1 names image; expected"),
        ('{"image": "a"', "line 1 is no JSON"),
    ],
)
def test_other_lists_are_refused_with_their_line(manifest: Path, text: str, says: str) -> None:
    manifest.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_manifest(manifest, OUT)


def test_files_that_cannot_be_read_are_refused(manifest: Path) -> None:
    with pytest.raises(FileError, match=r"cannot read the manifest list/what.txt"):
        read_manifest(manifest, OUT)
    manifest.write_bytes(b"image,mask\n\xff,a")
    with pytest.raises(FileError, match=r"in UTF-8"):
        read_manifest(manifest, OUT)
