"""Measures of rankings: numbers worked out by hand, slow definitions, SciPy, and what perfect and random rankings have."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from experiments.analysis import rankings
from experiments.analysis.statistics import rank_correlation

ESTIMATE = np.array([0.9, 0.8, 0.85, 0.7, 0.6, 0.75])
TRUTH = np.array([0.91, 0.89, 0.86, 0.88, 0.5, 0.7])


def some(size: int, seed: int, levels: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Two correlated measurements; with `levels`, many of them tie."""
    rng = np.random.default_rng(seed)
    first = rng.normal(size=size)
    second = first + rng.normal(size=size)
    return (first, second) if levels is None else (np.round(first * levels), np.round(second * levels))


def test_correlations_by_hand() -> None:
    assert rank_correlation(ESTIMATE, TRUTH) == pytest.approx((0.6, 0.714286), abs=1e-6)
    assert rankings.sparse_tau(ESTIMATE, TRUTH) == pytest.approx(0.602464, abs=1e-6)
    assert rankings.sparse_tau(ESTIMATE, TRUTH, decimals=2) == pytest.approx(0.6)


def test_ends_by_hand() -> None:
    """The estimated order is 0, 2, 1, 5, 3, 4, the true one 0, 1, 3, 2, 5, 4: the former's true ranks are 1, 4, 2, 5, 3, 6."""
    assert rankings.true_ranks(TRUTH).tolist() == [1, 2, 4, 3, 6, 5]
    assert rankings.precision_at_top(ESTIMATE, TRUTH, 0.5) == pytest.approx(2 / 3)
    assert rankings.precision_at_bottom(ESTIMATE, TRUTH, 0.5) == pytest.approx(2 / 3)
    assert rankings.precision_at_bottom(ESTIMATE, TRUTH, 1 / 6) == 1
    assert rankings.best_and_worst_rank(ESTIMATE, TRUTH, 0.5) == pytest.approx((1 / 6, 4 / 6))
    assert rankings.top(ESTIMATE, TRUTH, 1) == (1, 0.91)
    assert rankings.top(ESTIMATE[1:], TRUTH[1:], 1) == (3, 0.86)
    assert rankings.top(ESTIMATE[1:], TRUTH[1:], 2) == (1, 0.89)


def test_a_share_is_rounded_down_and_less_than_one_architecture_has_no_value() -> None:
    assert [rankings.size_of(share, 200) for share in (0.001, 0.01, 0.05, 0.1, 0.29, 1.0)] == [0, 2, 10, 20, 58, 200]
    for measure in (rankings.precision_at_top, rankings.precision_at_bottom, rankings.best_and_worst_rank):
        assert np.isnan(measure(ESTIMATE, TRUTH, 0.1)).all()


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05, 0.1, 0.5, 1.0])
def test_perfect_and_reversed_rankings(share: float) -> None:
    truth = np.random.default_rng(0).permutation(1000).astype(float)
    count = rankings.size_of(share, 1000)
    assert rankings.precision_at_top(truth, truth, share) == rankings.precision_at_bottom(truth, truth, share) == 1
    assert rankings.best_and_worst_rank(truth, truth, share) == (1 / 1000, count / 1000)
    assert rankings.top(truth, truth, 3) == (1, 999.0)
    assert rankings.precision_at_top(-truth, truth, share) == (1 if share == 1 else 0)
    assert rankings.best_and_worst_rank(-truth, truth, share) == ((1001 - count) / 1000, 1.0)
    assert rank_correlation(-truth, truth) == (-1, -1)


def test_a_random_ranking_finds_a_share_of_the_best() -> None:
    """The standard deviation of the mean of 400 is 0.0047 (hypergeometric); five of them are a failure in 2 million."""
    rng = np.random.default_rng(0)
    found = [rankings.precision_at_top(rng.random(100), rng.random(100), 0.1) for _ in range(400)]
    assert abs(np.mean(found) - 0.1) < 5 * np.sqrt(0.1 * 0.9 / 10 * 90 / 99 / 400)


