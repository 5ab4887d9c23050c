"""The Gaussian process against scikit-learn's, point by point as it grows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct

from algorithms.black_box.predictors.gaussian_process import NOISES, GaussianProcess


def problem(points: int = 60, features: int = 12) -> tuple[sparse.csr_array, np.ndarray]:
    """Counts [point, feature] and noisy linear targets [point]."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 3, (points, features)).astype(np.float64)
    x[:, 0] += 1.0  # no zero vector
    return sparse.csr_array(x), 70.0 + x @ rng.standard_normal(features) + 0.3 * rng.standard_normal(points)


def reference(x: np.ndarray, y: np.ndarray, at: np.ndarray, noise: float) -> tuple[float, np.ndarray, np.ndarray]:
    """Log likelihood, means and deviations of scikit-learn's process with σ² where the likelihood is largest."""
    unit, at = (values / np.linalg.norm(values, axis=1, keepdims=True) for values in (x, at))
    target = (y - y.mean()) / y.std()
    gram = unit @ unit.T + noise * np.eye(len(y))
    signal = target @ np.linalg.solve(gram, target) / len(y)
    process = GaussianProcessRegressor(signal * DotProduct(0.0, "fixed"), alpha=signal * noise, optimizer=None)
    process.kernel_ = process.kernel
    mean, deviation = process.fit(unit, target).predict(at, return_std=True)
    return process.log_marginal_likelihood_value_, y.mean() + y.std() * mean, y.std() * deviation


def test_predictions_as_points_are_added() -> None:
    x, y = problem()
    at = problem(points=200)[0]
    growing = GaussianProcess(max_noise=NOISES[0])  # one noise: nothing is estimated
    for n in (2, 3, 7, 30, 60):
        growing.fit(x[:n], y[:n])
        mean, deviation = growing.predict(at)
        _, expected, spread = reference(x[:n].toarray(), y[:n], at.toarray(), NOISES[0])
        np.testing.assert_allclose(mean, expected, rtol=1e-6)
        np.testing.assert_allclose(deviation, spread, atol=2e-4)
        np.testing.assert_allclose(growing.means(at), expected, rtol=1e-6)
    others = problem(points=9)[0]
    np.testing.assert_allclose(growing.predict(others)[0], reference(x.toarray(), y, others.toarray(), NOISES[0])[1], rtol=1e-6)


@pytest.mark.parametrize("n", [5, 25, 60])
def test_noise_is_the_most_likely(n: int) -> None:
    x, y = problem()
    process = GaussianProcess()
    process.fit(x[:n], y[:n])
    likelihoods = [reference(x[:n].toarray(), y[:n], x[:1].toarray(), noise)[0] for noise in NOISES]
    best = NOISES[int(np.argmax(likelihoods))]
    np.testing.assert_allclose(process.predict(x)[0], reference(x[:n].toarray(), y[:n], x.toarray(), best)[1], rtol=1e-6)


def test_equal_points_have_equal_means() -> None:
    """To the bit, so that rounding chooses nothing between architectures that compute the same."""
    x, y = problem()
    process = GaussianProcess()
    process.fit(x, y)
    means = process.means(sparse.csr_array(sparse.vstack((x, x[::-1]))))
    np.testing.assert_array_equal(means[:60], means[:59:-1])


def test_a_new_noise_forgets_nothing() -> None:
    """Noise is estimated again as points are added; predictions of the same points follow."""
    x, y = problem()
    growing, at_once = GaussianProcess(), GaussianProcess()
    at = problem(points=100)[0]
    noises = set()
    for n in range(3, 61):
        growing.fit(x[:n], y[:n])
        growing.predict(at)
        noises.add(growing._noise)
    assert len(noises) > 1
    growing._estimate_at = 0
    for process in (growing, at_once):
        process.fit(x, y)
    for ours, theirs in zip(growing.predict(at), at_once.predict(at), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
