"""f-Hyperband: Hyperband whose rungs stop trainings that are not expected to be promoted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from algorithms.black_box.base import Evaluation, Query, register
from algorithms.black_box.hyperband import HalvingConfig, Hyperband
from algorithms.black_box.learning_curves import CurveConfig, SequentialRegression
from benchmark_api.bounds import between


@register
class FHyperband(Hyperband):
    """Hyperband with sequential regression models of the accuracy at the end of each rung (section 5.2).

    The accuracy to beat is the worst that would be promoted of a rung's results so far; on the last rung, the best of all whole
    trainings. A stopped training has the accuracy of its forecast. With a stop probability above 1 it is Hyperband itself.
    """

    name = "f-hyperband"
    title = "f-Hyperband"
    paper = "Baker et al., Accelerating Neural Architecture Search using Performance Prediction, 2017, arXiv 1705.10823"
    needs = frozenset({"fidelities", "parts", "curves", "costs"})
    max_pending = 1  # the next epoch depends on the last one
    libraries = ("scikit-learn",)
    reproduce_seeds = 100

    @dataclass(frozen=True)
    class Config(CurveConfig, HalvingConfig):
        """Hyperparameters of f-Hyperband."""

        full_share: Annotated[float, between(0, 1)] = 0.3333
        """Share of the trainings of a rung that are not watched, rounded up (κ)."""

    config: Config

    def _start(self) -> None:
        super()._start()
        self._regressions: dict[int, SequentialRegression] = {}  # by the epochs of the rung
        self._asked: Query | None = None  # what Hyperband asked for; trained now
        self._epochs = 0  # that it was trained for so far

    @classmethod
    def training_epochs(cls, config: Any, max_epochs: int) -> list[int]:
        return [*range(1, max_epochs + 1)] if config.stop_probability <= 1.0 else super().training_epochs(config, max_epochs)

    def _propose(self) -> Query:
        if self._asked is None:
            self._asked, self._epochs = super()._propose(), 0
        if not self._watched() or self._epochs + 1 == self._rungs[0].epochs:
            return self._asked._replace(continues=self._epochs > 0)  # to the end of the rung
        return Query(self._asked.architecture, self._epochs + 1, continues=self._epochs > 0)

    def _watched(self) -> bool:
        """Whether the training may stop early."""
        candidates, epochs = self._rungs[0]
        enough = len(self._results) >= math.ceil(self.config.full_share * candidates)
        ready = epochs in self._regressions and self._regressions[epochs].ready
        return ready and enough and self.config.stop_probability <= 1.0

    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        assert self._asked is not None
        epochs = self._rungs[0].epochs
        if evaluation.accuracy == evaluation.accuracy:  # not failed
            if query.epochs == epochs:
                if epochs not in self._regressions:
                    self._regressions[epochs] = SequentialRegression(self.config, self.rng.spawn(1)[0])
                self._regressions[epochs].add(evaluation.curve, evaluation.costs)
            elif stopped := self._regressions[epochs].stops(evaluation, self._to_beat()):
                evaluation = stopped
            else:
                self._epochs += 1
                return
        asked, self._asked = self._asked, None
        super()._observe(asked, evaluation)

    def _to_beat(self) -> float:
        """Return the accuracy that a training must exceed, percent; -inf before there are as many results as promotions."""
        if len(self._rungs) == 1:
            return self.incumbent_accuracy if self._incumbent_epochs == self.max_epochs else -math.inf
        promoted = self._rungs[1].candidates
        scores = sorted((score for score, _ in self._results), reverse=True)
        return scores[promoted - 1] if len(scores) >= promoted else -math.inf
