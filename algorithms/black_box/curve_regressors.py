"""Regressions of accuracies on features for learning curves: ν-SVR, least squares and random forest, by scikit-learn.

scikit-learn is imported at the first fit: it takes a second.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np

from benchmark_api.types import FloatArray, IntArray

Regressor = Literal["nu-svr", "nu-svr-linear", "ols", "forest"]
"""ν-SVR with a Gaussian or a linear kernel, ordinary least squares, or a random forest."""
Predictor = Callable[[FloatArray], FloatArray]
"""Predicted accuracies [point] of features [point, feature]."""
Fit = Callable[[FloatArray, FloatArray], Predictor]
"""Regression of accuracies [point] on features [point, feature]."""

FOLDS = 3
"""Folds of the cross-validation that chooses a ν-SVR."""


def regression(
    kind: Regressor, svr_draws: int, x: FloatArray, y: FloatArray, rng: np.random.Generator
) -> tuple[Predictor, FloatArray]:
    """Return a fitted regression of y [point] on x [point, feature], and its leave-one-out residuals [point].

    Args:
        kind: kind of regression.
        svr_draws: number of random draws of the hyperparameters of a ν-SVR.
        x: features, standardised.
        y: accuracies, standardised.
        rng: generator of draws, folds and forests.
    """
    from sklearn import config_context
    from sklearn.ensemble import RandomForestRegressor

    with config_context(assume_finite=True, skip_parameter_validation=True):  # two thirds of the time of small fits
        if kind == "forest":
            forest = RandomForestRegressor(oob_score=True, random_state=int(rng.integers(2**31))).fit(x, y)
            return forest.predict, y - forest.oob_prediction_  # each by the trees that did not see the point
        fit = _least_squares if kind == "ols" else _chosen_svr(kind == "nu-svr-linear", svr_draws, x, y, rng)
        return fit(x, y), residuals_of(fit, x, y, np.arange(len(y)))


def _least_squares(x: FloatArray, y: FloatArray) -> Predictor:
    from sklearn.linear_model import LinearRegression

    predictor: Predictor = LinearRegression().fit(x, y).predict
    return predictor


def _chosen_svr(linear: bool, svr_draws: int, x: FloatArray, y: FloatArray, rng: np.random.Generator) -> Fit:
    """Return the ν-SVR with the least error in cross-validation, of random draws of its hyperparameters for standardised data."""
    folds = rng.permutation(len(y)) % FOLDS
    drawn = [
        partial(fit_svr, linear=linear, c=10.0**c, gamma=10.0**gamma, nu=nu)
        for c, gamma, nu in rng.uniform((-2, -3, 0.05), (1, 0, 1), (svr_draws, 3)).tolist()
    ]
    return min(drawn, key=lambda fit: np.square(residuals_of(fit, x, y, folds)).sum())


def fit_svr(x: FloatArray, y: FloatArray, *, linear: bool, c: float, gamma: float, nu: float) -> Predictor:
    """Fit scikit-learn's ν-SVR to y [point] and x [point, feature]; return its predictor.

    The predictor is the sum over support vectors: 2 to 5 µs for one point, where `NuSVR.predict` takes 87 µs, mostly for checks.
    """
    from sklearn.svm import NuSVR

    svr = NuSVR(kernel="linear" if linear else "rbf", C=c, gamma=gamma, nu=nu)
    svr.random_state = 0  # no parameter of it, and without effect; None would draw from NumPy's global generator
    svr.fit(x, y)
    vectors, weights, bias = svr.support_vectors_, svr.dual_coef_[0], svr.intercept_[0]
    if linear:
        return lambda points: points @ (weights @ vectors) + bias
    return lambda points: np.exp(-gamma * np.square(points[:, None] - vectors).sum(axis=-1)) @ weights + bias


def residuals_of(fit: Fit, x: FloatArray, y: FloatArray, folds: IntArray) -> FloatArray:
    """Return the residuals [point] of predictions by fits to the points of all other folds [point]."""
    residuals = np.empty_like(y)
    for fold in np.unique(folds):
        out = folds == fold
        residuals[out] = y[out] - fit(x[~out], y[~out])(x[out])
    return residuals
