"""From trajectories to numbers: incumbents, summaries, intervals and tests. Pure functions; nothing here reads a file.

Runs of different algorithms that share a seed are independent (the seed makes different draws in each), so comparisons are
unpaired throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from benchmark_api.spaces import OPERATIONS, Architecture
from experiments.store import AnyExperiment, Experiment, OneShotExperiment

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Protocol = Literal["step", "reference"]

MIN_RUNS = 5
"""Fewer runs than this get no interval and no test: the number of runs is said instead."""


# -- incumbents ------------------------------------------------------------------------------------------------------------


def incumbent_steps(experiment: Experiment) -> IntArray:
    """For every evaluation, the position (in the experiment's columns) of the evaluation that made its run's incumbent.

    The rule is `BlackBoxSearch.tell`'s: "any-fidelity" compares accuracies, "highest-fidelity" first epochs, then
    accuracies; the first one stays on ties; NaN is worse than any number.

    Returns:
        [evaluation]
    """
    accuracy, fidelity, offsets = experiment.accuracy, experiment.epochs, experiment.offsets
    if experiment.incumbent_rule != "highest-fidelity":
        fidelity = np.zeros_like(fidelity)
    steps = np.empty(len(accuracy), dtype=np.int64)
    first = 0
    while first < len(experiment.seeds):  # as many runs at a time as have a million evaluations together, for memory's sake
        last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + 1_000_000, side="right")) - 1)
        some = slice(offsets[first], offsets[last])
        steps[some] = offsets[first] + _incumbent_steps(accuracy[some], fidelity[some], np.diff(offsets[first : last + 1]))
        first = last
    return steps


def _incumbent_steps(accuracy: FloatArray, fidelity: npt.NDArray[np.int16], lengths: IntArray) -> IntArray:
    """For every evaluation of some runs of these lengths, the position of the one that made the incumbent."""
    levels, rank = np.unique(np.where(np.isnan(accuracy), -np.inf, accuracy), return_inverse=True)
    # One integer orders (run, fidelity, accuracy), so that a single running maximum serves all runs.
    run = np.repeat(np.arange(len(lengths)), lengths)
    merit = (run * (int(fidelity.max(initial=0)) + 1) + fidelity) * len(levels) + rank
    best = np.maximum.accumulate(merit)
    replaces = np.diff(best, prepend=-1) > 0
    return np.maximum.accumulate(np.where(replaces, np.arange(len(merit)), 0))


def at_times(experiment: Experiment, times: npt.ArrayLike) -> IntArray:
    """The position of the last evaluation that had ended at each time: a right-continuous step function of simulated time.

    Args:
        experiment: the runs.
        times: [time], simulated seconds.

    Returns:
        [run, time]; -1 before a run's first evaluation has ended and after its last one (nothing is extrapolated; a run that
        ended by its budget has a last evaluation at the budget or later).
    """
    grid = np.asarray(times, dtype=np.float64)
    positions = np.empty((len(experiment.seeds), len(grid)), dtype=np.int64)
    for row, (start, stop) in zip(positions, pairwise(experiment.offsets), strict=True):
        seconds = experiment.seconds[start:stop]
        ended = np.searchsorted(seconds, grid, side="right")
        known = (ended > 0) & (grid <= seconds[-1:].max(initial=-np.inf))
        row[:] = np.where(known, start + ended - 1, -1)
    return positions


def anytime(experiment: Experiment, times: npt.ArrayLike, values_by_architecture: npt.ArrayLike) -> FloatArray:
    """The value of each run's incumbent at each time.

    Args:
        experiment: the runs.
        times: [time], simulated seconds.
        values_by_architecture: [architecture], e.g. full-training test accuracy.

    Returns:
        [run, time]; NaN where `at_times` has no evaluation.
    """
    values = np.asarray(values_by_architecture, dtype=np.float64)
    of_incumbent = values[experiment.architecture[incumbent_steps(experiment)]]  # [evaluation]
    positions = at_times(experiment, times)
    return np.where(positions >= 0, of_incumbent[positions], np.nan)


def final_architectures(experiment: AnyExperiment) -> IntArray:
    """What each run chose.

    A black-box run: its incumbent at the budget, that of the last evaluation that had ended by then. If it ended before its
    budget (by `max_queries`, or because its search was done), its last incumbent. A one-shot run: the architecture derived
    after its last epoch.

    Returns:
        [run], official indices.

    Raises:
        ValueError: no evaluation of a run had ended by its budget.
    """
    if isinstance(experiment, OneShotExperiment):
        return experiment.architecture[experiment.offsets[1:] - 1].astype(np.int64)
    steps = incumbent_steps(experiment)
    finals = np.empty(len(experiment.seeds), dtype=np.int64)
    for i, (start, stop) in enumerate(pairwise(experiment.offsets)):
        ended = np.searchsorted(experiment.seconds[start:stop], experiment.budget, side="right")
        if ended == 0:
            raise ValueError(
                f"{experiment.folder()}: no evaluation of seed {experiment.seeds[i]} had ended by the budget of "
                f"{experiment.budget:.0f} simulated seconds"
            )
        finals[i] = experiment.architecture[steps[start + ended - 1]]
    return finals


def final_values(experiment: AnyExperiment, values_by_architecture: npt.ArrayLike, protocol: Protocol = "step") -> FloatArray:
    """The value of what each run chose.

    Args:
        experiment: the runs.
        values_by_architecture: [architecture].
        protocol: "step": that of `final_architectures`. "reference": as the table of the NATS-Bench paper was made,
            for black-box runs the line through the incumbents' values at the two recorded times nearest to the budget, taken
            at the budget; it may look past the budget and lie outside both values.

    Returns:
        [run]

    Raises:
        ValueError: unknown protocol, or as for `final_architectures`.
    """
    values = np.asarray(values_by_architecture, dtype=np.float64)
    if protocol not in get_args(Protocol):
        raise ValueError(f"protocol must be one of {get_args(Protocol)}, got {protocol!r}")
    if protocol == "step" or isinstance(experiment, OneShotExperiment):
        return values[final_architectures(experiment)]
    of_incumbent = values[experiment.architecture[incumbent_steps(experiment)]]
    finals = np.empty(len(experiment.seeds))
    for i, (start, stop) in enumerate(pairwise(experiment.offsets)):
        distance = np.abs(experiment.seconds[start:stop] - experiment.budget)
        nearest = start + np.argsort(distance, kind="stable")[:2]
        t, value = experiment.seconds[nearest], of_incumbent[nearest]
        if len(nearest) == 1 or t[0] == t[1]:  # no line through one time
            finals[i] = value[-1]
        else:
            finals[i] = ((t[1] - experiment.budget) * value[0] + (experiment.budget - t[0]) * value[1]) / (t[1] - t[0])
    return finals


# -- one-shot runs -----------------------------------------------------------------------------------------------------------


def by_epoch(experiment: OneShotExperiment) -> IntArray:
    """The architecture derived after each epoch [run, epoch], official indices."""
    return experiment.architecture.reshape(len(experiment.seeds), -1).astype(np.int64)


def operation_counts(cells: Sequence[Architecture]) -> IntArray:
    """How often each of `OPERATIONS` is in cells of the topology space [cell, operation]; a row sums to 6."""
    counts: IntArray = (np.asarray(cells)[:, :, None] == np.arange(len(OPERATIONS))).sum(axis=1)
    return counts


def parameter_free(cells: Sequence[Architecture]) -> FloatArray:
    """The share of skip connections and zeros in cells of the topology space [cell]; a cell with nothing else has collapsed."""
    counts = operation_counts(cells)
    free = [OPERATIONS.index("none"), OPERATIONS.index("skip_connect")]
    return np.asarray(counts[:, free].sum(axis=1) / counts.sum(axis=1))


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[float, float]:
    """Kendall's tau-b and Spearman's rho of two measurements of the same things; NaN where all of one tie."""
    from scipy.stats import kendalltau, spearmanr  # more than a second to import: only those who need it pay

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan"), float("nan")
    return float(kendalltau(a, b).statistic), float(spearmanr(a, b).statistic)


# -- summaries -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """Mean and spread of one value per run.

    Attributes:
        runs: number of runs.
        mean: their mean.
        std: their standard deviation; NaN where it is not defined.
        low: lower end of the 95 % interval of the mean; NaN for fewer than `MIN_RUNS` runs.
        high: upper end.
    """

    runs: int
    mean: float
    std: float
    low: float
    high: float


def summarize(values: npt.ArrayLike, ddof: int = 1) -> Summary:
    """Summary of values [run]; `ddof` 0 is the NATS-Bench paper's standard deviation, 1 the unbiased variance's."""
    array = np.asarray(values, dtype=np.float64)
    runs = len(array)
    std = float(array.std(ddof=ddof)) if runs > ddof else float("nan")
    low, high = bootstrap_mean_interval(array) if runs >= MIN_RUNS else (np.nan, np.nan)
    return Summary(runs, float(array.mean()), std, float(low), float(high))


def bootstrap_mean_interval(
    values: npt.ArrayLike, axis: int = 0, seed: int = 0, level: float = 0.95, resamples: int = 2000
) -> tuple[FloatArray, FloatArray]:
    """Percentile bootstrap interval of the mean over one axis.

    Whole runs are resampled: the same runs for all other entries, so that a curve stays a curve.

    Args:
        values: [..., run, ...], the runs along `axis`.
        axis: the axis of the runs.
        seed: of the resampling.
        level: coverage.
        resamples: number of bootstrap samples.

    Returns:
        Lower and upper end, the shape of `values` without `axis`; NaN where any run is NaN.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3.
    """
    runs_first = np.moveaxis(np.asarray(values, dtype=np.float64), axis, 0)
    runs, shape = runs_first.shape[0], runs_first.shape[1:]
    flat, counts = runs_first.reshape(runs, -1), _resampled(runs, resamples, seed)
    some = max(1, 4_000_000 // runs)  # resamples at a time, for memory's sake
    means = np.concatenate([counts[at : at + some] / runs @ flat for at in range(0, resamples, some)])  # [resample, entry]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low.reshape(shape), high.reshape(shape)


@lru_cache(maxsize=4)
def _resampled(runs: int, resamples: int, seed: int) -> npt.NDArray[np.uint16]:
    """How often each run is in each bootstrap sample [resample, run]: multinomial, so that means are one matrix product."""
    rng, counts = np.random.default_rng(seed), np.empty((resamples, runs), dtype=np.uint16)
    for row in counts:
        row[:] = rng.multinomial(runs, np.full(runs, 1 / runs))
    return counts


def interquartile_mean(values: npt.ArrayLike) -> float:
    """Mean of the middle half of values [run] (Agarwal et al., NeurIPS 2021, arXiv 2108.13264).

    Where a quarter of the runs is not a whole number, the runs at the borders count in part.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    runs = len(ordered)
    ends = np.clip(np.arange(runs + 1), runs / 4, 3 * runs / 4)
    return float(np.diff(ends) @ ordered / (runs / 2))


