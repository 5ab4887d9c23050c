"""Gaussian process with a normalised dot product of features as kernel.

Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, algorithm 2.1 and section 5.4.1.

scikit-learn's `GaussianProcessRegressor` factors the covariance anew at each fit. A search adds a few points at a time: here a
fit appends rows to the factor, and a prediction at the same points as before (a whole space) appends rows to theirs.
docs/performance.md has the times of both.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular

from algorithms.black_box.predictors.base import Predictor
from algorithms.black_box.predictors.encodings import Features
from benchmark_api.types import FloatArray

NOISES = tuple(10.0 ** np.arange(-4.0, 1.0, 0.5))
"""Ratios of the variances of noise and signal that are tried."""
REFIT = 1.1
"""Growth of the number of points after which the noise is estimated again."""


class GaussianProcess(Predictor):
    """A Gaussian process with a constant mean and the kernel k(x, x') = σ² x·x' / (|x| |x'|).

    σ² and the noise have the largest marginal likelihood: σ² in closed form, the noise of the values `NOISES`. The deviation of a
    prediction is that of the function, without noise.

    Args:
        max_noise: largest ratio of the variances of noise and signal.
    """

    def __init__(self, max_noise: float = 1.0) -> None:
        self._noises = [noise for noise in NOISES if noise <= max_noise] or [max_noise]
        self._estimate_at = 0  # number of points
        self._noise = np.nan
        self._x = self._at = sparse.csr_array((0, 0))  # unit vectors [point, feature]: points of the fit, of the prediction
        self._points: Features | None = None  # as the caller gave them
        self._gram: FloatArray = np.empty((0, 0))  # of the points of the fit [point, point]
        self._factor: FloatArray = np.empty((0, 0))  # L, of the Gram matrix with noise
        self._known = 0  # points of the fit that predictions at `_points` have taken in

    def fit(self, x: Features, y: FloatArray) -> None:
        self._x, known, n = _unit(x), len(self._gram), len(y)
        new = self._x[known:]
        rows = (new @ self._x.T).toarray()  # [new point, point]
        self._gram = np.block([[self._gram, rows[:, :known].T], [rows]])
        self._mean, self._scale = y.mean(), y.std()
        target = (y - self._mean) / self._scale
        if n >= self._estimate_at:
            self._estimate_at = int(REFIT * n) + 1
            noise = self._noise
            self._noise = self._estimate(target)
            if self._noise != noise:
                self._factor, self._points = np.empty((0, 0)), None
        self._factor = _extended(self._factor, self._gram + self._noise * np.eye(n))
        self._white = solve_triangular(self._factor, target, lower=True, check_finite=False)  # L⁻¹ y
        self._signal = float(self._white @ self._white) / n  # σ², where the likelihood is largest

    def predict(self, x: Features) -> tuple[FloatArray, FloatArray]:
        known, n = self._known, len(self._factor)
        if x is not self._points:
            self._points, self._at, known = x, _unit(x), 0
            self._explained = np.zeros(x.shape[0])
            self._rows = np.empty((n, x.shape[0]))  # room for L⁻¹ k(X, x*) [point of the fit, point]
        if n > len(self._rows):
            self._rows = np.concatenate((self._rows, np.empty((n, x.shape[0]))))
        if known < n:
            new = (self._x[known:] @ self._at.T).toarray() - self._factor[known:, :known] @ self._rows[:known]
            self._rows[known:n] = solve_triangular(self._factor[known:, known:], new, lower=True, check_finite=False)
            self._explained += np.square(self._rows[known:n]).sum(axis=0)
        self._known = n
        variance = self._signal * np.maximum(1.0 - self._explained, 0.0)  # algorithm 2.1, line 6
        return self._mean + self._scale * (self._white @ self._rows[:n]), self._scale * np.sqrt(variance)

    def means(self, x: Features) -> FloatArray:
        """Return the means alone: the kernel is linear, so they are dot products with one vector of weights."""
        duals = solve_triangular(self._factor, self._white, lower=True, trans=1, check_finite=False)  # (K + noise I)⁻¹ y
        means: FloatArray = self._mean + self._scale * (_unit(x) @ (self._x.T @ duals))
        return means

    def _estimate(self, target: FloatArray) -> float:
        """Return the noise with the largest marginal likelihood, by the eigenvalues of the Gram matrix."""
        values, vectors = np.linalg.eigh(self._gram)
        squares = np.square(target @ vectors)
        spectra = np.maximum(values, 0.0) + np.array(self._noises)[:, None]  # [noise, eigenvalue]
        # -2 log p(y), eq. 5.8, with σ² = yᵀ (K + noise I)⁻¹ y / n, but for a constant.
        losses = len(target) * np.log((squares / spectra).sum(axis=1)) + np.log(spectra).sum(axis=1)
        return float(self._noises[int(losses.argmin())])


def _unit(x: Features) -> Features:
    """Return vectors [point, feature] divided by their lengths."""
    row = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))  # of each entry
    lengths = np.sqrt(np.bincount(row, x.data * x.data, x.shape[0]))
    return sparse.csr_array((x.data * (1.0 / lengths)[row], x.indices, x.indptr), shape=x.shape)


def _extended(factor: FloatArray, matrix: FloatArray) -> FloatArray:
    """Return the Cholesky factor of a matrix, given that of its first rows and columns."""
    known, n = len(factor), len(matrix)
    below = solve_triangular(factor, matrix[:known, known:], lower=True, check_finite=False).T if known else np.empty((n, 0))
    corner = np.linalg.cholesky(matrix[known:, known:] - below @ below.T)
    return np.block([[factor, np.zeros((known, n - known))], [below, corner]])
