"""Measures of how a supernet ranks architectures. Arrays in, numbers out.

An estimate is the accuracy of architectures with the weights of a supernet, the truth their accuracy after full training. Sets
and ranks, unlike correlations, break ties by the order of the arrays, which is random where architectures are a random sample.

Sources: rank correlation between seeds and epochs, and ranks of the best (Zhang et al., arXiv 2001.01431); parts of the best and
of the worst that are found, ranks among the best (Ning et al., NeurIPS 2021, arXiv 2008.03064); sparse correlation (Yu et al.,
arXiv 2003.04276).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from benchmark_api.types import FloatArray, IntArray
from experiments.analysis.statistics import rank_correlation

DECIMALS = 1
"""Digits after the point, of percent, that the sparse correlation keeps."""

RESAMPLES = 500
"""Number of bootstrap samples of architectures."""

_BLOCK = 512
"""Architectures whose pairs with all others are compared at a time, to bound memory."""


# -- of a whole ranking --------------------------------------------------------------------------------------------------------


def sparse_tau(estimate: FloatArray, truth: FloatArray, decimals: int = DECIMALS) -> float:
    """Kendall's tau-b with a rounded truth [architecture]: differences below the rounding become ties, which do not count."""
    return rank_correlation(estimate, np.round(truth, decimals))[0]


def bootstrap_tau(estimates: FloatArray, truth: FloatArray, resamples: int = RESAMPLES, seed: int = 0) -> FloatArray:
    """Kendall's tau-b in bootstrap samples of architectures [supernet, resample]; NaN where all members of a sample tie.

    The samples are the same for all supernets. Two copies of one architecture tie in both measurements, so their pair does not
    count.

    Args:
        estimates: [supernet, architecture].
        truth: [architecture].
        resamples: number of bootstrap samples.
        seed: of the resampling.
    """
    counts, ordered = _multiplicities(len(truth), resamples, seed), _ordered_pairs
    with np.errstate(invalid="ignore", divide="ignore"):
        taus = [
            _concordance(estimate, truth, counts) / np.sqrt(ordered(estimate, counts) * ordered(truth, counts))
            for estimate in estimates
        ]
    return np.array(taus)


def bootstrap_rho(estimates: FloatArray, truth: FloatArray, resamples: int = RESAMPLES, seed: int = 0) -> FloatArray:
    """Spearman's rho in the bootstrap samples of `bootstrap_tau` [supernet, resample]: Pearson's correlation of the ranks."""
    counts = _multiplicities(len(truth), resamples, seed)
    true = _centred_ranks(truth, counts)
    rhos = []
    with np.errstate(invalid="ignore", divide="ignore"):
        for estimate in estimates:
            ranks = _centred_ranks(estimate, counts)
            shared, own, others = ((counts * a * b).sum(axis=1) for a, b in ((ranks, true), (ranks, ranks), (true, true)))
            rhos.append(shared / np.sqrt(own * others))
    return np.array(rhos)


@lru_cache(maxsize=2)
def _multiplicities(size: int, resamples: int, seed: int) -> npt.NDArray[np.float32]:
    """Multiplicity of each architecture in each bootstrap sample [resample, architecture]."""
    return np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), resamples).astype(np.float32)


def _concordance(first: FloatArray, second: FloatArray, counts: npt.NDArray[np.float32]) -> FloatArray:
    """Concordant minus discordant ordered pairs [resample], a pair weighted by the product of its multiplicities."""
    total = np.zeros(len(counts))
    for start in range(0, len(first), _BLOCK):
        block = slice(start, start + _BLOCK)
        signs = np.sign(first[block, None] - first) * np.sign(second[block, None] - second)  # [block, architecture]
        total += ((counts @ signs.T.astype(np.float32)) * counts[:, block]).sum(axis=1, dtype=np.float64)
    return total


def _members(values: FloatArray, counts: npt.NDArray[np.float32]) -> tuple[FloatArray, IntArray]:
    """Number of members of a sample at each level [resample, level], ascending, and the level of each architecture."""
    levels, level = np.unique(values, return_inverse=True)
    order = np.argsort(level, kind="stable")
    starts = np.searchsorted(level[order], np.arange(len(levels)))
    return np.add.reduceat(counts[:, order].astype(np.float64), starts, axis=1), level


