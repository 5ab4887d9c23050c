"""Sequential regression models (SRM): the accuracy of a whole training, predicted from its first epochs.

One regression for each number of epochs τ, as in section 3.1 of Baker et al., Accelerating Neural Architecture Search using
Performance Prediction, arXiv 1705.10823. scikit-learn is imported at the first fit: it takes a second.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np

from benchmark_api.bounds import Bounded, at_least, positive
from benchmark_api.tables.evaluation import Evaluation
from benchmark_api.types import FloatArray, IntArray

Regressor = Literal["nu-svr", "nu-svr-linear", "ols", "forest"]
FOLDS = 3
"""Folds of the cross-validation that chooses a ν-SVR."""


@dataclass(frozen=True)
class CurveConfig(Bounded):
    """Hyperparameters of early stopping by learning curves."""

    stop_probability: Annotated[float, positive] = 0.95
    """Probability of no improvement at which a training stops (Δ); above 1 no training is watched."""

    burn_in: Annotated[int, at_least(FOLDS)] = 50
    """Whole trainings that the regressions learn from; later ones are watched (100 in the paper)."""

    regressor: Regressor = "nu-svr"
    """Regression: ν-SVR with a Gaussian or a linear kernel, ordinary least squares, or a random forest."""

    svr_draws: Annotated[int, at_least(1)] = 10
    """Random draws of C, γ and ν, of which cross-validation chooses (ν-SVR only)."""


class Forecast(NamedTuple):
    """Normal distribution of the accuracy of a whole training, percent."""

    mean: float  # ŷ_T
    deviation: float  # σ_τ

    def probability_at_most(self, accuracy: float) -> float:
        """Return p(y_T <= accuracy) = Φ((accuracy - ŷ_T) / σ_τ) (section 4.1); a step for σ_τ = 0."""
        if self.deviation == 0.0:
            return float(self.mean <= accuracy)
        return 0.5 * math.erfc((self.mean - accuracy) / (self.deviation * math.sqrt(2.0)))


def curve_features(curves: FloatArray, attributes: FloatArray) -> FloatArray:
    """Return the features [..., feature] of a curve's first epochs [..., τ]: attributes, curve, first and second differences."""
    return np.concatenate((attributes, curves, np.diff(curves), np.diff(curves, 2)), axis=-1)


def architecture_attributes(costs: Mapping[str, float]) -> list[float]:
    """Return what is known of an architecture: parameters and FLOPs (the paper: weights and layers), where the table has them."""
    return [costs[name] for name in ("params", "flops") if name in costs]


class SequentialRegression:
    """Regressions f_τ of final accuracies y_T, learned from whole trainings; each is fitted when it is first asked for.

    Args:
        config: kind and size of the regressions.
        rng: generator of the regressions only, so that they do not disturb a search's.
    """

    def __init__(self, config: CurveConfig, rng: np.random.Generator) -> None:
        self._config, self._rng = config, rng
        self._curves: list[Sequence[float]] = []  # [training][epoch], percent
        self._attributes: list[Sequence[float]] = []  # [training][attribute]
        self._fitted: dict[int, _Fitted] = {}  # f_τ by τ

    @property
    def ready(self) -> bool:
        """Whether the burn-in is over."""
        return len(self._curves) >= self._config.burn_in

    def add(self, curve: Sequence[float], costs: Mapping[str, float]) -> None:
        """Learn from a whole training, unless the burn-in is over or a number is missing."""
        attributes = architecture_attributes(costs)
        if not self.ready and all(map(math.isfinite, (*curve, *attributes))):
            self._curves.append(curve)
            self._attributes.append(attributes)

    def forecast(self, curve: Sequence[float], costs: Mapping[str, float]) -> Forecast | None:
        """Return the forecast for a training from its first epochs, τ = len(curve); None where a number is missing."""
        point = curve_features(np.array(curve), np.array(architecture_attributes(costs)))
        if not np.isfinite(point).all():
            return None
        if len(curve) not in self._fitted:
            self._fitted[len(curve)] = self._fit(len(curve))
        return self._fitted[len(curve)].forecast(point)

    def stops(self, evaluation: Evaluation, to_beat: float) -> Evaluation | None:
        """Return the evaluation with the forecast as accuracy if the training is to stop, None if it goes on (section 4.1)."""
        forecast = self.forecast(evaluation.curve, evaluation.costs)
        if forecast is None or forecast.probability_at_most(to_beat) < self._config.stop_probability:
            return None
        return evaluation._replace(accuracy=forecast.mean)

    def _fit(self, epochs: int) -> _Fitted:
        curves = np.array(self._curves)  # [training, T]
        x, y = curve_features(curves[:, :epochs], np.array(self._attributes)), curves[:, -1]
        center, spread = _scaling(x)
        (mean, scale), x = _scaling(y), (x - center) / spread
        estimator, residuals = _regression(self._config, x, (y - mean) / scale, self._rng)
        # σ_τ: standard deviation of the leave-one-out residuals (section 4.1).
        return _Fitted(center, spread, float(mean), float(scale), estimator, float(scale * np.std(residuals)))


