"""Tables for a paper: methods × data sets, the best in bold, significance against a named baseline.

The same cells are written as LaTeX (packages booktabs and array), Markdown and CSV.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from experiments.analysis.statistics import MIN_RUNS, Comparison
from experiments.report.baseline import baseline_of, compared_with
from experiments.report.columns import COLUMNS, Column, text_of
from experiments.report.escape import csv_text, latex_text, markdown_text
from experiments.report.formatting import span
from experiments.report.names import full_title, same_for_all
from experiments.report.numbers import DatasetReport, Report, Row, notice_of
from experiments.settings import dataset_title
from experiments.store import AnyExperiment

LEVEL = 0.05
"""Level of the tests."""

VALUES = 6
"""Maximum number of columns of values side by side on a page; further data sets follow below."""

COLUMN_VALUES = 3
"""Maximum number of columns of values in one column of a paper with two."""

ROWS = 30
"""Maximum number of methods in letters of the usual size: more fit one page in smaller ones."""

TITLE = 14
"""Characters on one line of the titles of methods, and of columns; longer ones are broken."""

NARROW_TITLE = 10
"""The same of columns where more than `COLUMN_VALUES` are side by side."""


@dataclass(frozen=True)
class Cell:
    """One value of a method on a data set.

    Attributes:
        text: the value, e.g. "93.87 ± 0.33"; empty where the method was not run.
        best: whether it is the best of the column among methods of its kind.
        against: "+" for a method that is significantly better than the baseline, "−" for one that is worse.
        p: p-value of that test after Holm's correction; NaN without one.
    """

    text: str
    best: bool = False
    against: str = ""
    p: float = float("nan")


@dataclass(frozen=True)
class PaperRow:
    """A method: its title, what its kind's name is, its numbers of runs as text, and a cell for each column of each data set."""

    title: str
    kind: str
    runs: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class PaperTable:
    """Methods × data sets, in no format yet.

    Attributes:
        name: for the label of LaTeX.
        caption: what the cells are.
        datasets: title of each data set and titles of its columns.
        rows: methods, those of one kind together.
        references: optimum and mean of the space.
        runs: number of runs of each method, if it is the same for all; else rows have it.
    """

    name: str
    caption: str
    datasets: Sequence[tuple[str, Sequence[str]]]
    rows: Sequence[PaperRow]
    references: Sequence[PaperRow]
    runs: str


def paper_table(
    report: Report, baseline: str | None = None, columns: Sequence[str] = (), order: Sequence[str] = ()
) -> PaperTable:
    """Make the table of a report.

    Args:
        report: the report.
        baseline: search, or label of a configuration, that all others are tested against; None: no test.
        columns: names of report columns, one or several for each data set; by default the mean of the reported accuracy.
        order: searches in the order of the rows; by default that of the report.

    Raises:
        ValueError: there is no such column, or several rows of a data set have the baseline's name.
    """
    hidden = same_for_all(report)
    rows: dict[tuple[str, str], list[Cell]] = {}
    runs: dict[tuple[str, str], set[int]] = {}
    heads: list[tuple[str, list[str]]] = []
    ends: tuple[list[Cell], list[Cell]] = [], []
    for dataset in report.datasets:
        shown = [COLUMNS.find(name) for name in columns or [f"{dataset.measure.prefix}_mean"]]
        reference = baseline_of(dataset, baseline) if baseline else None
        tests = compared_with(dataset, reference) if reference else {}
        before = [Cell("")] * len(ends[0])
        for row, cells in zip(dataset.rows, _cells(dataset, shown, tests), strict=True):
            key = row.experiment.kind.name, full_title(row.experiment, report.table, hidden)
            mine = rows.setdefault(key, [])
            mine += [*before[len(mine) :], *cells]
            runs.setdefault(key, set()).add(row.reached.runs)
        ends[0].extend(Cell(text_of(column.optimum(dataset), column.format)) for column in shown)
        ends[1].extend(Cell(text_of(column.mean(dataset), column.format)) for column in shown)
        heads.append((dataset_title(dataset.dataset), [column.title or column.name for column in shown]))
    counts = {key: span(found) for key, found in runs.items()}
    same = next(iter(counts.values())) if len(set(counts.values())) == 1 else ""
    after = [Cell("")] * len(ends[0])
    body = [PaperRow(title, kind, counts[kind, title], [*cells, *after[len(cells) :]]) for (kind, title), cells in rows.items()]
    kinds = list(dict.fromkeys(row.kind for row in body))
    places = {full_title(found, report.table, hidden): _place(found, order) for found in report.experiments}
    body.sort(key=lambda row: (kinds.index(row.kind), places[row.title]))
    return PaperTable(
        name=re.sub("[^a-z0-9]+", "-", report.table.path.stem.lower()).strip("-"),
        caption=_caption(report, same, baseline, bool(columns), len(kinds) > 1),
        datasets=heads,
        rows=body,
        references=[
            PaperRow(name, "", "", cells)
            for name, cells in zip(("optimum", "space mean"), ends, strict=True)
            if any(cell.text for cell in cells)
        ],
        runs=same,
    )


