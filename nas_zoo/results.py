"""Results in Python: frames, arrays, architectures, comparisons and panels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark_api.bounds import between
from benchmark_api.plugins import load_plugins
from benchmark_api.types import FloatArray
from experiments import store
from experiments.analysis.statistics import Distribution, difference_of_means
from experiments.analysis.trajectories import anytime, time_grid
from experiments.report import DatasetReport, FrontReport, Report, Row, front_reports, front_values, make_report, tables_of
from experiments.report.baseline import baseline_of, check_baseline, compared_with
from experiments.report.columns import COLUMNS
from experiments.report.found import Found, found
from experiments.report.loading import only
from experiments.report.names import full_title
from experiments.store import AnyExperiment, Experiment

if TYPE_CHECKING:
    import pandas as pd

    from nas_zoo.plotting import Plots


MAX_POINTS = 100_000
"""Largest number of points in time of a curve."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Accuracy of the incumbents of a search over time.

    Attributes:
        dataset: the dataset searched on.
        algorithm: registry name of the search.
        title: title of the search with the settings that are not the defaults.
        measure: what is reported: "test accuracy" or "held-out trials".
        seconds: [time], simulated seconds; of one-shot searches wall seconds.
        accuracy: [run, time], percent; NaN before a run's first evaluation and after its last one.
        mean: [time], over runs; NaN where a run has no value.
        interval: [2, time], 95 % bootstrap interval of the mean; None for fewer than five runs.
    """

    dataset: str
    algorithm: str
    title: str
    measure: str
    seconds: FloatArray
    accuracy: FloatArray
    mean: FloatArray
    interval: FloatArray | None


class Results:
    """Runs of searches, and what can be said of them.

    Args:
        experiments: stored runs, a condition each.
        table: the table that all of them were made on; None for that at its path at run time.
    """

    def __init__(self, experiments: Sequence[AnyExperiment], table: Path | None = None) -> None:
        self.experiments = [*experiments]
        self._table = table

    def __repr__(self) -> str:
        listed = ", ".join(f"{one.label(None)} on {one.dataset} ({len(one.seeds)} runs)" for one in self.experiments)
        return f"Results: {listed or 'none'}"

    @cached_property
    def reports(self) -> list[Report]:
        """Reports of the searches with one objective, one for each table.

        Raises:
            FileNotFoundError: a table is no longer at its path.
            ValueError: as for `make_report`.
        """
        single = [experiment for experiment in self.experiments if not experiment.finds_fronts]
        return [make_report(table, group) for table, group in tables_of(single, self._table)] if single else []

    def only(self, *searches: str) -> Results:
        """Return the results of some searches, e.g. "rea" or "rea (population_size=20)", in this order.

        Raises:
            ValueError: there is no such search.
        """
        return Results(only(self.experiments, searches), self._table)

    # -- frames ------------------------------------------------------------------------------------------------------------------

    def runs(self) -> pd.DataFrame:
        """Return a frame with a row for each run of a search with one objective.

        Its columns: table, space, dataset, kind, algorithm, title, seed, evaluations, seconds (simulated, or wall time of
        one-shot searches), wall_seconds; the chosen architecture (index, architecture), its accuracy as the run chose it (valid)
        and as it is reported (accuracy, of what measure says), percent, its regret in points, the percentile of the space; and
        each metric of the table.
        """
        import pandas as pd

        frames = [pd.DataFrame(_columns_of_runs(report, dataset, row)) for report, dataset, row in self._rows()]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def summary(self) -> pd.DataFrame:
        """Return a frame with a row for each search with one objective.

        Its columns are those of `table --format csv`, then title, best_index and best_architecture. Among them are mean, interval
        and regret of the reported accuracy (`test_…`, or `held_out_…` where a table has no test accuracies). Columns that
        are empty for all rows are left out.
        """
        import pandas as pd

        best = {(one.table.fingerprint, id(one.experiment)): one for report in self.reports for one in found(report)}
        rows = []
        for report, dataset, row in self._rows():
            one = best[report.table.fingerprint, id(row.experiment)]
            facts = {"title": one.title, "best_index": one.index, "best_architecture": one.architecture}
            values = {column.name: column.value(dataset, row) for column in COLUMNS.values() if column.csv}
            rows.append({name: np.nan if value == "" else value for name, value in values.items()} | facts)
        return pd.DataFrame(rows).dropna(axis="columns", how="all")

    def fronts(self, *objectives: str) -> pd.DataFrame:
        """Return a frame with a row for each search and choice of objectives: how far its fronts are from the exact one.

        Its columns are those of `fronts --format csv`; regrets and shares in percent.

        Args:
            *objectives: metrics besides accuracy, for all searches; by default those of the searches with several objectives.
        """
        import pandas as pd

        return pd.DataFrame(front_values(report for reports in self.front_reports(*objectives) for report in reports))

    def front_reports(self, *objectives: str) -> list[list[FrontReport]]:
        """Return reports of fronts of each table, one for each dataset and choice of objectives, which are as for `fronts`."""
        searched = [experiment for experiment in self.experiments if isinstance(experiment, Experiment)]
        tables = tables_of(searched, self._table) if searched else []
        return [front_reports(table, group, (objectives,) if objectives else ()) for table, group in tables]

    def compare(self, against: str) -> pd.DataFrame:
        """Return a frame that compares a search with each other one on each dataset.

        Its columns: dataset, baseline, search; difference of the mean reported accuracies, baseline minus search, in points, with
        its 95 % bootstrap interval (low, high); probability that a run of the baseline is better than one of the search, ties
        counted half (improvement); p of the two-sided Mann-Whitney U test with Holm's correction over the tests of a dataset. Of
        fewer than five runs there is neither an interval nor a test.

        Args:
            against: the baseline, e.g. "mine" or "mine (temperature=2.0)".

        Raises:
            ValueError: there is no such search on any dataset, or it has several rows on one.
        """
        import pandas as pd

        check_baseline(self.reports, against)
        rows = []
        for report in self.reports:
            for dataset in report.datasets:
                base = baseline_of(dataset, against)
                if base is None:
                    continue
                tests = compared_with(dataset, base)
                for row in dataset.rows:
                    if row is base:
                        continue
                    test = tests[row.label]
                    difference, low, high = difference_of_means(base.finals, row.finals)
                    about = {"dataset": dataset.dataset, "baseline": base.label, "search": row.label, "difference": difference}
                    rows.append({**about, "low": low, "high": high, "improvement": test.improvement, "p": test.p})
        return pd.DataFrame(rows)

    # -- arrays and architectures ------------------------------------------------------------------------------------------------

    def anytime(self, points: int = 400) -> list[Curve]:
        """Return the accuracy of the incumbents of each search over time.

        Args:
            points: number of points in time, in equal ratios; black-box searches of one dataset, schedule and budget share them.

        Raises:
            ValueError: it is no number from 2 to `MAX_POINTS`.
        """
        if not (isinstance(points, int) and between(2, MAX_POINTS).allows(points)):
            raise ValueError(f"points must be an integer {between(2, MAX_POINTS)}, got {points!r:.100}")
        curves = []
        for report, dataset, row in self._rows():
            experiment = row.experiment
            alike = dataset.by_budget.get((experiment.schedule, experiment.budget), [row])  # a one-shot search has its own clock
            times = time_grid([other.experiment for other in alike], points)
            runs = Distribution.of(anytime(experiment, times, dataset.accuracies.reported_of(experiment)))
            named = dataset.dataset, experiment.algorithm, full_title(experiment, report.table), dataset.measure.name
            curves.append(Curve(*named, times, runs.values, runs.mean, runs.interval))
        return curves

    def found(self) -> list[Found]:
        """Return the best architecture of each search: its string, accuracies, costs and table."""
        return [one for report in self.reports for one in found(report)]

    @property
    def plot(self) -> Plots:
        """Panels on matplotlib axes."""
        from nas_zoo.plotting import Plots

        return Plots(self)

    def _rows(self) -> Iterator[tuple[Report, DatasetReport, Row]]:
        """Yield all rows, in the order of reports."""
        for report in self.reports:
            for dataset in report.datasets:
                for row in dataset.rows:
                    yield report, dataset, row


def load(results: Path | str = "results", *, table: Path | str | None = None, **filters: str) -> Results:
    """Return what a results folder holds.

    >>> from nas_zoo import sweep
    >>> finished = sweep(["random", "rea"], dataset="cifar100", seeds=5, quiet=True)
    >>> load("results", dataset="cifar100").only("rea")
    Results: rea on cifar100 (5 runs)

    Args:
        results: the results folder.
        table: only runs on this table; it may lie elsewhere than at run time.
        **filters: fields of conditions and the values wanted: space, dataset, algorithm.

    Raises:
        FileNotFoundError: there is no such folder or table.
        ValueError: a file is damaged, there is no such field, or nothing was run on the table.
    """
    load_plugins()
    experiments = store.load_searches(results, **filters)
    if table is not None:
        ((_, experiments),) = tables_of(experiments, Path(table))
    return Results(experiments, None if table is None else Path(table))


def _columns_of_runs(report: Report, dataset: DatasetReport, row: Row) -> dict[str, Any]:
    """Return the columns of the runs of a row."""
    experiment, space = row.experiment, report.table.space
    return {
        "table": report.table.title,
        "space": space.name,
        "dataset": dataset.dataset,
        "kind": experiment.kind.name,
        "algorithm": experiment.algorithm,
        "title": full_title(experiment, report.table),
        "seed": experiment.seeds,
        "evaluations": np.diff(experiment.offsets),
        "seconds": experiment.spent_seconds,
        "wall_seconds": experiment.wall_seconds,
        "index": row.chosen,
        "architecture": [space.to_string(space.architecture(index)) for index in row.chosen.tolist()],
        "valid": row.valid_finals,
        "accuracy": row.finals,
        "measure": dataset.measure.name,
        "regret": row.optimum - row.finals,
        "percentile": row.percentiles,
        **{name: dataset.costs(name)[row.chosen] for name in dataset.metrics},
    }
