"""Aggregate measures against slow definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import trim_mean

from experiments.analysis import aggregate
from experiments.analysis.aggregate import (
    estimate,
    iqm,
    normalised,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
    stratified,
)

SCORES = np.random.default_rng(0).normal(80.0, 10.0, (3, 40))
OTHERS = np.round(np.random.default_rng(1).normal(78.0, 10.0, (3, 20)), -1)


def test_scores_are_normalised_by_data_set() -> None:
    found = normalised([np.array([60.0, 90.0, 70.0]), np.array([20.0, 25.0])], [60.0, 10.0], [90.0, 30.0])
    assert found.tolist() == [[0.0, 100.0], [50.0, 75.0]]


def test_measures_are_as_defined() -> None:
    assert iqm(SCORES) == pytest.approx(trim_mean(SCORES.ravel(), 0.25))
    assert optimality_gap(np.array([[90.0, 110.0]])) == 5.0
    slow = np.mean(
        [[(a > b) + 0.5 * (a == b) for a in ours for b in theirs] for ours, theirs in zip(OTHERS, OTHERS[::-1], strict=True)]
    )
    assert probability_of_improvement(OTHERS, OTHERS[::-1]) == pytest.approx(slow)
    assert probability_of_improvement(SCORES, SCORES) == 0.5
    thresholds = np.array([0.0, 80.0, 200.0])
    shares, _ = performance_profile(SCORES, thresholds)
    np.testing.assert_allclose(shares, [1.0, (SCORES > 80.0).mean(), 0.0])


def test_runs_are_resampled_within_their_data_set() -> None:
    samples = stratified(SCORES, resamples=5)
    assert samples.shape == (5, *SCORES.shape)
    for sample in samples:
        for of_set, original in zip(sample, SCORES, strict=True):
            assert np.isin(of_set, original).all()
            assert len(np.unique(of_set)) < len(original)
    assert (stratified(SCORES, resamples=5) == samples).all()


def test_intervals_have_the_width_of_the_normal_approximation(monkeypatch: pytest.MonkeyPatch) -> None:
    value, low, high = estimate(lambda scores: scores.mean(axis=(-2, -1)), SCORES)
    assert value == SCORES.mean()
    standard_error = np.sqrt(SCORES.var(axis=1).sum() / SCORES.shape[1]) / len(SCORES)
    assert (high - low) / (2 * 1.96 * standard_error) == pytest.approx(1.0, abs=0.06)
    monkeypatch.setattr(aggregate, "RESAMPLES", 4000)
    shares, (below, above) = performance_profile(SCORES, np.array([80.0]))
    error = np.sqrt(sum(share * (1 - share) for share in (SCORES > 80.0).mean(axis=1)) / SCORES.shape[1]) / len(SCORES)
    assert (above - below)[0] / (2 * 1.96 * error) == pytest.approx(1.0, abs=0.1)
    assert below[0] < shares[0] < above[0]