@pytest.mark.parametrize("levels", [None, 2])
def test_ends_equal_their_slow_definitions(levels: int | None) -> None:
    estimate, truth = some(60, seed=1, levels=levels)
    by_estimate = sorted(range(60), key=lambda i: (-estimate[i], i))
    by_truth = sorted(range(60), key=lambda i: (-truth[i], i))
    rank = {member: place for place, member in enumerate(by_truth, start=1)}
    for share in (0.05, 0.1, 0.5):
        count = int(share * 60)
        common = set(by_estimate[:count]) & set(by_truth[:count])
        assert rankings.precision_at_top(estimate, truth, share) == pytest.approx(len(common) / count)
        common = set(by_estimate[-count:]) & set(by_truth[-count:])
        assert rankings.precision_at_bottom(estimate, truth, share) == pytest.approx(len(common) / count)
        ranks = [rank[member] for member in by_estimate[:count]]
        assert rankings.best_and_worst_rank(estimate, truth, share) == pytest.approx((min(ranks) / 60, max(ranks) / 60))
        best = min(by_estimate[:count], key=rank.__getitem__)
        assert rankings.top(estimate, truth, count) == (rank[best], truth[best])


@pytest.mark.parametrize(("size", "levels"), [(40, None), (40, 2), (600, 3)])
def test_bootstrap_samples_are_those_of_scipy(size: int, levels: int | None) -> None:
    """Also across blocks of architectures, and with ties."""
    estimate, truth = some(size, seed=2, levels=levels)
    taus, rhos = (of(np.stack([estimate, -estimate]), truth, 5, 3) for of in (rankings.bootstrap_tau, rankings.bootstrap_rho))
    drawn = np.random.default_rng(3).multinomial(size, np.full(size, 1 / size), 5)
    for sample, counts in enumerate(drawn):
        a, b = np.repeat(estimate, counts), np.repeat(truth, counts)
        assert taus[:, sample] == pytest.approx([kendalltau(a, b).statistic, kendalltau(-a, b).statistic], abs=1e-9)
        assert rhos[:, sample] == pytest.approx([spearmanr(a, b).statistic, spearmanr(-a, b).statistic], abs=1e-9)


def test_the_bootstrap_interval_covers_the_true_correlation() -> None:
    """Kendall's tau of a normal pair with correlation r is 2 / pi arcsin r; 95 % of 100 intervals are expected to have it.

    Fewer than 87 of 100 have a probability of 0.001 at exact coverage.
    """
    truth = 2 / np.pi * np.arcsin(np.sqrt(0.5))
    covered = 0
    for seed in range(100):
        estimate, measured = some(80, seed=100 + seed)
        low, high = np.quantile(rankings.bootstrap_tau(estimate[None], measured, 200)[0], (0.025, 0.975))
        covered += low <= truth <= high
    assert covered >= 87


def test_a_sample_without_order_has_no_correlation() -> None:
    assert np.isnan(rankings.bootstrap_tau(np.ones((1, 4)), np.arange(4.0), 3)).all()
    assert np.isnan(rankings.bootstrap_rho(np.ones((1, 4)), np.arange(4.0), 3)).all()


def test_agreement_of_rankings() -> None:
    estimates = np.stack([some(30, seed)[0] for seed in range(4)])
    matrix = rankings.agreement(estimates)
    assert np.isnan(np.diag(matrix)).all()
    for first, second in itertools.combinations(range(4), 2):
        expected = kendalltau(estimates[first], estimates[second]).statistic
        assert matrix[first, second] == matrix[second, first] == pytest.approx(expected)
    assert sorted(rankings.pairs_of(matrix)) == sorted(matrix[np.triu_indices(4, 1)])
    assert rankings.consecutive_tau(estimates) == pytest.approx([matrix[0, 1], matrix[1, 2], matrix[2, 3]])
