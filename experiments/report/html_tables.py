"""Tables of the report page as HTML: sortable where the script runs, with the best values marked."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from experiments.analysis.statistics import MIN_RUNS
from experiments.report.columns import COLUMNS
from experiments.report.escape import html_text as escape
from experiments.report.formatting import stars
from experiments.report.interactive import key_of
from experiments.report.names import full_title, same_for_all
from experiments.report.numbers import DatasetReport, Report, Row
from experiments.report.paper import best_rows
from experiments.report.text import TextTable, column_tables

_NUMBER = re.compile(r"[-+−]?\d|never|n < ")


def data_url(kind: str, content: bytes) -> str:
    """Return some content of a MIME type as a URL."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def row_html(cell: str, texts: Iterable[str]) -> str:
    """A row of cells of one kind."""
    scope = ' scope="col"' if cell == "th" else ""
    return "<tr>" + "".join(f"<{cell}{scope}>{escape(text)}</{cell}>" for text in texts) + "</tr>"


def table_html(header: Sequence[str], rows: Iterable[str], caption: str = "", name: str = "", head: str = "") -> str:
    """A table of rows of HTML; it scrolls where the window is narrower, and can be sorted if it has a name for its file.

    `head` is the row of headers as HTML, where it is not simply that of `header`.
    """
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    top = f"<thead>{head or row_html('th', header)}</thead>" if header else ""
    sortable = f' class="sortable" data-name="{escape(name)}"' if name else ""
    region = f' tabindex="0" role="region" aria-label="{escape(caption)}"' if caption else ""
    return f'<div class="wide"{region}><table{sortable}>{title}{top}<tbody>{"".join(rows)}</tbody></table></div>'


def text_table_html(table: TextTable, name: str, caption: str = "") -> str:
    """A text table, sortable, with its notes; the first column has the names of the rows."""
    numbers = _numeric(table)
    rows = []
    for row in table.rows:
        first = f'<th scope="row">{escape(row[0])}</th>'
        rows.append(f"<tr>{first}{''.join(map(_cell, row[1:], numbers[1:]))}</tr>")
    return table_html(table.header, rows, caption or table.title, name, _head(table.header, numbers)) + _notes(table)


def _numeric(table: TextTable) -> list[bool]:
    """Whether all fields of each column are numbers."""
    columns = [[row[i] for row in table.rows if row[i]] for i in range(len(table.header))]
    return [bool(column) and all(map(_NUMBER.match, column)) for column in columns]


def _cell(text: str, number: bool, best: bool = False) -> str:
    classes = " ".join(filter(None, ("number" if number else "", "best" if best else "")))
    return f'<td class="{classes}">{escape(text)}</td>' if classes else f"<td>{escape(text)}</td>"


def _head(header: Sequence[str], numbers: Sequence[bool]) -> str:
    classes = [' class="number"' if number else "" for number in numbers]
    cells = [f'<th scope="col"{its}>{escape(text)}</th>' for its, text in zip(classes, header, strict=True)]
    return f"<tr>{''.join(cells)}</tr>"


def _notes(table: TextTable) -> str:
    return "".join(f'<p class="note">{escape(note)}</p>' for note in table.notes)


def column_tables_html(report: Report) -> Iterator[str]:
    """Tables of accuracies and of merits of a report; the names of methods lead to what they found, best values are marked."""
    hidden = same_for_all(report)
    by_title = {column.title: column for column in COLUMNS.values() if column.title}
    one_set = len(report.datasets) == 1
    for table, name in zip(column_tables(report), ("Accuracies", "Merits and costs"), strict=False):
        numbers = _numeric(table)
        rows: list[str] = []
        lines = iter(table.rows)
        for dataset in report.datasets:
            best = {number: best_rows(dataset, by_title[title]) for number, title in enumerate(table.header) if title in by_title}
            for row in (*dataset.rows, None, None):
                line = next(lines)
                cells = [_cell(text, numbers[i], row in best.get(i, ())) for i, text in enumerate(line) if i > 1]
                start = [] if one_set else [_cell(line[0], False)]
                rows.append(_column_row(report, dataset, row, line[1], hidden, "".join([*start, *cells])))
        shown = [i for i in range(len(table.header)) if not (one_set and i == 0)]
        order = [1, *(i for i in shown if i != 1)]
        head = _head([table.header[i] for i in order], [numbers[i] for i in order])
        file = f"{report.table.path.stem}-{name.split()[0].lower()}"
        yield table_html(table.header, rows, name, file, head) + _notes(table)


def _column_row(report: Report, dataset: DatasetReport, row: Row | None, label: str, hidden: Sequence[str], cells: str) -> str:
    """A row of a table of columns; None: a reference."""
    if row is None:
        return f'<tr class="reference"><th scope="row">{escape(label)}</th>{cells}</tr>'
    title = full_title(row.experiment, report.table, hidden)
    return f'<tr><th scope="row" data-found="{key_of(report.table, dataset, row)}">{escape(title)}</th>{cells}</tr>'


def matrices_html(report: Report) -> Iterator[str]:
    """For each data set the probabilities that a run of one method beats one of another; only methods with enough runs."""
    hidden = same_for_all(report)
    for dataset in report.datasets:
        rows = [row for row in dataset.rows if row.reached.runs >= MIN_RUNS]
        if len(rows) < 2:
            continue
        titles = {row.label: full_title(row.experiment, report.table, hidden) for row in rows}
        cells = _probabilities(dataset)
        body = []
        for first, title in titles.items():
            fields = "".join(cells.get((first, second), "<td></td>") for second in titles)
            body.append(f'<tr><th scope="row">{escape(title)}</th>{fields}</tr>')
        about = f"{dataset.dataset}: probability that a run of the row beats one of the column {dataset.measure.where}"
        table = table_html(("", *titles.values()), body, about).replace("<table>", '<table class="matrix">')
        note = "Ties count half. Mann-Whitney U, two-sided, Holm's correction over all pairs of the data set: * p < 0.05, "
        yield f"<details><summary>{escape(about)}</summary>{table}"
        yield f'<p class="note">{escape(note + "** p < 0.01, *** p < 0.001.")}</p></details>'


def _probabilities(dataset: DatasetReport) -> Mapping[tuple[str, str], str]:
    """Cells of the matrix of a data set by the labels of row and column."""
    cells = {}
    for pair in dataset.comparisons:
        for first, second, p in ((pair.first, pair.second, pair.improvement), (pair.second, pair.first, 1 - pair.improvement)):
            cells[first, second] = f'<td style="--p:{p:.2f}">{p:.2f} {stars(pair.p)}</td>'
    return cells
