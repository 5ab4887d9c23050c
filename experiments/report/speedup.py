"""Text of the speed-up of one search over another."""

from __future__ import annotations

from benchmark_api.tables.table import Table
from experiments.analysis.speedup import speedup, trainings
from experiments.analysis.statistics import Summary, summarize
from experiments.analysis.trajectories import final_values
from experiments.report.measures import look_up
from experiments.store import Experiment


def speedup_text(table: Table, experiment: Experiment, baseline: Experiment) -> str:
    """Return two lines: the speed-up to the baseline's mean final accuracy, then trainings and accuracies within the budget."""
    accuracies = look_up(table, baseline.dataset)
    values, baseline_values = accuracies.reported_of(experiment), accuracies.reported_of(baseline)
    found = speedup(experiment, values, baseline, baseline_values)
    runs, baseline_runs = len(experiment.seeds), len(baseline.seeds)
    names = [label(table) for label in (experiment.label, baseline.label)]
    counts = [_interval(summarize(trainings(of))) for of in (experiment, baseline)]
    finals = [_interval(summarize(final_values(*of))) for of in ((experiment, values), (baseline, baseline_values))]
    return (
        f"{table.space.name} {baseline.dataset}: {names[0]} (n = {runs}) reaches {found.target:.2f} % "
        f"({accuracies.measure.accuracy}) {found.ratio:.2f} times as fast as {names[1]} (n = {baseline_runs}), "
        f"95 % interval {found.low:.2f} to {found.high:.2f}: {found.seconds:.1f} s against {found.baseline_seconds:.1f} s\n"
        f"  within {baseline.budget:g} s: trainings {' against '.join(counts)}; accuracy {' against '.join(finals)}"
    )


def _interval(summary: Summary) -> str:
    """Return a mean with its 95 % interval as text."""
    return f"{summary.mean:.2f} ({summary.low:.2f} to {summary.high:.2f})"
