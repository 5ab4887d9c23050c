"""The page about Python and its notebook: one text, whose code runs from its first block to its last."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.helpers.documents import blocks, python, read

PAGE, NOTEBOOK = "docs/python.md", "docs/tutorial.ipynb"


def cells() -> list[tuple[str, str]]:
    """Return kind and text of each cell of the notebook."""
    return [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(read(NOTEBOOK))["cells"]]


def test_the_notebook_is_the_page() -> None:
    texts = re.split(r"```python\n(.*?)```\n?", read(PAGE), flags=re.DOTALL)
    expected = [("code" if number % 2 else "markdown", text.strip("\n")) for number, text in enumerate(texts) if text.strip()]
    assert cells() == expected


@pytest.mark.slow
def test_the_code_runs(tmp_path: Path) -> None:
    script = "\n".join(text for kind, text in cells() if kind == "code")
    assert script.split() == "\n".join(blocks(PAGE, "python")).split()
    (tmp_path / "tutorial.py").write_text(script)
    printed = python(["tutorial.py"], tmp_path, MPLBACKEND="agg")
    assert "Greedy" in printed
    for file, start in {"mine.pdf": b"%PDF", "cell.pdf": b"%PDF"}.items():
        assert (tmp_path / file).read_bytes().startswith(start)
