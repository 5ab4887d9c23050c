"""HTML page of reports: tables, figures, settings, environment, provenance, and the field's checklist.

The page is one file that loads nothing from elsewhere and has no scripts; figures are SVG inside it.
"""

from __future__ import annotations

import base64
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from benchmark_api.jobs.files import whole_file
from benchmark_api.tables.table import Table
from experiments.report.checklist import Item, checklist
from experiments.report.fronts import FrontReport
from experiments.report.fronts_text import front_tables
from experiments.report.numbers import Report, notice_of
from experiments.report.text import TextTable, text_tables
from experiments.store import AnyExperiment, Experiment

_STYLE = """
:root { color-scheme: light; --line: #d9d9d9; --muted: #5c5c5c; --accent: #0072b2; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 78rem; padding: 1rem; color: #1c1c1c; background: #fff;
       font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.3rem; margin: 2.2rem 0 .6rem; padding-top: .6rem; border-top: 2px solid var(--accent); }
h3 { font-size: 1.05rem; margin: 1.4rem 0 .4rem; }
p, li { max-width: 65rem; }
a { color: var(--accent); }
nav ul { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; list-style: none; padding: 0; margin: .6rem 0; }
.notice { border-left: 4px solid #d55e00; background: #fdf3ec; padding: .5rem .8rem; margin: .8rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; margin: .4rem 0; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { text-align: left; padding: .22rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { border-bottom: 2px solid #888; }
tbody tr:hover { background: #f5f8fb; }
.short td { white-space: nowrap; }
.note { color: var(--muted); font-size: .85rem; }
figure { margin: 1.2rem 0; }
figure img { display: block; width: 100%; height: auto; }
.yes { color: #00704f; font-weight: 600; } .no { color: #b33d00; font-weight: 600; } .same { color: var(--muted); }
@media (max-width: 40rem) { body { padding: .6rem; font-size: .95rem; } h1 { font-size: 1.35rem; } }
@media print { nav { display: none; } body { max-width: none; font-size: 9pt; } figure, tr, h2, h3 { break-inside: avoid; }
               .wide { overflow: visible; } .short td { white-space: normal; } table { font-size: 7pt; } }
"""


class Picture(NamedTuple):
    """A figure for the page: the WebP file, and its width and height in CSS pixels."""

    webp: bytes
    width: int
    height: int


Pictures = Mapping[str, Mapping[str, Picture]]
"""The figures of each report's table, by the table's fingerprint and by what they show."""


class Fronts(NamedTuple):
    """Reports of fronts on one table, and their figures by what they show."""

    reports: Sequence[FrontReport]
    pictures: Mapping[str, Picture]

    @property
    def table(self) -> Table:
        """The table."""
        return self.reports[0].landscape.table

    @property
    def experiments(self) -> list[Experiment]:
        """Experiments with several objectives; the others have a row in another report."""
        return [row.experiment for report in self.reports for row in report.rows if row.experiment.finds_fronts]


def write_page(
    path: str | os.PathLike[str], reports: Sequence[Report], pictures: Pictures, fronts: Sequence[Fronts] = ()
) -> Path:
    """Write the page of some reports, one for each table; an existing page stays until the new one is complete."""
    with whole_file(Path(path)) as file:
        file.write("\n".join(_document(reports, pictures, fronts)).encode())
    return Path(path)


def _document(reports: Sequence[Report], pictures: Pictures, fronts: Sequence[Fronts]) -> Iterator[str]:
    experiments: list[AnyExperiment] = [row.experiment for report in reports for row in report.rows]
    experiments += [experiment for found in fronts for experiment in found.experiments]
    tables = {table.fingerprint: table for table in (*(one.table for one in reports), *(found.table for found in fronts))}
    sections = [
        *((f"table-{number}", report.table.title, _report(report, pictures)) for number, report in enumerate(reports, start=1)),
        *((f"fronts-{number}", "Fronts", _fronts(found)) for number, found in enumerate(fronts, start=1)),
        *([("checklist", "Checklist", _checklist(checklist(reports)))] if reports else []),
        ("settings", "Settings", _settings(experiments)),
        ("environment", "Environment", _environment(experiments)),
        ("provenance", "Provenance", _provenance(tables.values())),
    ]
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>NAS zoo: report</title><style>{_STYLE}</style></head><body>"
    yield "<header><h1>Neural architecture search, compared</h1>"
    links = "".join(f'<li><a href="#{anchor}">{escape(title)}</a></li>' for anchor, title, _ in sections)
    yield f"<nav><ul>{links}</ul></nav></header><main>"
    for anchor, _, content in sections:
        yield f'<section id="{anchor}">'
        yield from content
        yield "</section>"
    yield "</main></body></html>"


