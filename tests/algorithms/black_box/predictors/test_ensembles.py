"""Ensembles: gradients by finite differences, training, and the spread of members."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestRegressor

from algorithms.black_box.predictors.base import Predictor
from algorithms.black_box.predictors.ensembles import Forest, Networks


def problem(points: int = 120) -> tuple[sparse.csr_array, np.ndarray]:
    """Bits [point, feature] and targets [point] with a product."""
    x = np.random.default_rng(0).integers(0, 2, (points, 10)).astype(np.float64)
    return sparse.csr_array(x), 3.0 * x[:, 0] - 2.0 * x[:, 1] * x[:, 2] + x[:, 3]


def test_gradients() -> None:
    """Of the mean absolute error of each network, in all weights, by central differences."""
    networks = Networks(members=2, layers=2, width=4, epochs=1, rate=0.0, rng=np.random.default_rng(0))
    x, y = problem(8)
    networks.fit(x, y)
    networks._weights = [weights.astype(np.float64) for weights in networks._weights]
    points = np.concatenate((x.toarray(), np.ones((8, 1))), axis=1)
    gradients = [np.empty_like(weights) for weights in networks._weights]
    networks._gradient(points, y, gradients)

    def loss() -> float:
        return float(np.abs(networks._forward(points)[-1][:, :, 0] - y).mean(axis=1).sum())

    for weights, gradient in zip(networks._weights, gradients, strict=True):
        for position in np.ndindex(*weights.shape):
            kept = weights[position]
            losses = []
            for step in (1e-6, -1e-6):
                weights[position] = kept + step
                losses.append(loss())
            weights[position] = kept
            assert gradient[position] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-6)


@pytest.mark.parametrize(
    "predictor",
    [Networks(5, 2, 20, 150, 0.01, np.random.default_rng(1)), Forest(np.random.default_rng(1))],
    ids=["networks", "forest"],
)
def test_they_learn(predictor: Predictor) -> None:
    x, y = problem()
    predictor.fit(x[:100], y[:100])
    mean, deviation = predictor.predict(x[100:])
    assert np.corrcoef(mean, y[100:])[0, 1] > 0.95
    assert (deviation >= 0.0).all()
    assert deviation.max() > 0.0


def test_deviation_of_the_forest_is_that_of_its_trees() -> None:
    x, y = problem()
    forest = Forest(np.random.default_rng(3))
    forest.fit(x, y)
    seed = int(np.random.default_rng(3).integers(2**31))
    own = RandomForestRegressor(max_features="sqrt", random_state=seed).fit(x.toarray(), y)
    mean, deviation = forest.predict(x)
    np.testing.assert_allclose(mean, own.predict(x.toarray()))
    np.testing.assert_allclose(deviation, np.std([tree.predict(x.toarray()) for tree in own.estimators_], axis=0))
