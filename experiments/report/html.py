"""HTML page of reports: summary, interactive figures, tables, settings, environment, provenance, and the field's checklist.

The page is one file that loads nothing from elsewhere. Its script and style are in the folder `page`; without the script the
tables and the figures of `python -m plots` remain.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from benchmark_api.jobs.files import whole_file
from benchmark_api.tables.table import Table
from experiments.report.aggregates import aggregate_table, aggregates
from experiments.report.captions import alternative, caption
from experiments.report.checklist import AUTHOR, Item, checklist
from experiments.report.escape import html_text as escape
from experiments.report.escape import script_json
from experiments.report.fronts import FrontReport
from experiments.report.fronts_text import front_tables
from experiments.report.html_tables import column_tables_html, data_url, matrices_html, row_html, table_html, text_table_html
from experiments.report.interactive import Chart, Swatches, charts, dialogs
from experiments.report.numbers import Report, notice_of
from experiments.report.paper import PAPER_FORMATS, paper_table
from experiments.report.summary import overall, summary, verdicts
from experiments.report.text import latex, literature_tables, to_csv
from experiments.store import AnyExperiment, Experiment


class Picture(NamedTuple):
    """A figure for the page: the WebP file, and its width and height in CSS pixels."""

    webp: bytes
    width: int
    height: int

    @property
    def url(self) -> str:
        """The figure itself, as a URL."""
        return data_url("image/webp", self.webp)


class Drawn(NamedTuple):
    """What was drawn for the report of a table.

    Attributes:
        pictures: figures by what they show.
        cells: drawings of architectures by their official index.
        swatches: looks of the rows.
    """

    pictures: Mapping[str, Picture]
    cells: Mapping[int, Picture]
    swatches: Swatches


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
    path: str | os.PathLike[str], reports: Sequence[Report], drawn: Mapping[str, Drawn], fronts: Sequence[Fronts] = ()
) -> Path:
    """Write the page of some reports, one for each table; an existing page stays until the new one is complete.

    Args:
        path: the page.
        reports: the reports.
        drawn: what was drawn for them, by the fingerprints of their tables; a report may have nothing.
        fronts: reports of fronts.
    """
    nothing = Drawn({}, {}, {})
    with_drawn = [(report, drawn.get(report.table.fingerprint, nothing)) for report in reports]
    with whole_file(Path(path)) as file:
        file.write("\n".join(_document(with_drawn, fronts)).encode())
    return Path(path)


def _document(reports: Sequence[tuple[Report, Drawn]], fronts: Sequence[Fronts]) -> Iterator[str]:
    every = [report for report, _ in reports]
    experiments: list[AnyExperiment] = [row.experiment for report in every for row in report.rows]
    experiments += [experiment for of_table in fronts for experiment in of_table.experiments]
    tables = {table.fingerprint: table for table in (*(one.table for one in every), *(of_table.table for of_table in fronts))}
    drawings = [charts(report, drawn.swatches) for report, drawn in reports]
    first = [0, *accumulate(map(len, drawings))]
    sections = [
        *([("summary", "Summary", _summary(every))] if every else []),
        *((f"table-{n + 1}", report.table.title, _report(report, drawn.pictures, drawings[n], first[n]))
          for n, (report, drawn) in enumerate(reports)),
        *((f"fronts-{number}", f"Fronts: {found.table.title}", _fronts(found)) for number, found in enumerate(fronts, start=1)),
        *([("checklist", "Checklist", _checklist(checklist(every)))] if every else []),
        ("settings", "Settings", _settings(experiments)),
        ("environment", "Environment", _environment(experiments)),
        ("provenance", "Provenance", _provenance(tables.values())),
    ]  # fmt: skip
    page = files("experiments.report") / "page"
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>NAS zoo: report</title><style>{(page / 'page.css').read_text('utf-8')}</style></head><body>"
    yield '<header><h1>Neural architecture search, compared</h1><button type="button" id="theme" hidden>Dark</button>'
    links = "".join(f'<li><a href="#{anchor}">{escape(title)}</a></li>' for anchor, title, _ in sections)
    yield f'<nav aria-label="sections"><ul>{links}</ul></nav></header><main>'
    for anchor, _, content in sections:
        yield f'<section id="{anchor}">'
        yield from content
        yield "</section>"
    yield f'</main><script type="application/json" id="data">{script_json(_data(reports, drawings))}</script>'
    script = "".join((page / name).read_text("utf-8") for name in ("charts.js", "page.js"))
    yield f'<script>(() => {{"use strict";\n{script}}})();</script></body></html>'


def _data(reports: Sequence[tuple[Report, Drawn]], drawings: Sequence[Sequence[Chart]]) -> dict[str, object]:
    """What the page's script draws: charts, what each row found, and drawings of architectures by table."""
    return {
        "charts": [chart for of_report in drawings for chart in of_report],
        "found": {key: entry for report, _ in reports for key, entry in dialogs(report).items()},
        "pictures": {
            report.table.fingerprint: {index: picture.url for index, picture in drawn.cells.items()} for report, drawn in reports
        },
    }


