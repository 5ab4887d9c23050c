"""Reports as text: Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmark_api.tables.table import Table
from experiments.analysis.statistics import MIN_RUNS, Comparison
from experiments.report.claims import claim_lines
from experiments.report.columns import COLUMNS, text_of
from experiments.report.comparison import HEADER, comparison_lines, missing_datasets
from experiments.report.notes import conventions, findings
from experiments.report.numbers import DatasetReport, Report, notice_of
from experiments.store import AnyExperiment


@dataclass(frozen=True)
class TextTable:
    """A table of texts, in no format yet."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def text_tables(report: Report) -> list[TextTable]:
    """Tables of accuracies and of merits and costs, then one matrix of comparisons per dataset."""
    name, about = f"{report.table.space.name} space", title_of(report.table, report.experiments)
    accuracies = _table_of_columns(report, "accuracies", f"{name}: {about}")
    return [
        replace(accuracies, notes=[*conventions(report), *accuracies.notes, *findings(report)]),
        _table_of_columns(report, "merits", f"{name}, merits and costs: {about}"),
        *(_comparisons(dataset, about) for dataset in report.datasets if len(dataset.rows) > 1),
        *(extra for extra in (_claims(report, about), _published(report, about)) if extra.rows),
    ]


def _claims(report: Report, about: str) -> TextTable:
    note = (
        "Difference of the mean accuracies, first minus second search, each with its own default hyperparameters but for those "
        "named; a claim held where the interval lies above zero. Pairs are runs of equal seeds, which start from the same "
        "weights and see the same batches: percentile bootstrap over pairs; unpaired: Welch. Each interval is by itself, without "
        "a correction for the number of claims."
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


def _table_of_columns(report: Report, table: Literal["accuracies", "merits"], title: str) -> TextTable:
    """The columns of one text table, without those in which all fields are empty."""
    names = [
        (dataset.dataset, name)
        for dataset in report.datasets
        for name in (*(row.label for row in dataset.rows), "optimum", "space mean")
    ]
    columns = [column for column in COLUMNS.values() if column.title and column.table == table]
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


def _comparisons(dataset: DatasetReport, about: str) -> TextTable:
    title = f"{dataset.dataset}: probability that a run of the row beats one of the column {dataset.measure.where} ({about})"
    return comparison_matrix(title, [row.label for row in dataset.rows], dataset.comparisons)


def comparison_matrix(title: str, labels: Sequence[str], comparisons: Sequence[Comparison]) -> TextTable:
    """Probabilities that a run of the row beats one of the column, with the significance of each pair."""
    cells: dict[tuple[str, str], str] = {}
    for pair in comparisons:
        stars = "*" * sum(pair.p < threshold for threshold in (0.05, 0.01, 0.001))
        mark = f"n < {MIN_RUNS}" if np.isnan(pair.p) else stars
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


def to_csv(reports: Sequence[Report]) -> str:
    """Reports as one CSV table with a row per experiment."""
    columns = sorted((column for column in COLUMNS.values() if column.csv), key=lambda column: column.csv_last)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(column.name for column in columns)
    for report in reports:
        for dataset in report.datasets:
            writer.writerows([text_of(column.value(dataset, row), ".4f") for column in columns] for row in dataset.rows)
    return buffer.getvalue()


def markdown(table: TextTable) -> str:
    """A table in Markdown with aligned columns, its notes below."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.header))]
    padded = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    text = [f"### {table.title}", "", padded[0], rule, *padded[1:], ""]
    for note in table.notes:
        text += [note.replace("*", "\\*"), ""]
    return "\n".join(text)


_LATEX: Mapping[int, str] = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"±": r"$\pm$", "Δ": r"$\Delta$", "−": "$-$", "<": "$<$", ">": "$>$"}
)


def latex(table: TextTable) -> str:
    """A table in LaTeX (package booktabs), its notes in the caption."""

    def line(cells: Sequence[str]) -> str:
        return " & ".join(cell.translate(_LATEX) for cell in cells) + r" \\"

    caption = " ".join((f"{table.title}.", *table.notes)).translate(_LATEX)
    head = [r"\begin{table}", rf"\caption{{{caption}}}", rf"\begin{{tabular}}{{{'l' * len(table.header)}}}", r"\toprule"]
    body = [line(table.header), r"\midrule", *map(line, table.rows)]
    return "\n".join([*head, *body, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _all_tables(write: Callable[[TextTable], str]) -> Callable[[Sequence[Report]], str]:
    return lambda reports: "\n".join(write(table) for report in reports for table in text_tables(report))


FORMATS: Mapping[str, Callable[[Sequence[Report]], str]] = {
    "markdown": _all_tables(markdown),
    "latex": _all_tables(latex),
    "csv": to_csv,
}
"""Writers of reports, by format."""