def standard_errors_apart(mean: float, std: float, runs: int, other_mean: float, other_std: float, other_runs: int) -> float:
    """The difference of two means in units of its standard error; positive where the first is larger.

    NaN where both spreads are zero or unknown.
    """
    error = float(np.hypot(std / np.sqrt(runs), other_std / np.sqrt(other_runs)))
    return (mean - other_mean) / error if error > 0 else float("nan")


# -- comparisons -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """An unpaired comparison of two samples.

    Attributes:
        first: label of the first sample.
        second: label of the second.
        improvement: probability that a random run of the first is better than one of the second, ties counted half
            (Vargha & Delaney's A12).
        p: two-sided p-value of the Mann-Whitney U test after Holm's correction; NaN where a sample has fewer than
            `MIN_RUNS` runs.
    """

    first: str
    second: str
    improvement: float
    p: float


def compare_all(samples: Sequence[tuple[str, npt.ArrayLike]]) -> list[Comparison]:
    """Every pair of samples; Holm's correction is over all pairs that are tested.

    Args:
        samples: label and values [run] of each.
    """
    arrays = [(label, np.asarray(values, dtype=np.float64)) for label, values in samples]
    pairs = [(first, second) for i, first in enumerate(arrays) for second in arrays[i + 1 :]]
    results = [mann_whitney(a, b) for (_, a), (_, b) in pairs]
    tested = np.array([min(len(a), len(b)) >= MIN_RUNS for (_, a), (_, b) in pairs], dtype=bool)
    p = np.full(len(pairs), np.nan)
    p[tested] = holm(np.array([result[1] for result in results])[tested])
    return [
        Comparison(first, second, improvement, float(corrected))
        for ((first, _), (second, _)), (improvement, _), corrected in zip(pairs, results, p, strict=True)
    ]


def mann_whitney(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[float, float]:
    """Probability of improvement (A12) and two-sided p-value of two independent samples."""
    from scipy.stats import mannwhitneyu  # more than a second to import: only those who test pay

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    result: Any = mannwhitneyu(a, b, alternative="two-sided")
    p = 1.0 if np.ptp(np.concatenate([a, b])) == 0 else float(result.pvalue)  # all tied: no rank differs
    return float(result.statistic) / (len(a) * len(b)), p


def holm(p_values: npt.ArrayLike) -> FloatArray:
    """p-values [test] after Holm's step-down correction (Scandinavian Journal of Statistics, 1979)."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


# -- ranks and times ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ranking:
    """Average ranks of several samples, best first (Demšar, JMLR 7, 2006, section 3.2.2).

    Attributes:
        labels: of the samples.
        ranks: their average ranks; 1 is best.
        blocks: how many rankings were averaged.
        p: of Friedman's test that all samples are alike; NaN for fewer than three samples.
        critical_distance: average ranks that differ by more differ significantly (Nemenyi's test).
    """

    labels: tuple[str, ...]
    ranks: tuple[float, ...]
    blocks: int
    p: float
    critical_distance: float

    def alike(self) -> list[tuple[int, int]]:
        """Positions of the first and the last of every longest series of samples that do not differ significantly."""
        series: list[tuple[int, int]] = []
        for first, rank in enumerate(self.ranks):
            last = max(i for i, other in enumerate(self.ranks) if other - rank <= self.critical_distance)
            if last > first and (not series or last > series[-1][1]):
                series.append((first, last))
        return series


def rank_all(samples: Sequence[tuple[str, npt.ArrayLike]], level: float = 0.05) -> Ranking:
    """Rank samples against each other in blocks: the i-th runs of all of them are the i-th block. Ties share their mean rank.

    Args:
        samples: label and values [run] of each; larger is better. Runs beyond the smallest sample's number are left out.
        level: of significance.

    Raises:
        ValueError: there are fewer than two samples, or one has fewer than `MIN_RUNS` runs.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    arrays = [np.asarray(values, dtype=np.float64) for _, values in samples]
    blocks = min(map(len, arrays), default=0)
    if len(arrays) < 2 or blocks < MIN_RUNS:
        raise ValueError(f"ranks need 2 samples of {MIN_RUNS} runs and more, got {[len(array) for array in arrays]} runs")
    values = np.stack([array[:blocks] for array in arrays], axis=1)  # [block, sample]
    ranks = rankdata(-values, axis=1).mean(axis=0)
    order = np.argsort(ranks, kind="stable")
    count = len(arrays)
    if count < 3:
        p = float("nan")
    elif (np.ptp(values, axis=1) == 0).all():
        p = 1.0
    else:
        p = float(friedmanchisquare(*values.T).pvalue)
    quantile = float(studentized_range.ppf(1 - level, count, np.inf)) / np.sqrt(2)
    return Ranking(
        labels=tuple(samples[i][0] for i in order),
        ranks=tuple(float(ranks[i]) for i in order),
        blocks=blocks,
        p=p,
        critical_distance=float(quantile * np.sqrt(count * (count + 1) / (6 * blocks))),
    )


def first_reaching(curves: npt.ArrayLike, times: npt.ArrayLike, target: float) -> float:
    """The first time at which the median over runs is at least a target; infinite if it never is.

    Args:
        curves: [run, time], as from `anytime`; NaN, where a run has nothing to show, is below any target.
        times: [time], ascending.
        target: the value to reach.
    """
    shown = np.asarray(curves, dtype=np.float64)
    median = np.median(np.where(np.isnan(shown), -np.inf, shown), axis=0)
    reached = np.flatnonzero(median >= target)
    return float(np.asarray(times, dtype=np.float64)[reached[0]]) if len(reached) else float("inf")


def seconds_to_reach(experiment: AnyExperiment, values_by_architecture: npt.ArrayLike, target: float) -> float:
    """The first time at which the median over runs of the value of what they would choose is at least a target.

    Args:
        experiment: the runs.
        values_by_architecture: [architecture].
        target: the value to reach.

    Returns:
        Simulated seconds of black-box runs, of which one that has ended keeps its incumbent; mean wall seconds, up to the end
        of an epoch, of one-shot runs. Infinite if the target is never reached, within the budget.
    """
    values = np.asarray(values_by_architecture, dtype=np.float64)
    if isinstance(experiment, OneShotExperiment):
        shape = len(experiment.seeds), -1
        seconds = experiment.clock.reshape(shape)
        return first_reaching(values[by_epoch(experiment)], seconds.mean(axis=0), target)
    steps = incumbent_steps(experiment)
    changed = np.append(True, steps[1:] != steps[:-1])
    times = np.unique(experiment.seconds[changed & (experiment.seconds <= experiment.budget)])
    last = experiment.offsets[1:] - 1
    final = values[experiment.architecture[steps[last]]]
    ended = times > experiment.seconds[last][:, None]  # [run, time]
    return first_reaching(np.where(ended, final[:, None], anytime(experiment, times, values)), times, target)