def _summary(reports: Sequence[Report]) -> Iterator[str]:
    yield "<h2>Summary</h2>"
    for number, report in enumerate(reports, start=1):
        yield f'<h3><a href="#table-{number}">{escape(report.table.title)}</a></h3>'
        if notice := notice_of(report.table, report.experiments):
            yield f'<p class="notice">{escape(notice)}</p>'
        if found := verdicts(report):
            yield f"<p>{escape(' '.join(found))}</p>"
        yield '<ul class="findings">'
        for finding in summary(report):
            yield f"<li><b>{escape(finding.dataset)}: {escape(finding.best)}</b>, {escape(' '.join(finding.sentences))}</li>"
        if text := overall(report):
            yield f"<li>{escape(text)}</li>"
        yield "</ul>"
    yield '<p class="note">Tests: Mann-Whitney U, two-sided, Holm\'s correction over all pairs of methods on a data set, '
    yield "p &lt; 0.05; intervals: 95 % bootstrap over runs. The costs of black-box and one-shot searches cannot be compared.</p>"


def _report(report: Report, pictures: Mapping[str, Picture], drawings: Sequence[Chart], first: int) -> Iterator[str]:
    yield f"<h2>{escape(report.table.space.name.capitalize())} space: {escape(report.table.title)}</h2>"
    if notice := notice_of(report.table, report.experiments):
        yield f'<p class="notice">{escape(notice)}</p>'
    yield '<div class="charts">'
    for number, chart in enumerate(drawings, start=first):
        yield f"<figure><figcaption><b>{escape(chart['title'])}</b></figcaption>"
        yield f'<div class="chart" id="chart-{number}" data-chart="{number}">'
        yield '<p class="note">Needs JavaScript; the figures below show the same.</p></div></figure>'
    yield "</div>"
    yield from column_tables_html(report)
    if profiled := aggregates(report):
        yield text_table_html(aggregate_table(report), "aggregates", caption="All data sets")
    for number, table in enumerate(literature_tables(report)):
        title = table.title.partition(":")[0]
        yield text_table_html(table, f"{report.table.path.stem}-literature-{number}", title[0].upper() + title[1:])
    yield _downloads(report, bool(profiled))
    yield from matrices_html(report)
    yield from _gallery(pictures, report)


def _downloads(report: Report, aggregated: bool) -> str:
    """Links to the numbers of a report as CSV and LaTeX, inside of the page."""
    stem = report.table.path.stem
    texts = [
        (f"{stem}.csv", "text/csv", "all numbers (CSV)", to_csv([report])),
        (f"{stem}.tex", "text/x-tex", "table for a paper (LaTeX)", PAPER_FORMATS["latex"]([paper_table(report)])),
    ]
    if aggregated:
        texts.append((f"{stem}-aggregate.tex", "text/x-tex", "all data sets (LaTeX)", latex(aggregate_table(report))))
    links = "".join(
        f'<a download="{escape(name)}" href="{data_url(kind, text.encode())}">{escape(what)}</a>'
        for name, kind, what, text in texts
    )
    return f'<p class="downloads">Download: {links}</p>'


