"""What mkdocs does to the pages of the site, so that the files read well where they lie, too.

Files that lie elsewhere in the repository are added, links through the repository lead to them, and the roles of
docstrings (``:class:`` and the like) become plain code.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ADDED = ("CHANGELOG.md", "CONTRIBUTING.md", "DEPRECATIONS.md", "MODEL_CARD.md", "configs/**/*.toml")
"""Files from outside docs/, as patterns."""
_ROLE = re.compile(r":(?:class|data|func|meth|mod):(?=<code>|<a )")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what does not lie in docs/."""
    root = Path(config.config_file_path).parent
    for pattern in ADDED:
        for path in sorted(root.glob(pattern)):
            files.append(File.generated(config, path.relative_to(root).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Turns links through the repository into links through the site."""
    if page.file.generated_by is None:
        return markdown.replace("](../", "](")
    return markdown.replace("](docs/", "](")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Takes the names of roles away from what they stand before."""
    return _ROLE.sub("", html)
