"""Groups of experiments that share a panel, with the name and style of each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from benchmark_api.tables.table import Table
from experiments.report import DatasetReport, Report, Row
from experiments.report.formatting import span
from experiments.report.names import full_title, settings_of
from experiments.settings import dataset_title
from experiments.store import AnyExperiment
from plots.figures.layout import USUAL, Look
from plots.panels.style import AlgorithmStyle, drawable, legend_order, style_of

APART = ("budget", "schedule")
"""Settings that distinguish groups."""


@dataclass(frozen=True, eq=False)
class Entry:
    """A row of the report with its name and style in every figure; the name has all settings that are not the defaults."""

    row: Row
    name: str
    style: AlgorithmStyle

    @property
    def experiment(self) -> AnyExperiment:
        """Its runs."""
        return self.row.experiment


@dataclass(frozen=True, eq=False)
class Group:
    """Experiments that can be compared with each other: of one dataset, schedule and budget.

    Attributes:
        report: of their dataset.
        title: title of the dataset, with schedule and budget if there are several groups of that dataset.
        slug: the same, for file names.
        black_box: black-box searches in reading order.
        one_shot: one-shot searches, which spend no simulated time: they are in all groups of their dataset.
        look: how its figures look.
    """

    report: DatasetReport
    title: str
    slug: str
    black_box: Sequence[Entry]
    one_shot: Sequence[Entry]
    look: Look = USUAL

    @property
    def entries(self) -> Sequence[Entry]:
        """Entries of both kinds."""
        return [*self.black_box, *self.one_shot]

    @property
    def experiments(self) -> Sequence[AnyExperiment]:
        """Experiments of both kinds."""
        return [entry.experiment for entry in self.entries]


def groups_of(report: Report, look: Look = USUAL) -> list[Group]:
    """Sort one table's experiments into groups; a configuration has the same name and style in all of them.

    A dataset with one-shot experiments alone is a group without black-box searches.
    """
    configurations: defaultdict[str, set[str]] = defaultdict(set)
    for row in report.rows:
        configurations[row.experiment.algorithm].add(settings_of(row.experiment, report.table, APART))
    groups = []
    for dataset in sorted(report.datasets, key=lambda dataset: (dataset.dataset.casefold(), dataset.dataset)):
        entries = [_entry(row, report.table, configurations[row.experiment.algorithm], look) for row in dataset.rows]
        entries.sort(key=lambda entry: (legend_order(entry.experiment.algorithm), entry.name))
        one_shot = [entry for entry in entries if not entry.experiment.kind.simulated]
        searched = [entry for entry in entries if entry.experiment.kind.simulated]
        settings = sorted({(entry.experiment.schedule, entry.experiment.budget) for entry in searched}) or [("", 0.0)]
        for schedule, budget in settings:
            black_box = [e for e in searched if (e.experiment.schedule, e.experiment.budget) == (schedule, budget)]
            title, slug = drawable(dataset_title(dataset.dataset)), dataset.dataset
            if len(settings) > 1:
                title, slug = f"{title}, {schedule} epochs, {budget:,.0f} s", f"{slug}-{schedule}-{budget:.0f}"
            groups.append(Group(dataset, title, slug, black_box, one_shot, look))
    return sorted(groups, key=lambda group: not group.black_box)


def _entry(row: Row, table: Table, configurations: Collection[str], look: Look) -> Entry:
    """Name and style of an experiment among all configurations of its search; the default one has the first style."""
    own, name = settings_of(row.experiment, table, APART), full_title(row.experiment, table, APART)
    usual = {"", _without_fidelities(row.experiment)}
    variants = ["", *sorted(set(configurations) - usual)]
    style = style_of(row.experiment.algorithm, 0 if own in usual else variants.index(own), look.highlight)
    return Entry(row, drawable(name), style)


def _without_fidelities(experiment: AnyExperiment) -> str:
    """Settings, as in names, with which a search runs by default on a table without shorter trainings; empty for none."""
    search = experiment.search_class() if experiment.kind.simulated else None
    changes = (search.without_fidelities(int(experiment.schedule)) if search else None) or {}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in changes.items())


def label_of(entry: Entry, groups: Sequence[Group]) -> str:
    """Name of an entry with the number of runs that entries of this name have in some groups."""
    entries = [other for group in groups for other in group.entries]
    return f"{entry.name}, n = {span({other.row.reached.runs for other in entries if other.name == entry.name})}"
