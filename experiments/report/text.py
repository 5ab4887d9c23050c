"""Reports as text: Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from benchmark_api.tables.table import Table
from experiments.analysis.statistics import MIN_RUNS, Comparison, difference_of_means
from experiments.report.against_published import HEADER, comparison_lines, missing_datasets
from experiments.report.baseline import baseline_of, compared_with
from experiments.report.claims import claim_lines
from experiments.report.columns import COLUMNS, Column, Value, text_of
from experiments.report.escape import csv_text, latex_row, latex_text, markdown_text
from experiments.report.formatting import stars
from experiments.report.notes import conventions, findings
from experiments.report.numbers import DatasetReport, Report, Row, notice_of
from experiments.store import AnyExperiment


@dataclass(frozen=True)
class TextTable:
    """A table of texts, in no format yet."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def text_tables(report: Report, baseline: str | None = None, columns: Sequence[str] = ()) -> list[TextTable]:
    """Tables of accuracies and of merits and costs, then one of comparisons per dataset.

    Args:
        report: the report.
        baseline: compare with this search, or label of a configuration, alone; by default every pair of rows.
        columns: names of the columns of the first two tables; by default all with a title.

    Raises:
        ValueError: there is no such column, or several rows of a dataset have the baseline's name.
    """
    about = title_of(report.table, report.experiments)
    compared = [dataset for dataset in report.datasets if len(dataset.rows) > 1]
    return [
        *column_tables(report, columns),
        *(_against(dataset, baseline, about) or _comparisons(dataset, about) for dataset in compared),
        *literature_tables(report),
    ]


def column_tables(report: Report, columns: Sequence[str] = ()) -> list[TextTable]:
    """Tables of accuracies and of merits and costs; `columns` and errors are as for `text_tables`."""
    name, about = f"{report.table.space.name} space", title_of(report.table, report.experiments)
    accuracies = _table_of_columns(report, "accuracies", f"{name}: {about}", columns)
    merits = _table_of_columns(report, "merits", f"{name}, merits and costs: {about}", columns)
    accuracies = replace(accuracies, notes=[*conventions(report), *accuracies.notes, *findings(report)])
    return [accuracies, *([merits] if len(merits.header) > 2 else [])]


def literature_tables(report: Report) -> list[TextTable]:
    """Tables of claims of papers that runs test, and of published rows beside one-shot searches; none without such runs."""
    about = title_of(report.table, report.experiments)
    return [table for table in (_claims(report, about), _published(report, about)) if table.rows]


def _claims(report: Report, about: str) -> TextTable:
    note = (
        "Difference of the mean accuracies, first minus second search, each with its own default hyperparameters but for those "
        "named; a claim held where the interval lies above zero. Pairs are runs of equal seeds, which see the same batches, "
        "and start from the same weights where the supernets are alike. Intervals: percentile bootstrap over pairs, or over the "
        "runs of both; each is by itself, without a correction for the number of claims."
    )
    header = ("dataset", "claim", "source", "compared", "result")
    return TextTable(f"claims of papers, tested here: {about}", header, claim_lines(report.datasets), [note])


def _published(report: Report, about: str) -> TextTable:
    notes = [
        "Difference: ours minus theirs with Welch's 95 % interval, where the spread of both is known; published standard "
        "deviations are of ddof 0. So few published runs allow a comparison, not a test of correctness."
    ]
    if missing := missing_datasets(report.datasets):
        notes.append(f"The table has no accuracies on {', '.join(missing)}: published rows there have no counterpart.")
    title = f"one-shot searches beside published rows: {about}"
    return TextTable(title, HEADER, comparison_lines(report.datasets), notes)


def title_of(table: Table, experiments: Iterable[AnyExperiment] = ()) -> str:
    """Title of a table with the notice of some experiments."""
    notice = notice_of(table, experiments)
    return f"{table.title} ({notice})" if notice else table.title


def _table_of_columns(report: Report, table: Literal["accuracies", "merits"], title: str, only: Sequence[str] = ()) -> TextTable:
    """The columns of one text table, without those in which all fields are empty; `only` these, if given."""
    names = [
        (dataset.dataset, name)
        for dataset in report.datasets
        for name in (*(row.label for row in dataset.rows), "optimum", "space mean")
    ]
    columns = [column for column in _chosen(only) if column.title and column.table == table]
    filled = [
        (column, texts)
        for column in columns
        if any(texts := [text for dataset in report.datasets for text in column.texts(dataset)])
    ]
    return TextTable(
        title,
        ("dataset", "algorithm", *(column.title for column, _ in filled)),
        [(*name, *fields) for name, *fields in zip(names, *(texts for _, texts in filled), strict=True)],
        [column.note for column, _ in filled if column.note],
    )


def _chosen(names: Sequence[str]) -> list[Column]:
    """Columns by their names; all without names."""
    return [COLUMNS.find(name) for name in names] or list(COLUMNS.values())


