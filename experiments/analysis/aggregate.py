"""Results over several data sets: interquartile mean, optimality gap, performance profile and probability of improvement.

The measures and their intervals are those of rliable: Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical
Precipice, NeurIPS 2021, arXiv 2108.13264. Pure functions; scores are arrays [data set, run], larger is better.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from benchmark_api.types import FloatArray
from experiments.analysis.statistics import interquartile_means

RESAMPLES = 2000
"""Number of bootstrap samples."""

BEST_SCORE = 100.0
"""Normalised score of the best architecture of a space."""


class Estimate(NamedTuple):
    """A value and the ends of its 95 % interval by the stratified bootstrap."""

    value: float
    low: float
    high: float


def normalised(accuracies: Sequence[FloatArray], averages: Sequence[float], optima: Sequence[float]) -> FloatArray:
    """Scores of runs on several data sets: 0 for the mean accuracy of the space, `BEST_SCORE` for its best one.

    Args:
        accuracies: [data set][run], percent; runs beyond the smallest number of a data set are left out.
        averages: [data set], mean accuracy of the space.
        optima: [data set], best accuracy of the space.

    Returns:
        [data set, run].
    """
    runs = min(map(len, accuracies))
    average, optimum = np.array(averages)[:, None], np.array(optima)[:, None]
    scores: FloatArray = BEST_SCORE * (np.stack([values[:runs] for values in accuracies]) - average) / (optimum - average)
    return scores


def stratified(scores: FloatArray, seed: int = 0, resamples: int = RESAMPLES) -> FloatArray:
    """Bootstrap samples of scores [data set, run]: the runs of each data set are resampled by themselves (section 4.1).

    Returns:
        [resample, data set, run].
    """
    chosen = np.random.default_rng(seed).integers(0, scores.shape[1], size=(resamples, *scores.shape))
    return np.take_along_axis(np.broadcast_to(scores, chosen.shape), chosen, axis=2)


def estimate(statistic: Callable[..., FloatArray], *scores: FloatArray) -> Estimate:
    """Compute a statistic of one or several samples [data set, run], with its percentile interval.

    Args:
        statistic: takes samples [..., data set, run], returns values [...].
        *scores: the samples; several are resampled independently of each other.
    """
    resampled = statistic(*(stratified(sample, seed) for seed, sample in enumerate(scores)))
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Estimate(float(statistic(*scores)), float(low), float(high))


def iqm(scores: FloatArray) -> FloatArray:
    """Interquartile mean [...] over the runs of all data sets together, of scores [..., data set, run] (section 4.3)."""
    return interquartile_means(scores.reshape(*scores.shape[:-2], -1))


def optimality_gap(scores: FloatArray) -> FloatArray:
    """Mean distance [...] of scores [..., data set, run] to `BEST_SCORE`; a score above it counts as it (section 4.3)."""
    return np.asarray((BEST_SCORE - np.minimum(scores, BEST_SCORE)).mean(axis=(-2, -1)))


def probability_of_improvement(first: FloatArray, second: FloatArray) -> FloatArray:
    """Probability that a run of the first beats one of the second, mean over data sets; ties count half (section 4.3).

    Args:
        first: [..., data set, run].
        second: [..., data set, run].

    Returns:
        [...].
    """
    shape, seconds = first.shape[:-1], np.sort(second, axis=-1)
    probabilities = np.empty(shape)
    for place in np.ndindex(shape):
        below, up_to = (np.searchsorted(seconds[place], first[place], side=side) for side in ("left", "right"))
        probabilities[place] = (below + up_to).mean() / 2 / seconds.shape[-1]
    return np.asarray(probabilities.mean(axis=-1))


def performance_profile(scores: FloatArray, thresholds: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share of runs whose score is above each threshold, mean over data sets (section 4.2, equation 1).

    Args:
        scores: [data set, run].
        thresholds: [threshold].

    Returns:
        The shares [threshold], and the ends of their pointwise 95 % intervals by the stratified bootstrap [2, threshold].
    """
    above = (scores[:, :, None] > thresholds).astype(np.float64)  # [data set, run, threshold]
    rng, (sets, runs) = np.random.default_rng(0), scores.shape
    shares = np.zeros((RESAMPLES, len(thresholds)))
    for of_set in above:
        counts = rng.multinomial(runs, np.full(runs, 1 / runs), size=RESAMPLES)
        shares += counts @ of_set / (runs * sets)
    return above.mean(axis=(0, 1)), np.quantile(shares, [0.025, 0.975], axis=0)
