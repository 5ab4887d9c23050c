"""Tables for a paper: cells, marks, formats, and what pdflatex makes of them."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from algorithms.black_box import BLACK_BOX
from algorithms.one_shot import ONE_SHOT
from benchmark_api.spaces import SizeSpace
from benchmark_api.tables.table import Table
from experiments.analysis.statistics import compare_against, difference_of_means, holm, mann_whitney
from experiments.report import PAPER_FORMATS, Report, check_baseline, make_report, only, paper_table
from experiments.report.text import FORMATS
from experiments.store import Experiment
from tests.golden import make
from tests.helpers import held_out

PDFLATEX = shutil.which("pdflatex")
SPACE = SizeSpace(widths=(4, 8), layers=2)  # 4 architectures
ACCURACY = np.array([[70.0, 70.0], [80.0, 80.0], [60.0, 60.0], [75.0, 75.0]])


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return held_out.write_table(tmp_path_factory.mktemp("paper") / "my_table.safetensors", SPACE, ACCURACY)


def runs(table: Table, architectures: list[int], **changes: object) -> Experiment:
    experiment = held_out.experiment(table, [[(architecture, 0)] for architecture in architectures], budget=2.0)
    return replace(experiment, **changes)


@pytest.fixture
def report(table: Table) -> Report:
    config = '{"population_size": 10, "redraw": false, "tournament_size": 3}'
    good = runs(table, [1] * 6 + [3] * 2, algorithm="rea", hyperparameters=config)
    bad = runs(table, [2] * 6 + [0] * 2)
    strange = runs(table, [1] * 4, algorithm="a&b_<c>$~^", hyperparameters="{}")
    return make_report(table, [good, bad, strange])


def test_the_best_is_bold_and_marks_are_against_the_baseline(report: Report) -> None:
    found = paper_table(report, "random")
    cells = {row.title: row.cells[0] for row in found.rows}
    assert {title: (cell.text, cell.best, cell.against) for title, cell in cells.items()} == {
        "RANDOM": ("62.50 ± 4.63", False, ""),
        "REA": ("78.75 ± 2.31", False, "+"),
        "a&b_<c>$~^": ("80.00 ± 0.00", True, ""),  # too few runs to test
    }
    assert paper_table(report, "rea").rows[[row.title for row in found.rows].index("RANDOM")].cells[0].against == "−"
    assert [row.cells[0].text for row in found.references] == ["80.00", "71.25"]
    assert found.runs == ""
    assert {row.title: row.runs for row in found.rows}["REA"] == "8"
    assert "better/worse than RANDOM" in found.caption
    assert len(found.caption) < 500


def test_holm_is_over_the_tests_against_the_baseline_alone() -> None:
    rng = np.random.default_rng(0)
    samples = [(name, rng.normal(shift, 1.0, 12)) for name, shift in (("a", 0.0), ("b", 1.0), ("c", 1.2), ("d", 0.1))]
    found = compare_against(samples[0], samples[1:])
    raw = [mann_whitney(samples[0][1], values) for _, values in samples[1:]]
    assert [one.second for one in found] == ["b", "c", "d"]
    np.testing.assert_allclose([one.p for one in found], holm([p for _, p in raw]))
    assert [one.improvement for one in found] == [improvement for improvement, _ in raw]


def test_difference_of_means_has_a_symmetric_interval() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(3.0, 1.0, 40), rng.normal(1.0, 1.0, 50)
    difference, low, high = difference_of_means(first, second)
    assert difference == first.mean() - second.mean()
    standard_error = np.hypot(first.std() / np.sqrt(40), second.std() / np.sqrt(50))
    assert (high - low) / (2 * 1.96 * standard_error) == pytest.approx(1.0, abs=0.06)
    assert np.isnan(difference_of_means(first[:4], second)[1])


def test_columns_and_order_are_chosen(report: Report) -> None:
    found = paper_table(report, None, ["held_out_mean", "held_out_regret"], ["rea", "random"])
    assert [row.title for row in found.rows[:2]] == ["REA", "RANDOM"]
    assert found.datasets == [("CIFAR-10", ["held-out trials", "regret, held-out trials [points]"])]
    regrets = [(row.cells[1].text, row.cells[1].best) for row in found.rows]
    assert regrets == [("1.25", False), ("17.50", False), ("0.00", True)]
    with pytest.raises(ValueError, match="unknown report column 'accuracy'"):
        paper_table(report, None, ["accuracy"])


def test_names_that_are_not_there_are_refused(report: Report) -> None:
    assert [one.algorithm for one in only(report.experiments, ["random", "rea"])] == ["random", "rea"]
    with pytest.raises(ValueError, match="no stored run is of 'bohb'; there are runs of"):
        only(report.experiments, ["bohb"])
    with pytest.raises(ValueError, match="no row is named 'mine'; expected one of '"):
        check_baseline([report], "mine")
    check_baseline([report], "rea")
    assert not any(cell.against for row in paper_table(report, "mine").rows for cell in row.cells)
    assert "significantly" not in paper_table(report, "mine").caption
    assert "probability that a run of the row beats one of the column" in FORMATS["markdown"]([report], "mine")


def test_every_format_has_the_same_cells(report: Report) -> None:
    tables = [paper_table(report, "random")]
    assert "| **80.00 ± 0.00** |" in PAPER_FORMATS["markdown"](tables)
    rows = list(csv.DictReader(io.StringIO(PAPER_FORMATS["csv"](tables))))
    assert [(row["method"], row["value"], row["against"]) for row in rows if row["method"] == "REA"] == [
        ("REA", "78.75 ± 2.31", "+")
    ]
    text = PAPER_FORMATS["latex"](tables)
    assert r"78.75$_{\pm 2.31}^{+}$ \\" in text
    assert r"\textbf{80.00}$_{\pm 0.00}^{\phantom{-}}$" in text
    assert r"a\&b\_$<$c$>$\$\textasciitilde{}\textasciicircum{}" in text
    assert r"\label{tab:my-table}" in text


def test_the_report_compares_with_the_baseline_alone(report: Report) -> None:
    text = FORMATS["markdown"]([report], "random", ["held_out_mean"])
    assert "random (budget=2.0) against every other row in held-out trials" in text
    assert re.search(r"\| rea [^|]+\| 8 +\| -16\.25", text)
    assert "merits and costs" not in text
    rows = {row["algorithm"]: row for row in csv.DictReader(io.StringIO(FORMATS["csv"]([report], "random", ["algorithm"])))}
    assert float(rows["rea"]["against_p"]) < 0.01
    assert float(rows["rea"]["against_better"]) == 1.0
    assert rows["random"]["against_p"] == ""


@pytest.mark.slow
@pytest.mark.skipif(PDFLATEX is None, reason="needs pdflatex")
@pytest.mark.parametrize("options", ["10pt", "10pt,twocolumn"])
def test_pdflatex_sets_it_without_an_overfull_box(options: str, report: Report, tmp_path: Path) -> None:
    wide = paper_table(report, "random", ["valid_mean", "held_out_mean", "held_out_regret", "held_out_percentile"])
    three = paper_table(report, "random")
    three = replace(
        three,
        datasets=[(name, ["test"]) for name in ("CIFAR-10", "CIFAR-100", "ImageNet16-120")],
        rows=[replace(row, title=f"{row.title}, population size 20, redraw", cells=[*row.cells] * 3) for row in three.rows],
        references=[replace(row, cells=[*row.cells] * 3) for row in three.references],
    )
    many = replace(three, datasets=[*three.datasets] * 3, rows=[replace(row, cells=[*row.cells] * 3) for row in three.rows])
    many = replace(many, references=[replace(row, cells=[*row.cells] * 3) for row in three.references])
    titles = [search.title for registry in (BLACK_BOX, ONE_SHOT) for search in registry.values()]
    every = replace(three, rows=[replace(three.rows[number % 3], title=title) for number, title in enumerate(titles)])
    stored = make.output("experiments", "table", "--results", make.RESULTS, "--layout", "paper", "--format", "latex")
    body = "\n".join((stored, PAPER_FORMATS["latex"]([three, wide, many, every, replace(every, datasets=every.datasets[:1])])))
    (tmp_path / "paper.tex").write_text(
        rf"\documentclass[{options}]{{article}}\usepackage[utf8]{{inputenc}}\usepackage{{array,booktabs}}\begin{{document}}"
        f"\n{body}\n" + r"\end{document}"
    )
    done = subprocess.run(
        [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", "paper.tex"], cwd=tmp_path, capture_output=True
    )
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert not re.findall("Overfull.*|Float too large.*", log)
