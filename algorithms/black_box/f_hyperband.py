"""f-Hyperband: Hyperband whose rungs stop trainings that are not expected to be promoted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from algorithms.black_box.base import Evaluation, Query, register
from algorithms.black_box.hyperband import HalvingConfig, Hyperband
from algorithms.black_box.learning_curves import CurveConfig
from algorithms.black_box.watched_trainings import WatchedTrainings
from benchmark_api.bounds import between


@register
class FHyperband(WatchedTrainings, Hyperband):
    """Hyperband with sequential regression models of the accuracy at the end of each rung (section 5.2).

    The accuracy to beat is the worst that would be promoted of a rung's results so far; on the last rung, the best of all whole
    trainings. A stopped training has the accuracy of its forecast. With a stop probability above 1 it is Hyperband itself.
    """

    name = "f-hyperband"
    title = "f-Hyperband"
    paper = "Baker et al., Accelerating Neural Architecture Search using Performance Prediction, 2017, arXiv 1705.10823"

    @dataclass(frozen=True)
    class Config(CurveConfig, HalvingConfig):
        """Hyperparameters of f-Hyperband."""

        full_share: Annotated[float, between(0, 1)] = 0.3333
        """Share of the trainings of a rung that are not watched, rounded up (κ)."""

    config: Config

    @classmethod
    def training_epochs(cls, config: Any, max_epochs: int) -> list[int]:
        return [*range(1, max_epochs + 1)] if config.stop_probability <= 1.0 else super().training_epochs(config, max_epochs)

    def _ask(self) -> Query:
        return Hyperband._propose(self)

    def _tell(self, query: Query, evaluation: Evaluation) -> None:
        Hyperband._observe(self, query, evaluation)

    def _watched(self, epochs: int) -> bool:
        return super()._watched(epochs) and len(self._results) >= math.ceil(self.config.full_share * self._rungs[0].candidates)

    def _to_beat(self) -> float:
        if len(self._rungs) == 1:
            return self.incumbent_accuracy if self._incumbent_epochs == self.max_epochs else -math.inf
        promoted = self._rungs[1].candidates
        scores = sorted((score for score, _ in self._results), reverse=True)
        return scores[promoted - 1] if len(scores) >= promoted else -math.inf
