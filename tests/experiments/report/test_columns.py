"""Report columns: one list for all formats, which a file on the Python path extends."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark_api.plugins import VARIABLE
from benchmark_api.tables.table import Table
from experiments import store
from experiments.report import make_report
from experiments.report.columns import COLUMNS, Column
from experiments.report.text import text_tables
from tests.helpers.synthetic import condition, store_runs

ROOT = Path(__file__).resolve().parents[3]

PLUGIN = """
import numpy as np

from experiments.report.columns import COLUMNS, Column

COLUMNS.register(
    Column(
        name="worst",
        title="worst run [%]",
        value=lambda dataset, row: float(np.min(row.finals)),
        optimum=lambda dataset: dataset.optimum[1],
        note="Worst run: lowest final test accuracy.",
    )
)
"""

PROGRAM = """
import sys
from benchmark_api.plugins import load_plugins
from experiments import store
from experiments.report import FORMATS, make_report, tables_of
from experiments.report.html import write_page

load_plugins()
[(table, experiments)] = tables_of(store.load(sys.argv[1], getattr(store, sys.argv[2])), None)
report = make_report(table, experiments)
print("\\f".join(FORMATS[form]([report]) for form in sys.argv[3].split(",")))
write_page(sys.argv[4], [report], {})
print([name for name in ("matplotlib", "torch", "plots") if name in sys.modules], file=sys.stderr)
"""


def run(results: Path, kind: str, forms: str, folder: Path) -> tuple[list[str], str, str]:
    """Texts in some formats, standard error and page of a report made in another process, with modules of a folder as plugins."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{folder}", VARIABLE: ",".join(path.stem for path in folder.glob("*.py"))}
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, str(results), kind, forms, str(folder / "page.html")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\f"), done.stderr, (folder / "page.html").read_text()


def test_a_file_adds_a_column_to_every_format(digits_table: Table, tmp_path: Path) -> None:
    results, plugins = tmp_path / "results", tmp_path / "plugins"
    store_runs(results, digits_table, condition(digits_table, "digits", "gdas"), [[1, 2], [3, 4]])
    plugins.mkdir()
    (plugins / "worst_run.py").write_text(PLUGIN)
    test = digits_table.accuracy(np.array([2, 4]), "digits", "3", "x-test")
    (rows, text), _, page = run(results, "ONE_SHOT_RUNS", "csv,markdown", plugins)
    (row,) = csv.DictReader(io.StringIO(rows.strip()))
    assert float(row["worst"]) == pytest.approx(test.min(), abs=1e-4)
    assert f" {test.min():.2f} " in next(
        line for line in text.splitlines() if line.startswith("| digits  | gdas ") and "wall" in line
    )
    for made in (text, page):
        assert "worst run [%]" in made
        assert "Worst run: lowest final test accuracy." in made


def test_columns_without_values_and_their_notes_are_left_out(digits_table: Table, tmp_path: Path) -> None:
    store_runs(tmp_path, digits_table, condition(digits_table, "digits", "gdas"), [[1, 2]])
    report = make_report(digits_table, store.load(tmp_path, store.ONE_SHOT_RUNS))
    _, merits = text_tables(report)
    assert "wall time [s]" in merits.header
    assert not {"simulated time [s]", "average rank"} & set(merits.header)
    assert not any(note.startswith("Average rank") for note in merits.notes)


def test_names_of_columns_are_unique() -> None:
    assert len(COLUMNS) == len({column.name for column in COLUMNS.values()})
    with pytest.raises(ValueError, match=r"two entries .* 'test_regret'"):
        COLUMNS.register(Column(name="test_regret", value=lambda dataset, row: 0.0))


def test_a_report_of_black_box_runs_needs_neither_pytorch_nor_matplotlib(size_table: Table, tmp_path: Path) -> None:
    from experiments.__main__ import main

    common = ["--table", size_table.path, "--results", tmp_path / "results", "--budget", 500, "--jobs", 1, "--seeds", 2]
    assert main(["run", "random", *map(str, common)]) == 0
    (tmp_path / "none").mkdir()
    (text,), imported, _ = run(tmp_path / "results", "BLACK_BOX_RUNS", "markdown", tmp_path / "none")
    assert "| random" in text
    assert imported == "[]\n"
