"""Sequential regression models: the stopping rule by hand, features, and regressions against scikit-learn's own loops."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.svm import NuSVR

from algorithms.black_box.curve_regressors import Regressor, fit_svr, regression, residuals_of
from algorithms.black_box.learning_curves import CurveConfig, Forecast, SequentialRegression, curve_features
from benchmark_api.tables.evaluation import Evaluation
from benchmark_api.types import FloatArray

EPOCHS = 12


def saturating(final: float) -> tuple[float, ...]:
    """Return the curve [epoch], percent, c (1 - exp(-t / 5))."""
    return tuple((final * (1 - np.exp(-np.arange(1, EPOCHS + 1) / 5))).tolist())


def trained(regressor: Any = "nu-svr", finals: FloatArray | None = None, **options: Any) -> SequentialRegression:
    """Return regressions trained on saturating curves with finals between 50 and 90 %."""
    finals = np.random.default_rng(0).uniform(50, 90, 40) if finals is None else finals
    config = CurveConfig(burn_in=len(finals), regressor=regressor, **options)
    regressions = SequentialRegression(config, np.random.default_rng(1))
    for final in finals.tolist():
        regressions.add(saturating(final), {"params": 1.0, "flops": 2.0})
    return regressions


# -- the rule ----------------------------------------------------------------------------------------------------------


def test_probability_of_no_improvement() -> None:
    forecast = Forecast(mean=88.0, deviation=1.0)
    assert forecast.probability_at_most(90.0) == pytest.approx(0.97725, abs=5e-6)  # Φ(2): stops at Δ = 0.95, not at 0.99
    assert forecast.probability_at_most(90.0 - 0.5) == pytest.approx(0.93319, abs=5e-6)  # Φ(1.5), with δ = 0.5
    assert forecast.probability_at_most(-np.inf) == 0.0
    certain = Forecast(mean=88.0, deviation=0.0)
    assert [certain.probability_at_most(accuracy) for accuracy in (87.9, 88.0, 88.1)] == [0.0, 1.0, 1.0]


def test_stops() -> None:
    regressions = trained(finals=np.full(10, 70.0))  # σ = 0
    evaluation = Evaluation(saturating(70.0)[2], curve=saturating(70.0)[:3], costs={"params": 1.0, "flops": 2.0})
    stopped = regressions.stops(evaluation, to_beat=saturating(70.0)[-1])
    assert stopped is not None
    assert stopped.accuracy == pytest.approx(saturating(70.0)[-1])
    assert regressions.stops(evaluation, to_beat=60.0) is None
    missing = evaluation._replace(costs={"params": np.nan, "flops": 2.0})
    assert regressions.stops(missing, to_beat=100.0) is None


# -- features ----------------------------------------------------------------------------------------------------------


def test_features_by_hand() -> None:
    features = curve_features(np.array([10.0, 30.0, 60.0, 70.0]), np.array([7.0]))
    assert features.tolist() == [7.0, 10.0, 30.0, 60.0, 70.0, 20.0, 30.0, 10.0, 10.0, -20.0]
    for epochs in range(1, EPOCHS):  # τ + (τ - 1) + (τ - 2) + attributes
        features = curve_features(np.zeros((5, epochs)), np.zeros((5, 2)))
        assert features.shape == (5, epochs + (epochs - 1) + max(0, epochs - 2) + 2)


def test_later_epochs_of_the_training_curves_are_no_features() -> None:
    """f_τ changes with y_T, the target, but with no other epoch after τ."""
    forecasts = []
    for changed in (None, 5, 11):
        regressions = SequentialRegression(CurveConfig(burn_in=20), np.random.default_rng(1))
        for final in np.linspace(50, 90, 20).tolist():
            curve = [*saturating(final)]
            if changed is not None:
                curve[changed] = curve[changed] ** 2 / 100.0
            regressions.add(curve, {})
        forecasts.append(regressions.forecast(saturating(66.0)[:3], {}))
    assert forecasts[0] == forecasts[1]
    assert forecasts[0] != forecasts[2]


# -- regressions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("regressor", get_args(Regressor))
@pytest.mark.parametrize("epochs", [3, 11])
def test_saturating_curves_are_forecast(regressor: str, epochs: int) -> None:
    regressions = trained(regressor)
    tested = np.linspace(52, 88, 30)
    truth = np.array([saturating(final)[-1] for final in tested.tolist()])
    costs = {"params": 1.0, "flops": 2.0}
    found = [regressions.forecast(saturating(final)[:epochs], costs) for final in tested.tolist()]
    errors = truth - np.array([forecast.mean for forecast in found if forecast])
    assert 1 - errors.var() / truth.var() > 0.97  # R²


@pytest.mark.parametrize("regressor", get_args(Regressor))
def test_constant_targets_have_no_deviation(regressor: str) -> None:
    forecast = trained(regressor, np.full(12, 70.0)).forecast(saturating(50.0)[:4], {"params": 1.0, "flops": 2.0})
    assert forecast is not None
    assert forecast == (pytest.approx(saturating(70.0)[-1]), 0.0)


def sample(points: int = 30) -> tuple[FloatArray, FloatArray]:
    """Return standardised features [point, 4] and noisy targets [point]."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((points, 4))
    return x, x[:, 0] - 0.5 * x[:, 1] ** 2 + 0.3 * rng.standard_normal(points)


