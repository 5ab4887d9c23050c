"""The answer in sentences: which method is best on which data set, by how much, and with which certainty."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.analysis.statistics import MIN_RUNS, Comparison, difference_of_means
from experiments.report.aggregates import aggregates
from experiments.report.formatting import with_interval
from experiments.report.names import full_title, same_for_all
from experiments.report.numbers import DatasetReport, Report, Row
from experiments.report.paper import LEVEL
from experiments.settings import dataset_title

KINDS = {"black-box": "black-box searches", "one-shot": "one-shot searches"}
"""Names of kinds of methods in sentences."""


@dataclass(frozen=True)
class Finding:
    """What the runs on one data set say of one kind of method.

    Attributes:
        dataset: title of the data set.
        best: title of the method with the best mean.
        sentences: by how much it is best, and with which certainty.
    """

    dataset: str
    best: str
    sentences: Sequence[str]


def summary(report: Report) -> list[Finding]:
    """Summarise each data set of a report, for each kind of method by itself: their costs cannot be compared."""
    hidden = same_for_all(report)
    findings = []
    for dataset in report.datasets:
        titles = {row: full_title(row.experiment, report.table, hidden) for row in dataset.rows}
        for kind, name in KINDS.items():
            rows = sorted((row for row in dataset.rows if row.experiment.kind.name == kind), key=lambda row: -row.reached.mean)
            if rows:
                findings.append(Finding(dataset_title(dataset.dataset), titles[rows[0]], _sentences(dataset, rows, name, titles)))
    return findings


def _sentences(dataset: DatasetReport, rows: Sequence[Row], kind: str, titles: Mapping[Row, str]) -> list[str]:
    best, others = rows[0], rows[1:]
    reached = best.reached
    interval = "" if np.isnan(reached.low) else f", 95 % interval {reached.low:.2f} to {reached.high:.2f}"
    among = f"best mean of {len(rows)} {kind}" if others else f"the only one of {kind}"
    sentences = [
        f"{reached.mean:.2f} % {dataset.measure.accuracy} ({among}{interval}, n = {reached.runs}), "
        f"{best.optimum - reached.mean:.2f} points below the best of the space."
    ]
    if others:
        sentences += _certainty(best, others, dataset.comparisons, titles)
    random = [row for row in dataset.rows if row.experiment.algorithm == "random" and row is not best]
    for row in random[:1]:
        difference, low, high = difference_of_means(best.finals, row.finals)
        around = "" if np.isnan(low) else f" (95 % interval {low:+.2f} to {high:+.2f})"
        sentences.append(f"Difference to {titles[row]}: {difference:+.2f} points{around}.")
    return sentences


def _certainty(best: Row, others: Sequence[Row], comparisons: Sequence[Comparison], titles: Mapping[Row, str]) -> list[str]:
    """Sentences on the tests of the best row against the others of its kind."""
    tests = {frozenset((pair.first, pair.second)): pair for pair in comparisons}
    found = [(row, tests[frozenset((best.label, row.label))]) for row in others]
    tested = [(row, test) for row, test in found if not np.isnan(test.p)]
    if not tested:
        return [f"No test: fewer than {MIN_RUNS} runs of it or of all others."]
    wins = {row: test.improvement if test.first == best.label else 1 - test.improvement for row, test in tested}
    different = [row for row, test in tested if test.p < LEVEL]
    worse = [titles[row] for row in different if wins[row] > 0.5]
    alike = {titles[row]: test.p for row, test in tested if test.p >= LEVEL}
    sentences = []
    if worse:
        which = "all others" if len(worse) == len(found) > 1 else ", ".join(worse)
        sentences.append(f"Significantly better than {which}.")
    if by_runs := [titles[row] for row in different if wins[row] < 0.5]:
        sentences.append(f"Run against run, however, significantly worse than {', '.join(by_runs)}: some runs are far off.")
    if alike:
        which = "any other" if len(alike) == len(found) > 3 else ", ".join(alike)
        sentences.append(f"No significant difference to {which} (p {_span(alike.values())}).")
    if untested := [titles[row] for row, test in found if np.isnan(test.p)]:
        sentences.append(f"Too few runs for a test: {', '.join(untested)}.")
    return sentences


def _span(values: Collection[float]) -> str:
    """Smallest and largest of some p-values as text."""
    low, high = (f"{value:.2g}" for value in (min(values), max(values)))
    return f"= {low}" if low == high else f"{low} to {high}"


def overall(report: Report) -> str:
    """Return a sentence on all data sets together: methods by interquartile mean; empty for one data set."""
    if len(report.datasets) < 2:
        return ""
    texts = [f"{one.title} {with_interval(*one.iqm, '.1f')}" for one in aggregates(report)]
    sets = ", ".join(dataset_title(dataset.dataset) for dataset in report.datasets)
    about = f"Over {sets}, interquartile mean of normalised accuracy (0: mean of the space, 100: its best) with 95 % interval"
    return f"{about}: {', '.join(texts)}." if texts else ""
