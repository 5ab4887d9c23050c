"""Interface of the models that predictor-guided searches learn."""

from __future__ import annotations

from abc import ABC, abstractmethod

from algorithms.black_box.predictors.encodings import Features
from benchmark_api.types import FloatArray


class Predictor(ABC):
    """A model of targets: a mean and a standard deviation for each point."""

    @abstractmethod
    def fit(self, x: Features, y: FloatArray) -> None:
        """Learn from targets [point], not all equal, of points [point, feature]; later calls repeat earlier points."""

    @abstractmethod
    def predict(self, x: Features) -> tuple[FloatArray, FloatArray]:
        """Return means and standard deviations [point] of the targets of points [point, feature], in the units of y."""

    def means(self, x: Features) -> FloatArray:
        """Return the means [point] that `predict` returns; a model overrides this where they alone are less work."""
        return self.predict(x)[0]
