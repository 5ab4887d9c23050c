"""Base class of black-box searches: ask for an architecture, train it, tell the result.

    search = RegularizedEvolution(space, seed=0)
    while budget_left:
        query = search.ask()                       # an architecture and a number of epochs
        search.tell(query, accuracy_of(query))     # validation accuracy, percent, or an Evaluation
    print(space.to_string(search.incumbent))

A search never sees a table, a clock or a test set: the caller owns the loop, the budget and the log.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import isinf
from numbers import Real
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from benchmark_api.registry import Registry
from benchmark_api.spaces import Architecture, SearchSpace
from benchmark_api.tables.evaluation import Evaluation, Need, Query
from benchmark_api.tables.metrics import Direction

__all__ = [
    "BLACK_BOX", "AskTell", "BlackBoxSearch", "Evaluation", "NoConfig", "Query", "ResultsPending", "SearchFinished", "register",
]  # fmt: skip


@dataclass(frozen=True)
class NoConfig:
    """Configuration of a search without hyperparameters."""


class SearchFinished(Exception):
    """Raised by `ask` at the end of a search: its own plan is done, or the space is exhausted."""


class ResultsPending(Exception):
    """Raised by `ask` where the next query depends on results that are pending: tell one of them, then ask again."""


class AskTell(Protocol):
    """What the loop of a run needs of a search: wrappers of searches have it as well."""

    @property
    def incumbent_number(self) -> int | None:
        """Number of the incumbent's evaluation, see `BlackBoxSearch`."""

    def ask(self) -> Query:
        """Return the next query, as `BlackBoxSearch.ask` does."""

    def tell(self, query: Query, evaluation: Evaluation, /) -> None:
        """Report the result of a query, as to `BlackBoxSearch.tell`."""


