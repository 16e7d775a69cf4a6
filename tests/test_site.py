"""The pages of docs/, where they lie and as a site."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
NO_MKDOCS = "the site is built with mkdocs: pip install 'rethined[docs]'"


@dataclass
class Page(HTMLParser):
    """What a page links to, what it loads, and what of it can be linked to."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    places: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("id", "name"):
                self.places.add(value or "")
            elif (tag, name) in LOADED:
                self.loads.append(value or "")
            elif (tag, name) == ("a", "href"):
                self.links.append(value or "")

    @classmethod
    def of(cls, file: Path) -> Page:
        page = cls()
        page.feed(file.read_text(encoding="utf-8"))
        return page


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs", reason=NO_MKDOCS)
    pytest.importorskip("mkdocs_awesome_nav", reason=NO_MKDOCS)
    out = tmp_path_factory.mktemp("site")
    # Not --quiet: what is not told is not counted either, and nothing would be an error.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    # What lays out signatures lies beside the interpreter.
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {file: Page.of(file) for file in site.rglob("*.html") if file.name != "404.html"}


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_links_of_a_file_lead_somewhere_where_it_lies(file: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (file.parent / link).exists()] == []


@pytest.mark.parametrize("file", [*PAGES, *sorted(ROOT.glob("*.md"))], ids=lambda file: file.name)
def test_every_block_of_code_ends(file: Path) -> None:
    """Else the page goes on as code, up to the end of the next block."""
    is_code = False
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if fence := re.match(r" *```(.*)", line):
            assert not (is_code and fence[1]), f"line {number} begins a block in a block"
            is_code = not is_code
    assert not is_code


def test_every_page_is_in_the_navigation(site: Path, pages: dict[Path, Page]) -> None:
    listed = {(site / unquote(urlsplit(link).path)).resolve() for link in pages[site / "index.html"].links}
    assert {site / f"{file.stem}.html" for file in PAGES} <= set(pages)
    assert set(pages) - {site / "index.html"} <= listed


def test_links_within_the_site_lead_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    dead = []
    for file, page in pages.items():
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            is_there = target.is_file() and target.is_relative_to(site)
            if not is_there or (parts.fragment and target in pages and parts.fragment not in pages[target].places):
                dead.append(f"{file.name}: {link}")
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert {load for page in pages.values() for load in page.loads if "//" in load} == set()
    for style in site.rglob("*.css"):
        assert re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^\"')]*", style.read_text(encoding="utf-8")) == []


def test_the_public_names_are_described(site: Path) -> None:
    import rethined

    places = Page.of(site / "api.html").places
    for name in rethined.__all__:
        if not name.startswith("__"):
            assert {f"rethined.{name}", f"rethined.errors.{name}"} & places, name
