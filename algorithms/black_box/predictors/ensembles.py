"""Ensembles: members that predict apart, whose spread is the deviation of the prediction."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from algorithms.black_box.predictors.base import Predictor
from algorithms.black_box.predictors.encodings import Features
from benchmark_api.types import FloatArray

BATCH = 32
"""Points of a training step of networks (the authors' code)."""


class Networks(Predictor):
    """Fully connected networks with rectified linear units, trained from new random weights at each fit, by Adam.

    The loss is the absolute error of the standardised target. All networks are trained at once, as one batch of matrices.
    scikit-learn's `MLPRegressor` has no absolute error, and its five fits take several times as long (docs/performance.md).

    Args:
        members: number of networks.
        layers: number of hidden layers.
        width: units of a hidden layer.
        epochs: passes over the points.
        rate: learning rate of Adam (Kingma & Ba, arXiv 1412.6980, algorithm 1, with its other defaults).
        rng: generator of weights and of the order of points.
    """

    def __init__(self, members: int, layers: int, width: int, epochs: int, rate: float, rng: np.random.Generator) -> None:
        self._members, self._widths, self._epochs, self._rate = members, [width] * layers, epochs, rate
        self._rng = rng

    def fit(self, x: Features, y: FloatArray) -> None:
        points = x.toarray()
        self._mean, self._scale = y.mean(), y.std()
        targets = (y - self._mean) / self._scale
        widths = [points.shape[1], *self._widths, 1]
        shapes = [(self._members, before + 1, after) for before, after in pairwise(widths)]
        # He et al., arXiv 1502.01852: normal with variance 2 / inputs; the last row of a matrix is the bias, 0.
        sizes = [int(np.prod(shape)) for shape in shapes]
        flat = np.zeros(sum(sizes), dtype=np.float32)
        self._weights = [part.reshape(shape) for part, shape in zip(np.split(flat, np.cumsum(sizes)[:-1]), shapes, strict=True)]
        for weights in self._weights:
            inputs = weights.shape[1] - 1
            weights[:, :-1] = self._rng.standard_normal((self._members, inputs, weights.shape[2])) * np.sqrt(2.0 / inputs)
        gradient = np.empty_like(flat)
        parts = [part.reshape(shape) for part, shape in zip(np.split(gradient, np.cumsum(sizes)[:-1]), shapes, strict=True)]
        self._train(_with_bias(points.astype(np.float32)), targets.astype(np.float32), flat, gradient, parts)

    def _train(
        self, points: FloatArray, targets: FloatArray, flat: FloatArray, gradient: FloatArray, parts: list[FloatArray]
    ) -> None:
        """Minimise the absolute error by Adam, over batches that all networks share in each step."""
        first, second, step = np.zeros_like(flat), np.zeros_like(flat), 0
        for _ in range(self._epochs):
            order = self._rng.permutation(len(targets))
            for start in range(0, len(order), BATCH):
                batch = order[start : start + BATCH]
                step += 1
                self._gradient(points[batch], targets[batch], parts)
                first += 0.1 * (gradient - first)
                second += 0.001 * (gradient * gradient - second)
                rate = self._rate * np.sqrt(1.0 - 0.999**step) / (1.0 - 0.9**step)
                flat -= rate * first / (np.sqrt(second) + 1e-8)

    def _gradient(self, points: FloatArray, targets: FloatArray, parts: list[FloatArray]) -> None:
        """Write the gradients of the mean absolute error into `parts`, one for each matrix of weights."""
        outputs = self._forward(points)
        delta = np.sign(outputs[-1] - targets[:, None]) / len(targets)  # [network, point, 1]
        for layer in range(len(parts) - 1, -1, -1):
            inputs = outputs[layer]  # [network, point, input + 1]
            np.matmul(inputs.transpose(0, 2, 1), delta, out=parts[layer])
            if layer:
                delta = (delta @ self._weights[layer][:, :-1].transpose(0, 2, 1)) * (inputs[:, :, :-1] > 0.0)

    def _forward(self, points: FloatArray) -> list[FloatArray]:
        """Return the inputs of each layer [network, point, input + 1] and the outputs [network, point, 1]."""
        outputs = [np.broadcast_to(points, (self._members, *points.shape))]
        for weights in self._weights[:-1]:
            outputs.append(_with_bias(np.maximum(outputs[-1] @ weights, 0.0)))
        outputs.append(outputs[-1] @ self._weights[-1])
        return outputs

    def predict(self, x: Features) -> tuple[FloatArray, FloatArray]:
        predicted = self._forward(_with_bias(x.toarray().astype(np.float32)))[-1][:, :, 0].astype(np.float64)  # [network, point]
        return self._mean + self._scale * predicted.mean(axis=0), self._scale * predicted.std(axis=0)


class Forest(Predictor):
    """scikit-learn's random forest with 100 trees; the deviation is that of its trees.

    Args:
        rng: generator of the forests' seeds.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def fit(self, x: Features, y: FloatArray) -> None:
        from sklearn.ensemble import RandomForestRegressor  # its import takes a second

        seed = int(self._rng.integers(2**31))
        self._forest = RandomForestRegressor(max_features="sqrt", random_state=seed).fit(x.toarray(), y)

    def predict(self, x: Features) -> tuple[FloatArray, FloatArray]:
        points = x.toarray().astype(np.float32)
        predicted = np.array([tree.predict(points) for tree in self._forest.estimators_])  # [tree, point]
        return predicted.mean(axis=0), predicted.std(axis=0)


def _with_bias(points: FloatArray) -> FloatArray:
    """Return points [..., input] with a last input of 1."""
    return np.concatenate((points, np.ones_like(points[..., :1])), axis=-1)
