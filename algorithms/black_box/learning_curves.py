"""Sequential regression models (SRM): the accuracy of a whole training, predicted from its first epochs.

One regression for each number of epochs τ, as in section 3.1 of Baker et al., Accelerating Neural Architecture Search using
Performance Prediction, arXiv 1705.10823.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np

from algorithms.black_box.curve_regressors import FOLDS, Predictor, Regressor, regression
from benchmark_api.bounds import Bounded, at_least, positive
from benchmark_api.tables.evaluation import Evaluation
from benchmark_api.types import FloatArray


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
        predict, residuals = regression(self._config.regressor, self._config.svr_draws, x, (y - mean) / scale, self._rng)
        # σ_τ: standard deviation of the leave-one-out residuals (section 4.1).
        return _Fitted(center, spread, float(mean), float(scale), predict, float(scale * np.std(residuals)))


class _Fitted(NamedTuple):
    """A regression on standardised features [feature] and accuracies."""

    center: FloatArray
    spread: FloatArray
    mean: float
    scale: float
    predict: Predictor
    deviation: float

    def forecast(self, point: FloatArray) -> Forecast:
        (predicted,) = self.predict(((point - self.center) / self.spread)[None])
        return Forecast(self.mean + self.scale * float(predicted), self.deviation)


def _scaling(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard deviation over the first axis; 1 in place of 0."""
    spread = values.std(axis=0)
    return values.mean(axis=0), np.where(spread > 0.0, spread, 1.0)
