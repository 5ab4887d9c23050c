"""MOBSTER: asynchronous successive halving whose new architectures a Gaussian process of all rungs chooses.

Klein et al., Model-based Asynchronous Hyperparameter and Neural Architecture Search, 2020, arXiv 2003.10865.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

import numpy as np

from algorithms.black_box.acquisition import AcquisitionName
from algorithms.black_box.base import Evaluation, Query, register
from algorithms.black_box.hyperband import HalvingConfig, rung_epochs
from algorithms.black_box.predictor_guided import PredictorGuidedConfig, PredictorGuidedSearch
from algorithms.black_box.predictors.base import Predictor
from algorithms.black_box.predictors.encodings import Encoding, Features
from algorithms.black_box.predictors.weisfeiler_lehman import WeisfeilerLehman
from benchmark_api.bounds import at_least, between, positive
from benchmark_api.spaces import Architecture
from benchmark_api.types import FloatArray, IntArray


@register
class MOBSTER(PredictorGuidedSearch):
    """Rungs of ASHA, whose trainings go on where they stopped, and a Gaussian process of (architecture, length of training).

    The kernel of two trainings is that of the architectures, times `correlation` where their lengths differ. New architectures
    have the largest expected improvement after full training, and begin on the lowest rung; the best of the eta-th part of a
    rung, by the model, go on.
    """

    name = "mobster"
    title = "MOBSTER"
    paper = "Klein et al., Model-based Asynchronous Hyperparameter and Neural Architecture Search, 2020, arXiv 2003.10865"
    needs = frozenset({"fidelities", "parts"})
    reproduce_seeds = 30

    @dataclass(frozen=True)
    class Config(HalvingConfig, PredictorGuidedConfig):
        """Hyperparameters of MOBSTER."""

        eta: Annotated[int, at_least(2)] = 2
        """One of eta architectures goes on to the next rung, which has eta times the epochs."""

        batch: Annotated[int, at_least(1)] = 1
        """Architectures that are chosen by one model."""

        acquisition: AcquisitionName = "ei"
        """Independent Thompson sampling, expected improvement, mean plus half a deviation, or mean."""

        random_share: Annotated[float, between(0, 1)] = 0.5
        """Share of the candidates that are random."""

        iterations: Annotated[int, between(0, 3)] = 2
        """Iterations of the Weisfeiler-Lehman kernel (h)."""

        correlation: Annotated[float, between(0, 1)] = 0.9
        """Correlation of the accuracies after trainings of different lengths, of the same architecture."""

        max_noise: Annotated[float, positive] = 1.0
        """Largest ratio of the variances of noise and signal."""

    config: Config

    def make_encoding(self) -> Encoding:
        return WeisfeilerLehman(self.space, self.config.iterations)

    def make_predictor(self) -> Predictor:
        from algorithms.black_box.predictors.gaussian_process import GaussianProcess  # it imports SciPy

        return GaussianProcess(self.config.max_noise)

    def _start(self) -> None:
        super()._start()
        self._epochs = self.training_epochs(self.config, self.max_epochs)  # [rung]
        self._rung_of: list[int] = []  # [result]
        self._on_rung: list[dict[Architecture, float]] = [{} for _ in self._epochs]  # targets
        self._promoted: list[set[Architecture]] = [set() for _ in self._epochs]
        self._means: dict[Architecture, float] = {}  # predictions after full training

    @classmethod
    def training_epochs(cls, config: Any, max_epochs: int) -> list[int]:
        return rung_epochs(config.min_epochs, max_epochs, config.eta)

    @classmethod
    def without_fidelities(cls, max_epochs: int) -> dict[str, Any]:
        return {"min_epochs": max_epochs}  # one rung: the model alone

    def _propose(self) -> Query:
        if self._ready:
            self._fit()
            for rung in range(len(self._epochs) - 2, -1, -1):  # the highest first, as in ASHA
                results, promoted = self._on_rung[rung], self._promoted[rung]
                if len(promoted) < len(results) // self.config.eta:
                    best = max((one for one in results if one not in promoted), key=self._means.__getitem__)
                    promoted.add(best)
                    return Query(best, self._epochs[rung + 1], continues=True)
        return super()._propose()._replace(epochs=self._epochs[0])

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        known = len(self._known)
        super()._observe(query, evaluation)
        if len(self._known) > known:
            rung = self._epochs.index(query.epochs or self.max_epochs)
            self._rung_of.append(rung)
            self._on_rung[rung][query.architecture] = self._targets[-1]

    def _fit(self) -> None:
        """Fit the model to all results, unless there is no new one."""
        if self._learned == len(self._known):
            return
        self._learned = len(self._known)
        rungs = np.array(self._rung_of)
        targets = np.array(self._targets) + self._shifts()[rungs]
        self.predictor.fit(self._features(self.encoding(np.array(self._known)), rungs), targets)
        self._best = float(targets[rungs == rungs.max()].max())
        architectures = [*self._on_rung[0]]
        means = self.predictor.means(self._of_full_trainings(self.encoding(np.array(architectures))))
        self._means = dict(zip(architectures, means.tolist(), strict=True))

    def _choose(self) -> None:
        self._value(sorted(self._means, key=lambda one: -self._means[one]), self._best)
        self._take(self.config.batch)

    def _predict(self, points: Features) -> tuple[FloatArray, FloatArray]:
        return self.predictor.predict(self._of_full_trainings(points))

    def _of_full_trainings(self, points: Features) -> Features:
        return self._features(points, np.full(points.shape[0], len(self._epochs) - 1))

    def _features(self, points: Features, rungs: IntArray) -> Features:
        """Return features whose dot product is the kernel: a part of all lengths, and one of the length of each rung [point]."""
        from scipy import sparse

        share, size = self.config.correlation, points.shape[1]
        first = size * (1 + np.repeat(rungs, np.diff(points.indptr)))  # feature of the rung [entry]
        indices = np.stack((points.indices, points.indices + first), axis=1).ravel()
        counts = np.outer(points.data, np.sqrt((share, 1.0 - share))).ravel()
        return sparse.csr_array((counts, indices, 2 * points.indptr), shape=(points.shape[0], size * (1 + len(self._epochs))))

    def _shifts(self) -> FloatArray:
        """Return what is added to the targets of each rung [rung]: the mean growth, to the highest rung with results."""
        shifts = np.zeros(len(self._epochs))
        for rung, (lower, upper) in reversed([*enumerate(pairwise(self._on_rung))]):
            if upper:
                shifts[rung] = shifts[rung + 1] + np.mean([target - lower[one] for one, target in upper.items()])
        return shifts
