"""`python -m plots`: draw the figures of a results folder as PNG and PDF, and write its report page."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from benchmark_api.ending import expect_interrupts

if __name__ == "__main__":
    expect_interrupts()  # before the imports that take a second

import matplotlib
from matplotlib.figure import Figure

from benchmark_api.commands.command_line import Command, CommandLine
from benchmark_api.commands.options import Option, Several, flat
from benchmark_api.commands.printing import print_line
from benchmark_api.jobs.options import available_processors
from benchmark_api.tables.table import Table
from experiments.report import FrontReport, Report, Row, aggregates, front_reports, make_report, only, tables_of
from experiments.report.html import Drawn, Fronts, Picture, write_page
from experiments.report.interactive import Swatch
from experiments.store import RANKINGS, Experiment, load, load_searches
from plots.figures.black_box import anytime_figure, correlation_figure, final_figure, rankable, ranks_figure
from plots.figures.costs import cost_figure, distinct_metrics, fronts_figure
from plots.figures.fronts import attainment_figure, hypervolume_figure
from plots.figures.groups import groups_of
from plots.figures.layout import USUAL, Look, check_width
from plots.figures.one_shot import one_shot_figures
from plots.figures.profiles import profiles_figure
from plots.files import PAGE_DPI, Writer, cell_picture
from plots.panels.style import RC, settings_with
from plots.saving import KINDS


def draw(
    results_dir: str | os.PathLike[str],
    out_dir: str | os.PathLike[str],
    table: Path | None = None,
    searches: Sequence[str] = (),
    look: Look = USUAL,
    settings: dict[Any, Any] = RC,
    jobs: int = 1,
    kinds: Sequence[str] = KINDS,
) -> list[Path]:
    """Draw all figures of the experiments in a results folder, and write the page with all of them, `report.html`, there.

    Args:
        results_dir: the results folder.
        out_dir: folder of the figures; made if it is missing.
        table: as for `tables_of`.
        searches: names as for `experiments.report.only`; by default all searches.
        look: how the figures look.
        settings: matplotlib's settings.
        jobs: number of processes that write figures, see `Writer`; the files are the same with any number.
        kinds: kinds of files of each figure, PNG among them, which the page is made from.

    Returns:
        The files: the page, then those of each figure, by default a PNG and a PDF; these are named after the table.

    Raises:
        FileNotFoundError: there is no such folder, or a table is no longer at its path.
        ValueError: nothing is stored for the table or a search, no search to highlight is there, or a file is damaged.
    """
    experiments = load_searches(results_dir)
    if not experiments:
        raise ValueError(f"nothing to draw: {results_dir} holds no run")
    experiments = only(experiments, searches)
    only(experiments, list(look.highlight))
    reports: list[tuple[Report, Saved]] = []
    fronts: list[tuple[list[FrontReport], Saved]] = []
    files: list[Path] = []

    def saved(writer: Writer, opened: Table, figures: Iterable[tuple[str, Figure]]) -> Saved:
        found = {what: writer.save(figure, Path(out_dir, f"{opened.path.stem}-{what}"), kinds) for what, figure in figures}
        files.extend(file for of_figure in found.values() for file in of_figure)
        return found

    with matplotlib.rc_context(settings), Writer(jobs, settings) as writer:
        for opened, group in tables_of(experiments, table):
            if single := [experiment for experiment in group if not experiment.finds_fronts]:
                report = make_report(opened, single)
                reports.append((report, saved(writer, opened, figures_of(report, results_dir, look))))
            if found := front_reports(opened, [experiment for experiment in group if isinstance(experiment, Experiment)]):
                fronts.append((found, saved(writer, opened, front_figures(found, look))))
        writer.finish()
        return [_write_page(Path(results_dir, "report.html"), reports, fronts, writer), *files]


Saved = dict[str, list[Path]]
"""Files of figures by what they show, the PNG first."""


def _write_page(
    path: Path,
    reports: Sequence[tuple[Report, Saved]],
    fronts: Sequence[tuple[Sequence[FrontReport], Saved]],
    writer: Writer,
) -> Path:
    """Write the page of reports and their figures."""
    every = [saved for _, saved in (*reports, *fronts)]
    shown = writer.pictures([png for saved in every for png, *_ in saved.values()])
    drawn = {
        report.table.fingerprint: Drawn(_shown(saved, shown), cells_of(report), swatches_of(report)) for report, saved in reports
    }
    on_fronts = [Fronts(found, _shown(saved, shown)) for found, saved in fronts]
    return write_page(path, [report for report, _ in reports], drawn, on_fronts)


def _shown(saved: Saved, shown: Mapping[Path, Picture]) -> dict[str, Picture]:
    return {what: shown[png] for what, (png, *_) in saved.items()}


def cells_of(report: Report) -> dict[int, Picture]:
    """Drawings of the best architecture that each row of a report found, by official index; none where the space has none."""
    space = report.table.space
    chosen = sorted({row.best for row in report.rows}) if space.drawable else []
    return {index: cell_picture(space, index) for index in chosen}


def swatches_of(report: Report) -> dict[Row, Swatch]:
    """Looks of the rows of a report on its page, which are those in its figures."""
    entries = [entry for group in groups_of(report) for entry in group.entries]
    return {entry.row: Swatch(entry.style.color, entry.style.dashes, entry.style.marker) for entry in entries}


def front_figures(reports: Sequence[FrontReport], look: Look = USUAL) -> Iterator[tuple[str, Figure]]:
    """Draw all figures of the reports of fronts on one table, each with what it shows."""
    yield "hypervolume", hypervolume_figure(reports, look)
    if of_one_metric := [report for report in reports if len(report.landscape.objectives) == 1]:
        yield "attainment", attainment_figure(of_one_metric, look)


def figures_of(report: Report, results_dir: str | os.PathLike[str], look: Look = USUAL) -> Iterator[tuple[str, Figure]]:
    """Draw all figures of a report, each with what it shows; the results folder has the rankings by supernets."""
    groups = groups_of(report, look)
    searched = [group for group in groups if group.black_box]
    if searched:
        yield "anytime", anytime_figure(searched)
    yield "final", final_figure(groups)
    if ranked := [group for group in searched if rankable(group)]:
        yield "ranks", ranks_figure(ranked)
    if profiled := aggregates(report):
        yield "profiles", profiles_figure(report, groups, profiled)
    for group in groups:
        for name in distinct_metrics(group.report, ("flops", "params")):
            yield f"{group.slug}-{name}", cost_figure(group, name)
        if group.report.metrics:
            yield f"{group.slug}-fronts", fronts_figure(group)
    yield "correlation", correlation_figure(report.table, look)
    for dataset, group in {group.report.dataset: group for group in reversed(groups) if group.one_shot}.items():
        rankings = load(results_dir, RANKINGS, dataset=dataset, table_fingerprint=report.table.fingerprint)
        for what, figure in one_shot_figures(group, rankings):
            yield f"{dataset}-{what}", figure


MOST_JOBS = 4
"""Most processes that write figures by default: the process that draws them takes a third of the time."""


@dataclass(frozen=True, kw_only=True)
class DrawingOptions:
    """What both commands draw."""

    results: Path = Path("results")
    """Results folder."""
    table: Option[Path] = None
    """Table that the runs were made on; by default at its path at run time."""
    only: Several = ()
    """Only these searches, e.g. rea, or configurations, e.g. "rea (population_size=20)"."""
    highlight: Several = ()
    """Searches that stand out; the others are pale."""
    title: bool = True
    """Give figures a title; a paper has a caption instead."""
    width: Option[float] = None
    """Width of every figure in inches, e.g. that of a paper's column; by default what the panels need."""
    font: str = RC["font.family"]
    """Family of fonts, e.g. serif or "Times New Roman"."""
    font_size: float = RC["font.size"]
    """Size of the text in points."""
    jobs: Option[int] = None
    """Processes that write figures; by default one per core, at most four."""

    def draw_in(self, folder: str | os.PathLike[str], kinds: Sequence[str] = KINDS, dpi: float = RC["savefig.dpi"]) -> list[Path]:
        """Draw the figures in a folder, those of pixels with `dpi` dots per inch, and write the page; return its path and those
        of the figures.

        Raises:
            ValueError: `jobs` is not positive, a width or font is refused, or as for `draw`.
        """
        if self.jobs is not None and self.jobs < 1:
            raise ValueError(f"--jobs {self.jobs}; expected at least 1")
        settings = settings_with(self.font, self.font_size) | {"savefig.dpi": dpi}
        look = Look(self.title, check_width(self.width), tuple(flat(self.highlight)))
        jobs = self.jobs or min(MOST_JOBS, available_processors())
        return draw(self.results, folder, self.table, flat(self.only), look, settings, jobs, kinds)


