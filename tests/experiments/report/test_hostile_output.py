"""A table whose every name is hostile, through all commands that print and draw: nothing of it acts, all of it is there."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.text import shown
from nas_zoo.__main__ import main
from tests.experiments.report.test_escape import _Reader, cells_of
from tests.helpers.hand import group, write
from tests.helpers.hostile import Tries

NASTY = '😀 $\\frac{$ a|b\n# x <script>alert(1)</script> \x1b[2J \u202e [x](javascript:y) "q", =1+1 % _ \\ {'
KEY = "k😀 $frac{$ <q> & %"
METRIC = "=energy|$x$ <i>"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder of two searches with one objective and two with two, on a hostile table."""
    folder = tmp_path_factory.mktemp("hostile")
    tensors = group(f"{KEY}/4", ("x-valid", "x-test"), start=20.0)
    tensors |= {f"{KEY}/4/train/seconds": np.full((4, 2), 1.5), f"{KEY}/4/params": np.arange(4.0) + 1}
    tensors[f"metrics/{METRIC}"] = np.arange(4.0) + 1
    about = {
        "title": NASTY,
        "notice": f"=cmd {NASTY}",
        "metrics": {f"metrics/{METRIC}": {"unit": "$J$\n|", "direction": "minimize"}},
    }
    source = {"name": NASTY, "x\ny": "z\nw", "list": [1, {"a": NASTY}]}
    table = write(folder / "t😀\n|$x$.safetensors", tensors, source=source, **about)
    path = folder / "r\nesults $x$|"
    usual = ["--table", str(table.path), "--results", str(path), "--seeds", "6", "--budget", "30", "--jobs", "1"]
    for words in (["random"], ["rea"], ["nsga2", "--objectives", METRIC], ["mo-rea", "--objectives", "params"]):
        assert main(["run", *words, *usual]) == 0
    return path


@pytest.fixture(autouse=True)
def no_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph")  # of letters that the font lacks
        yield


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What a command prints: nothing that acts on a terminal."""
    capsys.readouterr()
    assert main([*words]) == 0, words
    out, errors = capsys.readouterr()
    assert all(line.isprintable() for line in (*out.split("\n"), *errors.split("\n")))
    assert errors.count("\n") <= 1
    return out


@pytest.mark.parametrize("layout", ["report", "paper", "aggregate"])
def test_tables_of_all_formats(layout: str, results: Path, tries: Tries, capsys: pytest.CaptureFixture[str]) -> None:
    found = {
        kind: printed(capsys, "table", "--results", str(results), "--layout", layout, "--format", kind, "--against", "rea")
        for kind in ("markdown", "latex", "csv")
    }
    tries.inputs += len(found)
    rows = [cells_of(line) for line in found["markdown"].splitlines() if line.startswith("|")]
    assert rows
    assert not re.search(r"(?<!\\)<(?:script|q|i)>", found["markdown"])
    read = [*csv.reader(io.StringIO(found["csv"]), strict=True)]
    assert len({len(row) for row in read}) == 1
    assert not any(cell.startswith(("=", "@")) for row in read for cell in row)
    if layout == "report":
        assert any(KEY in row for row in read)
    assert "\\frac{$" not in found["latex"].replace("\\$\\textbackslash{}frac\\{\\$", "")


def test_other_texts(results: Path, tries: Tries, capsys: pytest.CaptureFixture[str]) -> None:
    folder = ["--results", str(results)]
    for words in (["status"], ["verify"], ["found"], ["fronts"], ["fronts", "--format", "latex"]):
        printed(capsys, *words, *folder)
        tries.inputs += 1
    for words in (["found", "--format", "csv"], ["fronts", "--format", "csv"]):
        rows = [*csv.reader(io.StringIO(printed(capsys, *words, *folder)), strict=True)]
        assert len({len(row) for row in rows}) == 1
        assert not any(cell.startswith(("=", "@")) for row in rows for cell in row)
        tries.inputs += 1
    printed(capsys, "speedup", "--algorithm", "rea", "--baseline", "random", *folder)
    table = next(results.parent.glob("*.safetensors"))
    about = printed(capsys, "info", str(table))
    assert about.startswith(f"{shown(NASTY)}\n")
    for words in (["query", str(table), "1"], ["best", str(table), "--dataset", KEY]):
        printed(capsys, *words)
    printed(capsys, "front", str(table), "--dataset", KEY, "--metric", METRIC)
    tries.inputs += 5


def test_figures_and_page(results: Path, tmp_path: Path, tries: Tries, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "fi\ng $x$"
    printed(capsys, "plots", "--results", str(results), "--out", str(out), "--jobs", "1")
    assert len([*out.glob("*.png")]) == len([*out.glob("*.pdf")]) > 5
    page = (results / "report.html").read_text(encoding="utf-8")
    tries.inputs += 2
    assert "<script>alert" not in page
    assert all(line.isprintable() or not line for line in page.replace("\t", " ").splitlines())
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert shown(NASTY) in " ".join(reader.text.split("\n"))
    assert not {"q", "i"} & {tag for tag, _ in reader.tags}  # elements in the names, which the page has none of