def _place(experiment: AnyExperiment, order: Sequence[str]) -> int:
    """Place of the first name that an experiment has in an order; after all of them without one."""
    return next((place for place, name in enumerate(order) if name in experiment.names), len(order))


def _cells(dataset: DatasetReport, columns: Sequence[Column], tests: Mapping[str, Comparison]) -> list[list[Cell]]:
    """Cells of the rows of a data set [row][column]."""
    best = {column.name: best_rows(dataset, column) for column in columns}
    cells = []
    for row in dataset.rows:
        of_row = []
        for column in columns:
            text = text_of((column.shown or column.value)(dataset, row), column.format)
            is_best = bool(text) and row in best[column.name]
            test = tests.get(row.label) if column.name == f"{dataset.measure.prefix}_mean" else None
            of_row.append(Cell(text, is_best, *_verdict(test)))
        cells.append(of_row)
    return cells


def best_rows(dataset: DatasetReport, column: Column) -> list[Row]:
    """Rows with the best value of a column among those of their kind, to the precision that is shown."""
    return [
        row for kind in dict.fromkeys(row.experiment.kind.name for row in dataset.rows) for row in _best(dataset, column, kind)
    ]


def _best(dataset: DatasetReport, column: Column, kind: str) -> list[Row]:
    values = {row: column.value(dataset, row) for row in dataset.rows if row.experiment.kind.name == kind}
    numbers = {row: round(value, 2) for row, value in values.items() if not isinstance(value, str) and np.isfinite(value)}
    if not column.better or len(values) < 2 or not numbers:
        return []
    best = (max if column.better == "higher" else min)(numbers.values())
    return [row for row, value in numbers.items() if value == best]


def _verdict(test: Comparison | None) -> tuple[str, float]:
    if test is None or np.isnan(test.p):
        return "", float("nan")
    return ("" if test.p >= LEVEL or test.improvement == 0.5 else "−" if test.improvement > 0.5 else "+"), test.p


def _caption(report: Report, runs: str, baseline: str | None, columns: bool, several_kinds: bool) -> str:
    measures = " or ".join(dict.fromkeys(dataset.measure.accuracy for dataset in report.datasets))
    what = "Results" if columns else f"{measures.capitalize()} in percent"
    text = f"{what} after {report.table.report_schedule} epochs, {report.table.space.name} space: mean ± standard deviation over "
    text += f"{runs} runs. " if runs else "n runs. "
    budgets = {
        dataset_title(of.dataset): {row.experiment.budget for row in of.rows if row.experiment.kind.simulated}
        for of in report.datasets
    }
    if all(len(found) == 1 for found in budgets.values()):
        text += f"Simulated budget: {', '.join(f'{next(iter(found)):,.0f} s ({name})' for name, found in budgets.items())}. "
    text += f"Bold: best{' of its kind of method' if several_kinds else ''}."
    rows = [row for dataset in report.datasets if baseline and (row := baseline_of(dataset, baseline))]
    if rows:
        title = full_title(rows[0].experiment, report.table, same_for_all(report))
        text += (
            f" +/−: significantly better/worse than {title} (Mann–Whitney U, two-sided, Holm's correction over the other "
            f"methods on a data set, p < {LEVEL}, at least {MIN_RUNS} runs)."
        )
    if notice := notice_of(report.table, report.experiments):
        text += f" {notice[0].upper()}{notice[1:]}."
    return text


# -- formats -----------------------------------------------------------------------------------------------------------------


def latex(table: PaperTable) -> str:
    """A table in LaTeX; it fits one column of a paper with two, or its page if it has more than `COLUMN_VALUES` values a row."""
    parts = _parts(table)
    wide = max(last - first for first, last, _ in parts) > COLUMN_VALUES
    float_name = "table*" if wide else "table"
    lines = [
        "% \\usepackage{array,booktabs}", rf"\begin{{{float_name}}}", r"\centering", r"\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{{{latex_text(table.caption)}}}",
        rf"\label{{tab:{table.name}}}", r"\scriptsize" if len(table.rows) > ROWS else r"\footnotesize",
        rf"\setlength{{\tabcolsep}}{{{1.5 if wide else 2.0}pt}}",
    ]  # fmt: skip
    for number, (first, last, datasets) in enumerate(parts):
        lines += [r"\par\medskip"] if number else []
        lines += _tabular(table, first, last, datasets)
    return "\n".join([*lines, rf"\end{{{float_name}}}", ""])


