"""The field's lists of best practice, filled from what the stored runs really did.

Sources: Lindauer & Hutter, Best Practices for Scientific Research on NAS, JMLR 21(243), 2020, arXiv 1909.02453 [L]; Yang et al.,
NAS Evaluation is Frustratingly Hard, ICLR 2020, arXiv 1912.12522 [Y]; Li & Talwalkar, Random Search and Reproducibility for
NAS, UAI 2019, arXiv 1902.07638 [R]; Dong & Yang, NAS-Bench-201, ICLR 2020, arXiv 2001.00326, its rules for users [N].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.analysis import MIN_RUNS
from experiments.report import Report, Row, deviations
from experiments.store import Experiment, OneShotExperiment


@dataclass(frozen=True)
class Item:
    """One line of the list.

    Attributes:
        practice: what is asked for, and by whom.
        followed: whether the runs follow it; None where it holds for every run of this project.
        evidence: what the runs did.
    """

    practice: str
    followed: bool | None
    evidence: str


def checklist(reports: Sequence[Report]) -> list[Item]:
    """The list for all experiments of some reports."""
    return list(_items(reports))


def _items(reports: Sequence[Report]) -> Iterator[Item]:
    rows = [row for report in reports for dataset in report.datasets for row in dataset.rows]
    few = [row for row in rows if row.test.runs < MIN_RUNS]
    runs = [row.test.runs for row in rows]
    yield Item(
        "Several runs with different seeds, and their number reported [L, N]",
        not any(run < 2 for run in runs),
        f"{min(runs)} to {max(runs)} runs of each method, seeds {_ranges(rows)}; fewer than {MIN_RUNS} runs, so neither interval "
        f"nor test: {_names(few) or 'none'}",
    )
    black_box = [row.experiment for row in rows if isinstance(row.experiment, Experiment)]
    cells: dict[tuple[str, str, str], set[float]] = {}
    for experiment in black_box:
        cells.setdefault((experiment.space, experiment.dataset, experiment.table_title), set()).add(experiment.budget)
    yield Item(
        "The same budget for all methods that are compared [L, Y]",
        all(len(budgets) == 1 for budgets in cells.values()),
        "; ".join(
            f"{space}, {dataset}: {' or '.join(f'{budget:,.0f}' for budget in sorted(budgets))} simulated seconds"
            for (space, dataset, _), budgets in cells.items()
        )
        or "no black-box run",
    )
    overshoot = [_evaluations_past_the_budget(e) for e in black_box if e.algorithm != "bohb-reference"]
    yield Item(
        "No evaluation begins after the budget is spent",
        not any(overshoot),
        f"{sum(overshoot)} such evaluations; a run of bohb-reference goes on, as published, and is cut at the budget",
    )
    splits = {report.table.test_split(d.dataset, report.table.report_schedule) for report in reports for d in report.datasets}
    yield Item(
        "Chosen by validation accuracy, test accuracy looked up once at the end [L]",
        all("x-valid" not in split for split in splits),
        f"searches are given x-valid alone; reported on {' and '.join(sorted(splits))}",
    )
    schedules = {
        f"{d.dataset}: searched at {report.table.search_schedule}, reported at {report.table.report_schedule} epochs"
        for report in reports
        for d in report.datasets
    }
    yield Item("The schedule of the search told apart from that of the report [L]", None, "; ".join(sorted(schedules)))
    with_random = [any(row.experiment.algorithm == "random" for row in d.rows) for report in reports for d in report.datasets]
    yield Item(
        "Compared with random search and with the mean architecture [Y, R]",
        all(with_random),
        f"random search on {sum(with_random)} of {len(with_random)} datasets; the space's mean is a row of every table",
    )
    changed = {
        row.label
        for report in reports
        for d in report.datasets
        for row in d.rows
        if deviations(row.experiment, report.table.search_schedule)
    }
    one_shot = [row for row in rows if isinstance(row.experiment, OneShotExperiment)]
    told = "defaults, which are the sources' and stand in docs/algorithms"
    if changed:
        told += f", but for: {', '.join(sorted(changed))}"
    if any(row.experiment.dataset == "digits" for row in one_shot):
        told += "; weight sharing on digits has short schedules of its own, chosen on other seeds (docs/weight-sharing.md)"
    yield Item("Hyperparameters stated, none tuned on the reported runs [L]", not changed, told)
    yield Item(
        "No regularisation for a particular operation [N]",
        None,
        "weight decay is the same for all weights, and there is no other regularisation"
        if one_shot
        else "no method trains a network here",
    )
    yield Item(
        "Accuracies looked up in the table, not trained anew with other settings [N]",
        None,
        f"all accuracies are of {', '.join(sorted({report.table.title for report in reports}))}",
    )
    yield Item(
        "Cost reported, simulated and measured time apart [L]",
        None,
        f"simulated seconds for {len(rows) - len(one_shot)} rows, measured wall seconds for {len(one_shot)}",
    )
    machines = {machine for row in rows for machine in row.experiment.machines}
    mixed = any(len(row.experiment.machines) > 1 for row in one_shot)
    yield Item(
        "The same hardware and software for what is compared by time [L]",
        not mixed and len({m for row in one_shot for m in row.experiment.machines}) <= 1,
        f"{len(machines)} combinations of machine and libraries, listed under environment",
    )
    versions = sorted({version for row in rows for version in row.experiment.code_versions})
    yield Item(
        "Code and seeds released [L]",
        not any("not installed" in version for version in versions),
        f"this project; code versions {', '.join(versions)}, stored with every run as are seed, configuration and table",
    )


def _names(rows: Iterable[Row]) -> str:
    return ", ".join(sorted({row.label for row in rows}))


def _ranges(rows: Iterable[Row]) -> str:
    """The seeds of all rows: "0 to 499; 777, 888, 999"."""
    found = set()
    for row in rows:
        seeds = row.experiment.seeds.tolist()
        consecutive = len(seeds) > 1 and seeds == list(range(seeds[0], seeds[0] + len(seeds)))
        found.add(f"{seeds[0]} to {seeds[-1]}" if consecutive else ", ".join(map(str, seeds)))
    return "; ".join(sorted(found))


def _evaluations_past_the_budget(experiment: Experiment) -> int:
    """How many evaluations of all runs began when the budget was spent already."""
    starts = np.concatenate([[0.0], experiment.seconds[:-1]])
    starts[experiment.offsets[:-1]] = 0.0
    return int((starts >= experiment.budget).sum())