class _Fitted(NamedTuple):
    """A regression on standardised features [feature] and accuracies."""

    center: FloatArray
    spread: FloatArray
    mean: float
    scale: float
    estimator: Any
    deviation: float

    def forecast(self, point: FloatArray) -> Forecast:
        (predicted,) = self.estimator.predict(((point - self.center) / self.spread)[None])
        return Forecast(self.mean + self.scale * float(predicted), self.deviation)


def _scaling(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation over the first axis; 1 in place of 0."""
    spread = values.std(axis=0)
    return values.mean(axis=0), np.where(spread > 0.0, spread, 1.0)


def _regression(config: CurveConfig, x: FloatArray, y: FloatArray, rng: np.random.Generator) -> tuple[Any, FloatArray]:
    """Return a fitted regression of y [point] on x [point, feature], and its leave-one-out residuals [point]."""
    from sklearn import config_context
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import LinearRegression
    from sklearn.svm import NuSVR

    with config_context(assume_finite=True, skip_parameter_validation=True):  # a third of the time of small fits
        if config.regressor == "forest":
            forest = RandomForestRegressor(oob_score=True, random_state=int(rng.integers(2**31))).fit(x, y)
            return forest, y - forest.oob_prediction_  # each by the trees that did not see the point
        if config.regressor == "ols":
            regression = LinearRegression()
        else:
            kernel = "rbf" if config.regressor == "nu-svr" else "linear"
            draws = [_svr_parameters(rng) for _ in range(config.svr_draws)]
            folds = rng.permutation(len(y)) % FOLDS
            errors = [np.square(_residuals(NuSVR(kernel=kernel, **drawn), x, y, folds)).sum() for drawn in draws]
            regression = NuSVR(kernel=kernel, **draws[int(np.argmin(errors))])
        residuals = _residuals(regression, x, y, np.arange(len(y)))
        return regression.fit(x, y), residuals


def _svr_parameters(rng: np.random.Generator) -> dict[str, float]:
    """Draw C and γ log-uniformly and ν uniformly, for standardised data."""
    return {"C": 10.0 ** rng.uniform(-2, 1), "gamma": 10.0 ** rng.uniform(-3, 0), "nu": rng.uniform(0.05, 1.0)}


def _residuals(estimator: Any, x: FloatArray, y: FloatArray, folds: IntArray) -> FloatArray:
    """Return the residuals [point] of predictions by fits to the points of all other folds [point]."""
    residuals = np.empty_like(y)
    for fold in np.unique(folds):
        out = folds == fold
        residuals[out] = y[out] - estimator.fit(x[~out], y[~out]).predict(x[out])
    return residuals
