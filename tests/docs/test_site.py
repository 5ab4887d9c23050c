"""The documentation builds as a site: no broken link, no page outside the navigation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.documents import ROOT


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="part of the dev extra")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-W",
        "--keep-going",
        "-b",
        "html",
        "-c",
        "docs",
        "-d",
        str(tmp_path / "trees"),
    ]
    done = subprocess.run([*command, ".", str(tmp_path / "site")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "docs/README.html" in (tmp_path / "site" / "index.html").read_text()
    gdas = (tmp_path / "site" / "docs" / "algorithms" / "gdas.html").read_text()
    assert "Gumbel-max trick" in gdas
    assert "](" not in gdas  # links to source files became text