@dataclass(frozen=True, kw_only=True)
class PlotsCommand(DrawingOptions):
    """Draw the figures of a results folder as PNG and PDF, and write its report page."""

    examples: ClassVar[tuple[str, ...]] = ("plots", "plots --only rea bohb --no-title --width 3.3 --font serif --out figures")

    out: Option[Path] = None
    """Folder of the figures; by default `figures` in the results folder."""

    def __call__(self) -> None:
        page, *figures = self.draw_in(self.out or self.results / "figures")
        for path in (*figures, page):
            print_line(path)


@dataclass(frozen=True, kw_only=True)
class ReportCommand(DrawingOptions):
    """Write the report page of a results folder: report.html, one file with all tables and figures."""

    examples: ClassVar[tuple[str, ...]] = ("report",)

    def __call__(self) -> None:
        with TemporaryDirectory(prefix="nas-zoo-") as folder:
            print_line(self.draw_in(folder, ("png",), dpi=PAGE_DPI[0])[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the figures; return the exit status."""
    words = [*(sys.argv[1:] if arguments is None else arguments)]
    line = CommandLine("python -m", "", {"Draw results": ("plots",)}, lambda _: {"plots": Command.of(PlotsCommand)})
    return line.main(["plots", *words])


if __name__ == "__main__":
    sys.exit(main())