def _parts(table: PaperTable) -> list[tuple[int, int, Sequence[tuple[str, Sequence[str]]]]]:
    """Columns of values that stand side by side: the first, the one after the last, and their data sets."""
    parts: list[tuple[int, int, list[tuple[str, Sequence[str]]]]] = []
    at = 0
    for title, names in table.datasets:
        if not parts or at + len(names) - parts[-1][0] > VALUES:
            parts.append((at, at, []))
        at += len(names)
        parts[-1] = (parts[-1][0], at, [*parts[-1][2], (title, names)])
    return [(first, last, datasets) for first, last, datasets in parts]


def _tabular(table: PaperTable, first: int, last: int, datasets: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    long = max(len(row.title) for row in table.rows) > TITLE
    width = 7 if last - first >= COLUMN_VALUES else 14
    method = rf">{{\raggedright\arraybackslash\hangindent=1em}}p{{{width}em}}" if long else "l"
    runs = "" if table.runs else "r"
    lines = [rf"\begin{{tabular}}{{@{{}}{method}{runs}{'r' * (last - first)}@{{}}}}", r"\toprule"]
    start = ["Method", *([] if table.runs else ["$n$"])]
    head = partial(_head, width=TITLE if last - first <= COLUMN_VALUES else NARROW_TITLE)
    if all(len(names) == 1 for _, names in datasets):
        lines.append(" & ".join([*start, *(head(title) for title, _ in datasets)]) + r" \\")
    else:
        spans = [rf"\multicolumn{{{len(names)}}}{{c}}{{{latex_text(title)}}}" for title, names in datasets]
        lines.append(" & ".join([*("" for _ in start), *spans]) + r" \\")
        at = len(start) + 1
        for _, names in datasets:
            lines.append(rf"\cmidrule(lr){{{at}-{at + len(names) - 1}}}")
            at += len(names)
        lines.append(" & ".join([*start, *(head(name) for _, names in datasets for name in names)]) + r" \\")
    marked = any(cell.against for row in table.rows for cell in row.cells)
    kind = None
    for row in (*table.rows, *table.references):
        if row.kind != kind:
            lines.append(r"\midrule")
            kind = row.kind
        cells = [_latex_cell(cell, marked) for cell in row.cells[first:last]]
        lines.append(" & ".join([latex_text(row.title), *([] if table.runs else [row.runs]), *cells]) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _head(title: str, width: int) -> str:
    """Title of a column in LaTeX, in as many lines as it needs."""
    lines = [latex_text(line) for line in textwrap.wrap(title, width)]
    join = r"\\{}".join  # a line may begin with a bracket
    return lines[0] if len(lines) == 1 else rf"\shortstack[r]{{{join(lines)}}}"


def _latex_cell(cell: Cell, marked: bool) -> str:
    """A value in LaTeX, its standard deviation as a subscript and its mark, or the space of one, as a superscript."""
    if not cell.text:
        return ""
    value, _, std = cell.text.partition(" ± ")
    text = rf"\textbf{{{latex_text(value)}}}" if cell.best else latex_text(value)
    if not std:
        return text
    mark = cell.against.replace("−", "-") or (r"\phantom{-}" if marked else "")
    return rf"{text}$_{{\pm {std}}}" + (f"^{{{mark}}}$" if mark else "$")


def markdown(table: PaperTable) -> str:
    """A table in Markdown, its caption below."""
    single = all(len(names) == 1 for _, names in table.datasets)
    heads = [title if single else f"{title}, {name}" for title, names in table.datasets for name in names]
    shown = (*table.rows, *table.references)
    rows = [[markdown_text(row.title), *([] if table.runs else [row.runs]), *map(_markdown_cell, row.cells)] for row in shown]
    lines = [["method", *([] if table.runs else ["n"]), *map(markdown_text, heads)], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ["| " + " | ".join(map(str.ljust, line, widths)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([padded[0], rule, *padded[1:], "", markdown_text(table.caption), ""])


def _markdown_cell(cell: Cell) -> str:
    return " ".join(filter(None, (f"**{cell.text}**" if cell.best else cell.text, cell.against)))


def to_csv(tables: Sequence[PaperTable]) -> str:
    """Tables as one CSV table with a row for each cell."""
    lines: list[Sequence[str]] = [("table", "method", "kind", "runs", "dataset", "column", "value", "best", "against", "p")]
    for table in tables:
        columns = [(title, name) for title, names in table.datasets for name in names]
        for row in (*table.rows, *table.references):
            for (dataset, column), cell in zip(columns, row.cells, strict=True):
                if cell.text:
                    p = "" if np.isnan(cell.p) else f"{cell.p:.4g}"
                    about = table.name, row.title, row.kind, row.runs, dataset, column
                    lines.append((*about, cell.text, str(cell.best).lower(), cell.against, p))
    return csv_text(lines)


PAPER_FORMATS: Mapping[str, Callable[[Sequence[PaperTable]], str]] = {
    "markdown": lambda tables: "\n".join(map(markdown, tables)),
    "latex": lambda tables: "\n".join(map(latex, tables)),
    "csv": to_csv,
}
"""Writers of tables for a paper, by format."""