def _fronts(fronts: Fronts) -> Iterator[str]:
    yield f"<h2>Fronts: {escape(fronts.table.title)}</h2>"
    if notice := notice_of(fronts.table, fronts.experiments):
        yield f'<p class="notice">{escape(notice)}</p>'
    for number, table in enumerate(front_tables(fronts.reports)):
        yield text_table_html(table, f"fronts-{number}")
    yield from _gallery(fronts.pictures)


def _gallery(pictures: Mapping[str, Picture], report: Report | None = None) -> Iterator[str]:
    """Figures with captions and text alternatives."""
    if not pictures:
        return
    yield '<h3>Figures</h3><div class="gallery">'
    for what, picture in pictures.items():
        size = f'width="{picture.width}" height="{picture.height}"'
        alt = escape(alternative(what, report))
        yield f'<figure><img loading="lazy" {size} alt="{alt}" src="{picture.url}">'
        yield f"<figcaption>{escape(caption(what))}</figcaption></figure>"
    yield "</div>"


def _checklist(items: Sequence[Item]) -> Iterator[str]:
    yield '<h2>Checklist</h2><p class="note">Best practices of the field, checked on these runs. '
    yield "Sources: Lindauer &amp; Hutter (JMLR 2020) [L], Yang et al. (ICLR 2020) [Y], Li &amp; Talwalkar (UAI 2019) [R], "
    yield "Dong &amp; Yang (ICLR 2020) [N].</p>"
    marks = {
        True: '"yes">yes',
        False: '"no">no',
        None: '"same">always',
        AUTHOR: '"author">the author\'s to say',
    }  # class and text
    yield table_html(
        ("practice", "followed", "what the runs did"),
        [
            f"<tr><td>{escape(item.practice)}</td><td class={marks[item.followed]}</td><td>{escape(item.evidence)}</td></tr>"
            for item in items
        ],
    )


def _settings(experiments: Sequence[AnyExperiment]) -> Iterator[str]:
    """What all experiments share, then for each what differs."""
    yield "<h2>Settings</h2>"
    every = [experiment.settings() for experiment in experiments]
    common = (
        {name: value for name, value in every[0].items() if all(name in of and of[name] == value for of in every)}
        if every
        else {}
    )
    if common:
        yield f"<p>All runs: {escape(_pairs(common))}.</p>"
    lines = []
    for experiment, of in zip(experiments, every, strict=True):
        seeds = experiment.seeds.tolist()
        some = f"{seeds[0]} to {seeds[-1]}, {len(seeds)} seeds" if len(seeds) > 5 else ", ".join(map(str, seeds))
        own = {name: value for name, value in of.items() if name not in common}
        about = experiment.space, experiment.dataset, experiment.algorithm, some
        fields = *about, _pairs(own), _pairs(experiment.config_values()) or "none"
        lines.append(row_html("td", fields))
    yield table_html(
        ("space", "dataset", "algorithm", "seeds", "settings", "hyperparameters"), lines, "Settings of the runs", "settings"
    )


def _pairs(values: Mapping[str, object]) -> str:
    """Names and values as text."""
    return ", ".join(f"{name} {value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items())


def _environment(experiments: Sequence[AnyExperiment]) -> Iterator[str]:
    yield "<h2>Environment</h2>"
    machines: defaultdict[tuple[tuple[str, str], ...], set[str]] = defaultdict(set)
    for experiment in experiments:
        for machine in experiment.machines:
            machines[machine].add(experiment.algorithm)
    lines = [row_html("td", (_pairs(dict(machine)), ", ".join(sorted(found)))) for machine, found in sorted(machines.items())]
    yield table_html(("machine", "runs of"), lines)
    versions = sorted({version for experiment in experiments for version in experiment.code_versions})
    yield f'<p class="note">Code versions: {escape(", ".join(versions))}.</p>'


def _provenance(tables: Iterable[Table]) -> Iterator[str]:
    yield "<h2>Provenance</h2>"
    for table in tables:
        facts = {"notice": table.notice or "none", "fingerprint of the table": table.fingerprint}
        facts |= {f"source: {name}": str(value) for name, value in table.metadata.get("source", {}).items()}
        yield table_html((), [row_html("td", fact) for fact in facts.items()], table.title)
