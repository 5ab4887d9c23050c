"""Predictor-guided search: a model of all accuracies so far chooses what to train next.

The parts are apart: an encoding and a model (`algorithms.black_box.predictors`), candidates (`algorithms.black_box.candidates`)
and an acquisition function (`algorithms.black_box.acquisition`). A subclass names them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from algorithms.black_box.acquisition import ACQUISITIONS, AcquisitionName
from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query, SearchFinished
from algorithms.black_box.candidates import Candidates, Mutations, WholeSpace
from algorithms.black_box.predictors.base import Predictor
from algorithms.black_box.predictors.encodings import Encoding, Features
from benchmark_api.bounds import Bounded, at_least, between
from benchmark_api.spaces import Architecture
from benchmark_api.types import FloatArray, IntArray

LEAST_ERROR = 0.01
"""Smallest error, percent, whose logarithm is a target."""


@dataclass(frozen=True)
class PredictorGuidedConfig(Bounded):
    """Hyperparameters of predictor-guided searches."""

    initial: Annotated[int, at_least(1)] = 10
    """Architectures drawn at random before the first model."""

    batch: Annotated[int, at_least(1)] = 10
    """Architectures that are chosen by one model (k)."""

    acquisition: AcquisitionName = "its"
    """Independent Thompson sampling, expected improvement, mean plus half a deviation, or mean."""

    pool: Literal["mutations", "all"] = "mutations"
    """Candidates: mutations of the best architectures and random ones, or the whole space."""

    pool_size: Annotated[int, at_least(1)] = 100
    """Number of candidates, unless they are the whole space."""

    parents: Annotated[int, at_least(1)] = 10
    """Number of best architectures that are mutated."""

    random_share: Annotated[float, between(0, 1)] = 0.0
    """Share of the candidates that are random."""


class PredictorGuidedSearch(BlackBoxSearch):
    """A search that fits a model, and asks for the candidates with the best values of an acquisition function.

    No architecture is asked for twice; the search is over when none is left. Failed evaluations teach the model nothing. The
    model predicts -log(100 - accuracy): differences between good architectures are small in percent.
    """

    max_pending = None
    Config = PredictorGuidedConfig
    config: PredictorGuidedConfig

    @abstractmethod
    def make_encoding(self) -> Encoding:
        """Return the encoding of architectures."""

    @abstractmethod
    def make_predictor(self) -> Predictor:
        """Return a model that has seen nothing."""

    def make_candidates(self) -> Candidates:
        """Return the candidates."""
        config = self.config
        if config.pool == "all":
            return WholeSpace(self.encoding)
        return Mutations(self.encoding, config.pool_size, config.parents, config.random_share)

    def _start(self) -> None:
        self.encoding = self.make_encoding()
        self.predictor = self.make_predictor()
        self.candidates = self.make_candidates()
        self._known: list[Architecture] = []
        self._targets: list[float] = []  # of those that are known
        self._learned = 0  # number of them that the model has seen
        self._asked: set[Architecture] = set()
        self._chosen: deque[Architecture] = deque()
        self._gains: FloatArray = np.empty(0)  # of the candidates [point]; -inf for those that cannot be chosen

    def _propose(self) -> Query:
        if not self._chosen:
            if len(self._asked) == len(self.space):
                raise SearchFinished(f"{self.name}: all {len(self.space)} architectures are trained")
            if self._ready:
                self._choose()
            else:
                self._chosen.append(self._random())
        return Query(self._chosen.popleft())

    @property
    def _ready(self) -> bool:
        """Whether there are enough results for a model."""
        return len(self._known) >= self.config.initial and min(self._targets) < max(self._targets)

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        if evaluation.accuracy == evaluation.accuracy:  # not failed
            self._known.append(query.architecture)
            self._targets.append(-float(np.log(max(100.0 - evaluation.accuracy, LEAST_ERROR))))
        else:  # New candidates for each failure, as outside of limits, would take most of a run's time.
            self._take(1)

    def _random(self) -> Architecture:
        while (drawn := self.space.sample(self.rng)) in self._asked:
            pass
        self._note(drawn)
        return drawn

    def _note(self, architecture: Architecture) -> None:
        self._asked.add(architecture)
        self.candidates.exclude(architecture)

    def _choose(self) -> None:
        """Choose the next batch: candidates with the best values of the acquisition function, in descending order."""
        targets = np.array(self._targets)
        # Rejected candidates leave fewer results than a batch: a model for each of them would take most of a run's time.
        if not self._learned or len(targets) - self._learned >= self.config.batch:
            self.predictor.fit(self.encoding(np.array(self._known)), targets)
            self._learned = len(targets)
        ranking = np.argsort(-targets, kind="stable").tolist()
        self._value([self._known[number] for number in ranking], float(targets.max()))
        self._take(self.config.batch)

    def _value(self, best_first: list[Architecture], best: float) -> None:
        """Make new candidates and value them, given trained architectures in descending order and the best target."""
        points, is_open = self.candidates.points(best_first, self.rng)
        mean, deviation = self._predict(points)
        self._gains = ACQUISITIONS[self.config.acquisition](mean, deviation, best, self.rng)
        self._gains[~is_open] = -np.inf

    def _predict(self, points: Features) -> tuple[FloatArray, FloatArray]:
        """Return means and standard deviations of the targets of points after full training."""
        return self.predictor.predict(points)

    def _take(self, number: int) -> None:
        """Add so many candidates with the best values to the chosen ones, fewer where no more are left."""
        for _ in range(min(number, int(np.isfinite(self._gains).sum()))):
            best: IntArray = np.flatnonzero(self._gains == self._gains.max())
            point = int(best[int(self.rng.random() * len(best))])  # at random among ties
            self._gains[point] = -np.inf
            self._chosen.append(self.candidates.take(point, self.rng))
            self._note(self._chosen[-1])
