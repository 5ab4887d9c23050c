"""Notes below the table of accuracies: conventions, methods that beat the references, and collapsed cells."""

from __future__ import annotations

import numpy as np

from benchmark_api.tables.table import Table
from benchmark_api.types import IntArray
from experiments.analysis.cells import PARAMETER_FREE, operation_counts, parameter_free
from experiments.report import published
from experiments.report.numbers import DatasetReport, Report, Row
from experiments.runs.other_code import other_versions
from experiments.store import Experiment


def conventions(report: Report) -> list[str]:
    """Conventions of the table: training, summary over seeds, readout, and validation of one-shot searches."""
    ddof = 0 if report.readout == "reference" else 1
    measures = dict.fromkeys(dataset.measure for dataset in report.datasets)
    notes = [
        f"Accuracy in percent after {report.table.report_schedule} epochs, {measure.convention}; mean ± standard deviation "
        f"(ddof {ddof}) over n seeds."
        for measure in measures
    ]
    notes += [measure.explanation for measure in measures if measure.explanation]
    if report.readout == "reference":
        notes.append("Protocol of the paper's table: the line through the two times nearest to the budget, taken at the budget.")
    trained = [dataset for dataset in report.datasets if any(not row.transferred for row in dataset.one_shot_rows)]
    transfers = [dataset.dataset for dataset in report.datasets if any(row.transferred for row in dataset.rows)]
    if transfers:
        notes.append(
            f"Rows on {', '.join(transfers)} that name the dataset searched on (transfer): the architecture that the search "
            "chose there, looked up here; they have no average rank."
        )
    if trained:
        notes.append("One-shot searches: the architecture derived after the last epoch.")
    halved = dict.fromkeys(dataset.measure for dataset in trained if dataset.dataset in ("cifar100", "ImageNet16-120"))
    notes += [
        "On cifar100 and ImageNet16-120, one-shot searches validate on x-valid, one half of the official test images, and "
        f"train on all training images, as in the reference; {measure.images}."
        for measure in halved
    ]
    return notes


def findings(report: Report) -> list[str]:
    """Comparisons with the references, and operations of the chosen cells, for each dataset; runs of other code."""
    kinds = (_verdicts, _cells, _limited, _gaps)
    notes = [note for dataset in report.datasets for kind in kinds for note in kind(dataset)]
    return [*notes, *_other_code(report)]


def _other_code(report: Report) -> list[str]:
    """Rows with runs that other code made than that which would make them now."""
    found: dict[str, set[str]] = {}
    for row in report.rows:
        if others := other_versions(row.experiment, report.table.space):
            found.setdefault(row.label, set()).update(others)
    rows = "; ".join(f"{label} ({', '.join(sorted(versions))})" for label, versions in found.items())
    return [f"Made by other code than this, in part or all (--again makes them anew): {rows}."] if rows else []


def _verdicts(dataset: DatasetReport) -> list[str]:
    """Methods that beat the space mean and random search, by the mean accuracy."""
    references = [("the space mean", dataset.average[1])]
    references += [(row.label, row.reached.mean) for row in dataset.rows if row.experiment.algorithm == "random"]
    verdicts = []
    for name, accuracy in references:
        others = [row for row in dataset.rows if row.label != name]
        above = [row.label for row in others if row.reached.mean > accuracy]
        below = [row.label for row in others if row.label not in above]
        if text := "; ".join(
            f"{side}: {', '.join(labels)}" for side, labels in (("above", above), ("not above", below)) if labels
        ):
            about = f"{dataset.dataset}, mean {dataset.measure.accuracy} against {name} ({accuracy:.2f})"
            verdicts.append(f"{about}, by the means alone: {text}.")
    return verdicts


def _limited(dataset: DatasetReport) -> list[str]:
    """Runs with limits on costs, whose optimum is another one."""
    limited = [row.label for row in dataset.rows if isinstance(row.experiment, Experiment) and row.experiment.limits]
    text = "runs with limits, whose regret and percentile are among the architectures that they could choose"
    return [f"{dataset.dataset}, {text}: {', '.join(limited)}."] if limited else []


def _gaps(dataset: DatasetReport) -> list[str]:
    """Searches on a table that has trials of some architectures only."""
    searches = [row.experiment for row in dataset.rows if isinstance(row.experiment, Experiment)]
    views = [dataset.table.search_view(*of) for of in dict.fromkeys((search.dataset, search.schedule) for search in searches)]
    return [f"{dataset.dataset}, black-box searches: {view.gaps}." for view in views if view.gaps]


def _cells(dataset: DatasetReport) -> list[str]:
    """Operations of the cells that one-shot searches chose; empty for a space whose choices are not operations."""
    if not set(PARAMETER_FREE) & set(dataset.table.space.choices(0)):
        return []
    return [
        f"{dataset.dataset}, {row.label}: {_operations(dataset, row)}." for row in dataset.one_shot_rows if not row.transferred
    ]


def _operations(dataset: DatasetReport, row: Row) -> str:
    """Shares of the operations in the chosen cells, and the runs whose cells collapsed or are not connected."""
    space = dataset.table.space
    operations = space.choices(0)
    cells = [space.architecture(int(index)) for index in row.chosen]
    shares = operation_counts(cells, operations).mean(axis=0) / len(cells[0])
    mix = ", ".join(f"{name} {share:.0%}" for name, share in zip(operations, shares, strict=True) if share)
    text = f"the operations of the chosen cells are {mix}"
    collapsed = parameter_free(cells, operations) == 1
    if collapsed.any():
        text += f"; COLLAPSED to nothing but skip_connect and none in {collapsed.sum()} of {len(cells)} runs"
        text += f" ({_listed(row.chosen[collapsed])})"
        text += _collapsed_in_the_literature(dataset.table, dataset.dataset, row.experiment.algorithm)
    cut = np.array([not space.is_connected(cell) for cell in cells])
    if cut.any():
        text += f"; NO PATH from input to output in {cut.sum()} of {len(cells)} runs ({_listed(row.chosen[cut])})"
    return text


def _listed(indices: IntArray) -> str:
    return ", ".join(map(str, np.unique(indices)))


def _collapsed_in_the_literature(table: Table, dataset: str, algorithm: str) -> str:
    """Count the published runs of a search that collapsed, as text."""
    counts = []
    for (of_algorithm, of_dataset), indices in published.TOPOLOGY_CELLS.items():
        if of_algorithm == algorithm and (of_dataset == dataset or dataset not in published.DATASETS):
            free = parameter_free([table.space.architecture(index) for index in indices]) == 1
            counts.append(f"{free.sum()} of {len(indices)} on {of_dataset}")
    if not counts:
        return "; no published cells to compare with"
    return f"; of the published runs of {algorithm}, {', '.join(counts)} did so too"
