"""The answer in sentences: which method is best on which data set, by how much, and with which certainty."""

from __future__ import annotations

from collections import defaultdict
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

NAMED = 5
"""Most methods that a sentence names; of more it has the number."""

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
    if len(worse) == len(others) > 1:
        sentences.append(f"Significantly better than all {len(others)} others.")
    elif worse:
        which = f"{len(worse)} of the {len(others)} others" if len(worse) > NAMED else _listed(worse)
        sentences.append(f"Significantly better than {which}.")
    if by_runs := [titles[row] for row in different if wins[row] < 0.5]:
        sentences.append(f"Run against run, however, significantly worse than {_listed(by_runs)}: some runs are far off.")
    if alike:
        which = "any other" if len(alike) == len(others) > 1 else _listed(list(alike))
        sentences.append(f"No significant difference to {which} (p {_span(alike.values())}).")
    if untested := [titles[row] for row, test in found if np.isnan(test.p)]:
        sentences.append(f"Too few runs for a test: {_listed(untested)}.")
    return sentences


def _listed(names: Sequence[str]) -> str:
    """Names as text; of many the first and the number of the others."""
    if len(names) > NAMED + 1:
        return f"{_joined(names[:NAMED])} and {len(names) - NAMED} more"
    return _joined(names)


def _joined(names: Sequence[str]) -> str:
    """Names with commas between them; semicolons where a name has a comma."""
    return ("; " if any("," in name for name in names) else ", ").join(names)


def _span(values: Collection[float]) -> str:
    """Smallest and largest of some p-values as text."""
    low, high = (f"{value:.2g}" for value in (min(values), max(values)))
    return f"= {low}" if low == high else f"{low} to {high}"


def verdicts(report: Report) -> list[str]:
    """Return sentences on all data sets of a report: which black-box search is best where, and which ones beat random search.

    Of one data set there are only those on random search. Without a row of random search, or with too few runs for its tests,
    there are none of these.
    """
    hidden, best, places = same_for_all(report), defaultdict[str, list[str]](list), defaultdict[str, list[bool]](list)
    for dataset in report.datasets:
        titles = {row.label: full_title(row.experiment, report.table, hidden) for row in dataset.rows}
        rows = [row for row in dataset.rows if row.experiment.kind.name == "black-box"]
        if rows:
            best[titles[max(rows, key=lambda row: row.reached.mean).label]].append(dataset_title(dataset.dataset))
        for other, better in _against_random(dataset, rows):
            places[titles[other]].append(better)
    sentences = []
    if len(report.datasets) > 1 and best:
        sentences.append(f"Best black-box search: {'; '.join(f'{title} on {_and(sets)}' for title, sets in best.items())}.")
    if places:
        every = [title for title, better in places.items() if len(better) == len(report.datasets) and all(better)]
        where = f" on all {len(report.datasets)} data sets" if len(report.datasets) > 1 else ""
        which = f"{len(every)} of {len(places)}" + (f": {_joined(every)}" if every else "")
        sentences.append(f"Significantly better than random search{where} (p < {LEVEL}): {which}.")
    return sentences


def _against_random(dataset: DatasetReport, rows: Sequence[Row]) -> list[tuple[str, bool]]:
    """Labels of the black-box rows of a data set that are tested against random search, and whether they are better."""
    labels = {row.label for row in rows}
    found = []
    for random in [row.label for row in rows if row.experiment.algorithm == "random"][:1]:
        for pair in dataset.comparisons:
            if random in (pair.first, pair.second) and {pair.first, pair.second} <= labels and not np.isnan(pair.p):
                other = pair.second if pair.first == random else pair.first
                wins = pair.improvement if pair.first == other else 1 - pair.improvement
                found.append((other, pair.p < LEVEL and wins > 0.5))
    return found


def _and(names: Sequence[str]) -> str:
    """Names as text with "and" before the last."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def overall(report: Report) -> str:
    """Return a sentence on all data sets together: methods by interquartile mean; empty for one data set."""
    if len(report.datasets) < 2:
        return ""
    every = aggregates(report)
    texts = [f"{one.title} {with_interval(*one.iqm, '.1f')}" for one in every[:NAMED]]
    sets = ", ".join(dataset_title(dataset.dataset) for dataset in report.datasets)
    about = f"Over {sets}, interquartile mean of normalised accuracy (0: mean of the space, 100: its best) with 95 % interval"
    return f"{about}{f', the best {NAMED} of {len(every)}' if len(every) > NAMED else ''}: {', '.join(texts)}." if texts else ""
