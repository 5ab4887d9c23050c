"""Models of predictor-guided searches as a run fits them, against the same fits by scikit-learn."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct
from sklearn.neural_network import MLPRegressor

from algorithms.black_box.predictors.encodings import Encoding, Features, Paths
from algorithms.black_box.predictors.ensembles import BATCH, Networks
from algorithms.black_box.predictors.gaussian_process import NOISES, GaussianProcess
from algorithms.black_box.predictors.weisfeiler_lehman import WeisfeilerLehman
from benchmark_api.spaces import TopologySpace
from benchmark_api.types import FloatArray

SPACE = TopologySpace()
CANDIDATES = 100


def drawn(encoding: Encoding, number: int, seed: int) -> Features:
    """Feature vectors of random cells [cell, feature]."""
    return encoding(np.random.default_rng(seed).integers(0, 5, (number, 6)))


def targets(number: int) -> FloatArray:
    return np.random.default_rng(1).standard_normal(number)


@pytest.mark.benchmark(group="Gaussian process of 10 to 150 cells, one more at a time, at 100 new candidates each")
@pytest.mark.parametrize("by", ["own", "sklearn"])
def test_gaussian_process(rounds: Any, by: str) -> None:
    """The same kernel and noise; neither optimises anything."""
    encoding = WeisfeilerLehman(SPACE, 2)
    trained, y = drawn(encoding, 150, seed=0), targets(150)
    candidates = {number: drawn(encoding, CANDIDATES, seed=number) for number in range(10, 151)}

    def own() -> None:
        process = GaussianProcess(max_noise=NOISES[0])
        for number, points in candidates.items():
            process.fit(trained[:number], y[:number])
            process.predict(points)

    def sklearn() -> None:
        for number, points in candidates.items():
            x = unit(trained[:number])
            process = GaussianProcessRegressor(DotProduct(0.0, "fixed"), alpha=NOISES[0], optimizer=None)
            process.fit(x, y[:number]).predict(unit(points), return_std=True)

    rounds(own if by == "own" else sklearn)


def unit(x: Features) -> FloatArray:
    vectors: FloatArray = x.toarray()
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.benchmark(group="five networks on the paths of 100 cells, 150 epochs")
@pytest.mark.parametrize("by", ["own", "sklearn"])
def test_networks(rounds: Any, by: str) -> None:
    """Layers, steps and the optimiser are the same; scikit-learn's loss is the squared error, and its networks train in turn."""
    x, y = drawn(Paths(SPACE), 100, seed=0), targets(100)

    def own() -> None:
        Networks(5, 2, 20, 150, 0.01, np.random.default_rng(0)).fit(x, y)

    def sklearn() -> None:
        options: dict[str, Any] = {"batch_size": BATCH, "learning_rate_init": 0.01, "max_iter": 150, "n_iter_no_change": 150}
        points = x.toarray().astype(np.float32)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # all epochs are wanted
            for seed in range(5):
                MLPRegressor(hidden_layer_sizes=(20, 20), alpha=0.0, random_state=seed, **options).fit(points, y)

    rounds(own if by == "own" else sklearn)