def _ordered_pairs(values: FloatArray, counts: npt.NDArray[np.float32]) -> FloatArray:
    """Number of ordered pairs [resample] of members that do not tie."""
    return np.asarray(float(len(values)) ** 2 - (_members(values, counts)[0] ** 2).sum(axis=1))


def _centred_ranks(values: FloatArray, counts: npt.NDArray[np.float32]) -> FloatArray:
    """Rank [resample, architecture] of each architecture in each sample, minus the mean rank; ties share their mean rank."""
    members, level = _members(values, counts)
    ranks = np.cumsum(members, axis=1) - (members - 1) / 2
    return np.asarray(ranks[:, level] - (len(values) + 1) / 2)


# -- of its ends -----------------------------------------------------------------------------------------------------------------


def size_of(share: float, architectures: int) -> int:
    """Number of architectures that a share of them is, rounded down."""
    return int(share * architectures + 1e-9)


def best_first(values: FloatArray) -> IntArray:
    """Positions [architecture] by descending value; ties in the order of the array."""
    return np.argsort(-values, kind="stable")


def true_ranks(truth: FloatArray) -> IntArray:
    """Rank [architecture] of each architecture, all different, 1 for the best."""
    ranks = np.empty(len(truth), dtype=np.int64)
    ranks[best_first(truth)] = np.arange(1, len(truth) + 1)
    return ranks


def precision_at_top(estimate: FloatArray, truth: FloatArray, share: float) -> float:
    """P@top K: part of the estimated best share that is in the true best share; NaN for less than one architecture.

    A random ranking has the expectation K.
    """
    count = size_of(share, len(truth))
    found = true_ranks(truth)[best_first(estimate)[:count]] <= count
    return float(found.mean()) if count else float("nan")


def precision_at_bottom(estimate: FloatArray, truth: FloatArray, share: float) -> float:
    """P@bottom K: as `precision_at_top`, of the worst shares."""
    count = size_of(share, len(truth))
    found = true_ranks(truth)[best_first(estimate)[len(truth) - count :]] > len(truth) - count
    return float(found.mean()) if count else float("nan")


def best_and_worst_rank(estimate: FloatArray, truth: FloatArray, share: float) -> tuple[float, float]:
    """BR@K and WR@K: best and worst true rank among the estimated best share, divided by the number of architectures.

    NaN for less than one architecture.
    """
    count = size_of(share, len(truth))
    if not count:
        return float("nan"), float("nan")
    ranks = true_ranks(truth)[best_first(estimate)[:count]] / len(truth)
    return float(ranks.min()), float(ranks.max())


def top(estimate: FloatArray, truth: FloatArray, number: int) -> tuple[int, float]:
    """Top-n-Rank and Top-n-Acc: the best true rank among the `number` estimated best, and its true accuracy."""
    chosen = best_first(estimate)[:number]
    ranks = true_ranks(truth)[chosen]
    best = int(ranks.argmin())
    return int(ranks[best]), float(truth[chosen[best]])


# -- between rankings --------------------------------------------------------------------------------------------------------


def agreement(estimates: FloatArray) -> FloatArray:
    """Kendall's tau-b of every two of several rankings [ranking, architecture] as a symmetric matrix; NaN on the diagonal.

    Of supernets that differ in their seeds it is S-Tau.
    """
    taus = np.full((len(estimates),) * 2, np.nan)
    for first in range(len(estimates)):
        for second in range(first):
            taus[first, second] = taus[second, first] = rank_correlation(estimates[first], estimates[second])[0]
    return taus


def pairs_of(matrix: FloatArray) -> FloatArray:
    """Entries of a symmetric matrix below its diagonal [pair]."""
    return np.asarray(matrix[np.tril_indices(len(matrix), -1)])


def consecutive_tau(estimates: FloatArray) -> FloatArray:
    """Kendall's tau-b of each two successive rankings [ranking, architecture], e.g. after two epochs [ranking - 1]."""
    return np.array([rank_correlation(first, second)[0] for first, second in pairwise(estimates)])