@pytest.mark.parametrize("linear", [False, True])
def test_svr_is_that_of_scikit_learn(linear: bool) -> None:
    x, y = sample()
    theirs = NuSVR(kernel="linear" if linear else "rbf", C=3.0, gamma=0.2, nu=0.4)
    predict = fit_svr(x, y, linear=linear, c=3.0, gamma=0.2, nu=0.4)
    np.testing.assert_allclose(predict(x + 0.1), theirs.fit(x, y).predict(x + 0.1), rtol=1e-10)
    residuals = residuals_of(lambda x, y: fit_svr(x, y, linear=linear, c=3.0, gamma=0.2, nu=0.4), x, y, np.arange(len(y)))
    np.testing.assert_allclose(residuals, y - cross_val_predict(theirs, x, y, cv=LeaveOneOut()), rtol=1e-8)


def test_least_squares_leave_one_out() -> None:
    x, y = sample()
    predict, residuals = regression("ols", 1, x, y, np.random.default_rng(0))
    np.testing.assert_allclose(predict(x), LinearRegression().fit(x, y).predict(x))
    design = np.column_stack([np.ones(len(y)), x])
    leverage = np.diag(design @ np.linalg.pinv(design))  # the residuals are e / (1 - h)
    np.testing.assert_allclose(residuals, (y - predict(x)) / (1 - leverage))


def test_more_draws_choose_another_svr_that_fits_no_worse() -> None:
    """The first of thirty draws is the only one of one, as the folds are the same."""
    x, y = sample()
    errors = []
    for draws in (1, 30):
        _, residuals = regression("nu-svr", draws, x, y, np.random.default_rng(2))
        errors.append(float(np.square(residuals).mean()))
    assert errors[1] < 0.9 * errors[0]


def test_curves_with_gaps_are_not_learned_and_the_burn_in_ends() -> None:
    regressions = SequentialRegression(CurveConfig(burn_in=3), np.random.default_rng(0))
    regressions.add((10.0, float("nan"), 20.0), {})
    for _ in range(2):
        regressions.add((10.0, 15.0, 20.0), {})
    assert not regressions.ready
    regressions.add((10.0, 15.0, 20.0), {})
    assert regressions.ready
    before = regressions.forecast((10.0,), {})
    regressions.add((50.0, 60.0, 70.0), {})  # after the burn-in
    assert regressions.forecast((10.0, 15.0), {}) == before == (20.0, 0.0)
