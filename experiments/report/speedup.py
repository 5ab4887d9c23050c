"""Text of the speed-up of one search over another."""

from __future__ import annotations

from benchmark_api.tables.table import Table
from experiments.analysis.speedup import equal_trainings, speedup
from experiments.analysis.statistics import summarize
from experiments.report.formatting import mean_with_interval
from experiments.report.measures import look_up
from experiments.store import Experiment


def speedup_text(table: Table, experiment: Experiment, baseline: Experiment, after: int = 0) -> str:
    """Return lines on what is compared, the speed-up to the baseline's final mean, and the one to equal trainings.

    With `after`, one more line has the speed-up of the trainings that follow the first ones.
    """
    accuracies = look_up(table, baseline.dataset)
    values, baseline_values = accuracies.reported_of(experiment), accuracies.reported_of(baseline)
    found = speedup(experiment, values, baseline, baseline_values)
    runs, baseline_runs = len(experiment.seeds), len(baseline.seeds)
    names = [label(table) for label in (experiment.label, baseline.label)]
    equal = equal_trainings(experiment, values, baseline, baseline_values)
    ratio = summarize(equal.seconds[1] / equal.seconds[0])
    reached, reached_baseline = map(summarize, equal.accuracy)
    difference = summarize(equal.accuracy[0] - equal.accuracy[1])
    text = (
        f"{table.space.name} {baseline.dataset}: {names[0]} (n = {runs}) and {names[1]} (n = {baseline_runs}), "
        f"{accuracies.measure.accuracy}, means with 95 % intervals\n"
        f"  to the final mean of {names[1]}, {found.target:.2f} %: {found.seconds:.1f} s against {found.baseline_seconds:.1f} s, "
        f"{found.ratio:.2f} times as fast ({found.low:.2f} to {found.high:.2f})\n"
        f"  to the same number of trainings, by seed (n = {ratio.runs}): {mean_with_interval(ratio)} times as fast; there "
        f"{reached.mean:.2f} % against {reached_baseline.mean:.2f} %, difference {mean_with_interval(difference)} points"
    )
    if not after:
        return text
    later = equal_trainings(experiment, values, baseline, baseline_values, after).seconds
    times = mean_with_interval(summarize(later[1] / later[0]))
    return f"{text}\n  of these the ones after the first {after}: {times} times as fast"
