"""Trainings that are watched epoch by epoch, and stop where a model of their learning curves expects nothing of them.

Section 4.1 of Baker et al., Accelerating Neural Architecture Search using Performance Prediction, arXiv 1705.10823.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from algorithms.black_box.base import BlackBoxSearch, Evaluation, Query
from algorithms.black_box.learning_curves import CurveConfig, SequentialRegression


class WatchedTrainings(BlackBoxSearch):
    """Base class of searches that watch their trainings; another search, the inner one, says what is trained.

    The inner search is told the accuracy of a whole training, or the forecast of one that stopped. With a stop probability above
    1 no training is watched.
    """

    needs = frozenset({"fidelities", "parts", "curves", "costs"})
    max_pending: ClassVar[int | None] = 1  # the next epoch depends on the last one
    libraries: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    reproduce_seeds = 100
    config: CurveConfig

    def _start(self) -> None:
        super()._start()
        self._regressions: dict[int, SequentialRegression] = {}  # by the epochs of whole trainings
        self._asked: Query | None = None  # what the inner search asked for; trained now
        self._epochs = 0  # that it was trained for so far

    @abstractmethod
    def _ask(self) -> Query:
        """Return the next query of the inner search."""

    @abstractmethod
    def _tell(self, query: Query, evaluation: Evaluation) -> None:
        """Report the end of a training to the inner search."""

    @abstractmethod
    def _to_beat(self) -> float:
        """Return the accuracy that a training must exceed, percent; -inf while there is none."""

    def _watched(self, epochs: int) -> bool:
        """Whether the current training, of so many epochs as a whole, may stop early."""
        return self.config.stop_probability <= 1.0 and epochs in self._regressions and self._regressions[epochs].ready

    def _propose(self) -> Query:
        if self._asked is None:
            self._asked, self._epochs = self._ask(), 0
        whole = self._asked.epochs or self.max_epochs
        if not self._watched(whole) or self._epochs + 1 == whole:
            return self._asked._replace(continues=self._epochs > 0)
        return Query(self._asked.architecture, self._epochs + 1, continues=self._epochs > 0)

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        assert self._asked is not None
        whole = self._asked.epochs or self.max_epochs
        if evaluation.accuracy == evaluation.accuracy:  # not failed
            if (query.epochs or self.max_epochs) == whole:
                self._learn(whole, evaluation)
            elif stopped := self._regressions[whole].stops(evaluation, self._to_beat()):
                evaluation = stopped
            else:
                self._epochs += 1
                return
        asked, self._asked = self._asked, None
        self._tell(asked, evaluation)

    def _learn(self, epochs: int, evaluation: Evaluation) -> None:
        """Learn from the curve of a whole training of so many epochs."""
        if epochs not in self._regressions:
            self._regressions[epochs] = SequentialRegression(self.config, self.rng.spawn(1)[0])
        self._regressions[epochs].add(evaluation.curve, evaluation.costs)
