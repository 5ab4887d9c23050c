"""Statistics of samples of runs: summaries, intervals, tests, ranks and correlations. Arrays in, numbers out.

Runs of different algorithms that share a seed are independent (the seed makes different draws in each), so comparisons are
unpaired throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_api.types import FloatArray

MIN_RUNS = 5
"""Smallest number of runs for an interval, a test or a rank; of fewer runs, reports print the number."""


# -- summaries -------------------------------------------------------------------------------------------------------------


Moments = tuple[float, float, int]
"""Mean, standard deviation and number of runs."""


@dataclass(frozen=True)
class Summary:
    """Mean and standard deviation over runs, and the ends of the mean's 95 % interval; NaN where there are too few runs."""

    runs: int
    mean: float
    std: float
    low: float
    high: float

    @property
    def moments(self) -> Moments:
        """Mean, standard deviation and number of runs."""
        return self.mean, self.std, self.runs


def summarize(values: npt.ArrayLike, ddof: int = 1) -> Summary:
    """Summarize values [run]; `ddof` 0 gives the NATS-Bench paper's standard deviation, 1 the unbiased variance's."""
    array = np.asarray(values, dtype=np.float64)
    runs = len(array)
    std = float(array.std(ddof=ddof)) if runs > ddof else float("nan")
    low, high = bootstrap_mean_interval(array) if runs >= MIN_RUNS else (np.nan, np.nan)
    return Summary(runs, float(array.mean()), std, float(low), float(high))


@dataclass(frozen=True, eq=False)
class Distribution:
    """Values of several runs, e.g. curves over time, with their mean and its 95 % bootstrap interval.

    Attributes:
        values: [run, ...].
        mean: [...], over runs; NaN where a run has no value.
        interval: [2, ...], lower and upper end for the mean, NaN where the mean is; None for fewer than `MIN_RUNS` runs.
    """

    values: FloatArray
    mean: FloatArray
    interval: FloatArray | None

    @classmethod
    def of(cls, values: npt.ArrayLike) -> Distribution:
        """Compute mean and interval of values [run, ...]."""
        array = np.asarray(values, dtype=np.float64)
        mean = np.asarray(array.mean(axis=0))
        if len(array) < MIN_RUNS:
            return cls(array, mean, None)
        interval = np.full((2, *mean.shape), np.nan)
        complete = ~np.isnan(mean)
        interval[:, complete] = bootstrap_mean_interval(array[:, complete])
        return cls(array, mean, interval)

    @cached_property
    def quartiles(self) -> FloatArray:
        """25th, 50th and 75th percentile over runs [3, ...]."""
        return np.asarray(np.percentile(self.values, [25, 50, 75], axis=0))


