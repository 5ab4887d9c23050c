"""What every search is: an object that is asked for the next evaluation and told the result.

    search = RegularizedEvolution(space, seed=0)
    while budget_left:
        query = search.ask()                       # which architecture, for how many epochs
        search.tell(query, accuracy_of(query))     # validation accuracy, percent
    print(space.to_string(search.incumbent))

A search never sees a table, a clock or a test set: whoever calls it owns the loop, the budget and the log.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from benchmark_api.registry import Registry
from benchmark_api.spaces import Architecture, SearchSpace


class Query(NamedTuple):
    """One evaluation that a search asks for.

    Attributes:
        architecture: what to train.
        epochs: for how many epochs of the schedule; None for all of them.
    """

    architecture: Architecture
    epochs: int | None = None


@dataclass(frozen=True)
class NoConfig:
    """An algorithm without hyperparameters."""


class SearchFinished(Exception):
    """Raised by `ask` when the search has nothing left to ask for (its own plan is done, or the space is exhausted)."""


class BlackBoxSearch(ABC):
    """A sequential black-box search over a space.

    A subclass sets the class attributes, implements `_start`, `_propose` and `_observe`, and is listed with `register`.

    Args:
        space: the search space.
        config: the algorithm's hyperparameters, an instance of `Config`; None for the defaults.
        seed: a seed or a generator; all randomness of the run comes from it.
        max_epochs: epochs of the full schedule at which candidates are compared (12 in NATS-Bench); searches of several
            fidelities need it, others ignore it.

    Raises:
        ValueError: a hyperparameter is out of range.
        TypeError: `config` is not an instance of the algorithm's `Config`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    Config: ClassVar[type] = NoConfig
    incumbent_rule: ClassVar[Literal["highest-fidelity", "any-fidelity"]] = "highest-fidelity"
    """Which evaluations compete for the incumbent: those with most epochs so far, or all of them mixed."""
    ignores_budget: ClassVar[bool] = False
    """The search runs its own plan to the end, past any budget; a reporter cuts its trajectory at the budget."""

    def __init__(
        self,
        space: SearchSpace,
        config: object | None = None,
        *,
        seed: int | np.random.Generator = 0,
        max_epochs: int = 12,
    ) -> None:
        if config is None:
            config = self.Config()
        if not isinstance(config, self.Config):
            raise TypeError(f"{self.name} takes a {self.Config.__qualname__}, got {type(config).__qualname__}")
        self.space = space
        self.config = config
        self.rng = np.random.default_rng(seed)
        self.max_epochs = max_epochs
        self.incumbent: Architecture | None = None
        self.incumbent_accuracy = float("-inf")  # percent
        self._incumbent_epochs = 0
        self._pending: Query | None = None
        self._start()

    def _start(self) -> None:  # noqa: B027 (a search without state of its own needs none)
        """Make the state that the search begins with; all of the above is set by then."""

    def ask(self) -> Query:
        """The next evaluation to make.

        Raises:
            RuntimeError: the last query has not been told yet.
            SearchFinished: there is nothing left to ask for.
        """
        if self._pending is not None:
            raise RuntimeError(f"{self.name}: ask() called twice; tell() the result of {self._pending} first")
        self._pending = query = self._propose()
        return query

    def tell(self, query: Query, accuracy: float) -> None:
        """Report the validation accuracy of the query that `ask` returned.

        Args:
            query: what `ask` returned.
            accuracy: percent; NaN counts as a failed evaluation, worse than any other.

        Raises:
            RuntimeError: `query` is not the one that was asked for.
        """
        if query != self._pending:
            raise RuntimeError(f"{self.name}: tell() got {query}, but {self._pending or 'nothing'} was asked for")
        self._pending = None
        if accuracy != accuracy:  # NaN
            accuracy = float("-inf")
        epochs = query.epochs or self.max_epochs
        if self.incumbent_rule == "any-fidelity":
            better = accuracy > self.incumbent_accuracy
        else:
            better = (epochs, accuracy) > (self._incumbent_epochs, self.incumbent_accuracy)
        if better or self.incumbent is None:  # the first one stays on ties
            self.incumbent, self.incumbent_accuracy, self._incumbent_epochs = query.architecture, accuracy, epochs
        self._observe(query, accuracy)

    @abstractmethod
    def _propose(self) -> Query:
        """The next query."""

    @abstractmethod
    def _observe(self, query: Query, accuracy: float) -> None:
        """Learn from a result: percent, or -inf for a failed evaluation."""


BLACK_BOX: Registry[type[BlackBoxSearch]] = Registry("black-box search")
"""Every registered black-box search by its name."""

register = BLACK_BOX.register