class BlackBoxSearch(ABC):
    """A black-box search over a space.

    A subclass sets the class attributes, implements `_start`, `_propose` and `_observe`, and is listed with `register`.

    Args:
        space: the search space.
        config: hyperparameters, an instance of `Config`; None for the defaults.
        seed: a seed or a generator; the only source of randomness.
        max_epochs: epochs of the full schedule at which candidates are compared (12 in NATS-Bench).
        task: space, images and skeleton (an `algorithms.one_shot` task), for searches that need one.
        directions: metrics of the table by name, and whether less or more is better, for searches that need costs; None where
            nothing is known of them, so that less is better.

    Attributes:
        incumbent: best architecture so far; None before the first successful evaluation.
        incumbent_accuracy: its validation accuracy, percent; -inf where there is no incumbent.
        incumbent_number: number of its evaluation, counted from 0 in the order of `tell`; None where there is no incumbent.

    Raises:
        ValueError: a hyperparameter is out of range, or the search needs a task and got none.
        TypeError: `config` is not an instance of the search's `Config`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    registry: ClassVar[Registry[Any]]
    """The registry of all black-box searches."""
    Config: ClassVar[type] = NoConfig
    needs: ClassVar[frozenset[Need]] = frozenset()
    """What the search needs besides the accuracy of a full training."""
    max_pending: ClassVar[int | None] = 1
    """Largest number of queries that may await their results: 1 for a sequential search, None for no limit."""
    incumbent_rule: ClassVar[Literal["highest-fidelity", "any-fidelity", "own", "front"]] = "highest-fidelity"
    """Evaluations that compete for the incumbent: those with most epochs so far, all of them, or as `_improves` decides. "front":
    the search has several objectives and finds a front (`algorithms.black_box.objectives`); `incumbent` is its most accurate
    architecture."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Packages, other than NumPy and SciPy, that compute for the search; their versions are stored with its runs."""
    ignores_budget: ClassVar[bool] = False
    """Whether the search runs its own plan to the end, past any budget; reports cut its trajectory at the budget."""
    reproduce_seeds: ClassVar[int] = 500
    """Number of runs on each dataset that `python -m experiments reproduce` makes by default; fewer for slow searches."""

    def __init__(
        self,
        space: SearchSpace,
        config: object | None = None,
        *,
        seed: int | np.random.Generator = 0,
        max_epochs: int = 12,
        task: Any = None,
        directions: Mapping[str, Direction] | None = None,
    ) -> None:
        if config is None:
            config = self.Config()
        if not isinstance(config, self.Config):
            raise TypeError(f"{self.name} takes a {self.Config.__qualname__}, got {type(config).__qualname__}")
        if "task" in self.needs and task is None:
            raise ValueError(f"{self.name} needs a task with images")
        self.space = space
        self.config = config
        self.rng = np.random.default_rng(seed)
        self.max_epochs = max_epochs
        self.task = task
        self.directions = directions
        self.incumbent: Architecture | None = None
        self.incumbent_accuracy = float("-inf")
        self.incumbent_number: int | None = None
        self._incumbent_epochs = 0
        self._told = 0
        self._pending: dict[int, Query] = {}  # by identity: a search through hundreds of them would take longer than all else
        self._start()

    def _start(self) -> None:  # noqa: B027 (optional hook)
        """Initialise the state of the search; called at the end of the constructor."""

    @classmethod
    def training_epochs(cls, config: Any, max_epochs: int) -> Collection[int]:
        """Return the lengths of the trainings that a search may ask for, in epochs.

        A search that needs fidelities may ask for any length, unless it overrides this.

        Args:
            config: hyperparameters, an instance of `Config`.
            max_epochs: epochs of the full schedule.
        """
        return range(1, max_epochs + 1) if "fidelities" in cls.needs else (max_epochs,)

    @classmethod
    def without_fidelities(cls, max_epochs: int) -> dict[str, Any] | None:
        """Return hyperparameters with which the search asks for full trainings only, for tables without shorter ones.

        Args:
            max_epochs: epochs of the full schedule.

        Returns:
            Fields of `Config` and their values; None where nothing would be left of the search.
        """
        return None if "fidelities" in cls.needs else {}

    def ask(self) -> Query:
        """Return the next query.

        Raises:
            RuntimeError: as many queries as allowed are pending.
            ResultsPending: the next query depends on results that are pending.
            SearchFinished: the search is over.
        """
        pending = self._pending
        if pending and self.max_pending is not None and len(pending) >= self.max_pending:
            kind = "this search is sequential" if self.max_pending == 1 else f"at most {self.max_pending} queries may be pending"
            raise RuntimeError(f"{self.name}: ask() called before tell() of {next(iter(pending.values()))}; {kind}")
        query = self._propose()
        key = id(query)
        if key in pending:  # the search has proposed this very object before
            query = Query(*query)
            key = id(query)
        pending[key] = query
        return query

    def tell(self, query: Query, accuracy: Evaluation | float) -> None:
        """Report the result of a query. Arguments are checked before any state changes: a query that is refused stays pending.

        Args:
            query: a query that `ask` returned and that is pending.
            accuracy: validation accuracy in percent, NaN for a failed evaluation; or an evaluation, which holds more. A NumPy
                scalar or a 0-d tensor will do; it is kept as a float.

        Raises:
            RuntimeError: the query is not pending.
            TypeError: the accuracy is not a number; a truth value is none.
            ValueError: the accuracy is infinite.
        """
        evaluation = accuracy if isinstance(accuracy, Evaluation) else Evaluation(accuracy)
        accuracy = evaluation.accuracy
        if type(accuracy) is not float:
            accuracy = _plain(accuracy)
            evaluation = evaluation._replace(accuracy=accuracy)
        if isinf(accuracy):
            raise ValueError(f"accuracy must be finite, or NaN for a failed evaluation, got {accuracy}")
        if self._pending.pop(id(query), None) is None:
            self._remove_equal(query)
        if accuracy == accuracy and self._improves(query, evaluation):  # not NaN
            self.incumbent, self.incumbent_accuracy, self.incumbent_number = query.architecture, accuracy, self._told
            self._incumbent_epochs = query.epochs or self.max_epochs
        self._told += 1
        self._observe(query, evaluation)

    def _remove_equal(self, query: Query) -> None:
        """Remove a pending query that is equal to another object; RuntimeError where there is none."""
        for key, asked in self._pending.items():
            if asked == query:
                del self._pending[key]
                return
        pending = ", ".join(map(str, self._pending.values())) or "nothing"
        raise RuntimeError(f"{self.name}: tell() got {query}, but {pending} was asked for")

    def _improves(self, query: Query, evaluation: Evaluation) -> bool:
        """Whether a successful evaluation becomes the incumbent; a subclass with the incumbent rule "own" overrides this."""
        epochs = query.epochs or self.max_epochs
        if epochs == self._incumbent_epochs or self.incumbent_rule == "any-fidelity":
            return evaluation.accuracy > self.incumbent_accuracy
        return epochs > self._incumbent_epochs

    @abstractmethod
    def _propose(self) -> Query:
        """Choose the next query."""

    @abstractmethod
    def _observe(self, query: Query, evaluation: Evaluation) -> None:
        """Learn from a result; a failed evaluation has a NaN accuracy and a score of -inf."""


def _plain(number: Any) -> float:
    """Return a number of any library as a float; TypeError for what is no number."""
    scalar = number.item() if getattr(number, "shape", None) == () else number  # of NumPy, PyTorch and their like
    if isinstance(scalar, bool) or not isinstance(scalar, Real):
        given = " ".join(repr(number).split())[:100]  # one line, of an array too
        raise TypeError(f"accuracy must be a number, percent, or an Evaluation, got {given}")
    return float(scalar)


BLACK_BOX: Registry[type[BlackBoxSearch]] = Registry("black-box search", texts=("title", "paper"))
"""Registered black-box searches by name."""

BlackBoxSearch.registry = BLACK_BOX
register = BLACK_BOX.register