def bootstrap_mean_interval(
    values: npt.ArrayLike, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> tuple[FloatArray, FloatArray]:
    """Compute the percentile bootstrap interval of the mean over runs (Efron & Tibshirani, 1993, section 13.3).

    Whole runs are resampled, the same for all other entries, so that a curve stays a curve.

    Args:
        values: [run, ...].
        level: coverage.
        resamples: number of bootstrap samples.
        seed: of the resampling.

    Returns:
        Lower and upper end [...]; NaN where any run is NaN.
    """
    array = np.asarray(values, dtype=np.float64)
    runs = len(array)
    flat, counts = array.reshape(runs, -1), _resampled(runs, resamples, seed)
    some = max(1, 4_000_000 // runs)  # resamples at a time, to bound memory
    means = np.concatenate([counts[at : at + some] / runs @ flat for at in range(0, resamples, some)])  # [resample, entry]
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low.reshape(array.shape[1:]), high.reshape(array.shape[1:])


@lru_cache(maxsize=4)
def _resampled(runs: int, resamples: int, seed: int) -> npt.NDArray[np.uint16]:
    """Multiplicity of each run in each bootstrap sample [resample, run]: multinomial, so that means are one matrix product."""
    rng, counts = np.random.default_rng(seed), np.empty((resamples, runs), dtype=np.uint16)
    for row in counts:
        row[:] = rng.multinomial(runs, np.full(runs, 1 / runs))
    return counts


def interquartile_mean(values: npt.ArrayLike) -> float:
    """Mean of the middle half of values [run] (Agarwal et al., NeurIPS 2021, arXiv 2108.13264).

    Where a quarter of the runs is not a whole number, the runs at the borders count in part.
    """
    return float(interquartile_means(values))


def interquartile_means(values: npt.ArrayLike) -> FloatArray:
    """Return the `interquartile_mean` [...] of values [..., run]."""
    ordered = np.sort(np.asarray(values, dtype=np.float64), axis=-1)
    runs = ordered.shape[-1]
    ends = np.clip(np.arange(runs + 1), runs / 4, 3 * runs / 4)
    return np.asarray(ordered @ np.diff(ends) / (runs / 2))


def standard_errors_apart(first: Moments, second: Moments) -> float:
    """Difference of two means in units of its standard error; NaN where both spreads are zero or unknown."""
    error = float(np.hypot(*(std / np.sqrt(runs) for _, std, runs in (first, second))))
    return (first[0] - second[0]) / error if error > 0 else float("nan")


def welch_interval(first: Moments, second: Moments, level: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two means, from standard deviations with ddof 1 of two or more runs.

    Welch (Biometrika 34, 1947), with Satterthwaite's degrees of freedom. Without any spread both ends are the difference.
    """
    from scipy.stats import t  # takes more than a second to import

    variances = [std**2 / runs for _, std, runs in (first, second)]
    difference, error = first[0] - second[0], float(np.sqrt(sum(variances)))
    if error == 0:
        return difference, difference
    freedom = error**4 / sum(variance**2 / (runs - 1) for variance, (_, _, runs) in zip(variances, (first, second), strict=True))
    reach = float(t.ppf((1 + level) / 2, freedom)) * error
    return difference - reach, difference + reach


# -- comparisons -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """An unpaired comparison of two samples, named by their labels.

    Attributes:
        improvement: probability that a random run of the first is better than one of the second, ties counted half
            (Vargha & Delaney's A12).
        p: two-sided p-value of the Mann-Whitney U test after Holm's correction; NaN where a sample has fewer than
            `MIN_RUNS` runs.
    """

    first: str
    second: str
    improvement: float
    p: float


Sample = tuple[str, npt.ArrayLike]
"""Label, and values [run]."""


def compare_all(samples: Sequence[Sample]) -> list[Comparison]:
    """Compare every pair of samples; Holm's correction is over all pairs that are tested."""
    return _compare(list(combinations(samples, 2)))


def compare_against(baseline: Sample, others: Sequence[Sample]) -> list[Comparison]:
    """Compare a baseline, the first of each comparison, with every other sample; Holm's correction is over these tests only."""
    return _compare([(baseline, other) for other in others])


def _compare(pairs: Sequence[tuple[Sample, Sample]]) -> list[Comparison]:
    """Compare pairs of samples, with Holm's correction over those that have enough runs."""
    arrays = [(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)) for (_, a), (_, b) in pairs]
    improvements, p = np.array([mann_whitney(a, b) for a, b in arrays]).reshape(-1, 2).T
    tested = np.array([min(len(a), len(b)) >= MIN_RUNS for a, b in arrays], dtype=bool)
    p[tested], p[~tested] = holm(p[tested]), np.nan
    return [
        Comparison(first, second, float(improvement), float(corrected))
        for ((first, _), (second, _)), improvement, corrected in zip(pairs, improvements, p, strict=True)
    ]


def difference_of_means(first: npt.ArrayLike, second: npt.ArrayLike, resamples: int = 2000) -> tuple[float, float, float]:
    """Mean of the first sample [run] minus that of the second, and its 95 % percentile bootstrap interval.

    Both samples are resampled independently of each other; the interval is NaN where one has fewer than `MIN_RUNS` runs.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    difference = float(a.mean() - b.mean())
    if min(len(a), len(b)) < MIN_RUNS:
        return difference, float("nan"), float("nan")
    resampled = _resampled(len(a), resamples, 0) @ a / len(a) - _resampled(len(b), resamples, 1) @ b / len(b)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return difference, float(low), float(high)


def mann_whitney(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[float, float]:
    """Probability of improvement (A12) and two-sided p-value of two independent samples."""
    from scipy.stats import mannwhitneyu  # takes more than a second to import

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


# -- ranks -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ranking:
    """Labels of several samples and their average ranks (1 is best), best first (Demšar, JMLR 7, 2006, section 3.2.2).

    Attributes:
        blocks: number of rankings averaged.
        p: p-value of Friedman's test that all samples are alike; NaN for fewer than three samples.
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


def rank_all(samples: Sequence[Sample]) -> Ranking:
    """Rank samples, of which larger values are better; differences are significant at the level of 5 %.

    The i-th runs of all samples are the i-th block; runs beyond the smallest sample's number are left out. Ties share their
    mean rank.

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
    p = float("nan")
    if count > 2:
        p = 1.0 if (np.ptp(values, axis=1) == 0).all() else float(friedmanchisquare(*values.T).pvalue)
    quantile = float(studentized_range.ppf(0.95, count, np.inf)) / np.sqrt(2)
    return Ranking(
        tuple(samples[i][0] for i in order),
        tuple(ranks[order].tolist()),
        blocks,
        p,
        critical_distance=float(quantile * np.sqrt(count * (count + 1) / (6 * blocks))),
    )


# -- over architectures ------------------------------------------------------------------------------------------------------


def rank_correlation(first: npt.ArrayLike, second: npt.ArrayLike) -> tuple[float, float]:
    """Kendall's tau-b and Spearman's rho of two measurements [architecture]; NaN where all of one tie."""
    from scipy.stats import kendalltau, spearmanr  # takes more than a second to import

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan"), float("nan")
    return float(kendalltau(a, b).statistic), float(spearmanr(a, b).statistic)


def percentiles_of(values: FloatArray, population: FloatArray) -> FloatArray:
    """Share of a population [member] that is not larger than each of some values, percent; members that are NaN do not count."""
    ordered = np.sort(population[~np.isnan(population)])
    return np.asarray(np.searchsorted(ordered, values, side="right") * 100.0 / len(ordered))


def rank_correlations(accuracies: FloatArray) -> FloatArray:
    """Spearman's rho below the diagonal, Kendall's tau-b above it, NaN on it [measurement, measurement].

    Args:
        accuracies: [measurement, architecture]; a pair is compared over the architectures that both have measured.
    """
    correlations = np.full((len(accuracies),) * 2, np.nan)
    for above, below in combinations(range(len(accuracies)), 2):
        pair = accuracies[[below, above]]
        correlations[above, below], correlations[below, above] = rank_correlation(*pair[:, ~np.isnan(pair).any(axis=0)])
    return correlations