def _report(report: Report, pictures: Pictures) -> Iterator[str]:
    yield f"<h2>{escape(report.table.space.name.capitalize())} space: {escape(report.table.title)}</h2>"
    if notice := notice_of(report.table, report.experiments):
        yield f'<p class="notice">{escape(notice)}</p>'
    yield from _text_tables(text_tables(report))
    for what, picture in pictures.get(report.table.fingerprint, {}).items():
        yield _figure(f"{report.table.title}: {what}", picture)


def _fronts(fronts: Fronts) -> Iterator[str]:
    title = fronts.table.title
    yield f"<h2>Fronts: {escape(title)}</h2>"
    yield from _text_tables(front_tables(fronts.reports))
    for what, picture in fronts.pictures.items():
        yield _figure(f"{title}: {what}", picture)


def _text_tables(tables: Iterable[TextTable]) -> Iterator[str]:
    """Tables of a report, each with its notes."""
    for table in tables:
        yield _table(table.header, [_row("td", row) for row in table.rows], table.title, "short")
        yield from (f'<p class="note">{escape(note)}</p>' for note in table.notes)


def _table(header: Sequence[str], rows: Iterable[str], caption: str = "", style: str = "") -> str:
    """A table of rows of HTML; it scrolls where the window is narrower."""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    head = f"<thead>{_row('th', header)}</thead>" if header else ""
    return f'<div class="wide"><table class="{style}">{title}{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _row(cell: str, texts: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<{cell}>{escape(text)}</{cell}>" for text in texts) + "</tr>"


def _figure(title: str, picture: Picture) -> str:
    """A figure as an image with its own SVG inside, so that identifiers of several figures cannot collide."""
    source = f"data:image/webp;base64,{base64.b64encode(picture.webp).decode()}"
    return f'<figure><img alt="{escape(title)}" style="max-width: {picture.width}px" src="{source}"></figure>'


def _checklist(items: Sequence[Item]) -> Iterator[str]:
    yield '<h2>Checklist</h2><p class="note">Best practices of the field, checked on these runs. '
    yield "Sources: Lindauer &amp; Hutter (JMLR 2020) [L], Yang et al. (ICLR 2020) [Y], Li &amp; Talwalkar (UAI 2019) [R], "
    yield "Dong &amp; Yang (ICLR 2020) [N].</p>"
    marks = {True: '"yes">yes', False: '"no">no', None: '"same">always'}  # class and text
    yield _table(
        ("practice", "followed", "what the runs did"),
        [
            f"<tr><td>{escape(item.practice)}</td><td class={marks[item.followed]}</td><td>{escape(item.evidence)}</td></tr>"
            for item in items
        ],
    )


def _settings(experiments: Sequence[AnyExperiment]) -> Iterator[str]:
    yield "<h2>Settings</h2>"
    lines = []
    for experiment in experiments:
        seeds = experiment.seeds.tolist()
        some = f"{seeds[0]} to {seeds[-1]}, {len(seeds)} seeds" if len(seeds) > 5 else ", ".join(map(str, seeds))
        settings, hyperparameters = _pairs(experiment.settings()), _pairs(experiment.config_values()) or "none"
        lines.append(_row("td", (experiment.space, experiment.dataset, experiment.algorithm, some, settings, hyperparameters)))
    yield _table(("space", "dataset", "algorithm", "seeds", "settings", "hyperparameters"), lines)


def _pairs(values: Mapping[str, object]) -> str:
    """Names and values as text."""
    return ", ".join(f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items())


def _environment(experiments: Sequence[AnyExperiment]) -> Iterator[str]:
    yield "<h2>Environment</h2>"
    machines: defaultdict[tuple[tuple[str, str], ...], set[str]] = defaultdict(set)
    for experiment in experiments:
        for machine in experiment.machines:
            machines[machine].add(experiment.algorithm)
    lines = [_row("td", (_pairs(dict(machine)), ", ".join(sorted(found)))) for machine, found in sorted(machines.items())]
    yield _table(("machine", "runs of"), lines)
    versions = sorted({version for experiment in experiments for version in experiment.code_versions})
    yield f'<p class="note">Code versions: {escape(", ".join(versions))}.</p>'


def _provenance(tables: Iterable[Table]) -> Iterator[str]:
    yield "<h2>Provenance</h2>"
    for table in tables:
        facts = {"notice": table.notice or "none", "fingerprint of the table": table.fingerprint}
        facts |= {f"source: {name}": str(value) for name, value in table.metadata.get("source", {}).items()}
        yield _table((), [_row("td", fact) for fact in facts.items()], table.title)