def _against(dataset: DatasetReport, name: str | None, about: str) -> TextTable | None:
    """A baseline compared with every other row of a dataset; None without a row of this name."""
    baseline = baseline_of(dataset, name) if name else None
    if baseline is None:
        return None
    tests, rows = compared_with(dataset, baseline), []
    for row in dataset.rows:
        if row is not baseline:
            difference, low, high = difference_of_means(baseline.finals, row.finals)
            interval = f"n < {MIN_RUNS}" if np.isnan(low) else f"{low:+.2f} to {high:+.2f}"
            test = tests[row.label]
            fields = f"{difference:+.2f}", interval, f"{test.improvement:.2f}", "" if np.isnan(test.p) else f"{test.p:.3g}"
            rows.append((row.label, str(row.reached.runs), *fields))
    return TextTable(
        f"{dataset.dataset}: {baseline.label} against every other row {dataset.measure.where} ({about})",
        ("algorithm", "n", "difference of means [points]", "95 % interval", "P(better)", "p"),
        rows,
        [
            f"Difference: mean of {baseline.label} minus that of the row, with its bootstrap interval. P(better): probability "
            f"that a run of {baseline.label} beats one of the row, ties count half. p: Mann-Whitney U, two-sided, Holm's "
            "correction over these tests."
        ],
    )


def _comparisons(dataset: DatasetReport, about: str) -> TextTable:
    title = f"{dataset.dataset}: probability that a run of the row beats one of the column {dataset.measure.where} ({about})"
    return comparison_matrix(title, [row.label for row in dataset.rows], dataset.comparisons)


def comparison_matrix(title: str, labels: Sequence[str], comparisons: Sequence[Comparison]) -> TextTable:
    """Probabilities that a run of the row beats one of the column, with the significance of each pair."""
    cells: dict[tuple[str, str], str] = {}
    for pair in comparisons:
        mark = f"n < {MIN_RUNS}" if np.isnan(pair.p) else stars(pair.p)
        cells[pair.first, pair.second] = f"{pair.improvement:.2f} {mark}".strip()
        cells[pair.second, pair.first] = f"{1 - pair.improvement:.2f} {mark}".strip()
    return TextTable(
        title,
        ("", *labels),
        [[first, *(cells.get((first, second), "") for second in labels)] for first in labels],
        [
            "Ties count half. Mann-Whitney U, two-sided, Holm's correction over all pairs of the dataset: "
            "* p < 0.05, ** p < 0.01, *** p < 0.001."
        ],
    )


def to_csv(reports: Sequence[Report], baseline: str | None = None, columns: Sequence[str] = ()) -> str:
    """Reports as one CSV table with a row per experiment.

    Args:
        reports: the reports.
        baseline: adds the comparison of each row with this search, or label of a configuration: the p-value after Holm's
            correction over the tests of its dataset, and the probability that a run of the row is better.
        columns: names of the columns; by default all.
    """
    shown = [column for column in _chosen(columns) if column.csv]
    if not columns:
        shown.sort(key=lambda column: column.csv_last)
    if baseline:
        shown += _columns_against(baseline)
    rows = [
        [text_of(column.value(dataset, row), ".4f") for column in shown]
        for report in reports
        for dataset in report.datasets
        for row in dataset.rows
    ]
    return csv_text([[column.name for column in shown], *rows])


def _columns_against(name: str) -> list[Column]:
    """Columns of the comparison of each row with a baseline; empty on data sets without it."""

    def label(dataset: DatasetReport, _: Row) -> Value:
        return baseline.label if (baseline := baseline_of(dataset, name)) else ""

    def compared(dataset: DatasetReport, row: Row) -> Comparison | None:
        baseline = baseline_of(dataset, name)
        return compared_with(dataset, baseline).get(row.label) if baseline else None

    def p(dataset: DatasetReport, row: Row) -> Value:
        return found.p if (found := compared(dataset, row)) else ""

    def better(dataset: DatasetReport, row: Row) -> Value:
        return 1 - found.improvement if (found := compared(dataset, row)) else ""

    columns = {"against": label, "against_p": p, "against_better": better}
    return [Column(name=header, value=value) for header, value in columns.items()]


def markdown(table: TextTable) -> str:
    """A table in Markdown with aligned columns, its notes below."""
    lines = [[markdown_text(cell) for cell in line] for line in (table.header, *table.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    padded = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    text = [f"### {markdown_text(table.title)}", "", padded[0], rule, *padded[1:], ""]
    for note in table.notes:
        text += [markdown_text(note).replace("*", "\\*"), ""]
    return "\n".join(text)


def latex(table: TextTable) -> str:
    """A table in LaTeX (package booktabs), its notes in the caption."""
    caption = latex_text(" ".join((f"{table.title}.", *table.notes)))
    columns = rf"\begin{{tabular}}{{{'l' * len(table.header)}}}"
    head = [r"\begin{table}", r"\centering", rf"\caption{{{caption}}}", columns, r"\toprule"]
    body = [latex_row(table.header), r"\midrule", *map(latex_row, table.rows)]
    return "\n".join([*head, *body, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _all_tables(write: Callable[[TextTable], str]) -> Writer:
    def written(reports: Sequence[Report], baseline: str | None = None, columns: Sequence[str] = ()) -> str:
        return "\n".join(write(table) for report in reports for table in text_tables(report, baseline, columns))

    return written


class Writer(Protocol):
    """Writes reports; a baseline and columns are as for `text_tables`."""

    def __call__(self, reports: Sequence[Report], baseline: str | None = None, columns: Sequence[str] = ()) -> str: ...


FORMATS: Mapping[str, Writer] = {"markdown": _all_tables(markdown), "latex": _all_tables(latex), "csv": to_csv}
"""Writers of reports, by format."""
