"""Early stopping as a wrapper of any black-box search: trainings end that are not expected to improve on the best.

Section 4.1 of Baker et al., Accelerating Neural Architecture Search using Performance Prediction, arXiv 1705.10823.

    BLACK_BOX["rea+srm"]    # regularized evolution with early stopping; `run rea --early-stopping srm` runs it
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from types import new_class
from typing import Annotated, Any, ClassVar

from algorithms.black_box.base import BLACK_BOX, BlackBoxSearch, Evaluation, Query, register
from algorithms.black_box.learning_curves import CurveConfig
from algorithms.black_box.random_search import RandomSearch
from algorithms.black_box.reinforce import Reinforce
from algorithms.black_box.watched_trainings import WatchedTrainings
from benchmark_api.bounds import at_least, positive

SUFFIX = "+srm"
"""End of the name of a search with early stopping by sequential regression models."""


@dataclass(frozen=True)
class EarlyStoppingConfig(CurveConfig):
    """Hyperparameters of early stopping, next to those of the search."""

    stop_probability: Annotated[float, positive] = 0.99
    """Probability of no improvement at which a training stops (Δ); above 1 no training is watched."""

    stop_margin: Annotated[float, at_least(0)] = 0.0
    """Percent below the accuracy to beat that a training may end and still be of interest (δ)."""

    stop_rank: Annotated[int, at_least(1)] = 1
    """Rank of the accuracy to beat among the final accuracies so far: 1 for the best (y_BEST), n to find the top n."""


class EarlyStopping(WatchedTrainings):
    """A search whose trainings are watched epoch by epoch after a burn-in, and stopped early.

    The search sees what it would see without the wrapper, but for the accuracy of a stopped training, which is the forecast
    (section 5.1). Only whole trainings compete for the incumbent. With a stop probability above 1 it is the search itself.

    Args of a subclass:
        parent: the search.

    Raises:
        ValueError: the search trains at several lengths itself, or has its own rule of the incumbent.
    """

    Config = EarlyStoppingConfig
    parent_class: ClassVar[type[BlackBoxSearch]]
    config: EarlyStoppingConfig

    def __init_subclass__(cls, *, parent: type[BlackBoxSearch], **options: Any) -> None:
        super().__init_subclass__(**options)
        if "fidelities" in parent.needs or parent.incumbent_rule in ("own", "front"):
            reason = "trains at several lengths itself" if "fidelities" in parent.needs else "compares more than accuracies"
            raise ValueError(f"early stopping is for searches that compare whole trainings; {parent.name} {reason}")
        cls.parent_class, cls.name, cls.title = parent, parent.name + SUFFIX, f"{parent.title} + SRM"
        cls.paper = "Baker et al., Accelerating Neural Architecture Search using Performance Prediction, 2017, arXiv 1705.10823"
        cls.needs, cls.libraries = WatchedTrainings.needs | parent.needs, (*WatchedTrainings.libraries, *parent.libraries)
        joined = new_class("Config", (EarlyStoppingConfig, parent.Config))
        joined.__module__, joined.__qualname__ = cls.__module__, f"{cls.__qualname__}.Config"
        joined.__doc__ = f"Hyperparameters of {parent.name} and of early stopping."
        cls.Config = dataclass(frozen=True)(joined)

    def _start(self) -> None:
        super()._start()
        options: dict[str, Any] = {"max_epochs": self.max_epochs, "task": self.task}
        self._parent = self.parent_class(self.space, self.config, seed=self.rng, **options)
        self._finals: list[float] = []  # accuracies of whole trainings, percent, the best first

    @classmethod
    def training_epochs(cls, config: EarlyStoppingConfig, max_epochs: int) -> Collection[int]:
        return (
            range(1, max_epochs + 1) if config.stop_probability <= 1.0 else cls.parent_class.training_epochs(config, max_epochs)
        )

    def _ask(self) -> Query:
        return self._parent.ask()

    def _tell(self, query: Query, evaluation: Evaluation) -> None:
        self._parent.tell(query, evaluation)

    def _learn(self, epochs: int, evaluation: Evaluation) -> None:
        super()._learn(epochs, evaluation)
        self._finals = sorted([*self._finals, evaluation.accuracy], reverse=True)[: self.config.stop_rank]

    def _to_beat(self) -> float:
        """Return y_BEST - δ, percent, or the accuracy of the n-th best in place of y_BEST; -inf before there is one."""
        enough = len(self._finals) == self.config.stop_rank
        return self._finals[-1] - self.config.stop_margin if enough else float("-inf")


@register
class RandomSRM(EarlyStopping, parent=RandomSearch):
    """Random search with early stopping."""


@register
class ReinforceSRM(EarlyStopping, parent=Reinforce):
    """REINFORCE with early stopping."""


@cache
def early_stopped(parent: type[BlackBoxSearch]) -> type[BlackBoxSearch]:
    """Return a search with early stopping; ValueError where that is not possible (see `EarlyStopping`)."""

    def describe(namespace: dict[str, Any]) -> None:
        # The module is the search's: the code version of its runs covers it.
        namespace |= {"__module__": parent.__module__, "__doc__": f"{parent.title} with early stopping."}

    return new_class(f"{parent.__name__}SRM", (EarlyStopping,), {"parent": parent}, describe)


BLACK_BOX.derive(SUFFIX, early_stopped)
