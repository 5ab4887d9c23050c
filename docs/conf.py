"""Settings of the documentation site, which `make docs` writes to site/.

The sources are the repository's pages as they are, so the site's folder of sources is the top folder. Navigation is kept here:
the pages themselves stay readable where no site is built.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "NAS zoo"
author = "the authors of NAS zoo"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "docs/README"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**"]
exclude_patterns = ["docs/conf.py"]

html_theme = "furo"
html_title = "NAS zoo"
html_show_copyright = False
html_show_sourcelink = False

myst_heading_anchors = 4  # headings have the anchors that links in the pages use
nb_execution_mode = "off"  # a test runs the notebook; the site shows its stored output
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
napoleon_use_ivar = True
copybutton_exclude = ".linenos, .gp"
suppress_warnings = ["misc.highlighting_failure"]

NAVIGATION = {
    "Start": [
        "Overview </README>",
        "python",
        "From Python, as a notebook <tutorial>",
        "command-line",
        "faq",
        "glossary",
        "comparison",
    ],
    "How to": [
        "how-to/published-results",
        "how-to/own-search",
        "how-to/own-one-shot-method",
        "how-to/own-data",
        "how-to/*",
        "report",
        "cluster",
    ],
    "Searches and results": ["embedded", "embedded-noise", "bohb", "weight-sharing", "rankings", "objectives", "workers"],
    "Tables": ["tables", "import", "drop-in"],
    "Reference": ["api"],
    "Algorithms": ["algorithms/*"],
    "For maintainers": ["/CONTRIBUTING", "reliability", "performance", "scale", "/CHANGELOG"],
}
"""Captions of the side bar, and the pages under each: relative to docs/, or to the top folder after a slash."""


def navigation() -> str:
    """Return the table of contents in MyST: one list for each caption."""
    lists = [f":caption: {caption}\n\n" + "\n".join(pages) for caption, pages in NAVIGATION.items()]
    return "".join(f"\n```{{toctree}}\n:hidden:\n:glob:\n{entries}\n```\n" for entries in lists)


LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!\w+:|#)([^)#\s]+)(?:#[^)\s]*)?\)")


def prepare(app: Sphinx, docname: str, source: list[str]) -> None:
    """Add the navigation to the index; make text of links to files that are no pages, such as source files."""
    if docname == root_doc:
        source[0] += navigation()
    folder = Path(app.env.doc2path(docname)).parent

    def link(match: re.Match[str]) -> str:
        target = (folder / match[2]).resolve()
        is_page = target.suffix in (".md", ".ipynb") and str(target.relative_to(ROOT).with_suffix("")) in app.env.found_docs
        return match[0] if is_page or target.suffix == ".png" else match[1]

    source[0] = LINK.sub(link, source[0])


def write_front_page(app: Sphinx, exception: Exception | None) -> None:
    """Let the site's index.html open the index of the documentation."""
    if exception is None and app.builder.name == "html":
        refresh = f'<meta http-equiv="refresh" content="0; url={root_doc}.html">'
        page = f'<!doctype html><meta charset="utf-8"><title>{project}</title>{refresh}\n'
        (Path(app.outdir) / "index.html").write_text(page)


def setup(app: Sphinx) -> None:
    """Connect the functions above."""
    app.connect("source-read", prepare)
    app.connect("build-finished", write_front_page)
